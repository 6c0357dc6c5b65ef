package policies_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/storetest"
	"daybook/commands"
	"daybook/commands/policies"
	"daybook/commands/policies/policiestest"
	"daybook/domain/conversation"
	"daybook/domain/timer"
	"daybook/events"
	"daybook/events/id"
)

var morning = time.Date(2026, 10, 5, 9, 0, 0, 0, time.UTC)

// mailer is a platform, and the clock. What a message becomes is in its kind: the answers that it gets, one per attempt.
type mailer struct {
	mu    sync.Mutex
	now   time.Time
	given []id.Message
	times []time.Time
	tries map[id.Message]int
}

func newMailer() *mailer { return &mailer{now: morning, tries: map[id.Message]int{}} }

func (m *mailer) clock() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

var answers = map[string]error{
	"ok": nil, "never": &policies.RefusedError{Code: 131026}, "later": &policies.RefusedError{Code: 131016, Retry: true, After: 10 * time.Second},
	"erased": &policies.RefusedError{Rejection: policies.RejectionErased}, "silence": errors.New("no answer"),
}

func (m *mailer) Send(_ context.Context, out policies.Outgoing) (policies.Accepted, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	words := strings.Fields(out.Kind)
	err := answers[words[min(m.tries[out.Message], len(words)-1)]]
	m.tries[out.Message]++
	m.given, m.times = append(m.given, out.Message), append(m.times, m.now)
	return policies.Accepted{WamidHash: events.WamidHash("w1:" + out.Message.String())}, err
}

// counted is the mailer as a process sees it that may crash at each call.
type counted struct {
	*mailer

	store policiestest.Store
}

func (c counted) Send(ctx context.Context, out policies.Outgoing) (accepted policies.Accepted, err error) {
	err = policiestest.Outside(c.store, func() (err error) {
		accepted, err = c.mailer.Send(ctx, out)
		return err
	})
	return accepted, err
}

func sendingOver(store policiestest.Store, m *mailer) policies.Policy {
	return policies.NewSending(store, commands.New(store, m.clock), counted{m, store}, m.clock)
}

var sender = id.Derive[id.Account]("test", "sender")

const hotline = "106540352242922"

func messageNo(n int) id.Message { return id.Derive[id.Message]("test", strconv.Itoa(n)) }

// chat is the conversation of the account with a customer.
func chat(customer int) conversation.Party {
	who := id.Derive[id.Customer]("test", strconv.Itoa(customer))
	return conversation.Party{Conversation: conversation.IDOf(hotline, who), Account: sender, PhoneNumberID: hotline, Customer: who}
}

// queue records that messages were written to a customer; each kind is what the platform will answer.
func queue(t testing.TB, store policiestest.Store, customer, first int, kinds ...string) {
	t.Helper()
	p := chat(customer)
	written := []events.Event{events.ConversationStarted{
		ConversationID: p.Conversation, AccountID: sender, PhoneNumberID: hotline, CustomerID: p.Customer, Entry: events.EntryBusiness,
	}}
	for i, kind := range kinds {
		written = append(written, events.MessageQueued{
			ConversationID: p.Conversation, MessageID: messageNo(first + i), CustomerID: p.Customer, Kind: kind,
			Category: events.Utility, QueuedAt: morning,
		})
	}
	recordAll(t, store, conversation.Stream(p.Conversation), events.NoStream, written...)
}

func recordAll(t testing.TB, store policiestest.Store, stream string, expected events.Expected, all ...events.Event) {
	t.Helper()
	proposed := make([]events.Proposed, len(all))
	for i, e := range all {
		var err error
		proposed[i], err = events.Encode(id.New[id.Event](), e, events.Envelope{Account: sender, RecordedAt: morning, Actor: "test", Source: "test"})
		require.NoError(t, err)
	}
	_, err := store.Append(t.Context(), stream, expected, proposed)
	require.NoError(t, err)
}

// stepsOf lists what was recorded of each message after it was queued.
func stepsOf(t testing.TB, store policiestest.Store, customer int) map[id.Message][]events.Event {
	t.Helper()
	found := map[id.Message][]events.Event{}
	for r, err := range store.ReadStream(t.Context(), conversation.Stream(chat(customer).Conversation), 0) {
		require.NoError(t, err)
		event, _, err := events.DecodeRecord(r)
		require.NoError(t, err)
		switch e := event.(type) {
		case events.DispatchStarted:
			found[e.MessageID] = append(found[e.MessageID], e)
		case events.DispatchFailed:
			found[e.MessageID] = append(found[e.MessageID], e)
		case events.DispatchUnknown:
			found[e.MessageID] = append(found[e.MessageID], e)
		case events.DispatchDeferred:
			found[e.MessageID] = append(found[e.MessageID], e)
		case events.MessageAccepted:
			found[e.MessageID] = append(found[e.MessageID], e)
		}
	}
	return found
}

// fire fires every timer that is due at the mailer's clock, and returns how many there were.
func fire(t testing.TB, store policiestest.Store, m *mailer) (fired int) {
	t.Helper()
	h := commands.New(store, m.clock)
	for batch, err := range store.SubscribeAll(t.Context(), events.Start, 1<<16) {
		require.NoError(t, err)
		for _, r := range batch {
			event, _, err := events.DecodeRecord(r)
			if set, is := event.(events.TimerSet); err == nil && is && !set.Due.After(m.clock()) {
				_, err = h.FireTimer(t.Context(), commands.Meta{}, sender, set.TimerID)
				require.NoError(t, err)
				fired++
			}
		}
		break
	}
	return fired
}

func TestEachAnswerHasItsOutcome(t *testing.T) {
	t.Parallel()
	store, m := storetest.Lend(t), newMailer()
	queue(t, store, 1, 1, "ok", "never", "later", "erased", "silence")
	policiestest.Run(t, store, sendingOver(store, m))
	all := stepsOf(t, store, 1)
	for n := 1; n <= 5; n++ {
		require.Len(t, all[messageNo(n)], 2)
		require.Equal(t, 1, all[messageNo(n)][0].(events.DispatchStarted).Attempt)
	}
	require.Equal(t, events.WamidHash("w1:"+messageNo(1).String()), all[messageNo(1)][1].(events.MessageAccepted).WamidHash)
	refused := all[messageNo(2)][1].(events.DispatchFailed)
	require.Equal(t, 131026, refused.Code)
	require.Nil(t, refused.RetryAt)
	require.Equal(t, morning.Add(10*time.Second), *all[messageNo(3)][1].(events.DispatchFailed).RetryAt)
	erased := all[messageNo(4)][1].(events.DispatchFailed)
	require.Equal(t, "Erased", erased.Rejection)
	require.Nil(t, erased.RetryAt, "what was erased is not tried again")
	require.Equal(t, events.CauseTimeout, all[messageNo(5)][1].(events.DispatchUnknown).Cause)
}

func TestATimerBringsBackWhatMayBeTriedAgainLaterAndLater(t *testing.T) {
	t.Parallel()
	store, m := storetest.Lend(t), newMailer()
	queue(t, store, 1, 1, strings.Repeat("later ", 2)+"ok")
	policy := sendingOver(store, m)
	policiestest.Run(t, store, policy)
	for _, wait := range []time.Duration{10 * time.Second, 20 * time.Second} {
		m.now = m.now.Add(wait - time.Nanosecond)
		require.Zero(t, fireNew(t, store, m), "too early")
		m.now = m.now.Add(time.Nanosecond)
		require.Equal(t, 1, fireNew(t, store, m))
		policiestest.Run(t, store, policy)
	}
	require.Len(t, m.given, 3)
	steps := stepsOf(t, store, 1)[messageNo(1)]
	require.IsType(t, events.MessageAccepted{}, steps[len(steps)-1])
	require.Equal(t, 3, steps[len(steps)-2].(events.DispatchStarted).Attempt)
}

// fireNew is fire, of those timers only that have not fired.
func fireNew(t testing.TB, store policiestest.Store, m *mailer) int {
	t.Helper()
	before, err := store.Head(t.Context())
	require.NoError(t, err)
	fire(t, store, m)
	after, err := store.Head(t.Context())
	require.NoError(t, err)
	fired := 0
	if after == before {
		return 0
	}
	for batch, err := range store.SubscribeAll(t.Context(), before, 1<<16) {
		require.NoError(t, err)
		for _, r := range batch {
			if r.Type == events.NameOf[events.TimerFired]() {
				fired++
			}
		}
		break
	}
	return fired
}

// TestNoCrashSendsAMessageTwice kills the process at every call, of the store and of the platform: a message is sent once, or
// nobody knows, and the platform never gets one a second time.
func TestNoCrashSendsAMessageTwice(t *testing.T) {
	t.Parallel()
	var m *mailer
	policiestest.Crashes(t, func(t *testing.T) policiestest.Store {
		store := storetest.Lend(t)
		m = newMailer()
		queue(t, store, 1, 1, "ok", "never", "silence")
		queue(t, store, 2, 4, "ok", "later", "ok")
		return store
	}, func(store policiestest.Store) policies.Policy { return sendingOver(store, m) },
		func(t *testing.T, store policiestest.Store) {
			got := map[id.Message]int{}
			for _, message := range m.given {
				got[message]++
				require.Equal(t, 1, got[message], "the platform got a message twice")
			}
			for customer, messages := range map[int][]int{1: {1, 2, 3}, 2: {4, 5, 6}} {
				for _, n := range messages {
					steps := stepsOf(t, store, customer)[messageNo(n)]
					require.Len(t, steps, 2, "message %d has an outcome, once", n)
					if _, unknown := steps[1].(events.DispatchUnknown); !unknown {
						require.Equal(t, 1, got[messageNo(n)], "message %d was sent", n)
					}
				}
			}
		})
}

func TestAmnesia_sending(t *testing.T) {
	t.Parallel()
	store, m := storetest.Lend(t), newMailer()
	queue(t, store, 1, 1, "ok", "never", "later ok", "silence", "erased")
	policiestest.Run(t, store, sendingOver(store, m))
	m.now = m.now.Add(time.Minute)
	fire(t, store, m)
	policiestest.Run(t, store, sendingOver(store, m))
	sent := len(m.given)
	require.Equal(t, 6, sent)
	policiestest.Amnesia(t, store, func() policies.Policy { return sendingOver(store, m) })
	require.Len(t, m.given, sent, "the platform got nothing again")
}

// TestTwoWhoBeginTheSameAttemptAreNotTakenForOne: both demand the same revision and say the same; were it the same append to
// the store, both would believe that it was theirs.
func TestTwoWhoBeginTheSameAttemptAreNotTakenForOne(t *testing.T) {
	t.Parallel()
	store, m := storetest.Lend(t), newMailer()
	const messages = 40
	for n := range messages {
		queue(t, store, n, n, "ok")
	}
	var racing sync.WaitGroup
	for range 2 {
		h := commands.New(store, m.clock)
		racing.Go(func() {
			for n := range messages {
				p := chat(n)
				started, err := h.StartDispatch(t.Context(), commands.Meta{}, p.Conversation, messageNo(n),
					func(conversation.Party, time.Time) (time.Time, events.DispatchCause) { return time.Time{}, "" })
				if err == nil && started.Attempt > 0 {
					_, _ = m.Send(t.Context(), policies.Outgoing{Message: messageNo(n), Kind: "ok"})
				}
			}
		})
	}
	racing.Wait()
	require.Len(t, m.given, messages)
}

// failing is a write side that fails to record what was accepted, a few times.
type failing struct {
	*commands.Handler

	left int
}

func (f *failing) AcceptMessage(ctx context.Context, meta commands.Meta, c commands.AcceptMessage) (events.Position, error) {
	if f.left--; f.left >= 0 {
		return events.Start, errors.New("the store is away")
	}
	return f.Handler.AcceptMessage(ctx, meta, c)
}

func TestAnAnswerThatCouldNotBeRecordedIsRecordedLater(t *testing.T) {
	t.Parallel()
	store, m := storetest.Lend(t), newMailer()
	queue(t, store, 1, 1, "ok")
	policiestest.Run(t, store, policies.NewSending(store, &failing{commands.New(store, m.clock), 3}, m, m.clock))
	require.Len(t, m.given, 1)
	require.IsType(t, events.MessageAccepted{}, stepsOf(t, store, 1)[messageNo(1)][1])
}

// TestANumberKeepsToItsRate sends by a clock that only timers move: never more than 80 messages in any second.
func TestANumberKeepsToItsRate(t *testing.T) {
	t.Parallel()
	for rate, most := range map[int]int{0: 80, 20: 20} {
		t.Run(strconv.Itoa(most), func(t *testing.T) {
			t.Parallel()
			store, m := storetest.Lend(t), newMailer()
			if rate > 0 {
				recordAll(t, store, "account-"+sender.String(), events.NoStream, events.NumberQualityChanged{
					ToldFact: events.ToldFact{AccountID: sender}, PhoneNumberID: hotline, PerSecond: rate,
				})
			}
			const messages = 200
			for n := range messages {
				queue(t, store, n, n, "ok")
			}
			drain(t, store, m, messages)
			for i := range m.times {
				if i >= most {
					require.GreaterOrEqual(t, m.times[i].Sub(m.times[i-most]), time.Second, "%d messages within a second", most+1)
				}
			}
			require.Less(t, m.now.Sub(morning), time.Duration(messages/most+1)*time.Second, "and no slower than that")
		})
	}
}

func TestAPersonIsNotWrittenToTooFast(t *testing.T) {
	t.Parallel()
	store, m := storetest.Lend(t), newMailer()
	kinds := make([]string, 50)
	for i := range kinds {
		kinds[i] = "ok"
	}
	queue(t, store, 1, 1, kinds...)
	drain(t, store, m, len(kinds))
	for i, at := range m.times {
		require.Equal(t, time.Duration(max(i-44, 0))*6*time.Second, at.Sub(morning), "message %d", i)
	}
	var deferred events.DispatchDeferred
	for _, step := range stepsOf(t, store, 1)[messageNo(50)] {
		if e, is := step.(events.DispatchDeferred); is {
			deferred = e
		}
	}
	require.Equal(t, events.CausePairRate, deferred.Cause)
}

// drain lets the policy send everything; the clock jumps to the next timer whenever nothing else is to be done.
func drain(t testing.TB, store policiestest.Store, m *mailer, messages int) {
	t.Helper()
	policy := sendingOver(store, m)
	for policiestest.Run(t, store, policy); len(m.given) < messages; policiestest.Run(t, store, policy) {
		next := nextTimer(t, store, m.now)
		require.True(t, next.After(m.now), "something waits for a timer that is not set")
		m.now = next
		fire(t, store, m)
	}
	require.Len(t, m.given, messages)
}

func nextTimer(t testing.TB, store policiestest.Store, now time.Time) (next time.Time) {
	t.Helper()
	for batch, err := range store.SubscribeAll(t.Context(), events.Start, 1<<16) {
		require.NoError(t, err)
		for _, r := range batch {
			event, _, err := events.DecodeRecord(r)
			if set, is := event.(events.TimerSet); err == nil && is && set.Due.After(now) && (next.IsZero() || set.Due.Before(next)) {
				next = set.Due
			}
		}
		break
	}
	return next
}

func TestATimerOfSomethingElseBringsNothingBack(t *testing.T) {
	t.Parallel()
	store, m := storetest.Lend(t), newMailer()
	h := commands.New(store, m.clock)
	for _, set := range []timer.Set{
		{Kind: events.TimerMessageTTL, Stream: conversation.Stream(chat(1).Conversation), Subject: messageNo(1).String()},
		{Kind: events.TimerDispatchRetry, Stream: conversation.Stream(chat(1).Conversation), Subject: messageNo(1).String()},
		{Kind: events.TimerDispatchRetry, Stream: "campaign-1", Subject: "1"},
	} {
		set.Account, set.Due = sender, morning
		_, err := h.SetTimer(t.Context(), commands.Meta{}, set)
		require.NoError(t, err)
	}
	require.Equal(t, 3, fire(t, store, m))
	policiestest.Run(t, store, sendingOver(store, m))
	require.Empty(t, m.given)
}
