package watermill_test

import (
	"context"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	wm "github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/adapters/embedded/endpoint"
	"daybook/adapters/eventstoredb"
	"daybook/adapters/storetest"
	"daybook/adapters/watermill"
)

// server serves a store on one address, again and again.
type server struct {
	store   *embedded.Store
	address string
	stop    func()
}

func (s *server) start(t *testing.T) {
	t.Helper()
	front, err := endpoint.New(endpoint.Config{Store: s.store})
	require.NoError(t, err)
	var listener net.Listener
	require.Eventually(t, func() bool { // a port just left may be somebody's for a moment
		listener, err = new(net.ListenConfig).Listen(t.Context(), "tcp", s.address)
		return err == nil
	}, 10*time.Second, time.Millisecond)
	s.address = listener.Addr().String()
	served := make(chan error, 1)
	go func() { served <- front.Serve(listener) }()
	s.stop = func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		front.Shutdown(now) // cuts every call off
		require.NoError(t, <-served)
	}
}

// TestRestartsOfTheServerLoseNothing publishes and takes while the server goes away three times. The suite has such a
// test too; it looks at what was published before its publishers have said so.
func TestRestartsOfTheServerLoseNothing(t *testing.T) {
	t.Parallel()
	const publishers, each, restarts = 8, 60, 3
	broker := &server{store: storetest.LendEmbedded(t), address: "127.0.0.1:0"}
	broker.start(t)
	t.Cleanup(func() { broker.stop() })
	client, err := eventstoredb.Open(t.Context(), "esdb://"+broker.address+"?tls=false",
		eventstoredb.Pauses(time.Millisecond, 20*time.Millisecond), eventstoredb.Log(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })

	messages := receive(t, newReader(client).Events(new(watermill.Memory)), "t")
	publisher := watermill.NewPublisher(client)
	var publishing sync.WaitGroup
	for p := range publishers {
		publishing.Go(func() {
			for i := range each {
				if err := publisher.Publish("t", message.NewMessage(wm.NewUUID(), strconv.AppendInt(nil, int64(p*each+i), 10))); err != nil {
					t.Errorf("publishing: %v", err)
					return
				}
			}
		})
	}
	next := [publishers]int{}
	for seen := range publishers * each {
		m := <-messages
		number, err := strconv.Atoi(string(m.Payload))
		require.NoError(t, err)
		require.Equal(t, next[number/each], number%each, "once, and in the order of its publisher")
		require.Equal(t, strconv.Itoa(seen), m.Metadata.Get(watermill.KeyRevision))
		next[number/each]++
		m.Ack()
		if seen%100 == 50 && seen/100 < restarts {
			broker.stop()
			broker.start(t)
		}
	}
	publishing.Wait()
}
