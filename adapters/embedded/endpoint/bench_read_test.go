package endpoint_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"

	"daybook/events"
	"daybook/events/id"
)

const (
	benchEvents = 100_000 // of a read
	benchRounds = 7
)

// sample is an event as Daybook writes them: some 400 bytes of data, and an envelope.
func sample() events.Proposed {
	return events.Proposed{
		ID: id.New[id.Event](), Type: "MessageReceived",
		Data:     []byte(`{"text":"` + strings.Repeat("x", 389) + `"}`),
		Metadata: []byte(`{"v":1,"actor":"platform:whatsapp","source":"webhook","note":"` + strings.Repeat("y", 100) + `"}`),
	}
}

// BenchmarkStoreReadAll reads the log with the official client, from the endpoint and from a stub that has nothing to do
// but to send the same replies. The sides take turns, and the median of the rounds' ratios counts.
func BenchmarkStoreReadAll(b *testing.B) {
	l := newLab(b)
	for range benchEvents / 500 {
		proposed := make([]events.Proposed, 500)
		for i := range proposed {
			proposed[i] = sample()
		}
		l.append(fmt.Sprint("conversation-", id.NewRandom[id.Conversation]()), proposed...)
	}
	replies, err := l.read(log(start))
	require.NoError(b, err)
	stub := &rig{TB: b, address: stubbed(b, cannedReads{replies: replies})}
	rival := stub.client("esdb", "")
	for b.Loop() {
		var ratios, rates []float64
		for round := range benchRounds {
			var ours, theirs float64
			if round%2 == 0 {
				ours, theirs = readRate(b, l.client), readRate(b, rival)
			} else {
				theirs, ours = readRate(b, rival), readRate(b, l.client)
			}
			ratios, rates = append(ratios, ours/theirs), append(rates, ours)
		}
		slices.Sort(ratios)
		slices.Sort(rates)
		b.ReportMetric(ratios[benchRounds/2], "client-read-vs-stub>=0.7")
		b.ReportMetric(rates[benchRounds/2], "client-reads/s")
	}
}

func readRate(b *testing.B, client *esdb.Client) float64 {
	b.Helper()
	began := time.Now()
	read, err := client.ReadAll(b.Context(), esdb.ReadAllOptions{From: esdb.Start{}}, 1<<62)
	require.NoError(b, err)
	n := 0
	for {
		_, err := read.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(b, err)
		n++
	}
	require.Greater(b, n, benchEvents)
	return float64(n) / time.Since(began).Seconds()
}

// stubbed serves a rival of the endpoint and returns its address.
func stubbed(b *testing.B, rival streams.StreamsServer) string {
	b.Helper()
	listener, err := new(net.ListenConfig).Listen(b.Context(), "tcp", "127.0.0.1:0")
	require.NoError(b, err)
	server := grpc.NewServer()
	streams.RegisterStreamsServer(server, rival)
	serverfeatures.RegisterServerFeaturesServer(server, cannedFeatures{})
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	b.Cleanup(func() {
		server.Stop()
		serving.Wait()
	})
	return listener.Addr().String()
}

// cannedReads answers every read with the same replies.
type cannedReads struct {
	streams.UnimplementedStreamsServer

	replies []*streams.ReadResp
}

func (c cannedReads) Read(_ *streams.ReadReq, call streams.Streams_ReadServer) error {
	for _, reply := range c.replies {
		if err := call.Send(reply); err != nil {
			return err
		}
	}
	return nil
}

type cannedFeatures struct {
	serverfeatures.UnimplementedServerFeaturesServer
}

func (cannedFeatures) GetSupportedMethods(context.Context, *shared.Empty) (*serverfeatures.SupportedMethods, error) {
	return &serverfeatures.SupportedMethods{EventStoreServerVersion: "24.10.0"}, nil
}

const (
	manySubscriptions = 1000
	manyConnections   = 10
	manyPerSecond     = 100
	manyEvents        = 2000 // 20 seconds
)

// BenchmarkStoreSubscriptions appends events at a steady pace while 1,000 subscriptions follow the log, and measures for
// each event how long it takes until the last of them has it. Server and clients share the machine.
func BenchmarkStoreSubscriptions(b *testing.B) {
	l := newLab(b)
	for b.Loop() {
		sent, last := make([]time.Time, manyEvents), make([]atomic.Int64, manyEvents)
		var following sync.WaitGroup
		for range manyConnections {
			connection := l.dial(grpc.WithDefaultCallOptions(grpc.ForceCodecV2(glance{encoding.GetCodecV2("proto")})))
			for range manySubscriptions / manyConnections {
				call := follow(b, connection)
				following.Go(func() { noteEach(b, call, last) })
			}
		}
		before := processorTime()
		began := time.Now()
		for i, tick := 0, time.NewTicker(time.Second/manyPerSecond); i < manyEvents; i++ {
			sent[i] = <-tick.C
			l.append("conversation", sample())
		}
		following.Wait()
		took := time.Since(began)
		delays := make([]float64, manyEvents)
		for i := range delays {
			delays[i] = time.Unix(0, last[i].Load()).Sub(sent[i]).Seconds()
		}
		slices.Sort(delays)
		b.ReportMetric(delays[manyEvents*99/100], "p99-to-last-of-1000-in-s<=1")
		b.ReportMetric(delays[manyEvents/2], "p50-to-last-of-1000-in-s")
		b.ReportMetric((processorTime()-before).Seconds()/took.Seconds(), "cores")
	}
}

// follow subscribes to the log and waits until it has caught up.
func follow(b *testing.B, connection *grpc.ClientConn) grpc.ClientStream {
	b.Helper()
	call, err := connection.NewStream(b.Context(), &streams.Streams_ServiceDesc.Streams[0], streams.Streams_Read_FullMethodName)
	require.NoError(b, err)
	require.NoError(b, call.SendMsg(log(end, forever)))
	require.NoError(b, call.CloseSend())
	for range 2 { // confirmation, caught_up
		require.NoError(b, call.RecvMsg(new(seen)))
	}
	return call
}

// noteEach reads events and writes down when the last of all subscriptions had each.
func noteEach(b *testing.B, call grpc.ClientStream, last []atomic.Int64) {
	b.Helper()
	for i := range last {
		var event seen
		if err := call.RecvMsg(&event); err != nil || !event {
			b.Errorf("no event: %v", err)
			return
		}
		now := time.Now().UnixNano()
		for latest := last[i].Load(); latest < now && !last[i].CompareAndSwap(latest, now); latest = last[i].Load() {
		}
	}
}

// seen says whether a reply was an event.
type seen bool

// glance is a codec that reads no more of a reply than that: it is the server that is measured.
type glance struct{ encoding.CodecV2 }

func (g glance) Unmarshal(data mem.BufferSlice, message any) error {
	if event, ok := message.(*seen); ok {
		number, _, _ := protowire.ConsumeTag(data[0].ReadOnlyData())
		*event = number == 1
		return nil
	}
	return g.CodecV2.Unmarshal(data, message)
}

// BenchmarkStoreIdle leaves subscriptions alone for a minute: one to each of what can be subscribed to.
func BenchmarkStoreIdle(b *testing.B) {
	l := newLab(b)
	l.write("s", 100)
	feeds := []*feed{l.subscribe(log(start, forever)), l.subscribe(of("s", start, forever)), l.subscribe(log(start, forever, onType(32, "x")))}
	for _, f := range feeds {
		for f.next().GetCaughtUp() == nil {
		}
	}
	for b.Loop() {
		before := processorTime()
		<-time.After(time.Minute)
		used := (processorTime() - before).Seconds() / time.Minute.Seconds()
		b.ReportMetric(100*used/float64(len(feeds)), "percent-of-a-core-per-idle-subscription<=0.1")
	}
}

// processorTime is what the process has used so far.
func processorTime() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage) // of ourselves it is always known
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
