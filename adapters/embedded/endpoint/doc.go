// Package endpoint serves an embedded store over EventStoreDB's gRPC protocol (version 24.10), so that its official
// clients work against it.
//
// There: ServerFeatures, Gossip, Streams (Read, Append, Delete, Tombstone), and of PersistentSubscriptions Create, which
// clients probe a server with. Everything else answers UNIMPLEMENTED and is not advertised.
//
// With TLS there are users (basic authentication): admin may do everything, the others everything but streams whose
// names begin with $, nobody without a name may touch a stream. Without TLS everybody may do everything.
//
// The files, from the outside in: server.go (listening, limits, shutdown), calls.go (what every call goes through),
// auth.go (who may do what), problems.go (status and trailers of what went wrong), then one file for each thing that a
// client can ask for. Nothing here remembers anything: the store is the only state.
package endpoint
