// Package eventstoredb is the event store in production: EventStoreDB, through its official client.
//
// A Store reconnects and resumes by itself. An append is repeated with the same event ids and the same expectation until
// it is answered; a read goes on after the last record it has given; a subscription does so for ever. None of this makes
// a gap or a repeat.
//
// # Lines
//
// The official client (v4.2.0) is good at the protocol and bad at losing a connection. What reading its source shows:
//
//   - When discovery fails the client closes itself for good. Calls of others that wait for a connection at that moment
//     wait for ever, whatever their contexts say.
//   - After UNAVAILABLE it looks for a node again inside the next call, which cannot be cancelled meanwhile, and forgets
//     to close the connection it had.
//   - Close panics in whoever is just asking for a connection or reporting a lost one.
//   - It panics at messages and trailers that it does not expect.
//
// None of these can happen to a client that is used by one call at a time and thrown away after the first sign of a lost
// connection. So that is what a line is: an official client, and with it a connection, that belongs to one call; lines.go
// keeps those that are free for half a minute. A line is good for one connection: gRPC would make another by itself, to
// whatever answers then, so a subscription to the store's identity watches it. It also keeps subscriptions, which live long, from using up the streams that a server
// allows on one connection. Discovery runs beside the call that waits for it, so that calls end with their contexts. The
// price is paid by many small appends at once, which would share system calls on one connection: on two cores that are
// server as well, 64 callers make a third to a half as many as on a shared client. Reads and subscriptions cost the same.
//
// Two faults cannot be kept away from outside the client: a node that answers not-leader, and names a leader that
// refuses connections, costs an open (idle) gRPC connection each time; and an event without a readable creation time
// ends the process. No EventStoreDB sends one.
//
// # Files
//
// From the outside in: store.go (open, close, identity), append.go and repeat.go (appends, and what to do when the answer
// is lost), read.go and subscribe.go, flow.go (records on their way from a connection to a caller), tries.go (how often
// and for how long), lines.go, connection.go (connection strings), record.go and errors.go (what comes over the wire).
package eventstoredb
