package whatsapp_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/adapters/whatsapp"
	"daybook/commands"
	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
)

// The work of the benchmark. Both sides get the same.
const (
	benchRounds  = 7
	benchBatches = 24 // per round and side
	benchUpdates = 100
	benchNew     = 20 // of them from people never seen before
	benchKnown   = 2000
	benchSenders = 4 // deliveries under way at the same time
)

// straight records without asking: no fold, no repeats found, no conflicts. What the webhook costs beyond it is the
// price of HTTP and of being right.
type straight struct {
	commands.EventStore

	account id.Account
}

func (s straight) NumberOwner(context.Context, string) (id.Account, bool, error) {
	return s.account, true, nil
}

func (s straight) RecordUpdates(ctx context.Context, meta commands.Meta, d commands.Delivery) (commands.Outcome, error) {
	proposed := make([]events.Proposed, len(d.Updates))
	for i, update := range d.Updates {
		u := update.(conversation.Inbound)
		p, err := events.Encode(id.New[id.Event](), events.MessageReceived{
			ConversationID: d.Conversation, MessageID: u.MessageID, CustomerID: d.Customer, WamidHash: u.WamidHash, Kind: u.Kind,
			SentAt: u.SentAt, WindowUntil: u.SentAt.Add(24 * time.Hour), Dialling: u.Dialling,
			Wamid: u.Wamid, From: u.From, Contact: u.Contact, Content: u.Content,
		}, events.Envelope{Account: d.Account, OccurredAt: u.SentAt, RecordedAt: noon(), Actor: meta.Actor, Source: meta.Source, Correlation: meta.Correlation})
		if err != nil {
			return commands.Outcome{}, err
		}
		proposed[i] = p
	}
	at, err := s.Append(ctx, conversation.Stream(d.Conversation), events.Any, proposed)
	return commands.Outcome{Position: at.Position}, err
}

var errUnexpected = errors.New("not part of the benchmark")

func (s straight) Quarantine(context.Context, commands.Meta, events.UpdateQuarantined) (events.Position, error) {
	return events.Start, errUnexpected
}

func (s straight) MarkRedriven(context.Context, commands.Meta, id.Quarantine, string) (events.Position, error) {
	return events.Start, errUnexpected
}

// traffic makes batches of inbound texts. No two messages are the same; strangers are.
type traffic struct{ messages, strangers int }

func (m *traffic) batch() []byte {
	elements, contacts := make([]string, benchUpdates), make([]string, benchUpdates)
	for i := range elements {
		from := fmt.Sprintf("3933%08d", (m.messages*7919)%benchKnown)
		if i < benchNew {
			from = fmt.Sprintf("3944%08d", m.strangers)
			m.strangers++
		}
		m.messages++
		elements[i] = fmt.Sprintf(`{"from":"%s","id":"wamid.HBgMMzkzOTAwMDAwMDAxFQIAEhgUM0EwQjFDMkQzRTRGNTA2%08d","timestamp":"%d",`+
			`"type":"text","text":{"body":"Buongiorno, quando arriva il mio ordine numero %d? Grazie mille."}}`, from, m.messages, 1759312800+m.messages, m.messages)
		contacts[i] = fmt.Sprintf(`{"profile":{"name":"Cliente %d"},"wa_id":"%s"}`, m.messages, from)
	}
	return []byte(strings.Replace(string(batch("messages", elements...)), `"messages":`, `"contacts":[`+strings.Join(contacts, ",")+`],"messages":`, 1))
}

func (m *traffic) batches(n int) [][]byte {
	all := make([][]byte, n)
	for i := range all {
		all[i] = m.batch()
	}
	return all
}

// drive sends all bodies, some at the same time, and returns how long it took.
func drive(b *testing.B, bodies [][]byte, send func([]byte) error) time.Duration {
	b.Helper()
	started := time.Now()
	var next, failed atomic.Int64
	var group sync.WaitGroup
	for range benchSenders {
		group.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(bodies)); i = next.Add(1) - 1 {
				if send(bodies[i]) != nil {
					failed.Add(1)
				}
			}
		})
	}
	group.Wait()
	took := time.Since(started)
	require.Zero(b, failed.Load())
	return took
}

// BenchmarkMainWebhook compares the webhook end to end, over HTTP, with a straight loop of verify, parse, seal and
// append that has the same vault, the same kind of store, and as many appends under way.
func BenchmarkMainWebhook(b *testing.B) {
	v := openVault(b)
	var stores [2]*embedded.Store
	for i := range stores {
		store, err := embedded.Open(b.TempDir())
		require.NoError(b, err)
		defer store.Close() //nolint:errcheck // the end of the benchmark
		stores[i] = store
	}
	r := wire(b.Context(), stores[0], stores[0], v)
	owner, _ := r.register(b)
	r.handler.Log = discard()
	server := httptest.NewServer(r.handler)
	defer server.Close()
	webhook := func(body []byte) error {
		if status := send(b.Context(), server, body); status != http.StatusOK {
			return fmt.Errorf("status %d", status)
		}
		return nil
	}
	plainly := &whatsapp.Ingester{Recorder: straight{stores[1], owner}, Vault: v, Routes: r.handler.Ingester.Routes, Now: noon}
	loop := func(body []byte) error {
		if !whatsapp.Verify([]string{secret}, sign(secret, body), body) {
			return errUnexpected
		}
		_, err := plainly.Ingest(b.Context(), body)
		return err
	}
	var m traffic
	warm := m.batches(benchKnown / (benchUpdates - benchNew))
	drive(b, warm, webhook)
	drive(b, warm, loop)

	var ratios []float64
	var webhookTook, loopTook time.Duration
	for b.Loop() {
		for round := range benchRounds {
			var took [2]time.Duration
			for side := range 2 {
				if (side+round)%2 == 0 {
					took[0] = drive(b, m.batches(benchBatches), webhook)
				} else {
					took[1] = drive(b, m.batches(benchBatches), loop)
				}
			}
			webhookTook, loopTook = webhookTook+took[0], loopTook+took[1]
			ratios = append(ratios, took[1].Seconds()/took[0].Seconds())
		}
	}
	slices.Sort(ratios)
	updates := float64(len(ratios) * benchBatches * benchUpdates)
	b.ReportMetric(updates/webhookTook.Seconds(), "webhook-updates/s")
	b.ReportMetric(updates/loopTook.Seconds(), "loop-updates/s")
	b.ReportMetric(ratios[len(ratios)/2], "webhook-vs-straight-loop>=0.5")
}
