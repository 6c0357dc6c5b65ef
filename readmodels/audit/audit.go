// Package audit is the trail that compliance officers read: every event of the store, once, in the order of the log,
// with its bytes as they were recorded.
//
// The audit projection owns the rows and only ever adds. Every entry's (stream, revision) is unique; positions rise but
// are not dense. Events that are not ours are entries too: what their envelope would say is null, and their time is the
// store's. Personal data is in the entries as it is in the events: sealed.
package audit

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"daybook/events/id"
	"daybook/readmodels"
)

// Schema makes the tables of one version.
//
//go:embed schema.sql
var Schema string

// Entry is one event of the trail. Pointers are null for events that are not ours.
type Entry struct {
	Position       uint64           `db:"position"`
	Stream         string           `db:"stream"`
	Revision       uint64           `db:"revision"`
	Type           string           `db:"type"`
	EventID        id.Event         `db:"event_id"`
	OccurredAt     time.Time        `db:"occurred_at"`
	RecordedAt     *time.Time       `db:"recorded_at"`
	Actor          *string          `db:"actor"`
	Source         *string          `db:"source"`
	Correlation    *id.Trace        `db:"correlation"`
	AccountID      *id.Account      `db:"account_id"`
	ConversationID *id.Conversation `db:"conversation_id"`
	IsText         bool             `db:"is_text"`
	Data           []byte           `db:"data"`
	Metadata       []byte           `db:"metadata"`
}

// JSON is the data for people and programs that read JSON: the data itself or, when it is something else,
// {"base64": "…"}.
func (e Entry) JSON() json.RawMessage {
	if e.IsText && json.Valid(e.Data) {
		return e.Data
	}
	wrapped, err := json.Marshal(map[string][]byte{"base64": e.Data})
	if err != nil {
		return nil // bytes always marshal
	}
	return wrapped
}

// Filter says which entries. Zero fields ask for nothing.
//
// From and To are about when things happened (occurred_at), which is what an officer asks; From is inclusive, To is not.
// The answer still comes in the order of the log: what the platform told late stands where it was recorded.
type Filter struct {
	Account      id.Account
	Conversation id.Conversation
	Type         string
	From, To     time.Time
	After        uint64 // the position of the last entry already seen
	Limit        int    // 100 when 0, at most 1,000
}

// Page is a part of the trail. Next is the After of the page behind it, or 0 when this one is the last for now.
type Page struct {
	Entries []Entry
	Next    uint64
}

// Entries returns the entries of the filter in the order of the log.
func Entries(ctx context.Context, db readmodels.Querier, schema string, f Filter) (Page, error) {
	limit := readmodels.Limit(f.Limit)
	where, args := f.conditions()
	statement := readmodels.In(schema, `SELECT * FROM $schema.entries`) +
		fmt.Sprintf(` WHERE %s ORDER BY position LIMIT %d`, where, limit+1)
	rows, _ := db.Query(ctx, statement, args...) // the error comes back with the rows
	entries, err := pgx.CollectRows(rows, pgx.RowToStructByName[Entry])
	if err != nil {
		return Page{}, fmt.Errorf("reading audit entries after %d: %w", f.After, err)
	}
	if len(entries) <= limit {
		return Page{Entries: entries}, nil
	}
	return Page{Entries: entries[:limit], Next: entries[limit-1].Position}, nil
}

// conditions names only what the filter asks, so that Postgres plans for that and not for all filters at once.
func (f Filter) conditions() (where string, args []any) {
	all := []string{"position > $1"}
	args = []any{f.After}
	also := func(condition string, value any) {
		args = append(args, value)
		all = append(all, fmt.Sprintf(condition, len(args)))
	}
	if !f.Account.IsZero() {
		also("account_id = $%d", f.Account)
	}
	if !f.Conversation.IsZero() {
		// Its streams are conversation-{id} and conversation-{id}-{n}: all names from here to the dot, which follows
		// the hyphen. The unique constraint finds them; a second index would slow every copy.
		stream := "conversation-" + f.Conversation.String()
		also("conversation_id = $%d", f.Conversation)
		also("stream >= $%d", stream)
		also("stream < $%d", stream+".")
	}
	if f.Type != "" {
		also("type = $%d", f.Type)
	}
	if !f.From.IsZero() {
		also("occurred_at >= $%d", f.From)
	}
	if !f.To.IsZero() {
		also("occurred_at < $%d", f.To)
	}
	return strings.Join(all, " AND "), args
}
