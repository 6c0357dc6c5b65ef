package conversation_test

import (
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/domain/conversation"
	"daybook/events"
)

func utility(kind string) *events.Pricing {
	return &events.Pricing{Billable: new(kind == "regular"), Model: "PMP", Type: kind, Category: "utility"}
}

// priced is a status with the platform's word on the price.
func priced(p *events.Pricing, u conversation.StatusUpdate) conversation.StatusUpdate {
	u.Pricing = p
	return u
}

// worded is a fact with the platform's word on the price.
func worded(p *events.Pricing, f events.StatusFact) events.StatusFact {
	f.Pricing = p
	return f
}

func TestADeliveryIsTimedByDeliveredElseByReadOrPlayed(t *testing.T) {
	t.Parallel()
	past := given(started(events.EntryBusiness), queued(1))
	played := past.When(tell(t, status(1, events.StatusPlayed, minute(5)))).Then(t, events.MessagePlayed{
		StatusFact: onward(telling(events.Delivery{At: minute(5), Inferred: true}, fact(1, events.StatusPlayed, minute(5)))),
	})
	read := played.When(tell(t, status(1, events.StatusRead, minute(3)))).Then(t, events.MessageRead{
		StatusFact: telling(events.Delivery{At: minute(3), Inferred: true, FirstAt: new(minute(5))}, fact(1, events.StatusRead, minute(3))),
	})
	read.When(tell(t, status(1, events.StatusPlayed, minute(4)))).Then(t, events.StatusTimeCorrected{
		StatusFact: fact(1, events.StatusPlayed, minute(4)), Status: events.StatusPlayed, PreviousAt: minute(5),
	})
	// The delivered status outranks what was inferred, even when it is later.
	delivered := read.When(tell(t, status(1, events.StatusDelivered, minute(9)))).Then(t, events.MessageDelivered{
		StatusFact: telling(events.Delivery{At: minute(9), FirstAt: new(minute(5))}, fact(1, events.StatusDelivered, minute(9))),
	})
	delivered.When(tell(t, status(1, events.StatusRead, minute(2)))).Then(t, events.StatusTimeCorrected{
		StatusFact: fact(1, events.StatusRead, minute(2)), Status: events.StatusRead, PreviousAt: minute(3),
	})
}

func TestSentAndFailedAloneAreNoDelivery(t *testing.T) {
	t.Parallel()
	regular := utility("regular")
	failed := given(started(events.EntryBusiness), queued(1)).
		When(tell(t, priced(regular, status(1, events.StatusSent, minute(1))), priced(regular, status(1, events.StatusFailed, minute(2))))).
		Then(t, events.MessageSent{StatusFact: onward(worded(regular, fact(1, events.StatusSent, minute(1))))},
			events.MessageFailed{StatusFact: worded(regular, fact(1, events.StatusFailed, minute(2)))})
	// A delivery to another device of the recipient, told after the failure, counts.
	failed.When(tell(t, status(1, events.StatusDelivered, minute(3)))).Then(t, events.MessageDelivered{
		StatusFact: telling(events.Delivery{At: minute(3), Pricing: regular}, fact(1, events.StatusDelivered, minute(3))),
	})
}

// Whatever tells first that the platform sent the message on shows that, and nothing after it.
func TestOneFactShowsThatAMessageWasSentOn(t *testing.T) {
	t.Parallel()
	told := []conversation.Update{
		status(1, events.StatusFailed, minute(1)), status(1, events.StatusSent, minute(2)), status(1, events.StatusDelivered, minute(3)),
		status(1, events.StatusRead, minute(4)), status(1, events.StatusPlayed, minute(5)),
	}
	again := []conversation.Update{ // an earlier time, and a word on the price, are no second showing
		status(1, events.StatusSent, minute(1)), priced(utility("regular"), status(1, events.StatusRead, minute(4))),
	}
	for updates := range orders(told) {
		var past []events.Event
		shown := false
		for _, update := range append(updates, again...) {
			for _, event := range record(t, past, []conversation.Update{update}) {
				f, status, _ := factOf(event)
				require.Equal(t, !shown && status != events.StatusFailed, f.ShowsSent, "%s of %v", status, updates)
				shown = shown || status != events.StatusFailed
				past = append(past, event)
			}
		}
		require.Len(t, past, len(told)+len(again))
	}
}

func TestTheWordOnThePriceIsOfDeliveredThenReadPlayedSent(t *testing.T) {
	t.Parallel()
	words := map[events.Status]*events.Pricing{}
	for i, s := range []events.Status{events.StatusSent, events.StatusPlayed, events.StatusRead, events.StatusDelivered, events.StatusFailed} {
		words[s] = &events.Pricing{Type: "regular", Category: []string{"a", "b", "c", "d", "e"}[i]}
	}
	first := events.Delivery{At: minute(1), Inferred: true}
	known := given(started(events.EntryBusiness), queued(1)).
		When(tell(t, status(1, events.StatusRead, minute(1)))).
		Then(t, events.MessageRead{StatusFact: onward(telling(first, fact(1, events.StatusRead, minute(1))))})

	// From the weakest on, each outranks the ones before.
	then := first
	then.FirstAt = new(minute(1))
	then.Pricing = words[events.StatusSent]
	known = known.When(tell(t, priced(words[events.StatusSent], status(1, events.StatusSent, minute(1))))).
		Then(t, events.MessageSent{StatusFact: telling(then, worded(words[events.StatusSent], fact(1, events.StatusSent, minute(1))))})
	known = known.When(tell(t, priced(words[events.StatusFailed], status(1, events.StatusFailed, minute(2))))).
		Then(t, events.MessageFailed{StatusFact: worded(words[events.StatusFailed], fact(1, events.StatusFailed, minute(2)))})
	then.Pricing = words[events.StatusPlayed]
	known = known.When(tell(t, priced(words[events.StatusPlayed], status(1, events.StatusPlayed, minute(2))))).
		Then(t, events.MessagePlayed{StatusFact: telling(then, worded(words[events.StatusPlayed], fact(1, events.StatusPlayed, minute(2))))})
	then.Pricing = words[events.StatusRead]
	known = known.When(tell(t, priced(words[events.StatusRead], status(1, events.StatusRead, minute(3))))).Then(t, events.PricingTold{
		StatusFact: telling(then, worded(words[events.StatusRead], fact(1, events.StatusRead, minute(3)))), Status: events.StatusRead,
	})
	strongest := then
	strongest.At, strongest.Inferred, strongest.Pricing = minute(4), false, words[events.StatusDelivered]
	known.When(tell(t, priced(words[events.StatusDelivered], status(1, events.StatusDelivered, minute(4))))).Then(t,
		events.MessageDelivered{StatusFact: telling(strongest, worded(words[events.StatusDelivered], fact(1, events.StatusDelivered, minute(4))))})

	// From the strongest on, none does. Without a word of its own, delivered takes over what was inferred.
	strongest.Pricing = words[events.StatusRead]
	settled := known.When(tell(t, status(1, events.StatusDelivered, minute(4)))).
		Then(t, events.MessageDelivered{StatusFact: telling(strongest, fact(1, events.StatusDelivered, minute(4)))})
	settled.When(tell(t, priced(words[events.StatusDelivered], status(1, events.StatusPlayed, minute(2))))).Then(t)
}

func TestARepeatWithTheFirstWordOnThePriceIsRecorded(t *testing.T) {
	t.Parallel()
	regular, free := utility("regular"), utility("free_customer_service")
	delivered := given(started(events.EntryBusiness), queued(1)).
		When(tell(t, status(1, events.StatusDelivered, minute(5)))).Then(t, events.MessageDelivered{
		StatusFact: onward(telling(events.Delivery{At: minute(5)}, fact(1, events.StatusDelivered, minute(5)))),
	})
	delivered.When(tell(t, priced(&events.Pricing{}, status(1, events.StatusDelivered, minute(5))))).Then(t) // a word that says nothing

	told := delivered.When(tell(t, priced(regular, status(1, events.StatusDelivered, minute(6))))).Then(t, events.PricingTold{
		StatusFact: telling(events.Delivery{At: minute(5), Pricing: regular, FirstAt: new(minute(5))},
			worded(regular, fact(1, events.StatusDelivered, minute(6)))),
		Status: events.StatusDelivered,
	})
	// The first word stays, and the time is not that of the repeat.
	told.When(tell(t, priced(free, status(1, events.StatusDelivered, minute(5))))).Then(t)
	told.When(tell(t, priced(free, status(1, events.StatusDelivered, minute(4))))).Then(t, events.StatusTimeCorrected{
		StatusFact: telling(events.Delivery{At: minute(4), Pricing: regular, FirstAt: new(minute(5))},
			worded(free, fact(1, events.StatusDelivered, minute(4)))),
		Status: events.StatusDelivered, PreviousAt: minute(5),
	})
	// An earlier time and the first word on the price are one fact.
	delivered.When(tell(t, priced(regular, status(1, events.StatusDelivered, minute(4))))).Then(t, events.StatusTimeCorrected{
		StatusFact: telling(events.Delivery{At: minute(4), Pricing: regular, FirstAt: new(minute(5))},
			worded(regular, fact(1, events.StatusDelivered, minute(4)))),
		Status: events.StatusDelivered, PreviousAt: minute(5),
	}).When(tell(t, priced(regular, status(1, events.StatusDelivered, minute(4))))).Then(t)
	// A word that does not count for the delivery is kept all the same.
	told.When(tell(t, status(1, events.StatusSent, minute(1)), priced(free, status(1, events.StatusFailed, minute(1))))).
		Then(t, events.MessageSent{StatusFact: fact(1, events.StatusSent, minute(1))},
			events.MessageFailed{StatusFact: worded(free, fact(1, events.StatusFailed, minute(1)))}).
		When(tell(t, priced(free, status(1, events.StatusSent, minute(1))))).
		Then(t, events.PricingTold{StatusFact: worded(free, fact(1, events.StatusSent, minute(1))), Status: events.StatusSent})
}

// Told at once: the earliest time and the first word on the price count, whichever of the repeats they are in.
func TestARepeatWithinOneDeliveryLosesNeitherTimeNorPrice(t *testing.T) {
	t.Parallel()
	regular, free := utility("regular"), utility("free_customer_service")
	early, late := status(1, events.StatusDelivered, minute(1)), status(1, events.StatusDelivered, minute(2))
	past := given(started(events.EntryBusiness), queued(1))
	for _, c := range [][]conversation.Update{
		{early, priced(regular, late)},
		{late, priced(regular, early)},
		{priced(regular, late), early, priced(free, late)},
		{priced(&events.Pricing{}, early), priced(regular, late), priced(free, early)},
	} {
		past.When(tell(t, c...)).Then(t, events.MessageDelivered{
			StatusFact: onward(telling(events.Delivery{At: minute(1), Pricing: regular}, worded(regular, fact(1, events.StatusDelivered, minute(1))))),
		})
	}
}

func TestVector01_FreeFormIsAcceptedUntilTheWindowsLastInstant(t *testing.T) {
	t.Parallel()
	until := question.Add(24 * time.Hour)
	want := queued(1)
	want.QueuedAt, want.WindowUntil, want.AnswersSince = until, &until, &question
	sent := given(started(events.EntryInbound), received(1, question, until)).When(send(text(1), until)).Then(t, want)

	// What prices its delivery says that it was written inside the window, however late it is delivered.
	at := until.Add(time.Hour)
	f := onward(telling(events.Delivery{At: at}, fact(1, events.StatusDelivered, at)))
	f.Sending = sending(want)
	require.Equal(t, &until, f.Sending.WindowUntil)
	sent.When(tell(t, status(1, events.StatusDelivered, at))).Then(t, events.MessageDelivered{StatusFact: f})
}

func TestVector02_FreeFormIsRefusedOneNanosecondLater(t *testing.T) {
	t.Parallel()
	until := question.Add(24 * time.Hour)
	given(started(events.EntryInbound), received(1, question, until)).
		When(send(text(1), until.Add(time.Nanosecond))).Rejected(t, "ServiceWindowClosed")
}

func TestVector04_ALaterQuestionRefreshesTheWindow(t *testing.T) {
	t.Parallel()
	again := question.Add(23 * time.Hour)
	until := again.Add(24 * time.Hour)
	want := queued(1)
	want.QueuedAt, want.WindowUntil, want.AnswersSince = question.Add(46*time.Hour+59*time.Minute), &until, &question
	given(started(events.EntryInbound), received(1, question, question.Add(24*time.Hour))).
		When(tell(t, inbound(2, again))).Then(t, received(2, again, until)).
		When(send(text(1), want.QueuedAt)).Then(t, want)
}

func TestVector12_DeliveredThreeTimesAndReadIsOneDelivery(t *testing.T) {
	t.Parallel()
	regular := utility("regular")
	told := []conversation.Update{
		priced(regular, status(1, events.StatusDelivered, minute(2))), status(1, events.StatusDelivered, minute(3)),
		status(1, events.StatusDelivered, minute(4)), priced(regular, status(1, events.StatusRead, minute(1))),
	}
	for updates := range orders(told) {
		for cuts := range 1 << (len(updates) - 1) {
			var past []events.Event
			first := 0
			for i := range updates {
				if cuts>>i&1 == 1 || i == len(updates)-1 {
					past = append(past, record(t, past, updates[first:i+1])...)
					first = i + 1
				}
			}
			require.Equal(t, events.Delivery{At: minute(2), Pricing: regular}, oneDelivery(t, past))
		}
	}
	// Only read: the platform skipped delivered.
	require.Equal(t, events.Delivery{At: minute(1), Inferred: true, Pricing: regular}, oneDelivery(t, record(t, nil, told[3:])))
}

// oneDelivery is the one delivery that was told, as it was told last but for FirstAt.
func oneDelivery(t *testing.T, recorded []events.Event) events.Delivery {
	t.Helper()
	told := storyOf(t, recorded).deliveries
	require.Len(t, told, 1)
	for _, last := range told {
		return last
	}
	return events.Delivery{}
}

// orders yields every order of a list.
func orders[T any](list []T) iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		if len(list) < 2 {
			yield(slices.Clone(list))
			return
		}
		for i, first := range list {
			for rest := range orders(slices.Delete(slices.Clone(list), i, i+1)) {
				if !yield(append([]T{first}, rest...)) {
					return
				}
			}
		}
	}
}
