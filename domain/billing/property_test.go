package billing_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/domain/billing"
	"daybook/domain/scenario"
	"daybook/events"
)

// Whatever is rated and revised, the newest BatchRated is the whole state: who opens the period with it alone decides
// and says the same as who has folded everything. Its totals are the sum of what each delivery came to, and it is never
// larger than was promised.
func TestBatchRatedIsTheWholeState(t *testing.T) {
	t.Parallel()
	scenario.Often(func() {
		rapid.Check(t, func(t *rapid.T) {
			var folded, opened billing.State
			rated := map[int]billing.Rated{}
			for range rapid.IntRange(1, 30).Draw(t, "appends") {
				for range rapid.IntRange(1, 4).Draw(t, "events") {
					n := rapid.IntRange(0, 8).Draw(t, "message")
					was, known := rated[n]
					d := drawn(t, n)
					event := decided(opened, was, known, d)
					require.Equal(t, event, decided(folded, was, known, d))
					if event != nil {
						rated[n], _ = billing.RatedBy(event, at(opened.Next()))
						folded, opened = billing.Evolve(folded, event), billing.Evolve(opened, event)
					}
				}
				promised := opened.ClosingBytes()
				closing, err := opened.Close(card)
				require.NoError(t, err)
				same, err := folded.Close(card)
				require.NoError(t, err)
				require.Equal(t, closing, same)
				data, err := json.Marshal(closing)
				require.NoError(t, err)
				require.LessOrEqual(t, len(data), promised)
				requireSum(t, rated, closing)

				revision := opened.Next()
				folded, opened = billing.Evolve(folded, closing), billing.Open(closing, revision)
				require.Equal(t, folded.Next(), opened.Next())
			}
		})
	})
}

// drawn is message n with something of what the platform may tell.
func drawn(t *rapid.T, n int) events.Delivered {
	d := delivery(n, []events.Category{events.Utility, events.Marketing, events.Authentication, events.Service}[n%4])
	d.DeliveredAt = noon.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "second")) * time.Second)
	if kind := rapid.SampledFrom([]string{"", "regular", "free_entry_point", "free_customer_service"}).Draw(t, "type"); kind != "" {
		d.Pricing = &events.Pricing{Type: kind, Category: rapid.SampledFrom([]string{"", "utility", "service"}).Draw(t, "category")}
	}
	return d
}

func decided(s billing.State, was billing.Rated, known bool, d events.Delivered) events.Event {
	if known {
		return s.Revise(book, terms, was, d)
	}
	return s.Rate(book, terms, d)
}

// requireSum adds up what every delivery has come to, without the help of the state.
func requireSum(t *rapid.T, rated map[int]billing.Rated, closing events.BatchRated) {
	type count struct{ micros, paid, free int64 }
	want, got := map[string]count{}, map[string]count{}
	pending, allowance := 0, int64(0)
	for _, r := range rated {
		if r.Held != nil {
			pending++
			continue
		}
		key := r.Charge.Market + "/" + string(r.Charge.Category)
		c := want[key]
		c.micros += r.Charge.Amount.Micros
		if r.Charge.Basis == events.BasisRegular {
			c.paid++
		} else {
			c.free++
		}
		if r.Charge.Basis == events.BasisAllowance {
			allowance++
		}
		want[key] = c
	}
	for _, total := range closing.Totals {
		got[total.Market+"/"+string(total.Category)] = count{total.Amount.Micros, total.Paid, total.Free}
	}
	require.Equal(t, want, got)
	require.Equal(t, pending, closing.Pending)
	require.Equal(t, pending > 0, closing.PendingSince != nil)
	for _, a := range closing.Allowances {
		allowance -= a.Used
	}
	require.Zero(t, allowance)
}
