package policies_test

import (
	"bytes"
	"encoding/binary"
	"iter"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/commands"
	"daybook/domain/campaign"
	"daybook/domain/pricing"
	"daybook/events"
	"daybook/events/id"
	"daybook/events/money"
)

// crowd are as many recipients, made while they are asked for.
func crowd(n int) iter.Seq2[events.Recipient, error] {
	return func(yield func(events.Recipient, error) bool) {
		for i := range n {
			if !yield(events.Recipient{
				CustomerID: crowded(i), Dialling: events.DialPhone("393331234567"), To: events.Found{Path: "to", Sealed: events.Sealed(bytes.Repeat([]byte("x"), 100))},
			}, nil) {
				return
			}
		}
	}
}

func crowded(i int) id.Customer {
	var u uuid.UUID
	binary.BigEndian.PutUint32(u[:], uint32(i)+1)
	u[6], u[8] = 0x40, 0x80
	return id.Customer{UUID: u}
}

// TestACampaignToAMillion has 10,000 recipients; in make test/long, 1,000,000. Memory stays bounded however many they are, and
// the campaign's stream has a few events for each chunk.
func TestACampaignToAMillion(t *testing.T) {
	recipients := 10_000
	if os.Getenv("DAYBOOK_TEST_LONG") == "1" {
		recipients = campaign.MaxRecipients
	}
	store, err := embedded.Open(t.TempDir()) // in memory, the store would be most of the heap
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	s := newShop(t, store, "USD", "Europe/Rome")
	s.publish(pricing.ReferenceCards)
	draft := saleDraft()
	draft.Category, draft.Parameters = events.Utility, nil
	p := s.plan(draft, 1, audienceOf("393331234567"))
	began := time.Now()
	_, err = s.handler.TakeAudience(t.Context(), asAdmin, s.account, p.id, commands.Audience{Segment: "list", Recipients: crowd(recipients)})
	require.NoError(t, err)
	taken := time.Since(began)
	_, err = s.handler.SetBudget(t.Context(), asAdmin, s.account, p.id, money.Amount{Micros: 30_000 * int64(recipients), Currency: "USD"})
	require.NoError(t, err)
	_, err = s.handler.ApproveCampaign(t.Context(), asAdmin, s.account, p.id)
	require.NoError(t, err)
	s.clock = p.state().Scheduled().StartsAt

	peak, stop := watchHeap()
	began = time.Now()
	p.writeAll()
	rate := float64(recipients) / time.Since(began).Seconds()
	stop()
	t.Logf("%d recipients: audience taken in %s, %.0f written a second, peak heap %d MiB", recipients, taken.Round(time.Millisecond), rate, peak.Load()>>20)

	require.Equal(t, campaign.Completed, p.state().Phase())
	spent, reserved := p.money()
	require.Equal(t, []int64{0, 30_000 * int64(recipients)}, []int64{spent, reserved})
	require.Less(t, peak.Load(), uint64(1<<29))
	last, _, err := s.store.ReadLast(t.Context(), campaign.Stream(p.id))
	require.NoError(t, err)
	require.LessOrEqual(t, last.Revision, uint64(20+2*recipients/campaign.ChunkSize))
}

// writeAll lets the campaign go on until nothing follows.
func (p *promotion) writeAll() {
	p.Helper()
	for p.state().Phase() != campaign.Completed {
		_, chunk, from, _ := p.state().Next(p.clock)
		turn := campaign.TurnAfter(events.ReservationUsed{Chunk: chunk, To: from})
		if from == 0 && chunk > 0 {
			turn = campaign.TurnAfter(events.ReservationUsed{Chunk: chunk - 1, To: campaign.ChunkSize})
		}
		require.NoError(p, p.handler.AdvanceCampaign(p.Context(), asAdmin, p.id, turn, p.copies))
	}
}

// watchHeap notes the highest size of the heap until it is stopped.
func watchHeap() (peak *atomic.Uint64, stop func()) {
	peak = &atomic.Uint64{}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(100 * time.Millisecond)
		defer ticker.Stop()
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak.Store(max(peak.Load(), m.HeapAlloc))
			select {
			case <-ticker.C:
			case <-done:
				return
			}
		}
	}()
	return peak, func() { close(done); <-ended }
}
