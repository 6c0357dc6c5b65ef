// Package embedded is the event store that lives inside the process: durable, ordered, on Pebble.
//
// What it promises:
//   - An acknowledged append is on disk. No reader sees an append before that.
//   - The events of one append lie side by side in the log and become visible together, or not at all.
//   - Positions work like offsets in a file: they grow by the size of each record, so they have gaps.
//   - Readers hold no Pebble iterator, snapshot or lock while their caller works or waits.
//
// One goroutine, the committer, decides and writes all appends. It takes whatever waits at that moment, writes it as one
// Pebble batch, syncs once, moves the head, and then answers everybody. So there is one fsync for many appends under
// load, and no waiting when there is none.
//
// The files, from the outside in: store.go (open, close, identity), append.go (the queue in front of the committer),
// commit.go (group commit), decide.go (expected revisions and repeats), read.go and subscribe.go, and format.go: the
// bytes on disk, which are versioned and must stay readable.
package embedded
