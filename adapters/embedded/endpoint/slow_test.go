package endpoint_test

import (
	"bytes"
	"context"
	"runtime"
	"sync"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"daybook/events"
	"daybook/events/id"
)

const (
	largeAppends = 16
	largeEvents  = 15 * largeAppends
	largeSize    = 64 << 10 // bytes of one event
)

// TestStalledSubscriptionsHoldLittle has clients that stop reading, some of them in the middle of a long past, some in
// the present, while 15 MiB more are written. The server must not keep for them what they do not take, others must not
// wait for them, and when they go on, nothing is missing. It is not parallel: it looks at the memory of the process.
func TestStalledSubscriptionsHoldLittle(t *testing.T) { //nolint:paralleltest // see above
	alone := newLab(t)
	alone.writeLarge()
	before := heap()
	alone.writeLarge()
	storeItself := heap() - before

	l := newLab(t)
	l.writeLarge()
	quick := l.subscribe(log(end, forever))
	before = heap()
	// a window for each call, and enough for all of them together
	l.stub = streams.NewStreamsClient(l.dial(grpc.WithInitialWindowSize(1<<16), grpc.WithInitialConnWindowSize(1<<24)))
	stalled := map[*feed]int{}
	for range 4 {
		stalled[l.subscribe(log(start, forever))] = 1 + 2*largeEvents // the store's own record too
		stalled[l.subscribe(log(end, forever))] = largeEvents
		stalled[l.subscribe(of("large", start, forever))] = 2 * largeEvents
		stalled[l.subscribe(of("large", end, forever))] = largeEvents
	}
	l.writeLarge()
	quick.wantsInOrder(t, largeEvents)
	held := heap() - before - storeItself
	require.Less(t, held, int64(40<<20), "%d stalled subscriptions hold %d bytes", len(stalled), held)

	var reading sync.WaitGroup
	for f, total := range stalled {
		reading.Go(func() {
			require.Equal(t, uint64(2*largeEvents), f.wantsInOrder(t, total)["large"])
		})
	}
	reading.Wait()
}

// TestReadersThatLeaveAreForgotten gives up calls in every state: while the past is sent, while it is not taken, while
// nothing happens, before anything was read. That no goroutine is left is checked when all tests have run.
func TestReadersThatLeaveAreForgotten(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.writeLarge()
	for _, request := range []*streams.ReadReq{
		log(start), log(end, backwards), of("large", start), of("large", end, backwards), log(start, onType(1, "none")),
		log(start, forever), log(end, forever), of("large", start, forever), of("missing", start, forever),
		log(start, forever, onType(1, "none")),
	} {
		for taken := range 3 {
			ctx, cancel := context.WithCancel(t.Context())
			call, err := l.stub.Read(ctx, request)
			require.NoError(t, err)
			for range taken {
				if _, err := call.Recv(); err != nil {
					break
				}
			}
			cancel()
			for err == nil {
				_, err = call.Recv()
			}
		}
	}
	require.NotEmpty(t, l.ids(of("large", end, backwards, count(1))))
}

// writeLarge writes large events.
func (l *lab) writeLarge() {
	l.Helper()
	for range largeAppends {
		proposed := make([]events.Proposed, 15)
		for i := range proposed {
			proposed[i] = events.Proposed{
				ID: id.New[id.Event](), Type: "Large", Data: bytes.Repeat([]byte("x"), largeSize), Binary: true,
			}
		}
		l.append("large", proposed...)
	}
}

// heap is what the process holds in memory.
func heap() int64 {
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return int64(memory.HeapAlloc)
}
