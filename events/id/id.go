// Package id holds the typed identifiers of the published language.
//
// Every identifier is a UUID; the type parameter only keeps an account from being passed where a device is wanted.
// Identifiers that must come out the same on every attempt are derived (UUIDv5), never counted.
package id

import (
	"crypto/sha1" //nolint:gosec // RFC 9562 names this hash
	"encoding/binary"
	"fmt"

	"github.com/google/uuid"
)

// ID is a UUID of one kind. The zero value means "none" and marshals as the nil UUID.
// Embedding gives it text, JSON, binary and SQL encodings.
type ID[K any] struct{ uuid.UUID }

// The kinds. They exist at compile time only.
type (
	account      struct{}
	device       struct{}
	conversation struct{}
	customer     struct{}
	message      struct{}
	quarantine   struct{}
	event        struct{}
	command      struct{}
	key          struct{}
	store        struct{}
	fact         struct{}
	trace        struct{}
	user         struct{}
	apiKey       struct{}
	campaign     struct{}
	audience     struct{}
	template     struct{}
	timer        struct{}
)

// Identifiers of the domain and of the log.
type (
	Account      = ID[account]      // a business
	Device       = ID[device]       // a linked client of an account
	Conversation = ID[conversation] // one business number and one customer
	Customer     = ID[customer]     // a person, by a random id that only the vault can map to a number
	Message      = ID[message]      // one message, inbound or outbound
	Quarantine   = ID[quarantine]   // one update kept whole because it could not be recorded
	Event        = ID[event]        // one recorded event
	Command      = ID[command]      // one request to change something
	Key          = ID[key]          // one data key of the vault
	Store        = ID[store]        // one event store: a position means nothing without it
	Fact         = ID[fact]         // what a sealed value belongs to; bound into its associated data
	Trace        = ID[trace]        // correlation: everything that one request or delivery caused
	User         = ID[user]         // somebody who works for an account
	APIKey       = ID[apiKey]       // one key of a user to the API
	Campaign     = ID[campaign]     // one message to a whole audience
	Audience     = ID[audience]     // the customers that a campaign is for, as they were found once
	Template     = ID[template]     // one name and language of a template of the platform
	Timer        = ID[timer]        // something that is due at an instant
)

// New returns a fresh identifier. It is time-ordered (UUIDv7), which keeps index inserts local.
func New[T ID[K], K any]() T { return T{uuid.Must(uuid.NewV7())} }

// NewRandom returns an identifier that tells nothing, not even when it was made (UUIDv4).
func NewRandom[T ID[K], K any]() T { return T{uuid.New()} }

// Parse reads the canonical text form: 32 hexadecimal digits in groups of 8-4-4-4-12, in either case.
func Parse[T ID[K], K any](text string) (T, error) {
	u, err := uuid.Parse(text)
	if err != nil || len(text) != len("00000000-0000-0000-0000-000000000000") {
		return T{}, fmt.Errorf("%q is not a UUID", text)
	}
	return T{u}, nil
}

// Of gives an identifier of one kind the type of another, for the places where two are the same by definition:
// a message is the fact that its sealed fields belong to.
func Of[T ID[K], K any, F any](from ID[F]) T { return T{from.UUID} }

// namespace is the root of all derived identifiers. It must never change: stored ids depend on it.
var namespace = uuid.MustParse("5f3b0f4e-3c53-5d0c-9d7a-6b1f0e6a2d11")

// Derive computes an identifier from its parts (UUIDv5). Parts are length-prefixed, so ("ab","c") and ("a","bc") differ.
// The first part should name what is derived.
func Derive[T ID[K], K any](parts ...string) T {
	name := append(make([]byte, 0, 256), namespace[:]...)
	for _, part := range parts {
		name = binary.AppendUvarint(name, uint64(len(part)))
		name = append(name, part...)
	}
	sum := sha1.Sum(name) //nolint:gosec // as above; uuid.NewSHA1 does the same and allocates seven times
	derived := uuid.UUID(sum[:16])
	derived[6] = derived[6]&0x0f | 0x50 // version 5
	derived[8] = derived[8]&0x3f | 0x80 // variant of RFC 9562
	return T{derived}
}

// IsZero reports whether the identifier is unset. encoding/json's omitzero uses it.
func (i ID[K]) IsZero() bool { return i.UUID == uuid.Nil }

// Bytes returns the sixteen bytes, as Postgres drivers take them.
func (i ID[K]) Bytes() [16]byte { return i.UUID }
