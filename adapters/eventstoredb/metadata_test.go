package eventstoredb_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"daybook/adapters/embedded/endpoint"
	"daybook/adapters/eventstoredb"
	"daybook/events"
	"daybook/events/id"
)

// rule is metadata of a stream.
func rule(text string) []events.Proposed {
	return []events.Proposed{{ID: id.New[id.Event](), Type: "$metadata", Data: []byte(text)}}
}

// governing are the records by which streams are governed, out of the whole log.
func (s *server) governing() (records []events.Record) {
	s.t.Helper()
	for _, r := range s.log(events.Start) {
		if strings.HasPrefix(r.Type, "$metadata") || r.Type == "$streamDeleted" {
			records = append(records, r)
		}
	}
	return records
}

// Metadata and tombstones are seen once and in order, those of system streams too, however often the connection is cut.
func TestMetadataIsFollowedAcrossCuts(t *testing.T) {
	t.Parallel()
	const changes = 100
	server := serve(t)
	boot, err := endpoint.New(endpoint.Config{Store: server.inner})
	require.NoError(t, err)
	require.NoError(t, boot.Boot(t.Context()))
	network := through(t, server.address)
	store := open(t, network.address)
	network.cut()
	network.chop(40, 1)

	var running sync.WaitGroup
	errs := make([]error, changes)
	running.Go(func() {
		for n := range changes {
			stream := fmt.Sprint("stream-", n)
			_, noted := server.inner.Append(t.Context(), stream, events.Any, some(20))
			_, described := server.inner.Append(t.Context(), "$$"+stream, events.Any, rule(`{"$maxCount":1}`))
			_, deleted := server.inner.Tombstone(t.Context(), stream, events.Any)
			errs[n] = errors.Join(noted, described, deleted)
		}
	})
	var seen []events.Record
	for batch, err := range store.SubscribeMetadata(t.Context()) {
		require.NoError(t, err)
		seen = append(seen, batch...)
		if len(seen) > 0 && seen[len(seen)-1].Stream == fmt.Sprint("stream-", changes-1) {
			break
		}
		network.cut()
	}
	running.Wait()
	require.NoError(t, errors.Join(errs...))
	require.Equal(t, places(server.governing()), places(seen))
}

// scripted answers filtered subscriptions, the first with the first of its answers and so on, and then loses the
// connection. It notes where each of them was to begin.
func scripted(t *testing.T, begins chan<- string, answers ...[]*streams.ReadResp) *node {
	t.Helper()
	calls := 0 // a subscription has one connection at a time
	return join(t, serve(t), func(n *node) {
		n.read = func(request *streams.ReadReq, call streams.Streams_ReadServer) (bool, error) {
			filter := request.GetOptions().GetFilter()
			if filter == nil {
				return false, nil
			}
			at := request.GetOptions().GetAll().GetPosition()
			begins <- fmt.Sprint(filter.GetEventType().GetPrefix(), " after ", at.GetCommitPosition(), "/", at.GetPreparePosition())
			err := call.Send(&streams.ReadResp{Content: &streams.ReadResp_Confirmation{
				Confirmation: &streams.ReadResp_SubscriptionConfirmation{SubscriptionId: "scripted"},
			}})
			if calls++; calls > len(answers) {
				<-call.Context().Done()
				return true, nil
			}
			for _, answer := range answers[calls-1] {
				err = errors.Join(err, call.Send(answer))
			}
			return true, errors.Join(err, status.Error(codes.Unavailable, "gone"))
		}
	})
}

func metadataAt(position uint64) *streams.ReadResp {
	return &streams.ReadResp{Content: &streams.ReadResp_Event{Event: &streams.ReadResp_ReadEvent{
		Event: &streams.ReadResp_ReadEvent_RecordedEvent{
			Id:               &shared.UUID{Value: &shared.UUID_String_{String_: id.New[id.Event]().String()}},
			StreamIdentifier: &shared.StreamIdentifier{StreamName: []byte("$$stream")},
			CommitPosition:   position, PreparePosition: position,
			Metadata: map[string]string{"type": "$metadata", "created": strconv.Itoa(1), "content-type": "application/json"},
		},
	}}}
}

func checkpointAt(commit, prepare uint64) *streams.ReadResp {
	return &streams.ReadResp{Content: &streams.ReadResp_Checkpoint_{
		Checkpoint: &streams.ReadResp_Checkpoint{CommitPosition: commit, PreparePosition: prepare},
	}}
}

// A server's checkpoints are where it goes on, as it has named them: they may lie between two records. The log that it
// has looked through is not looked through again.
func TestMetadataGoesOnAfterCheckpoints(t *testing.T) {
	t.Parallel()
	caughtUp := &streams.ReadResp{Content: &streams.ReadResp_CaughtUp_{CaughtUp: &streams.ReadResp_CaughtUp{}}}
	fellBehind := &streams.ReadResp{Content: &streams.ReadResp_FellBehind_{FellBehind: &streams.ReadResp_FellBehind{}}}
	begins := make(chan string, 4)
	node := scripted(t, begins,
		[]*streams.ReadResp{checkpointAt(900, 7)},
		[]*streams.ReadResp{metadataAt(900), metadataAt(950), checkpointAt(900, 7), caughtUp},
		[]*streams.ReadResp{metadataAt(950), metadataAt(960), fellBehind, checkpointAt(970, 970), caughtUp},
	)
	store := open(t, node.address)
	var seen []events.Position
	for batch, err := range store.SubscribeMetadata(t.Context()) {
		require.NoError(t, err)
		for _, r := range batch {
			seen = append(seen, r.Position)
		}
		if len(batch) > 0 {
			continue
		}
		require.Contains(t, seen, events.Position(950), "what there is comes before the word that it was all")
		if seen[len(seen)-1] == 960 {
			break
		}
	}
	require.Equal(t, []events.Position{900, 950, 960}, seen)
	for _, want := range []string{"0/0", "900/7", "950/950"} {
		require.Equal(t, "[$metadata $streamDeleted] after "+want, <-begins)
	}
}

func TestClosingEndsFollowingMetadata(t *testing.T) {
	t.Parallel()
	server := serve(t)
	store := open(t, server.address)
	var last error
	for batch, err := range store.SubscribeMetadata(t.Context()) {
		if last = err; err == nil && len(batch) == 0 {
			require.NoError(t, store.Close())
		}
	}
	require.ErrorIs(t, last, eventstoredb.ErrClosed)
}
