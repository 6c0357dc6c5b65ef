package whatsapp_test

import (
	"context"
	"encoding/json"
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
	"golang.org/x/sync/errgroup"

	"daybook/adapters/embedded"
	"daybook/adapters/vault"
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

// straight is the straight loop: verify, parse, seal, append, written for this one kind of delivery. It has the same
// vault and as many appends under way, so that group commit helps it as much. It folds nothing, finds no repeats, and
// could not take anything else. What the webhook costs beyond it is the price of HTTP and of being right.
type straight struct {
	store   commands.EventStore
	vault   *vault.Vault
	account id.Account
}

type texts struct {
	Entry []struct {
		Changes []struct {
			Value struct {
				Metadata struct {
					PhoneNumberID string `json:"phone_number_id"`
				} `json:"metadata"`
				Contacts []json.RawMessage `json:"contacts"`
				Messages []json.RawMessage `json:"messages"`
			} `json:"value"`
		} `json:"changes"`
	} `json:"entry"`
}

func (s straight) ingest(ctx context.Context, body []byte) error {
	if !whatsapp.Verify([]string{secret}, sign(secret, body), body) {
		return errUnexpected
	}
	var delivery texts
	if err := json.Unmarshal(body, &delivery); err != nil {
		return err
	}
	value := delivery.Entry[0].Changes[0].Value
	type text struct {
		From      string `json:"from"`
		ID        string `json:"id"`
		Timestamp int64  `json:"timestamp,string"`
	}
	messages := make([]text, len(value.Messages))
	people := make([]events.Person, len(messages))
	for i, raw := range value.Messages {
		if err := json.Unmarshal(raw, &messages[i]); err != nil {
			return err
		}
		people[i] = events.Person{WaID: messages[i].From}
	}
	customers, err := s.vault.Customers(ctx, s.account, people)
	if err != nil {
		return err
	}
	scopes := make([]events.KeyScope, len(messages))
	for i, customer := range customers {
		scopes[i] = events.KeyScope{Account: s.account, Subject: customer.UUID, Class: events.ClassMessages, Year: noon().Year()}
	}
	keys, err := s.vault.Keys(ctx, scopes)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(64)
	for i, m := range messages {
		group.Go(func() error {
			hash := s.vault.WamidHash(m.ID)
			messageID, at, key := conversation.InboundID(hash), time.Unix(m.Timestamp, 0).UTC(), keys[scopes[i]]
			fact := id.Of[id.Fact](messageID)
			in := conversation.IDOf(value.Metadata.PhoneNumberID, customers[i])
			p, err := events.Encode(id.New[id.Event](), events.MessageReceived{
				ConversationID: in, MessageID: messageID, CustomerID: customers[i], WamidHash: hash, Kind: "text",
				SentAt: at, WindowUntil: at.Add(24 * time.Hour), Dialling: people[i].Dialling(),
				Wamid: key.Seal(fact, "wamid", []byte(m.ID)), From: key.Seal(fact, "from", []byte(m.From)),
				Contact: key.Seal(fact, "contact", value.Contacts[i]), Content: key.Seal(fact, "content", value.Messages[i]),
			}, events.Envelope{Account: s.account, OccurredAt: at, RecordedAt: noon(), Actor: "platform:whatsapp", Source: "webhook"})
			if err != nil {
				return err
			}
			_, err = s.store.Append(ctx, conversation.Stream(in), events.Any, []events.Proposed{p})
			return err
		})
	}
	return group.Wait()
}

var errUnexpected = errors.New("not part of the benchmark")

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
	plainly := straight{stores[1], v.Vault, owner}
	loop := func(body []byte) error { return plainly.ingest(b.Context(), body) }
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
