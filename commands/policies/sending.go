package policies

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"daybook/commands"
	"daybook/domain"
	"daybook/domain/conversation"
	"daybook/domain/timer"
	"daybook/events"
	"daybook/events/id"
)

// SendingName is the name of the policy that NewSending returns.
const SendingName = "sending"

const sendingShards = 16

// inFlight bounds how many messages of one shard are with the platform at once.
const inFlight = 64

// settleWithin bounds what has begun and is seen through whatever happens to the shard: the call, and recording its
// outcome. It is less than the time after which another process takes over.
const settleWithin = 9 * time.Second

// SendingCommands is what sending asks of the write side. Conversations decide, and demand the revision they decided on.
type SendingCommands interface {
	StartDispatch(ctx context.Context, meta commands.Meta, in id.Conversation, message id.Message, pace commands.Pace) (commands.Started, error)
	AcceptMessage(ctx context.Context, meta commands.Meta, c commands.AcceptMessage) (events.Position, error)
	RefuseDispatch(ctx context.Context, meta commands.Meta, c conversation.Refused) (events.Position, error)
	LoseDispatch(ctx context.Context, meta commands.Meta, in id.Conversation, message id.Message, attempt int, cause events.DispatchCause) (events.Position, error)
	SetTimer(ctx context.Context, meta commands.Meta, c timer.Set) (events.Position, error)
}

// sending gives queued messages to the platform.
//
// DispatchStarted is recorded before each call, and only who recorded it calls. Its outcome is recorded after; where there
// is none, the message's fate is unknown and nobody sends it again. What was sent already follows from the conversation
// alone. A message that has to wait is deferred, and a timer brings it back: nothing waits here.
type sending struct {
	streams  Streams
	commands SendingCommands
	sender   Sender
	now      func() time.Time
	desks    [sendingShards]*desk // each belongs to the React of its shard
}

// desk is what a shard remembers.
type desk struct {
	mu    sync.Mutex
	pacer *pacer
	owed  map[id.Message]outcome // what the platform answered and could not be recorded yet
}

// NewSending returns the policy that gives queued messages to the platform. The clock says when a message may be tried again.
func NewSending(streams Streams, c SendingCommands, sender Sender, now func() time.Time) Policy {
	s := &sending{streams: streams, commands: c, sender: sender, now: now}
	for i := range s.desks {
		s.desks[i] = &desk{pacer: newPacer(), owed: map[id.Message]outcome{}}
	}
	return s
}

func (*sending) Name() string { return SendingName }
func (*sending) Shards() int  { return sendingShards }

var sendingHandles = map[string]bool{
	events.NameOf[events.MessageQueued]():        true,
	events.NameOf[events.DispatchDeferred]():     true,
	events.NameOf[events.DispatchFailed]():       true,
	events.NameOf[events.NumberQualityChanged](): true,
	events.NameOf[events.TimerFired]():           true,
}

func (*sending) Handles(eventType string) bool { return sendingHandles[eventType] }

// Shard deals by account, so that one pacer has all messages of a number.
func (*sending) Shard(_ context.Context, in *Input) (int, error) {
	return accountShard(in.Envelope.Account), nil
}

// accountShard never changes: two shards would pace one number.
func accountShard(account id.Account) int { return int(account.UUID[15]) % sendingShards }

// React deals with each conversation in order, and with several at once.
func (s *sending) React(ctx context.Context, shard int, inputs []*Input) error {
	var order []string
	together := map[string][]*Input{}
	for _, in := range inputs {
		whose := in.Stream
		if fired, is := in.Event.(events.TimerFired); is {
			if fired.Kind != events.TimerDispatchRetry {
				continue
			}
			whose = fired.Stream
		}
		if together[whose] == nil {
			order = append(order, whose)
		}
		together[whose] = append(together[whose], in)
	}
	var group errgroup.Group // one's failure does not end the others: their calls are under way
	group.SetLimit(inFlight)
	for _, whose := range order {
		group.Go(func() error {
			for _, in := range together[whose] {
				if err := s.follow(ctx, s.desks[shard], in); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// follow does what follows from one input.
func (s *sending) follow(ctx context.Context, d *desk, in *Input) error {
	switch e := in.Event.(type) {
	case events.MessageQueued:
		return s.dispatch(ctx, d, in, e)
	case events.DispatchDeferred:
		return s.remind(ctx, in, e.MessageID, e.Until)
	case events.DispatchFailed:
		if e.RetryAt != nil {
			return s.remind(ctx, in, e.MessageID, *e.RetryAt)
		}
	case events.NumberQualityChanged:
		d.setRate(e.PhoneNumberID, e.PerSecond)
	case events.TimerFired:
		queued, err := written(ctx, s.streams, e.Stream, func(q events.MessageQueued) bool { return q.MessageID.String() == e.Subject })
		if err != nil || queued == nil {
			return err
		}
		return s.dispatch(ctx, d, in, *queued)
	}
	return nil
}

// remind sets the timer that brings a message back.
func (s *sending) remind(ctx context.Context, in *Input, message id.Message, due time.Time) error {
	_, err := s.commands.SetTimer(ctx, metaOf(SendingName, in.ID), timer.Set{
		Account: in.Envelope.Account, Kind: events.TimerDispatchRetry, Stream: in.Stream, Subject: message.String(),
		Ordinal: int(in.Revision), Due: due,
	})
	return err
}

// dispatch gives a message to the platform if it is to be sent, and records what came of it. What has begun is seen through,
// also when the shard is taken away meanwhile: nobody else may send the message then.
func (s *sending) dispatch(ctx context.Context, d *desk, in *Input, queued events.MessageQueued) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleWithin)
	defer cancel()
	meta := metaOf(SendingName, in.ID)
	if o, owed := d.owes(queued.MessageID); owed {
		return s.settle(ctx, d, meta, o)
	}
	started, err := s.start(ctx, d, meta, queued)
	if err != nil || started.Attempt == 0 {
		return err
	}
	party := started.Party
	accepted, err := s.sender.Send(ctx, Outgoing{
		Account: party.Account, PhoneNumberID: party.PhoneNumberID, Conversation: party.Conversation, Customer: party.Customer,
		Message: queued.MessageID, Kind: queued.Kind, Template: queued.Template, Locale: queued.Locale,
		To: queued.To, Content: queued.Content,
	})
	return s.settle(ctx, d, meta, outcome{party.Conversation, queued.MessageID, started.Attempt, s.now(), accepted, err})
}

// start asks whether a message is to be sent now. An attempt of somebody who is gone, as far as we know, is lost.
func (s *sending) start(ctx context.Context, d *desk, meta commands.Meta, queued events.MessageQueued) (commands.Started, error) {
	pace := func(p conversation.Party, now time.Time) (time.Time, events.DispatchCause) {
		return d.slot(p, queued.MessageID, now, func() int { return rateOf(ctx, s.streams, p) })
	}
	started, err := s.commands.StartDispatch(ctx, meta, queued.ConversationID, queued.MessageID, pace)
	switch domain.CodeOf(err) {
	case "DispatchUnderway":
		_, err = s.commands.LoseDispatch(ctx, meta, queued.ConversationID, queued.MessageID, started.Underway, events.CauseCrash)
		return commands.Started{}, err
	case "MessageUnknown":
		return commands.Started{}, nil
	}
	if err == nil {
		d.used(queued.MessageID, s.now())
	}
	return started, err
}
