// Package audit posts every event of the store to the audit trail, undecoded.
//
// It never fails for what an event says: events of unknown types, with binary data, or without an envelope of ours are
// entries like any other. It owns the read model of the same name, and only ever adds to it.
package audit

import (
	"bytes"
	"cmp"
	"strconv"
	"strings"
	"unicode/utf8"

	"daybook/events"
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

// entryOf takes the envelope as it comes: that of a foreign event is empty, so it leaves nulls.
func entryOf(at projections.At) audit.Entry {
	conversation, _ := events.ConversationOf(at.Stream)
	return audit.Entry{
		Position:       uint64(at.Position),
		Stream:         text(at.Stream),
		Revision:       at.Revision,
		Type:           text(at.Type),
		EventID:        at.ID,
		OccurredAt:     cmp.Or(at.Envelope.OccurredAt, at.Created),
		RecordedAt:     some(at.Envelope.RecordedAt),
		Actor:          words(string(at.Envelope.Actor)),
		Source:         words(at.Envelope.Source),
		Correlation:    some(at.Envelope.Correlation),
		AccountID:      some(at.Envelope.Account),
		ConversationID: some(conversation),
		IsText:         isText(at),
		Data:           octets(at.Data),
		Metadata:       octets(at.Metadata),
	}
}

// isText tells whether Postgres can show the data as text. Whether the text is JSON is for readers to ask: checking every
// event would cost as much as decoding its envelope.
func isText(at projections.At) bool {
	return !at.Binary && utf8.Valid(at.Data) && !bytes.Contains(at.Data, []byte{0})
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

// some is null for what says nothing.
func some[V interface{ IsZero() bool }](v V) *V {
	if v.IsZero() {
		return nil
	}
	return &v
}

func words(s string) *string {
	if s == "" {
		return nil
	}
	return new(text(s))
}
