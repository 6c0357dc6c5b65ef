package policies_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/adapters/whatsapp/graph"
	"daybook/adapters/whatsapp/sim"
	"daybook/commands"
	"daybook/commands/policies"
	"daybook/commands/policies/policiestest"
	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
)

// openSafe is a vault that keeps one key in memory.
type openSafe struct{ key events.DataKey }

func (s openSafe) Open(_ context.Context, sealed events.Sealed, fact id.Fact, path string) ([]byte, error) {
	return s.key.Open(sealed, fact, path)
}

func (s openSafe) Keys(_ context.Context, scopes []events.KeyScope) (map[events.KeyScope]events.DataKey, error) {
	return map[events.KeyScope]events.DataKey{scopes[0]: s.key}, nil
}

func (openSafe) WamidHash(wamid string) events.WamidHash { return events.WamidHash("w1:" + wamid) }

// BenchmarkDomainSending measures how fast queued messages get to the platform, from an embedded store on this disk.
//
// The ceiling is what the simulator takes from the same client, sending the same messages with as many calls at once, when
// each message also costs one durable append to the same kind of store, and nothing is decided: no less can be done for a
// message that must not be lost. Sending needs two appends, one before the call and one after, and has to keep up with half.
func BenchmarkDomainSending(b *testing.B) {
	const messages, accounts = 8_000, 16
	key, err := events.NewDataKey(id.New[id.Key](), make([]byte, 32))
	require.NoError(b, err)
	vault := openSafe{key}
	platform := sim.New(sim.Config{Now: time.Now, PerSecond: messages, Pace: time.Hour})
	server := httptest.NewServer(platform)
	defer server.Close()
	client := graph.New(graph.Config{URL: server.URL + "/v24.0", Token: "token", Vault: vault, Now: time.Now, Erased: func(error) bool { return false }})
	defer client.Close()

	for b.Loop() {
		store, other := openDisk(b), openDisk(b)
		out := write(b, store, vault, messages, accounts)
		head, err := store.Head(b.Context())
		require.NoError(b, err)
		ceiling := bare(b, other, client, out)

		runtime.GC()
		before := platform.Accepted()
		began := time.Now()
		runner, err := policies.NewRunner(policies.Config{Log: store, Leases: policiestest.NewLeases(time.Now), Now: time.Now},
			policies.NewSending(store, commands.New(store, time.Now), client, time.Now))
		require.NoError(b, err)
		ctx, cancel := context.WithCancel(b.Context())
		ended := make(chan error, 1)
		go func() { ended <- runner.Run(ctx) }()
		_, err = runner.WaitFor(ctx, policies.SendingName, head)
		require.NoError(b, err)
		rate := messages / time.Since(began).Seconds()
		require.Equal(b, messages, platform.Accepted()-before)
		cancel()
		require.NoError(b, <-ended)
		b.ReportMetric(rate, "messages/s")
		b.ReportMetric(ceiling, "ceiling/s")
		b.ReportMetric(rate/ceiling, "sending>=0.5")
		require.NoError(b, store.Close())
		require.NoError(b, other.Close())
	}
}

func openDisk(b *testing.B) *embedded.Store {
	b.Helper()
	store, err := embedded.Open(b.TempDir())
	require.NoError(b, err)
	return store
}

// write queues templates, each to another person, in several accounts whose numbers may send as fast as they like.
func write(b *testing.B, store *embedded.Store, vault openSafe, messages, accounts int) (out []policies.Outgoing) {
	b.Helper()
	for n := range accounts {
		owner := benchAccount(n)
		appendOne(b, store, owner, "account-"+owner.String(), events.NumberQualityChanged{
			ToldFact: events.ToldFact{AccountID: owner}, PhoneNumberID: strconv.Itoa(n), PerSecond: messages,
		})
	}
	var writing sync.WaitGroup
	slots := make(chan struct{}, 256)
	for n := range messages {
		owner, number := benchAccount(n%accounts), strconv.Itoa(n%accounts)
		who, message := id.New[id.Customer](), id.New[id.Message]()
		fact, in := id.Of[id.Fact](message), conversation.IDOf(number, who)
		m := policies.Outgoing{
			Account: owner, PhoneNumberID: number, Conversation: in, Message: message, Customer: who, Kind: "template",
			Template: &events.Template{Name: "order_ready", Language: "it"},
			To:       vault.key.Seal(fact, "to", fmt.Appendf(nil, "39%010d", n)), Content: vault.key.Seal(fact, "content", []byte(`{"parameters":["Ada"]}`)),
		}
		out = append(out, m)
		slots <- struct{}{}
		writing.Go(func() {
			defer func() { <-slots }()
			appendOne(b, store, owner, conversation.Stream(in), events.ConversationStarted{
				ConversationID: in, AccountID: owner, PhoneNumberID: number, CustomerID: who, Entry: events.EntryBusiness,
			}, events.MessageQueued{
				ConversationID: in, MessageID: message, CustomerID: who, Kind: m.Kind, Category: events.Utility, Template: m.Template,
				QueuedAt: time.Now(), To: m.To, Content: m.Content,
			})
		})
	}
	writing.Wait()
	return out
}

func benchAccount(n int) id.Account {
	var a id.Account
	a.UUID[0], a.UUID[15] = 1, byte(n)
	return a
}

func appendOne(b *testing.B, store *embedded.Store, owner id.Account, stream string, all ...events.Event) {
	b.Helper()
	proposed := make([]events.Proposed, len(all))
	for i, e := range all {
		var err error
		if proposed[i], err = events.Encode(id.New[id.Event](), e, events.Envelope{Account: owner, RecordedAt: time.Now(), Actor: "b", Source: "b"}); err != nil {
			b.Error(err)
		}
	}
	if _, err := store.Append(b.Context(), stream, events.Any, proposed); err != nil {
		b.Error(err)
	}
}

// bare gives all messages to the platform, each with one durable append before, and returns how many went in a second. As many
// are under way as sending has at most: 8 shards at once, 64 each.
func bare(b *testing.B, store *embedded.Store, client *graph.Client, out []policies.Outgoing) float64 {
	b.Helper()
	runtime.GC()
	slots := make(chan struct{}, 8*64)
	began := time.Now()
	var calls sync.WaitGroup
	for _, m := range out {
		slots <- struct{}{}
		calls.Go(func() {
			defer func() { <-slots }()
			appendOne(b, store, m.Account, conversation.Stream(m.Conversation), events.DispatchStarted{ConversationID: m.Conversation, MessageID: m.Message, Attempt: 1})
			if _, err := client.Send(b.Context(), m); err != nil {
				b.Error(err)
			}
		})
	}
	calls.Wait()
	return float64(len(out)) / time.Since(began).Seconds()
}
