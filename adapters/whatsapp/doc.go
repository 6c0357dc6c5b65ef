// Package whatsapp is the way in from the WhatsApp Cloud API: the platform's webhook.
//
// A delivery is checked ([Verify]), taken apart into the smallest updates that stand alone, sealed, and recorded: each
// update lands exactly once in the stream of its conversation, or is kept whole in a quarantine stream of its own,
// however often and in whatever batches the platform repeats it. The platform hears 200 only when all of that is
// durable; until then it hears 503 and tries again.
//
//   - signature.go: the platform's signature
//   - json.go: a reader of objects and arrays that keeps every byte, order and repeated key
//   - parse.go, message.go, status.go, elsewhere.go: from a body to updates of conversations
//   - account_fields.go, template_fields.go, told.go: what is told of accounts and their templates
//   - intent.go: what a message asks for, found before it is sealed
//   - ingest.go, seal.go, quarantine.go: from updates to facts
//   - handler.go, problem.go: HTTP
//   - redrive.go: quarantined updates find their place later
package whatsapp
