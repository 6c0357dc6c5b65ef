package commands

import (
	"context"
	"iter"
	"time"

	"daybook/domain/account"
	"daybook/domain/conversation"
	"daybook/domain/devices"
	"daybook/domain/pricing"
	"daybook/events"
	"daybook/events/id"
)

// SendMessage queues a message to a customer, written on a device of the account, and stamps what the device is called
// at this moment, and the recipient's market on the rate card that is in force today where the account is. An empty
// PhoneNumberID means the account's first number.
func (h *Handler) SendMessage(ctx context.Context, meta Meta, c conversation.Send) (events.Position, error) {
	r := newRequest(meta, c.Account, "SendMessage", c)
	number, terms, err := h.sending(ctx, c.Account, c.PhoneNumberID)
	if err != nil {
		return events.Start, err
	}
	book, err := h.Book(ctx, terms.Currency)
	if err != nil {
		return events.Start, err
	}
	c.PhoneNumberID = number
	use, err := h.template(ctx, c)
	if err != nil {
		return events.Start, err
	}
	// A device that cannot send refuses the message only once the loop knows that it was not sent before.
	sender, refusal := h.sender(ctx, c.Account, c.DeviceID)
	stream := conversation.Stream(conversation.IDOf(c.PhoneNumberID, c.CustomerID))
	return h.conversations.execute(ctx, stream, r, func(s conversation.State, now time.Time) (_ []events.Event, err error) {
		c := c // as it was asked for: a decision may be made more than once
		if refusal != nil {
			return nil, refusal
		}
		if c, err = use(c, now); err != nil {
			return nil, err
		}
		market, _ := book.Market(c.Dialling, terms.Day(now))
		sender.Market = market.Name
		return s.Send(c, sender, now)
	})
}

// SendingNumber resolves the number an account wants to send from; empty means its first. The account lists it, and the
// claim proves it. An account that does not exist, has not accepted the terms or is suspended, is refused.
func (h *Handler) SendingNumber(ctx context.Context, owner id.Account, wanted string) (string, error) {
	number, _, err := h.sending(ctx, owner, wanted)
	return number, err
}

// sending is SendingNumber with what the account's prices depend on.
func (h *Handler) sending(ctx context.Context, owner id.Account, wanted string) (number string, terms pricing.Terms, err error) {
	err = h.usable(ctx, owner, func(s account.State) (err error) {
		if err = s.Sendable(); err != nil {
			return err
		}
		if number, err = s.Number(wanted); err != nil {
			return err
		}
		terms.Currency = s.Currency()
		terms.Zone, err = s.Zone()
		return err
	})
	if err != nil {
		return "", pricing.Terms{}, err
	}
	holder, _, err := h.NumberOwner(ctx, number)
	if err != nil {
		return "", pricing.Terms{}, err
	}
	if holder != owner {
		return "", pricing.Terms{}, numberTaken(number)
	}
	return number, terms, nil
}

func (h *Handler) sender(ctx context.Context, owner id.Account, device id.Device) (conversation.Sender, error) {
	sender := conversation.Sender{DeviceID: device}
	err := h.registries.look(ctx, devices.Stream(owner), func(s devices.State, revision uint64) (err error) {
		sender.RegistryRevision = revision
		sender.Name, err = s.Sender(device)
		return err
	})
	return sender, err
}

// AcceptMessage is the command that binds the platform's id to a queued message.
type AcceptMessage = conversation.Accept

// AcceptMessage binds the platform's id to a queued message. The same binding again changes nothing.
func (h *Handler) AcceptMessage(ctx context.Context, meta Meta, c AcceptMessage) (events.Position, error) {
	stream := conversation.Stream(c.Conversation)
	var owner id.Account
	err := h.conversations.look(ctx, stream, func(s conversation.State, _ uint64) error {
		owner = s.Account()
		return nil
	})
	if err != nil {
		return events.Start, err
	}
	r := newRequest(meta, owner, "AcceptMessage", c)
	return h.conversations.execute(ctx, stream, r, func(s conversation.State, now time.Time) ([]events.Event, error) {
		return s.Accept(c, now)
	})
}

// Delivery is what the platform told about one conversation at once.
type Delivery struct {
	Account       id.Account
	PhoneNumberID string
	Customer      id.Customer
	Conversation  id.Conversation
	Updates       []conversation.Update
}

// Outcome is what became of a delivery.
type Outcome struct {
	// Position is of the last event recorded, or of the conversation's last when the delivery told nothing new.
	Position events.Position
	// Unplaced are the updates that were not recorded: statuses of messages that this conversation has not sent, or
	// with a word that is no status. They are the caller's to keep.
	Unplaced []conversation.Update
}

// RecordUpdates records what the platform tells, whether or not the account may do anything itself. Repeats record
// nothing: updates are recognised by their natural keys, never by the command's id. A delivery is one append unless it
// is very large; then an error may leave a beginning of it recorded, and a repeat records the rest.
func (h *Handler) RecordUpdates(ctx context.Context, meta Meta, d Delivery) (Outcome, error) {
	r := newRequest(meta, d.Account, "RecordUpdates", nil)
	party := conversation.Party{
		Conversation: d.Conversation, Account: d.Account, PhoneNumberID: d.PhoneNumberID, Customer: d.Customer,
	}
	var outcome Outcome
	for part := range parts(d.Updates) {
		var unplaced []conversation.Update
		at, err := h.conversations.execute(ctx, conversation.Stream(d.Conversation), r,
			func(s conversation.State, now time.Time) (recorded []events.Event, _ error) {
				recorded, unplaced = s.Record(party, part, now)
				return recorded, nil
			})
		if err != nil {
			return outcome, err
		}
		outcome.Position = at
		outcome.Unplaced = append(outcome.Unplaced, unplaced...)
	}
	return outcome, nil
}

// Limits of one append: a store takes at most 500 events and 1 MiB. An update becomes one event, and a conversation's
// first brings another.
const (
	partUpdates  = 499
	partBytes    = 768 << 10
	eventedBytes = 2000 // of an event and its envelope besides sealed values; 2,200 with the longest of the platform's words
)

// parts splits updates into what fits into one append each.
func parts(updates []conversation.Update) iter.Seq[[]conversation.Update] {
	return func(yield func([]conversation.Update) bool) {
		first, size := 0, 0
		for i, update := range updates {
			n := sizeOf(update)
			if i > first && (i-first == partUpdates || size+n > partBytes) {
				if !yield(updates[first:i]) {
					return
				}
				first, size = i, 0
			}
			size += n
		}
		if first < len(updates) {
			yield(updates[first:])
		}
	}
}

func sizeOf(update conversation.Update) int {
	size := eventedBytes
	switch u := update.(type) {
	case conversation.Inbound:
		size += len(u.Wamid) + len(u.From) + len(u.Contact) + len(u.Content)
	case conversation.StatusUpdate:
		size += len(u.Raw)
	}
	return size
}
