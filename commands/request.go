package commands

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"daybook/events"
	"daybook/events/id"
)

// Meta is who asks for something, through what, and why.
type Meta struct {
	// Command names the request, so that a repeat of it is recognised. Zero: the handler makes one up, and a repeat is
	// another request.
	Command id.Command
	Actor   events.Actor // "api:admin", "user:ID/key:ID", "platform:whatsapp", "policy:NAME"
	Source  string       // "api", "webhook", "cli", "policy:NAME"
	// Correlation groups everything that one request or delivery causes. Zero: a fresh one.
	Correlation id.Trace
	// Causation is the event or command before this one. Empty: the command itself.
	Causation string
}

// request is a command on its way through the loop.
type request struct {
	Meta

	account id.Account // whose books it is about; zero for the installation's own
	name    string     // of the command, part of the digest: never to be changed
	fields  any        // its clear fields; nil when it is recognised by natural keys, not by its id
}

// newRequest completes the meta data. Fields are the clear ones; nil means that the command's id recognises nothing.
func newRequest(meta Meta, account id.Account, name string, fields any) request {
	if meta.Command.IsZero() {
		meta.Command, fields = id.New[id.Command](), nil
	}
	if meta.Correlation.IsZero() {
		meta.Correlation = id.New[id.Trace]()
	}
	if meta.Causation == "" {
		meta.Causation = meta.Command.String()
	}
	return request{meta, account, name, fields}
}

// step is a request of its own that this one causes on another stream, recognised there by natural keys.
func (r request) step() request {
	r.Causation = r.Command.String()
	r.Command, r.fields = id.New[id.Command](), nil
	return r
}

// digest is SHA-256 over the command's name and clear fields, in hex; empty when it is not recognised by its id.
// Sealed fields are left out by their JSON tags: sealing the same text twice gives different bytes.
func (r request) digest() (string, error) {
	if r.fields == nil {
		return "", nil
	}
	text, err := json.Marshal(r.fields)
	if err != nil {
		return "", fmt.Errorf("digest of %s: %w", r.name, err)
	}
	sum := sha256.Sum256(append([]byte(r.name+"\n"), text...))
	return hex.EncodeToString(sum[:]), nil
}

// envelope is what all events of the request share.
func (r request) envelope(digest string, now time.Time) events.Envelope {
	return events.Envelope{
		Account: r.account, OccurredAt: now, RecordedAt: now, Actor: r.Actor, Source: r.Source,
		Correlation: r.Correlation, Causation: r.Causation, Command: r.Command, Digest: digest,
	}
}

// propose encodes what was decided. A conversation starts when its first message does.
func propose(shared events.Envelope, decided []events.Event) ([]events.Proposed, error) {
	proposed := make([]events.Proposed, len(decided))
	for i, event := range decided {
		origin := originOf(event, shared)
		envelope := shared
		envelope.OccurredAt = origin.at
		if _, starts := event.(events.ConversationStarted); starts && i+1 < len(decided) {
			envelope.OccurredAt = originOf(decided[i+1], shared).at
		}
		p, err := events.Encode(id.Event{}, event, envelope)
		if err != nil {
			return nil, err
		}
		p.ID = id.Derive[id.Event]("event", origin.fact, p.Type, origin.recipient)
		proposed[i] = p
	}
	return proposed, nil
}

// origin is where an event comes from, which its id is derived from: so the same fact gives the same id on every
// attempt. Facts of the platform have their own clock.
type origin struct {
	fact      string
	recipient string
	at        time.Time
}

func originOf(event events.Event, shared events.Envelope) origin {
	if o, found := conversationOrigin(event, shared); found {
		return o
	}
	if o, found := selfOrigin(event, shared); found {
		return o
	}
	switch e := event.(type) {
	case events.RateCardImported: // one file brings a card for each date
		at := shared.OccurredAt
		return origin{shared.Command.String(), shared.Digest + string(e.Currency) + string(e.EffectiveFrom), at}
	case events.APIKeyIssued: // each attempt has a secret of its own, and only the one that is stored counts
		return origin{shared.Command.String(), shared.Digest + e.SecretSHA256, shared.OccurredAt}
	case events.AccountRestricted: // one update may tell of several
		return toldOrigin(e, e.Kind, shared)
	case events.ToldEvent:
		return toldOrigin(e, "", shared)
	case events.UpdateQuarantined:
		return origin{fact: e.QuarantineID.String(), at: e.ReceivedAt}
	case events.UpdateRedriven:
		return origin{fact: e.QuarantineID.String(), at: e.RedrivenAt}
	}
	return commandOrigin(shared)
}

// commandOrigin is that of what nobody but the command tells. The digest keeps a command id that is reused for another
// request from looking like the same append to a store.
func commandOrigin(shared events.Envelope) origin {
	return origin{fact: shared.Command.String(), recipient: shared.Digest, at: shared.OccurredAt}
}

// toldOrigin is that of what the platform tells of an account. What an operator decides in its place is a command's.
func toldOrigin(e events.ToldEvent, which string, shared events.Envelope) origin {
	told := e.Told()
	if told.FactID.IsZero() {
		return commandOrigin(shared)
	}
	return origin{fact: told.FactID.String(), recipient: which, at: told.ToldAt}
}
