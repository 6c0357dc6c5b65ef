// Package audit posts every event of the store to the audit trail, undecoded.
//
// It never fails for what an event says: events of unknown types, with binary data, or without an envelope of ours are
// entries like any other. It owns the read model of the same name, and only ever adds to it.
package audit

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"

	"daybook/events/id"
	"daybook/projections"
	"daybook/readmodels/audit"
)

// Define returns the projection.
func Define() *projections.Projection {
	p := projections.New("audit", 1, audit.Schema)
	entries := projections.Append[audit.Entry](p, "entries")

	projections.OnAll(p, func(at projections.At) error {
		return entries.Add(entryOf(at))
	})
	return p
}

func entryOf(at projections.At) audit.Entry {
	entry := audit.Entry{
		Position:       uint64(at.Position),
		Stream:         text(at.Stream),
		Revision:       at.Revision,
		Type:           text(at.Type),
		EventID:        at.ID,
		OccurredAt:     at.Created,
		ConversationID: conversationOf(at.Stream),
		IsJSON:         isJSON(at),
		Data:           octets(at.Data),
		Metadata:       octets(at.Metadata),
	}
	if at.Foreign != nil {
		return entry
	}
	entry.OccurredAt = at.Envelope.OccurredAt
	entry.RecordedAt = &at.Envelope.RecordedAt
	entry.Actor = new(text(string(at.Envelope.Actor)))
	entry.Source = new(text(at.Envelope.Source))
	entry.Correlation = some(at.Envelope.Correlation)
	entry.AccountID = some(at.Envelope.Account)
	return entry
}

// conversationOf reads the conversation from the names of its streams, conversation-{id} and conversation-{id}-{n}.
func conversationOf(stream string) *id.Conversation {
	name, found := strings.CutPrefix(stream, "conversation-")
	const size = len("00000000-0000-0000-0000-000000000000")
	if !found || len(name) > size && name[size] != '-' {
		return nil
	}
	conversation, err := id.Parse[id.Conversation](name[:min(size, len(name))])
	if err != nil {
		return nil
	}
	return &conversation
}

// isJSON believes our own events, whose data was encoded here, and checks all others: reading the data once more would
// cost about as much as decoding the envelope.
func isJSON(at projections.At) bool {
	return !at.Binary && utf8.Valid(at.Data) && (at.Foreign == nil || json.Valid(at.Data))
}

// text makes a name fit for Postgres, which takes neither zero bytes nor broken UTF-8. Such names, which only foreign
// events have, appear quoted.
func text(name string) string {
	if utf8.ValidString(name) && !strings.Contains(name, "\x00") {
		return name
	}
	return strconv.QuoteToASCII(name)
}

// octets are never null: no data is data of no bytes.
func octets(data []byte) []byte {
	if data == nil {
		return []byte{}
	}
	return data
}

// some is null for the zero identifier.
func some[K any](i id.ID[K]) *id.ID[K] {
	if i.IsZero() {
		return nil
	}
	return &i
}
