// Package events is the published language: what has happened, in the past tense, with the names and bytes under which
// it is stored for ever.
//
//   - record.go: what an event store takes and gives; positions, revisions, expectations
//   - envelope.go: who, when and why, around every event
//   - catalogue.go: stored name and version of every event, and the upcasters of old versions
//   - append.go, scan.go: the JSON of what is written and read most, without reflection
//   - sealed.go: the format of personal data inside events
//   - account.go, devices.go, conversation.go, rates.go, billing.go, quarantine.go, store.go: the facts
//     themselves
//
// A stored event never changes. A new shape is a new version with an upcaster from the one before; golden files under
// testdata/golden pin every version.
package events
