package main_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/adapters/eventstoredb"
	"daybook/adapters/postgres/pgtest"
	"daybook/adapters/storetest"
	"daybook/events"
	"daybook/events/id"
)

// TestKilledStoreLosesAndDoublesNothing kills `daybook store serve` again and again, under the load of Daybook itself and
// of writers beside it. Neither is started again: their appends and subscriptions go on by themselves once the store is
// back. Afterwards every acknowledged append is there once, revisions have no gaps, and the read models equal a rebuild.
func TestKilledStoreLosesAndDoublesNothing(t *testing.T) {
	kills := 5
	if os.Getenv("DAYBOOK_TEST_LONG") == "1" {
		kills = 50
	}
	data, databaseURL, listen := t.TempDir(), pgtest.Database(t), freeAddress(t)
	store := serveStore(t, listen, data)
	server := serve(t, "DAYBOOK_LISTEN=127.0.0.1:0", "DAYBOOK_EVENTSTORE="+store.base, "DAYBOOK_DATA="+data, "DATABASE_URL="+databaseURL,
		"DAYBOOK_ADMIN_TOKEN="+adminToken, "DAYBOOK_WHATSAPP_APP_SECRET="+appSecret)
	traffic := newTraffic(t, server.base)
	beside := write(t, store.base)
	for n := range kills {
		traffic.post(t, server.base, 40+rand.IntN(60), store.kill)
		store = serveStore(t, listen, data)
		t.Logf("kill %d: %d updates acknowledged so far", n+1, traffic.acknowledgedSoFar())
	}
	traffic.retry(t, server.base) // the platform repeats what was not acknowledged
	acknowledged := beside.stop(t)
	traffic.settle(t, server.base)
	traffic.waitUntilProjected(t, server.base)
	server.stop(t)
	store.stop(t)

	written, err := embedded.Open(data + "/store")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, written.Close()) })
	requireWritten(t, written, acknowledged)
	traffic.requireExactlyOnce(t, written, openVault(t, data, databaseURL))
	requireEqualRebuild(t, written, databaseURL)
}

// freeAddress is one that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return listener.Addr().String()
}

// writers append to a stream each, event after event, until they are stopped.
type writers struct {
	running sync.WaitGroup
	cancel  context.CancelFunc
	written [8][]id.Event // acknowledged, by stream
	errs    [8]error
}

const besideStream = "beside-"

func write(t *testing.T, connection string) *writers {
	t.Helper()
	store, err := eventstoredb.Open(t.Context(), connection)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	ctx, cancel := context.WithCancel(t.Context())
	w := &writers{cancel: cancel}
	for n := range w.written {
		w.running.Go(func() {
			for ctx.Err() == nil && w.errs[n] == nil {
				var proposed events.Proposed
				proposed, w.errs[n] = events.Encode(id.New[id.Event](), events.StoreUnsealed{}, events.Envelope{Actor: "system:test", Source: "test"})
				if w.errs[n] != nil {
					return
				}
				expected := events.Expected(len(w.written[n])) - 1
				// An append that is under way is not given up: its answer is what is tested.
				if _, w.errs[n] = store.Append(t.Context(), fmt.Sprint(besideStream, n), expected, []events.Proposed{proposed}); w.errs[n] == nil {
					w.written[n] = append(w.written[n], proposed.ID)
				}
			}
		})
	}
	return w
}

// stop returns the ids of what was acknowledged, by stream.
func (w *writers) stop(t *testing.T) map[string][]id.Event {
	t.Helper()
	w.cancel()
	w.running.Wait()
	acknowledged := map[string][]id.Event{}
	for n, ids := range w.written {
		require.NoError(t, w.errs[n])
		require.NotEmpty(t, ids)
		acknowledged[fmt.Sprint(besideStream, n)] = ids
	}
	return acknowledged
}

// requireWritten reads the store: the streams hold what was acknowledged, and every stream's revisions are
// without gaps.
func requireWritten(t *testing.T, store storetest.Store, acknowledged map[string][]id.Event) {
	t.Helper()
	next, beside := map[string]uint64{}, map[string][]id.Event{}
	for record, err := range store.ReadAll(t.Context(), events.Start) {
		require.NoError(t, err)
		require.Equal(t, next[record.Stream], record.Revision, record.Stream)
		next[record.Stream]++
		if strings.HasPrefix(record.Stream, besideStream) {
			beside[record.Stream] = append(beside[record.Stream], record.ID)
		}
	}
	require.Equal(t, acknowledged, beside)
}
