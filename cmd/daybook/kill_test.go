package main_test

import (
	"context"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"daybook/adapters/postgres"
	"daybook/adapters/postgres/pgtest"
	"daybook/adapters/storetest"
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
)

// TestKilledServerLosesAndDoublesNothing kills `daybook serve` again and again while updates are posted. Afterwards every
// acknowledged update is in the store exactly once, every delivered message is charged exactly once, though its price was
// known late and became another, and from an empty database the policies add nothing to the store and the projections
// come to the same rows.
func TestKilledServerLosesAndDoublesNothing(t *testing.T) {
	kills := 5
	if os.Getenv("DAYBOOK_TEST_LONG") == "1" {
		kills = 50
	}
	data, databaseURL := t.TempDir(), pgtest.Database(t)
	book := newBook(t, data)
	environment := append(book.environment(),
		"DATABASE_URL="+databaseURL, "DAYBOOK_ADMIN_TOKEN="+adminToken, "DAYBOOK_WHATSAPP_APP_SECRET="+appSecret)
	server := serve(t, environment...)
	traffic := newTraffic(t, server.base)
	for n := range kills {
		killAfter := 40 + rand.IntN(120)
		if n == 2 { // what was delivered so far waits for a price, and the next kill is soon after there is one
			_, err := client.New(server.base, adminToken).ImportRateCards(t.Context(), []byte(pricing.ReferenceCards))
			require.NoError(t, err)
			killAfter = 1 + rand.IntN(20)
		}
		traffic.post(t, server.base, killAfter, server.kill)
		server = serve(t, environment...)
		t.Logf("kill %d: %d updates acknowledged so far", n+1, traffic.acknowledgedSoFar())
	}
	traffic.retry(t, server.base) // the platform repeats what was not acknowledged
	traffic.settle(t, server.base)
	balances := traffic.waitUntilProjected(t, server.base)
	server.stop(t)

	store := book.open(t)
	traffic.requireExactlyOnce(t, store, openVault(t, data, databaseURL))
	traffic.requireChargedOnce(t, store, balances)
	requireEqualRebuild(t, store, databaseURL)
}

// waitUntilProjected returns the ledger's balances when everything is in it.
func (tr *traffic) waitUntilProjected(t *testing.T, base string) map[string]int64 {
	t.Helper()
	server := client.New(base, adminToken)
	state, err := server.Projections(t.Context())
	require.NoError(t, err)
	read, err := patiently(func() (api.LedgerBalances, error) {
		return server.LedgerBalances(t.Context(), tr.account, nil, client.WaitFor(state.Head))
	})
	require.NoError(t, err)
	balances := map[string]int64{}
	for _, b := range read.Balances {
		if b.Micros != nil {
			balances[b.LedgerAccount] = *b.Micros
		} else {
			balances[b.LedgerAccount] = *b.Quantity
		}
	}
	state, err = server.Projections(t.Context()) // by now it holds the charges
	require.NoError(t, err)
	_, err = server.Projections(t.Context(), client.WaitFor(state.Head))
	require.NoError(t, err)
	return balances
}

// patiently asks again as long as the server, which waits for some seconds each time, has not caught up: on a store that
// others may use too, the leases of a process that was killed last a while.
func patiently[T any](ask func() (T, error)) (answer T, err error) {
	answer, err = ask()
	for tries := 0; client.IsProblem(err, "NotCaughtUp") && tries < 100; tries++ {
		answer, err = ask()
	}
	return answer, err
}

// requireChargedOnce holds what the store itself says of charges against what the platform told: in the end, each message
// costs what the card says for the earliest time at which it was told as delivered, and the ledger says so, too.
func (tr *traffic) requireChargedOnce(t *testing.T, store storetest.Store, balances map[string]int64) {
	t.Helper()
	charged, prices, times := map[id.Message]int{}, map[id.Message]int64{}, map[id.Message]time.Time{}
	held, takenBack, adjusted := 0, 0, 0
	for record, err := range store.ReadAll(t.Context(), events.Start) {
		require.NoError(t, err)
		if strings.HasPrefix(record.Stream, "$") {
			continue // the store's own
		}
		event, _, err := events.DecodeRecord(record)
		require.NoError(t, err)
		switch e := event.(type) {
		case events.MessageCharged:
			charged[e.Delivery.MessageID]++
			prices[e.Delivery.MessageID], times[e.Delivery.MessageID] = e.Charge.Amount.Micros, e.Delivery.DeliveredAt
		case events.ChargeAdjusted:
			adjusted++
			prices[e.Delivery.MessageID], times[e.Delivery.MessageID] = e.Charge.Amount.Micros, e.Delivery.DeliveredAt
		case events.ChargePending:
			delete(prices, e.Delivery.MessageID)
			held++
			if e.Was != nil {
				takenBack++
			}
		}
	}
	t.Logf("%d charges were pending, %d of them taken back, and %d adjusted", held, takenBack, adjusted)
	require.NotZero(t, held-takenBack)
	require.NotZero(t, takenBack)
	require.NotZero(t, adjusted)

	wantedPrices, sum := map[id.Message]int64{}, int64(0)
	wantedTimes := tr.deliveredAt()
	for message, at := range wantedTimes {
		require.Equal(t, 1, charged[message])
		wantedPrices[message] = priceOf(at)
		sum += priceOf(at)
	}
	require.Len(t, charged, len(wantedTimes))
	require.Equal(t, wantedTimes, times)
	require.Equal(t, wantedPrices, prices, "nothing is pending")
	require.Equal(t, map[string]int64{
		"cost:messages:marketing:italy": sum, "provider:whatsapp:payable": -sum, "usage:pending:marketing": 0,
		"usage:messages:marketing:italy:billable": int64(len(tr.sent)), "usage:world": -int64(len(tr.sent)),
	}, balances)
}

// requireExactlyOnce reads the store itself.
func (tr *traffic) requireExactlyOnce(t *testing.T, store storetest.Store, safe *vault.Vault) {
	t.Helper()

	inbound, statuses, eventIDs := map[events.WamidHash]int{}, map[string]int{}, map[id.Event]int{}
	bound := map[id.Message]events.WamidHash{}
	for record, err := range store.ReadAll(t.Context(), events.Start) {
		require.NoError(t, err)
		eventIDs[record.ID]++
		if strings.HasPrefix(record.Stream, "$") {
			continue // the store's own
		}
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
			wantedStatuses[string(safe.WamidHash(s.wamid))+s.word] = 1
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
func requireEqualRebuild(t *testing.T, store storetest.Store, databaseURL string) {
	t.Helper()
	pool, err := postgres.Open(t.Context(), pgtest.Database(t))
	require.NoError(t, err)
	defer pool.Close()
	all := []projections.Definition{audit.Define, messages.Define, routing.Define, ledger.Define, analytics.Define}
	engine, err := projections.NewEngine(projections.Config{
		Pool: pool, Subscriber: watermill.NewBatchSubscriber(watermill.Config{Log: store}), Log: store, Now: time.Now,
	}, all...)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- engine.Run(ctx) }()
	head, err := store.Head(ctx)
	require.NoError(t, err)
	for _, define := range all {
		p := define()
		require.NoError(t, engine.WaitFor(ctx, p.Name(), head))
	}
	requireAmnesiaIsHarmless(t, store, pool)
	stop()
	require.NoError(t, <-ended)

	live, err := postgres.Open(t.Context(), databaseURL)
	require.NoError(t, err)
	defer live.Close()
	for _, define := range all {
		p := define()
		want, err := projectiontest.Dump(t.Context(), pool, p.Schema())
		require.NoError(t, err)
		require.NotEmpty(t, want)
		got, err := projectiontest.Dump(t.Context(), live, p.Schema())
		require.NoError(t, err)
		require.Equal(t, want, got, p.Schema())
	}
}

// requireAmnesiaIsHarmless runs the policies over the whole log without any checkpoint: they must add nothing to it.
func requireAmnesiaIsHarmless(t *testing.T, store storetest.Store, empty *pgxpool.Pool) {
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
