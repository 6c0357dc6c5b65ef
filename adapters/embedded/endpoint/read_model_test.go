package endpoint_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"

	"daybook/events"
	"daybook/events/id"
)

// TestReadsAgreeWithTheModel writes, describes and deletes streams at random, and compares what reads return with the
// rules in their plainest words.
func TestReadsAgreeWithTheModel(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	rapid.Check(t, func(t *rapid.T) {
		before, err := l.store.Head(l.Context())
		require.NoError(t, err)
		m := &readModel{lab: l, before: before, streams: map[string]*modelStream{}}
		t.Repeat(map[string]func(*rapid.T){
			"append":    m.append,
			"describe":  m.describe,
			"delete":    m.delete,
			"tombstone": m.tombstone,
			"read":      m.readStream,
			"log":       m.readLog,
		})
	})
}

type readModel struct {
	*lab

	before  events.Position // the head when it began; it makes the names of streams unique
	streams map[string]*modelStream
}

type modelStream struct {
	ids      []id.Event
	maxCount int // 0: none
	before   int
	metadata bool
	deleted  bool
	gone     bool
}

func (m *readModel) draw(t *rapid.T) (string, *modelStream) {
	name := fmt.Sprintf("%s-%d", rapid.SampledFrom([]string{"a", "b"}).Draw(t, "stream"), m.before)
	if m.streams[name] == nil {
		m.streams[name] = &modelStream{}
	}
	return name, m.streams[name]
}

func (m *readModel) append(t *rapid.T) {
	name, s := m.draw(t)
	if s.gone {
		return
	}
	proposed := some(rapid.IntRange(1, 5).Draw(t, "events"))
	if s.deleted {
		s.deleted, s.before = false, len(s.ids)
	}
	s.ids = append(s.ids, m.lab.append(name, proposed...)...)
}

func (m *readModel) describe(t *rapid.T) {
	name, s := m.draw(t)
	if s.gone {
		return
	}
	s.maxCount, s.before = rapid.IntRange(0, 6).Draw(t, "maxCount"), rapid.IntRange(0, 20).Draw(t, "before")
	m.lab.describe(name, fmt.Sprintf(`{"$maxCount":%d,"$tb":%d}`, s.maxCount, s.before))
	if s.deleted {
		s.before = len(s.ids)
	}
	s.deleted, s.metadata = false, true
}

func (m *readModel) delete(t *rapid.T) {
	name, s := m.draw(t)
	if s.gone || len(s.ids) == 0 && !s.metadata {
		return
	}
	m.lab.delete(name)
	*s = modelStream{ids: s.ids, deleted: true, metadata: true}
}

func (m *readModel) tombstone(t *rapid.T) {
	name, s := m.draw(t)
	if s.gone || rapid.IntRange(0, 9).Draw(t, "dice") > 0 {
		return
	}
	m.lab.tombstone(name)
	s.gone = true
}

func (m *readModel) readStream(t *rapid.T) {
	name, s := m.draw(t)
	from := rapid.SampledFrom([]int64{start, end, endAsNumber, 0, 1, 2, 3, 5, 8, 13, math.MaxInt64}).Draw(t, "from")
	limit := rapid.SampledFrom([]uint64{1, 2, 5, math.MaxUint64}).Draw(t, "count")
	back := rapid.Bool().Draw(t, "backwards")
	request := of(name, from, count(limit))
	if back {
		request = of(name, from, count(limit), backwards)
	}
	replies, err := m.read(request)
	if s.gone {
		require.Equal(t, codes.FailedPrecondition, status.Code(err))
		return
	}
	require.NoError(t, err)
	if s.deleted || len(s.ids) == 0 {
		require.Len(t, replies, 1)
		require.NotNil(t, replies[0].GetStreamNotFound())
		return
	}
	got := []id.Event{}
	for _, reply := range replies {
		got = append(got, eventID(t, reply))
	}
	require.Equal(t, listed(s.expect(from, back, limit)), got)
}

// expect asks every revision, in reading order, whether it is to be seen.
func (s *modelStream) expect(from int64, back bool, limit uint64) (want []id.Event) {
	n := int64(len(s.ids))
	for i := range n {
		revision, atEnd := i, from == end || from == endAsNumber
		wanted := !atEnd && revision >= from
		if back {
			revision = n - 1 - i
			wanted = atEnd || revision <= max(from, 0)
		}
		visible := revision >= int64(s.before) && (s.maxCount == 0 || revision > n-1-int64(s.maxCount))
		if wanted && visible && uint64(len(want)) < limit {
			want = append(want, s.ids[revision])
		}
	}
	return want
}

// readLog reads from anywhere, at records and between them; the store's own reading is the measure.
func (m *readModel) readLog(t *rapid.T) {
	records := m.recordsAfter(m.before)
	if len(records) == 0 {
		return
	}
	at := rapid.SampledFrom(records).Draw(t, "at").Position
	from := max(at+events.Position(rapid.IntRange(-1, 1).Draw(t, "beside")), m.before+1)
	limit := rapid.IntRange(1, 10).Draw(t, "count")
	want, wantBack := []id.Event{}, []id.Event{}
	for _, r := range records {
		if r.Position >= from {
			want = append(want, r.ID)
		} else {
			wantBack = append([]id.Event{r.ID}, wantBack...)
		}
	}
	require.Equal(t, want[:min(len(want), limit)], m.ids(log(int64(from), count(uint64(limit)))))
	limit = min(limit, len(wantBack)) // before that others were at work
	require.Equal(t, wantBack[:limit], m.ids(log(int64(from), count(uint64(limit)), backwards)))
}

// FuzzRead sends whatever is a ReadReq at all. It has to be answered or refused, and nothing may break.
func FuzzRead(f *testing.F) {
	l := newLab(f)
	l.write("s", 40)
	l.append("links", linkTo("3@s"), linkTo("99@s"))
	l.describe("s", `{"$maxCount":30}`)
	for _, request := range []*streams.ReadReq{
		{}, log(start), log(end, backwards), log(70, forever), log(start, onType(2, "N"), forever, stringIDs), log(start, filtering(regex("^[^$]"))),
		of("s", 5), of("s", endAsNumber, backwards, count(3)), of("links", start, resolving), of("s", 7, forever),
	} {
		data, err := proto.Marshal(request)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		request := &streams.ReadReq{}
		if proto.Unmarshal(data, request) != nil {
			return
		}
		call, err := l.stub.Read(t.Context(), request)
		require.NoError(t, err)
		for i := range 50 {
			reply, err := call.Recv()
			if err != nil {
				allowed := []codes.Code{codes.Unknown, codes.InvalidArgument, codes.FailedPrecondition}
				require.Contains(t, allowed, status.Code(err), "%v", err)
				require.True(t, status.Code(err) != codes.Unknown || err.Error() == "EOF", "%v", err)
				return
			}
			subscribed := request.GetOptions().GetSubscription() != nil
			require.Equal(t, subscribed && i == 0, reply.GetConfirmation() != nil)
			if reply.GetCaughtUp() != nil {
				return
			}
		}
	})
}
