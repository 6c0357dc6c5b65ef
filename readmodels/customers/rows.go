package customers

import (
	"time"

	"daybook/events/id"
)

// CustomerRow is a row of customers.
type CustomerRow struct {
	ConversationID id.Conversation `db:"conversation_id,key"`
	AccountID      *id.Account     `db:"account_id"`
	PhoneNumberID  *string         `db:"phone_number_id"`
	CustomerID     *id.Customer    `db:"customer_id"`
	Prefix         *string         `db:"prefix"`
	Country        *string         `db:"country"`
	SealedTo       *string         `db:"sealed_to"`
	ToFact         *id.Fact        `db:"to_fact"`
	ToPath         *string         `db:"to_path"`
	SealedName     *string         `db:"sealed_name"`
	NameFact       *id.Fact        `db:"name_fact"`
	NamePath       *string         `db:"name_path"`
	Locale         *string         `db:"locale"`
	Market         *string         `db:"market"`
	Marketing      *bool           `db:"marketing"`
	Level          *string         `db:"level"`
	Blocked        *bool           `db:"blocked"`
	ReceivedAt     *time.Time      `db:"received_at"`
	WrittenAt      *time.Time      `db:"written_at"`
}
