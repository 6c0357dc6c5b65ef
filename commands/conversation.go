package commands

import (
	"context"
	"iter"
	"slices"
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
	// A device that cannot send refuses the message only once the loop knows that it was not sent before.
	sender, refusal := h.sender(ctx, c.Account, c.DeviceID)
	return h.send(ctx, newRequest(meta, c.Account, "SendMessage", c), c, sender, refusal)
}

// SendUnattended queues a message that no person writes at this moment: a campaign's, under the device that launched it and
// what that was called then, or an automatic one, under none. It is recognised by its own id, and by its campaign: the
// same again is no error and no news.
func (h *Handler) SendUnattended(ctx context.Context, meta Meta, c conversation.Send, from conversation.Sender) (events.Position, error) {
	return h.send(ctx, newRequest(meta, c.Account, "SendMessage", nil), c, from, nil)
}

func (h *Handler) send(ctx context.Context, r request, c conversation.Send, sender conversation.Sender, refusal error) (events.Position, error) {
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
	stream := conversation.Stream(conversation.IDOf(c.PhoneNumberID, c.CustomerID))
	return h.conversations.execute(ctx, stream, r, func(s conversation.State, now time.Time) (_ []events.Event, err error) {
		c := c // as it was asked for: a decision may be made more than once
		if s.Repeats(c) {
			return nil, nil
		}
		if refusal != nil {
			return nil, refusal
		}
		if c, err = use(c, now); err != nil {
			return nil, err
		}
		day := terms.Day(now)
		market, _ := book.Market(c.Dialling, day)
		sender.Market, sender.LateReplies = market.Name, pricing.LateRepliesAllowed(day)
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
	if err == nil {
		err = h.holds(ctx, owner, number)
	}
	if err != nil {
		return "", pricing.Terms{}, err
	}
	return number, terms, nil
}

// holds refuses a number that another account has claimed.
func (h *Handler) holds(ctx context.Context, owner id.Account, number string) error {
	holder, _, err := h.NumberOwner(ctx, number)
	if err == nil && holder != owner {
		err = numberTaken(number)
	}
	return err
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
	// Stream is where that event is: the conversation's book in use.
	Stream string
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
	outcome, err := h.recordUpdates(ctx, r, party, d.Updates)
	if err != nil || len(outcome.Unplaced) == 0 {
		return outcome, err
	}
	// A message that is told of after a long time stands in an older book.
	found, err := h.recall(ctx, r, d.Conversation, messagesOf(outcome.Unplaced))
	if err != nil || !found {
		return outcome, err
	}
	return h.recordUpdates(ctx, r, party, outcome.Unplaced)
}

func (h *Handler) recordUpdates(ctx context.Context, r request, party conversation.Party, updates []conversation.Update) (Outcome, error) {
	var outcome Outcome
	for part := range parts(updates) {
		var unplaced []conversation.Update
		at, err := h.conversations.execute(ctx, conversation.Stream(party.Conversation), r,
			func(s conversation.State, now time.Time) (recorded []events.Event, _ error) {
				recorded, unplaced = s.Record(party, part, now)
				if outcome.Stream = s.Stream(); s.Party().Conversation.IsZero() {
					outcome.Stream = conversation.Stream(party.Conversation)
				}
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

func messagesOf(updates []conversation.Update) []id.Message {
	var messages []id.Message
	for _, update := range updates {
		if u, ok := update.(conversation.StatusUpdate); ok && !slices.Contains(messages, u.MessageID) {
			messages = append(messages, u.MessageID)
		}
	}
	return messages
}

// Party returns between whom a conversation is; not found when it has not started.
func (h *Handler) Party(ctx context.Context, in id.Conversation) (party conversation.Party, found bool, err error) {
	err = h.conversations.look(ctx, conversation.Stream(in), func(s conversation.State, _ uint64) error {
		party = s.Party()
		return nil
	})
	return party, !party.Account.IsZero(), err
}

// recall brings messages of older books into the one in use, and tells whether there were any.
func (h *Handler) recall(ctx context.Context, r request, in id.Conversation, messages []id.Message) (found bool, err error) {
	stream := conversation.Stream(in)
	var recalled []events.OpenMessage
	for s, err := range h.conversations.older(ctx, stream) {
		if err != nil {
			return false, err
		}
		messages = slices.DeleteFunc(messages, func(message id.Message) bool {
			m, known := s.Message(message)
			if known {
				recalled = append(recalled, m)
			}
			return known
		})
		if len(messages) == 0 {
			break
		}
	}
	if len(recalled) == 0 {
		return false, nil
	}
	_, err = h.conversations.execute(ctx, stream, r.step(), func(s conversation.State, _ time.Time) ([]events.Event, error) {
		var decided []events.Event
		for _, m := range recalled {
			decided = append(decided, s.Recall(m)...)
		}
		return decided, nil
	})
	return true, err
}

// Limits of one append: a store takes at most 500 events and 1 MiB. A conversation's first update brings another event, and
// so does a book's.
const (
	partEvents   = 498
	partBytes    = 768 << 10
	eventedBytes = 2000 // of an event and its envelope besides sealed values; 2,200 with the longest of the platform's words
)

// parts splits updates into what fits into one append each.
func parts(updates []conversation.Update) iter.Seq[[]conversation.Update] {
	return func(yield func([]conversation.Update) bool) {
		first, count, size := 0, 0, 0
		for i, update := range updates {
			c, n := update.Events(), sizeOf(update)
			if i > first && (count+c > partEvents || size+n > partBytes) {
				if !yield(updates[first:i]) {
					return
				}
				first, count, size = i, 0, 0
			}
			count, size = count+c, size+n
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
		size += len(u.Raw) + len(u.Wamid)
	case conversation.Echo:
		size += len(u.Wamid) + len(u.To) + len(u.Content)
	case conversation.Imported:
		size += len(u.Wamid) + len(u.Content)
	case conversation.Identified:
		size += len(u.Card) + len(u.Name)
	case conversation.NumberChanged:
		size += len(u.From) + len(u.To)
	case conversation.Preference:
		size += len(u.Evidence)
	}
	return size
}
