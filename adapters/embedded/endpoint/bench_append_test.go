package endpoint_test

import (
	"errors"
	"io"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/events/id"
)

const (
	appendCallers = 64
	appendsEach   = 400
	appendRounds  = 5
)

// BenchmarkStoreAppend has 64 callers append through one official client, to the endpoint of a store on disk and to a
// stub that acknowledges without storing anything. The sides take turns, and the median of the rounds' ratios counts.
func BenchmarkStoreAppend(b *testing.B) {
	store, err := embedded.Open(b.TempDir())
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, store.Close()) })
	ours := serveStore(b, store, nil).client("esdb", "")
	rival := (&rig{TB: b, address: stubbed(b, acknowledged{})}).client("esdb", "")
	for b.Loop() {
		var ratios, rates []float64
		for round := range appendRounds {
			var mine, theirs float64
			if round%2 == 0 {
				mine, theirs = appendRate(b, ours), appendRate(b, rival)
			} else {
				theirs, mine = appendRate(b, rival), appendRate(b, ours)
			}
			ratios, rates = append(ratios, mine/theirs), append(rates, mine)
		}
		slices.Sort(ratios)
		slices.Sort(rates)
		b.ReportMetric(ratios[appendRounds/2], "client-append-vs-stub>=0.7")
		b.ReportMetric(rates[appendRounds/2], "client-appends/s")
	}
}

func appendRate(b *testing.B, client *esdb.Client) float64 {
	b.Helper()
	errs := make([]error, appendCallers)
	prefix := "conversation-" + id.NewRandom[id.Conversation]().String()
	event := sample()
	began := time.Now()
	var callers sync.WaitGroup
	for n := range errs {
		callers.Go(func() {
			stream := prefix + strconv.Itoa(n)
			for i := 0; i < appendsEach && errs[n] == nil; i++ {
				_, errs[n] = client.AppendToStream(b.Context(), stream, esdb.AppendToStreamOptions{ExpectedRevision: esdb.Any{}}, esdb.EventData{
					EventID: id.New[id.Event]().UUID, EventType: event.Type, ContentType: esdb.ContentTypeJson,
					Data: event.Data, Metadata: event.Metadata,
				})
			}
		})
	}
	callers.Wait()
	took := time.Since(began)
	require.NoError(b, errors.Join(errs...))
	return appendCallers * appendsEach / took.Seconds()
}

// acknowledged says of every append that it was written, and keeps nothing.
type acknowledged struct {
	streams.UnimplementedStreamsServer
}

func (acknowledged) Append(call streams.Streams_AppendServer) error {
	for {
		if _, err := call.Recv(); errors.Is(err, io.EOF) {
			return call.SendAndClose(&streams.AppendResp{Result: &streams.AppendResp_Success_{Success: &streams.AppendResp_Success{
				CurrentRevisionOption: &streams.AppendResp_Success_CurrentRevision{CurrentRevision: 1},
				PositionOption: &streams.AppendResp_Success_Position{
					Position: &streams.AppendResp_Position{CommitPosition: 1, PreparePosition: 1},
				},
			}}})
		} else if err != nil {
			return err
		}
	}
}
