package api

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"daybook/events"
	"daybook/events/id"
)

// Value is so much of one asset. Of a currency it has amount and micros; of messages it has quantity. A sum of money never
// stands in the member of a count, nor the other way round.
type Value struct {
	Asset    string `json:"asset"              doc:"What is counted: an ISO 4217 currency, or MSG. and a category for messages." example:"USD"`
	Amount   string `json:"amount,omitempty"   doc:"Of a currency: the exact sum in its units, always with six decimals. Debit is positive." example:"0.030000"`
	Micros   *int64 `json:"micros,omitempty"   doc:"Of a currency: the same in millionths of a unit." example:"30000"`
	Quantity *int64 `json:"quantity,omitempty" doc:"Of messages: how many. Debit is positive." example:"1"`
}

// quantities is what the names of assets begin with that are no money.
const quantities = "MSG."

// ValueOf words a number of an asset's smallest units.
func ValueOf(asset string, number int64) Value {
	if strings.HasPrefix(asset, quantities) {
		return Value{Asset: asset, Quantity: &number}
	}
	return Value{Asset: asset, Amount: Decimal(number), Micros: &number}
}

// Number is the amount or the quantity as text.
func (v Value) Number() string {
	if v.Quantity != nil {
		return strconv.FormatInt(*v.Quantity, 10)
	}
	return v.Amount
}

// Decimal is a sum of micro-units in units, exact, with six decimals: "-0.030000".
func Decimal(micros int64) string {
	sign, rest := "", uint64(micros)
	if micros < 0 {
		sign, rest = "-", -rest // two's complement: exact for the smallest int64 too
	}
	const unit = 1_000_000
	return fmt.Sprintf("%s%d.%06d", sign, rest/unit, rest%unit)
}

// LedgerEntry is one posting: so much of one asset on one account of the ledger. The postings of one fact sum to zero in
// every asset.
type LedgerEntry struct {
	Value

	Position      events.Position `json:"position"       doc:"Place of the fact in the store." example:"4711"`
	Stream        string          `json:"stream"         doc:"The stream of the fact that it was posted from." example:"billing-4f0c…-2026-10"`
	Revision      uint64          `json:"revision"       doc:"Its place there." example:"12"`
	N             int             `json:"n"              doc:"Which posting of that fact, from 0. Stream, revision and n are the reference to cite." example:"0"`
	AccountID     id.Account      `json:"account_id"     format:"uuid" doc:"The business."`
	LedgerAccount string          `json:"ledger_account" doc:"The account of the ledger." example:"cost:messages:utility:italy"`
	Kind          string          `json:"kind"           doc:"charge, pending, priced (was pending), reversal, or adjustment." example:"charge"`
	EffectiveAt   time.Time       `json:"effective_at"   doc:"The world's clock: when the message was delivered."`
	RecordedAt    time.Time       `json:"recorded_at"    doc:"Our clock: when it was rated."`
	MessageID     id.Message      `json:"message_id"     format:"uuid" doc:"The message."`
	RecipientID   id.Customer     `json:"recipient_id"   format:"uuid" doc:"The recipient."`
}

// LedgerEntries is one page of the ledger, in the order of the store.
type LedgerEntries struct {
	Entries   []LedgerEntry        `json:"entries"   nullable:"false" doc:"The postings, by position and n. A page never ends within one fact: it is shorter than the limit rather, and longer only when its first fact is."`
	Next      *events.Position     `json:"next"      doc:"Give it to after for the next page; null at the end."`
	Positions []ProjectionPosition `json:"positions" nullable:"false" doc:"How far each projection was that this was read from."`
}

// LedgerBalance is the sum of all postings of one asset on one account of the ledger.
type LedgerBalance struct {
	Value

	LedgerAccount string `json:"ledger_account" doc:"The account of the ledger." example:"cost:messages:utility:italy"`
	Entries       int64  `json:"entries"        doc:"How many postings it sums." example:"12"`
}

// LedgerBalances is all balances of one business.
type LedgerBalances struct {
	AccountID id.Account           `json:"account_id"      format:"uuid" doc:"The business."`
	AsOf      *time.Time           `json:"as_of"           doc:"The instant asked for; null: everything that is known."`
	Balances  []LedgerBalance      `json:"balances"        nullable:"false" doc:"The balances, by ledger account and asset. In every asset they sum to zero."`
	Positions []ProjectionPosition `json:"positions"       nullable:"false" doc:"How far each projection was that this was read from."`
}
