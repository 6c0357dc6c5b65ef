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
// Deletion and metadata are EventStoreDB's: the records of stream $$s say what is visible of stream s, and only View
// applies that. Reads show every record, so a reader of the log misses nothing.
//
// The files, from the outside in: store.go (open, close, identity), append.go (the queue in front of the committer) and
// delete.go, commit.go (group commit), decide.go (expected revisions and repeats), plan.go (what a request writes),
// ending.go (what is known of a stream), metadata.go (View); read.go and scan.go, subscribe.go, governing.go and tail.go
// (what those who follow the log share); and format.go: the bytes on disk, which are versioned and must stay readable.
package embedded
