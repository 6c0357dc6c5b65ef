package policies

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"daybook/commands"
	"daybook/domain"
	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
)

// RepliesName is the name of the policy that NewReplies returns.
const RepliesName = "replies"

const replyShards = 8

// RepliesStore is what automatic replies need of the event store.
type RepliesStore interface {
	ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[events.Record, error]
}

// ReplyCommands write messages that no person writes.
type ReplyCommands interface {
	Party(ctx context.Context, in id.Conversation) (party conversation.Party, found bool, err error)
	WaitsSince(ctx context.Context, e events.MessageReceived) (bool, error)
	SendUnattended(ctx context.Context, meta commands.Meta, c conversation.Send, from conversation.Sender) (events.Position, error)
}

// Letters seals what is written to a customer.
type Letters interface {
	// Answer seals a text, and whom it is for, under the key of who sent a message. There is none when that was erased.
	Answer(ctx context.Context, owner id.Account, to events.MessageReceived, message id.Message, text string) (l Letter, known bool, err error)
}

// Letter is the sealed part of a message, which belongs to the fact that has the message's id.
type Letter struct{ To, Content events.Sealed }

// replies answers customers' messages with what the account configured. Which reply a message gets follows from the log up
// to the message, so that it is the same whenever it is asked for; its id follows from the message, so that there is one.
// What would refuse a person to write at that moment, a block or a closed window, refuses the reply: then there is none.
type replies struct {
	commands ReplyCommands
	letters  Letters
	now      func() time.Time
	store    RepliesStore
	settings settings
}

// NewReplies returns the policy that answers by itself. The clock tells which messages are too old to be answered so.
func NewReplies(store RepliesStore, write ReplyCommands, letters Letters, now func() time.Time) Policy {
	return &replies{write, letters, now, store, settings{store: store}}
}

func (*replies) Name() string              { return RepliesName }
func (*replies) Shards() int               { return replyShards }
func (*replies) Handles(event string) bool { return event == "MessageReceived" }

// Shard keeps an account's messages in order.
func (*replies) Shard(_ context.Context, in *Input) (int, error) {
	return int(in.Envelope.Account.UUID[15]) % replyShards, nil
}

func (r *replies) React(ctx context.Context, _ int, inputs []*Input) error {
	for _, in := range inputs {
		e, ok := in.Event.(events.MessageReceived)
		if !ok || !conversation.Recent(e, r.now()) {
			continue
		}
		if err := r.react(ctx, in, e); err != nil {
			return err
		}
	}
	return nil
}

func (r *replies) react(ctx context.Context, in *Input, e events.MessageReceived) error {
	configured, err := r.settings.before(ctx, in)
	if err != nil {
		return err
	}
	first := func() (bool, error) { return r.first(ctx, in) }
	chosen, err := choose(configured, e, first)
	if err != nil || chosen.by == "" {
		return err
	}
	if chosen.by == string(events.TriggerAway) {
		if waits, err := r.commands.WaitsSince(ctx, e); err != nil || !waits {
			return err
		}
	}
	return r.answer(ctx, in, e, chosen)
}

// answer writes the reply.
func (r *replies) answer(ctx context.Context, in *Input, e events.MessageReceived, chosen reply) error {
	party, found, err := r.commands.Party(ctx, e.ConversationID)
	if err != nil || !found {
		return err
	}
	text := inLanguageOf(e.Dialling, chosen.texts)
	message := conversation.ReplyID(e.MessageID)
	letter, known, err := r.letters.Answer(ctx, in.Envelope.Account, e, message, text.Text)
	if err != nil || !known {
		return err
	}
	meta := metaOf(RepliesName, in.ID)
	meta.Correlation = in.Envelope.Correlation
	_, err = r.commands.SendUnattended(ctx, meta, conversation.Send{
		Account: in.Envelope.Account, PhoneNumberID: party.PhoneNumberID, CustomerID: e.CustomerID, MessageID: message,
		Kind: "text", Locale: text.Language, Automatic: chosen.by, Dialling: e.Dialling, To: letter.To, Content: letter.Content,
	}, conversation.Sender{})
	if refused, ok := errors.AsType[*domain.Rejection](err); ok && refused.Kind != domain.Invalid {
		return nil
	}
	return err
}

// first tells whether a message is the first that was written in its conversation, by either side.
func (r *replies) first(ctx context.Context, in *Input) (bool, error) {
	for record, err := range r.store.ReadStream(ctx, in.Stream, 0) {
		switch {
		case err != nil:
			return false, fmt.Errorf("reading the beginning of %s: %w", in.Stream, err)
		case record.Revision >= in.Revision:
			return true, nil
		}
		switch record.Type {
		case "MessageQueued", "MessageEchoed", "MessageImported", "ConversationCarriedForward":
			return false, nil
		case "MessageReceived":
			event, _, err := events.DecodeRecord(record)
			if err != nil {
				return false, fmt.Errorf("reading %s@%d: %w", record.Stream, record.Revision, err)
			}
			if e, ok := event.(events.MessageReceived); ok && conversation.Awaits(e.Kind) {
				return false, nil
			}
		}
	}
	return false, ctx.Err()
}
