// Package commands turns requests into events: one Handler method per command, all on one loop.
//
// The loop folds a stream, lets a pure decision of package domain say what happens, and appends that at the revision it
// folded; when another writer came first it reads on and decides again. Every command returns the position of what it
// recorded, so that a reader can wait for it. A command that changes nothing returns the position of the stream's last
// event.
//
// Repeats are recognised in the fold. A command whose id the caller gave is remembered, with a digest of its clear
// fields, among the last 256 such commands of its stream: the same command again returns the recorded position without
// deciding; the same id with another digest is a *CommandReusedError. What the platform tells is recognised by its
// natural keys (message, status, recipient), however long ago it was.
//
// Errors: *domain.Rejection when a rule says no; *CommandReusedError; everything else is internal. After an internal
// error it is unknown whether anything was recorded: repeat the command with the same id.
package commands
