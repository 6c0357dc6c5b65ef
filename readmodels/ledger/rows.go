package ledger

import (
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"daybook/events/id"
)

// Entry is one side of a posting: so much of an asset on one account of the ledger. (Stream, Revision, N) is its
// reference for ever; the position changes when a store is copied. The entries of one event sum to zero in every asset.
type Entry struct {
	Stream        string      `db:"stream"`
	Revision      uint64      `db:"revision"`
	N             int         `db:"n"` // from 0
	Position      uint64      `db:"position"`
	AccountID     id.Account  `db:"account_id"`
	LedgerAccount string      `db:"ledger_account"`
	Asset         string      `db:"asset"`        // an ISO 4217 currency, or "MSG." and a category
	Amount        int64       `db:"amount"`       // micros of the currency, or messages; debit is positive
	EffectiveAt   time.Time   `db:"effective_at"` // when the message was delivered
	RecordedAt    time.Time   `db:"recorded_at"`  // when the event was recorded
	MessageID     id.Message  `db:"message_id"`
	RecipientID   id.Customer `db:"recipient_id"`
	Kind          string      `db:"kind"`
}

// The kinds of entries.
const (
	Charge     = "charge"     // of a delivery, priced at once
	Pending    = "pending"    // of a delivery that has no price yet, or no longer
	Priced     = "priced"     // of a delivery that was pending
	Reversal   = "reversal"   // takes back what is no longer so
	Adjustment = "adjustment" // what is so instead
)

// BalanceRow is what one day's entries on one account of the ledger sum to.
type BalanceRow struct {
	AccountID     id.Account  `db:"account_id,key"`
	LedgerAccount string      `db:"ledger_account,key"`
	Asset         string      `db:"asset,key"`
	Day           pgtype.Date `db:"day,key"` // of EffectiveAt, in UTC
	Amount        int64       `db:"amount"`
	Entries       int64       `db:"entries"`
}

// Identity is what balances must be equal to, as a query over the entries.
const Identity = `
	SELECT account_id, ledger_account, asset, (effective_at AT TIME ZONE 'UTC')::date AS day,
	       sum(amount)::bigint AS amount, count(*) AS entries
	FROM entries GROUP BY 1, 2, 3, 4`
