package routing

import (
	"time"

	"daybook/events/id"
)

// MessageRow is a row of messages: one binding of a platform id.
type MessageRow struct {
	WamidHash      string           `db:"wamid_hash,key"`
	Position       uint64           `db:"position,key"`
	AccountID      *id.Account      `db:"account_id"`
	ConversationID *id.Conversation `db:"conversation_id"`
	MessageID      *id.Message      `db:"message_id"`
	RecipientID    *id.Customer     `db:"recipient_id"`
	PhoneNumberID  *string          `db:"phone_number_id"`
}

// NumberRow is a row of numbers: who holds a business number.
type NumberRow struct {
	PhoneNumberID string      `db:"phone_number_id,key"`
	AccountID     *id.Account `db:"account_id"`
}

// WABARow is a row of wabas: an account that is billed through a WABA.
type WABARow struct {
	WABAID    string     `db:"waba_id,key"`
	AccountID id.Account `db:"account_id,key"`
}

// AccountRow is a row of accounts: one that is registered.
type AccountRow struct {
	AccountID id.Account `db:"account_id,key"`
}

// QuarantineRow is a row of quarantine. Queries return it as an [Item].
type QuarantineRow struct {
	QuarantineID  id.Quarantine `db:"quarantine_id,key"`
	Position      *uint64       `db:"position"`
	Reason        *string       `db:"reason"`
	Detail        *string       `db:"detail"`
	Field         *string       `db:"field"`
	Kind          *string       `db:"kind"`
	WABAID        *string       `db:"waba_id"`
	PhoneNumberID *string       `db:"phone_number_id"`
	WamidHash     *string       `db:"wamid_hash"`
	ReceivedAt    *time.Time    `db:"received_at"`
	RedrivenAt    *time.Time    `db:"redriven_at"`
	LandedStream  *string       `db:"landed_stream"`
}
