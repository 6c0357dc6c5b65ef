package main_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/adapters/postgres"
	"daybook/adapters/postgres/pgtest"
	"daybook/adapters/vault"
	"daybook/adapters/watermill"
	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
	"daybook/commands/policies"
	"daybook/domain/pricing"
	"daybook/events"
	"daybook/events/id"
	"daybook/projections"
	"daybook/projections/analytics"
	"daybook/projections/audit"
	"daybook/projections/ledger"
	"daybook/projections/messages"
	"daybook/projections/projectiontest"
	"daybook/projections/routing"
)

const (
	appSecret  = "kill-test-secret"
	adminToken = "kill-test-admin-token"
	posters    = 8
)

// TestKilledServerLosesAndDoublesNothing kills `daybook serve` again and again while updates are posted. Afterwards every
// acknowledged update is in the store exactly once, every delivered message is charged exactly once, and from an empty
// database the policies add nothing to the store and the projections come to the same rows.
func TestKilledServerLosesAndDoublesNothing(t *testing.T) {
	kills := 5
	if os.Getenv("DAYBOOK_TEST_LONG") == "1" {
		kills = 50
	}
	data, databaseURL := t.TempDir(), pgtest.Database(t)
	environment := []string{
		"DAYBOOK_LISTEN=127.0.0.1:0", "DAYBOOK_STORE_LISTEN=off", "DAYBOOK_DATA=" + data, "DATABASE_URL=" + databaseURL,
		"DAYBOOK_ADMIN_TOKEN=" + adminToken, "DAYBOOK_WHATSAPP_APP_SECRET=" + appSecret,
	}
	server := serve(t, environment...)
	traffic := newTraffic(t, server.base)
	for n := range kills {
		traffic.post(t, server, 40+rand.IntN(120))
		server = serve(t, environment...)
		t.Logf("kill %d: %d updates acknowledged so far", n+1, traffic.acknowledgedSoFar())
	}
	traffic.retry(t, server.base) // the platform repeats what was not acknowledged
	traffic.waitUntilProjected(t, server.base)
	server.stop(t)

	traffic.requireExactlyOnce(t, data, databaseURL)
	traffic.requireChargedOnce(t, data)
	requireEqualRebuild(t, data, databaseURL)
}

// traffic posts updates and journals what was acknowledged. Each delivery holds inbound messages and statuses.
type traffic struct {
	account id.Account
	sent    []string // platform ids of messages that are bound, whose statuses are told

	mu           sync.Mutex
	next         int
	acknowledged []delivery
	unanswered   []delivery
}

// delivery is one webhook body and the updates in it.
type delivery struct {
	body     []byte
	inbound  []string    // platform ids
	statuses [][2]string // platform id and status
}

// newTraffic sets a business up, with messages whose statuses can be told.
func newTraffic(t *testing.T, base string) *traffic {
	t.Helper()
	ctx, server := t.Context(), client.New(base, adminToken)
	account, err := server.RegisterAccount(ctx, api.RegisterAccount{
		Name: "Kill Test", Kind: "enterprise", Country: "IT", Currency: "USD", Timezone: "Europe/Rome", WABAID: "1",
		Numbers: []api.Number{{PhoneNumberID: "900555000111222", DisplayPhoneNumber: "390655500100"}},
	})
	require.NoError(t, err)
	_, err = server.AcceptTerms(ctx, account.ID, api.AcceptTerms{TermsVersion: "1", PrivacyVersion: "1"})
	require.NoError(t, err)
	device, err := server.LinkDevice(ctx, account.ID, api.LinkDevice{Kind: "computer", Platform: "web", Name: "Desk"})
	require.NoError(t, err)
	_, err = server.ImportRateCards(ctx, []byte(pricing.ReferenceCards))
	require.NoError(t, err)
	tr := &traffic{account: account.ID}
	for i := range 40 {
		queued, err := server.SendMessage(ctx, account.ID, api.SendMessage{
			DeviceID: device.ID, To: fmt.Sprintf("+3939000000%02d", i), Type: "template", Category: "utility",
			Template: &api.Template{Name: "order", Language: "it"},
		})
		require.NoError(t, err)
		wamid := fmt.Sprintf("wamid.SENT%d", i)
		_, err = server.AcceptMessage(ctx, account.ID, queued.ID, wamid)
		require.NoError(t, err)
		tr.sent = append(tr.sent, wamid)
	}
	return tr
}

// post keeps several posters busy and kills the server after so many acknowledgements, in the middle of their work.
func (tr *traffic) post(t *testing.T, server *process, killAfter int) {
	t.Helper()
	var acknowledged atomic.Int64
	enough := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for range posters {
		group.Go(func() {
			for ctx.Err() == nil {
				d := tr.make()
				ok := deliver(ctx, server.base, d)
				tr.note(d, ok)
				if ok && acknowledged.Add(1) == int64(killAfter) {
					close(enough)
				}
			}
		})
	}
	<-enough
	server.kill(t)
	cancel()
	group.Wait()
}

// make invents the next delivery: two new messages, one from a new customer, and two statuses, one perhaps told before.
func (tr *traffic) make() delivery {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	n := tr.next
	tr.next++
	d := delivery{}
	var contacts, inbound, statuses []map[string]any
	for i, number := range []string{fmt.Sprintf("3938%08d", n), fmt.Sprintf("39390000%04d", n%50)} {
		wamid := fmt.Sprintf("wamid.IN%d.%d", n, i)
		d.inbound = append(d.inbound, wamid)
		contacts = append(contacts, map[string]any{"wa_id": number, "profile": map[string]any{"name": "Somebody"}})
		inbound = append(inbound, map[string]any{
			"from": number, "id": wamid, "timestamp": strconv.Itoa(1_780_000_000 + n), "type": "text", "text": map[string]any{"body": "hello"},
		})
	}
	for i, word := range []string{"delivered", "read"} {
		wamid := tr.sent[(n+i*7)%len(tr.sent)]
		d.statuses = append(d.statuses, [2]string{wamid, word})
		statuses = append(statuses, map[string]any{"id": wamid, "status": word, "timestamp": "1780000000", "recipient_id": "39390000000"})
	}
	value := func(field string, list any, contacts any) map[string]any {
		v := map[string]any{"metadata": map[string]any{"phone_number_id": "900555000111222", "display_phone_number": "390655500100"}, field: list}
		if contacts != nil {
			v["contacts"] = contacts
		}
		return map[string]any{"field": "messages", "value": v}
	}
	d.body, _ = json.Marshal(map[string]any{
		"object": "whatsapp_business_account",
		"entry":  []any{map[string]any{"id": "1", "changes": []any{value("messages", inbound, contacts), value("statuses", statuses, nil)}}},
	})
	return d
}

func (tr *traffic) note(d delivery, ok bool) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if ok {
		tr.acknowledged = append(tr.acknowledged, d)
	} else {
		tr.unanswered = append(tr.unanswered, d)
	}
}

func (tr *traffic) acknowledgedSoFar() int {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return len(tr.acknowledged)
}

func (tr *traffic) retry(t *testing.T, base string) {
	t.Helper()
	unanswered := tr.unanswered
	tr.unanswered = nil
	for _, d := range unanswered {
		require.True(t, deliver(t.Context(), base, d))
		tr.note(d, true)
	}
}

func deliver(ctx context.Context, base string, d delivery) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/webhooks/whatsapp", bytes.NewReader(d.body))
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, []byte(appSecret))
	mac.Write(d.body)
	request.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	return response.Body.Close() == nil && response.StatusCode == http.StatusOK
}

func (tr *traffic) waitUntilProjected(t *testing.T, base string) {
	t.Helper()
	server := client.New(base, adminToken)
	state, err := server.Projections(t.Context())
	require.NoError(t, err)
	balances, err := server.LedgerBalances(t.Context(), tr.account, nil, client.WaitFor(state.Head))
	require.NoError(t, err)
	require.NotEmpty(t, balances.Balances)
	state, err = server.Projections(t.Context()) // by now it holds the charges
	require.NoError(t, err)
	_, err = server.Projections(t.Context(), client.WaitFor(state.Head))
	require.NoError(t, err)
}

// requireChargedOnce compares deliveries and charges in the store itself.
func (tr *traffic) requireChargedOnce(t *testing.T, data string) {
	t.Helper()
	store, err := embedded.Open(data + "/store")
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	delivered, charged := map[id.Message]int{}, map[id.Message]int{}
	for record, err := range store.ReadAll(t.Context(), events.Start) {
		require.NoError(t, err)
		event, _, err := events.DecodeRecord(record)
		require.NoError(t, err)
		switch e := event.(type) {
		case events.MessageDelivered:
			delivered[e.MessageID] = 1
		case events.MessageRead:
			delivered[e.MessageID] = 1
		case events.MessageCharged:
			charged[e.Delivery.MessageID]++
			require.EqualValues(t, 30_000, e.Charge.Amount.Micros) // utility in Italy, outside the window
		case events.ChargePending:
			require.Fail(t, "a charge is pending", e.Reason)
		}
	}
	require.NotEmpty(t, delivered)
	require.Equal(t, delivered, charged)
}

// requireExactlyOnce reads the store itself.
func (tr *traffic) requireExactlyOnce(t *testing.T, data, databaseURL string) {
	t.Helper()
	safe := openVault(t, data, databaseURL)
	store, err := embedded.Open(data + "/store")
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()

	inbound, statuses, eventIDs := map[events.WamidHash]int{}, map[string]int{}, map[id.Event]int{}
	bound := map[id.Message]events.WamidHash{}
	for record, err := range store.ReadAll(t.Context(), events.Start) {
		require.NoError(t, err)
		eventIDs[record.ID]++
		event, _, err := events.DecodeRecord(record)
		require.NoError(t, err)
		switch e := event.(type) {
		case events.MessageReceived:
			inbound[e.WamidHash]++
		case events.MessageAccepted:
			bound[e.MessageID] = e.WamidHash
		case events.MessageDelivered:
			statuses[string(bound[e.MessageID])+"delivered"]++
		case events.MessageRead:
			statuses[string(bound[e.MessageID])+"read"]++
		case events.UpdateQuarantined:
			require.Failf(t, "an update was quarantined", "%s: %s", e.Reason, e.Detail)
		}
	}
	for eventID, n := range eventIDs {
		require.Equalf(t, 1, n, "event %s", eventID)
	}
	wantedInbound, wantedStatuses := map[events.WamidHash]int{}, map[string]int{}
	for _, d := range tr.acknowledged {
		for _, wamid := range d.inbound {
			wantedInbound[safe.WamidHash(wamid)] = 1
		}
		for _, s := range d.statuses {
			wantedStatuses[string(safe.WamidHash(s[0]))+s[1]] = 1
		}
	}
	require.Equal(t, wantedInbound, inbound)
	require.Equal(t, wantedStatuses, statuses)
}

func openVault(t *testing.T, data, databaseURL string) *vault.Vault {
	t.Helper()
	address, err := postgres.VaultURL(t.Context(), databaseURL, "")
	require.NoError(t, err)
	pool, err := postgres.Connect(t.Context(), address)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	master, err := vault.LoadMaster("", data)
	require.NoError(t, err)
	safe, err := vault.Open(t.Context(), pool, master)
	require.NoError(t, err)
	return safe
}

// requireEqualRebuild projects the store into an empty database and compares all rows.
func requireEqualRebuild(t *testing.T, data, databaseURL string) {
	t.Helper()
	store, err := embedded.Open(data + "/store")
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	pool, err := postgres.Open(t.Context(), pgtest.Database(t))
	require.NoError(t, err)
	defer pool.Close()
	definitions := []*projections.Projection{audit.Define(), messages.Define(), routing.Define(), ledger.Define(), analytics.Define()}
	engine, err := projections.NewEngine(projections.Config{
		Pool: pool, Subscriber: watermill.NewBatchSubscriber(watermill.Config{Log: store}), Log: store, Now: time.Now,
	}, definitions...)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- engine.Run(ctx) }()
	head, err := store.Head(ctx)
	require.NoError(t, err)
	for _, p := range definitions {
		require.NoError(t, engine.WaitFor(ctx, p.Name(), head))
	}
	requireAmnesiaIsHarmless(t, store, pool)
	stop()
	require.NoError(t, <-ended)

	live, err := postgres.Open(t.Context(), databaseURL)
	require.NoError(t, err)
	defer live.Close()
	for _, p := range definitions {
		want, err := projectiontest.Dump(t.Context(), pool, p.Schema())
		require.NoError(t, err)
		require.NotEmpty(t, want)
		got, err := projectiontest.Dump(t.Context(), live, p.Schema())
		require.NoError(t, err)
		require.Equal(t, want, got, p.Schema())
	}
}

// requireAmnesiaIsHarmless runs the policies over the whole log without any checkpoint: they must add nothing to it.
func requireAmnesiaIsHarmless(t *testing.T, store *embedded.Store, empty *pgxpool.Pool) {
	t.Helper()
	before, err := store.Head(t.Context())
	require.NoError(t, err)
	rating := policies.NewRating(store, time.Now)
	runner, err := policies.NewRunner(policies.Config{Log: store, Leases: postgres.NewLeases(empty), Now: time.Now}, rating)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- runner.Run(ctx) }()
	after, err := runner.WaitFor(ctx, rating.Name(), before)
	require.NoError(t, err)
	require.Equal(t, before, after)
	stop()
	require.NoError(t, <-ended)
}
