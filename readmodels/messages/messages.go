// Package messages answers for one message: who wrote it, from which device, how far it came, and what that cost.
//
// The messages projection owns the rows. A message keeps the device name it was written under; the name a device has
// now stands in devices. A message reaches each recipient once: of every step there is one time, the platform's, the
// earliest it told. Texts, names and numbers are sealed; an erased person's rows stay as they are and no longer open.
package messages

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"daybook/events/id"
	"daybook/events/money"
	"daybook/readmodels"
)

// Schema makes the tables of one version.
//
//go:embed schema.sql
var Schema string

// ErrNotFound says that there is no such message.
var ErrNotFound = errors.New("no such message")

// Info is what the owner of an account may know about a message. It names the device: never show it to a customer.
type Info struct {
	// Progress is the message's as a whole. Of a group message, the time of each step is that of the first who took it.
	Progress

	MessageID      id.Message
	AccountID      id.Account
	ConversationID id.Conversation
	CustomerID     id.Customer
	Direction      Direction
	Origin         Origin
	CampaignID     *id.Campaign // that wrote it
	Locale         string
	Media          string // the kind of file that belongs to it
	MediaSHA256    string // which that is kept under; "" while it is not stored
	Dispatch       *Dispatch
	Kind           string
	Category       string     // of outbound messages
	Template       string     // of outbound template messages
	Device         *Sender    // nil where no device of the account wrote
	ReceivedAt     *time.Time // inbound: when the customer sent it
	QueuedAt       *time.Time // outbound: when it was written
	AcceptedAt     *time.Time // outbound: when the platform took it
	Recipients     []Recipient
	// Cost is the sum of the recipients' charges, one for each currency, in its order. It is without the Unpriced.
	Cost     []money.Amount
	Unpriced int // recipients whose charge is pending
}

// Dispatch is how far an outbound message is on its way to the platform; nil until somebody tries.
type Dispatch struct {
	State     string
	Attempt   int
	Code      int        // why it was refused: the platform's
	Rejection string     // or ours
	NotBefore *time.Time // when it may be tried again
}

// Sender is the device that wrote a message, or launched its campaign.
type Sender struct {
	DeviceID         id.Device
	Name             string     // when it wrote
	NameNow          string     // its last, if it has been unlinked
	RegistryRevision uint64     // of stream devices-{account}, which proves Name
	UnlinkedAt       *time.Time // nil while linked
}

// Recipient is how far a message came with one recipient.
type Recipient struct {
	Progress

	RecipientID id.Customer
	Charge      *Charge // nil while nothing is charged: until it is delivered, and rating has seen that
}

// Get returns everything about one message, as of one moment. The error is ErrNotFound when there is no such message.
func Get(ctx context.Context, db readmodels.Querier, schema string, message id.Message) (Info, error) {
	const statement = `
		SELECT m.*, d.name AS device_name_now, d.unlinked_at AS device_unlinked_at, r.recipient_id,
		       r.sent_at, r.delivered_at, r.read_at, r.played_at, r.failed_at, r.failure_code, r.expired_at, r.late,
		       r.charge_stream, r.charge_revision, r.charge_recorded_at, r.charge_adjusted, r.charge_pending, r.charge_currency,
		       r.charge_micros, r.charge_basis, r.charge_expected, r.charge_policy, r.charge_day, r.charge_category,
		       r.charge_market, r.charge_market_basis, r.charge_rated, r.charge_card_stream, r.charge_card_revision,
		       r.charge_card_from, r.charge_tier
		FROM $schema.messages m
		LEFT JOIN $schema.devices d ON d.device_id = m.device_id
		LEFT JOIN $schema.recipients r ON r.message_id = m.message_id
		WHERE m.message_id = $1 AND m.direction IS NOT NULL
		ORDER BY r.recipient_id`
	rows, _ := db.Query(ctx, readmodels.In(schema, statement), message) // the error comes back with the rows
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[infoRow])
	if err != nil {
		return Info{}, fmt.Errorf("reading message %s: %w", message, err)
	}
	if len(found) == 0 {
		return Info{}, fmt.Errorf("reading message %s: %w", message, ErrNotFound)
	}
	info := infoOf(found)
	if err := info.addUp(); err != nil {
		return Info{}, fmt.Errorf("adding up what message %s cost: %w", message, err)
	}
	return info, nil
}

// infoRow is a message with its device, beside one of its recipients.
type infoRow struct {
	MessageRow
	steps
	charged

	DeviceNameNow    *string      `db:"device_name_now"`
	DeviceUnlinkedAt *time.Time   `db:"device_unlinked_at"`
	RecipientID      *id.Customer `db:"recipient_id"`
}

func infoOf(rows []infoRow) Info {
	m := rows[0]
	info := Info{
		MessageID: m.MessageID, AccountID: *m.AccountID, ConversationID: m.ConversationID, CustomerID: *m.CustomerID,
		Direction: *m.Direction, Kind: *m.Kind, Category: orZero(m.MessageRow.Category), Template: orZero(m.TemplateName),
		ReceivedAt: m.ReceivedAt, QueuedAt: m.QueuedAt, AcceptedAt: m.AcceptedAt, Origin: *m.Origin, CampaignID: m.CampaignID,
		Locale: orZero(m.Locale), Media: orZero(m.Media), MediaSHA256: orZero(m.MediaSHA256),
	}
	if m.Dispatch != nil {
		info.Dispatch = &Dispatch{
			State: *m.Dispatch, Attempt: orZero(m.Attempt), Code: orZero(m.RefusalCode), Rejection: orZero(m.Rejection), NotBefore: m.NotBefore,
		}
	}
	if m.DeviceID != nil {
		info.Device = &Sender{
			DeviceID: *m.DeviceID, Name: *m.DeviceName, NameNow: orZero(m.DeviceNameNow),
			RegistryRevision: *m.RegistryRevision, UnlinkedAt: m.DeviceUnlinkedAt,
		}
	}
	var whole steps
	for _, row := range rows {
		if row.RecipientID != nil {
			info.Recipients = append(info.Recipients, Recipient{row.progress(m.start()), *row.RecipientID, row.charge()})
			whole = whole.earliest(row.steps)
		}
	}
	info.Progress = whole.progress(m.start())
	return info
}

// start is the status of a message of which the platform has told nothing yet.
func (m MessageRow) start() Status {
	switch {
	case m.ReceivedAt != nil:
		return StatusReceived
	case m.AcceptedAt != nil:
		return StatusAccepted
	case orZero(m.Dispatch) == DispatchFailed, orZero(m.Dispatch) == DispatchExpired:
		return StatusFailed
	case orZero(m.Origin) == FromEcho, orZero(m.Origin) == FromImport:
		return StatusSent
	}
	return StatusQueued
}

func orZero[T any](p *T) T {
	if p == nil {
		return *new(T)
	}
	return *p
}
