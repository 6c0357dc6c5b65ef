package endpoint_test

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"daybook/adapters/embedded"
	"daybook/adapters/embedded/endpoint"
	"daybook/events"
	"daybook/events/id"
)

func TestStreamsAreReadFromWhereAsked(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	ids := l.write("five", 5)
	for name, c := range map[string]struct {
		from          int64
		forward, back []id.Event
	}{
		"Start":        {start, ids, ids[:1]},
		"First":        {0, ids, ids[:1]},
		"Middle":       {2, ids[2:], ids[:3]},
		"Last":         {4, ids[4:], ids},
		"BeyondTheEnd": {5, nil, ids},
		"Greatest":     {math.MaxInt64, nil, ids},
		"End":          {end, nil, ids},
		"EndAsNumber":  {endAsNumber, nil, ids},
	} {
		require.Equal(t, listed(c.forward), l.ids(of("five", c.from)), name)
		require.Equal(t, reversed(c.back), l.ids(of("five", c.from, backwards)), name)
	}
	require.Equal(t, ids[1:3], l.ids(of("five", 1, count(2))))
	require.Equal(t, reversed(ids[2:4]), l.ids(of("five", 3, count(2), backwards)))
	require.Empty(t, l.ids(of("five", start, count(0))))
}

func TestTheLogIsReadFromWhereAsked(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.write("a", 3)
	l.write("b", 2)
	records := l.records()
	all := idsOf(records)
	last := len(records) - 1
	middle, head := int64(records[2].Position), int64(records[last].Position)
	for name, c := range map[string]struct {
		from          int64
		forward, back []id.Event
	}{
		"Start":          {start, all, nil},
		"Zero":           {0, all, nil},
		"First":          {int64(records[0].Position), all, nil},
		"Middle":         {middle, all[2:], all[:2]},
		"BetweenRecords": {middle + 1, all[3:], all[:3]},
		"Last":           {head, all[last:], all[:last]},
		"BeyondTheEnd":   {head + 1, nil, all},
		"Greatest":       {math.MaxInt64, nil, all},
		"End":            {end, nil, all},
		"EndAsNumber":    {endAsNumber, nil, all},
	} {
		require.Equal(t, listed(c.forward), l.ids(log(c.from)), name)
		require.Equal(t, reversed(c.back), l.ids(log(c.from, backwards)), name)
	}
	require.Equal(t, all[2:4], l.ids(log(middle, count(2))))
	require.Equal(t, reversed(all[last:]), l.ids(log(end, count(1), backwards)))
	require.Empty(t, l.ids(log(start, count(0))))
}

// TestMetadataHides covers what a stream shows through its metadata; the log shows everything.
func TestMetadataHides(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	ids := l.write("s", 10)
	shows := func(want []id.Event) {
		t.Helper()
		require.Equal(t, listed(want), l.ids(of("s", start)))
		require.Equal(t, listed(want), l.ids(of("s", 1)))
		require.Equal(t, reversed(want), l.ids(of("s", end, backwards)))
		require.Equal(t, reversed(want), l.ids(of("s", 40, backwards)))
		require.Empty(t, l.ids(of("s", 1, backwards)))
		require.Subset(t, l.ids(log(start)), ids)
	}
	l.describe("s", `{"$maxCount":3}`)
	shows(ids[7:])
	l.describe("s", `{"$tb":4}`)
	shows(ids[4:])
	l.describe("s", `{"$tb":4,"$maxCount":9}`)
	shows(ids[4:])
	l.describe("s", `{"$tb":10}`)
	shows(nil)
	l.describe("s", `{"$tb":99}`)
	shows(nil)
}

func TestMaxAgeHides(t *testing.T) {
	t.Parallel()
	now := clock()
	l := newLabWith(t, func(c *endpoint.Config) { c.Now = now.time }, embedded.Clock(now.time))
	ids := l.write("s", 2)
	now.move(time.Minute)
	ids = append(ids, l.write("s", 2)...)
	l.describe("s", `{"$maxAge":90}`)
	require.Equal(t, ids, l.ids(of("s", start)))
	now.move(time.Minute)
	require.Equal(t, ids[2:], l.ids(of("s", start)))
	require.Equal(t, reversed(ids[2:]), l.ids(of("s", end, backwards)))
	l.append("links", linkTo("1@s"), linkTo("2@s"))
	replies, err := l.read(of("links", start, resolving))
	require.NoError(t, err)
	require.Nil(t, replies[0].GetEvent().GetEvent(), "too old, and what follows it is something else")
	require.Equal(t, ids[2], eventID(t, replies[1]))
	now.move(time.Minute)
	require.Empty(t, l.ids(of("s", start)), "it is there, and empty")
}

func TestStreamsThatAreNotThere(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.write("deleted/ünïcode", 2)
	l.delete("deleted/ünïcode")
	l.describe("empty", `{"$maxCount":1}`)
	for _, stream := range []string{"missing", "deleted/ünïcode", "empty", strings.Repeat("x", 5000), "$$missing"} {
		for _, request := range []*streams.ReadReq{
			of(stream, start), of(stream, 7), of(stream, end), of(stream, end, backwards), of(stream, start, count(0)),
		} {
			replies, err := l.read(request)
			require.NoError(t, err)
			require.Len(t, replies, 1)
			require.Equal(t, stream, string(replies[0].GetStreamNotFound().GetStreamIdentifier().GetStreamName()))
		}
	}
	read, err := l.client.ReadStream(t.Context(), "missing", esdb.ReadStreamOptions{}, 1)
	require.NoError(t, err)
	_, err = read.Recv()
	known, _ := esdb.FromError(err)
	require.Equal(t, esdb.ErrorCodeResourceNotFound, known.Code())
}

func TestTombstonedStreamsAreGone(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.write("gone", 2)
	l.describe("gone", `{"$maxCount":1}`)
	l.tombstone("gone")
	for _, stream := range []string{"gone", "$$gone"} {
		for _, request := range []*streams.ReadReq{of(stream, start), of(stream, end, backwards), of(stream, start, count(0))} {
			replies, err := l.read(request)
			require.Equal(t, codes.FailedPrecondition, status.Code(err), "%v", err)
			require.Empty(t, replies)
		}
	}
	read, err := l.client.ReadStream(t.Context(), "gone", esdb.ReadStreamOptions{}, 1)
	require.NoError(t, err)
	_, err = read.Recv()
	known, ok := esdb.FromError(err)
	require.False(t, ok)
	require.Equal(t, esdb.ErrorCodeStreamDeleted, known.Code())
}

// TestDeletedStreamsGoOn appends to a soft-deleted stream: it shows what came after, with revisions that go on.
func TestDeletedStreamsGoOn(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.write("s", 3)
	l.delete("s")
	again := l.write("s", 2)
	require.Equal(t, again, l.ids(of("s", start)))
	require.Equal(t, again[1:], l.ids(of("s", 4)))
	l.delete("s")
	l.describe("s", `{"custom":1}`)
	require.Empty(t, l.ids(of("s", start)), "metadata alone revives it, empty")
}

// TestMetadataIsReadInEitherDirection does what the official clients do to get a stream's metadata: the newest record
// has to come first whichever way they look.
func TestMetadataIsReadInEitherDirection(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for i := range 3 {
		l.describe("s", `{"$maxCount":`+strconv.Itoa(i+1)+`}`)
	}
	for _, request := range []*streams.ReadReq{of("$$s", start, count(1)), of("$$s", end, count(1), backwards)} {
		replies, err := l.read(request)
		require.NoError(t, err)
		require.Len(t, replies, 1)
		require.Equal(t, uint64(2), replies[0].GetEvent().GetEvent().GetStreamRevision())
	}
	metadata, err := l.client.GetStreamMetadata(t.Context(), "s", esdb.ReadStreamOptions{})
	require.NoError(t, err)
	require.Equal(t, uint64(3), *metadata.MaxCount())
}

func TestEventsAreWholeOnTheWire(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	json, binary := noted("ä"), events.Proposed{
		ID: id.New[id.Event](), Type: "Blob ☃", Data: []byte{0, 255}, Metadata: []byte{1, 2}, Binary: true,
	}
	l.append("s/1", json, binary)
	records := l.records()[1:]
	for _, source := range []func() (*esdb.ReadStream, error){
		func() (*esdb.ReadStream, error) {
			return l.client.ReadStream(t.Context(), "s/1", esdb.ReadStreamOptions{}, 10)
		},
		func() (*esdb.ReadStream, error) {
			from := esdb.Position{Commit: uint64(records[0].Position), Prepare: uint64(records[0].Position)}
			return l.client.ReadAll(t.Context(), esdb.ReadAllOptions{From: from}, 10)
		},
	} {
		read, err := source()
		require.NoError(t, err)
		for _, want := range records {
			got, err := read.Recv()
			require.NoError(t, err)
			require.Nil(t, got.Link)
			require.Equal(t, uint64(want.Position), *got.Commit)
			require.Equal(t, want.ID.UUID, got.Event.EventID)
			require.Equal(t, want.Stream, got.Event.StreamID)
			require.Equal(t, want.Type, got.Event.EventType)
			require.Equal(t, want.Revision, got.Event.EventNumber)
			require.Equal(t, esdb.Position{Commit: uint64(want.Position), Prepare: uint64(want.Position)}, got.Event.Position)
			require.Equal(t, want.Created.Truncate(100), got.Event.CreatedDate)
			require.Equal(t, string(want.Data), string(got.Event.Data))
			require.Equal(t, string(want.Metadata), string(got.Event.UserMetadata))
			require.Equal(t, want.Binary, got.Event.ContentType == "application/octet-stream")
			require.Len(t, got.Event.SystemMetadata, 3)
		}
	}
	replies, err := l.read(of("s/1", start, stringIDs))
	require.NoError(t, err)
	require.Equal(t, json.ID.String(), replies[0].GetEvent().GetEvent().GetId().GetString_())
	require.Equal(t, binary.ID.String(), replies[1].GetEvent().GetEvent().GetId().GetString_())
}

func TestTheLogIsFilteredInBothDirections(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a := l.write("a-1", 3)
	b := l.append("b-1", linkTo("0@a-1"), noted("x"))
	c := l.write("a-2", 1)
	require.Equal(t, append(listed(a), c...), l.ids(log(start, onStream(32, "a-"))))
	require.Equal(t, []id.Event{c[0], a[2]}, l.ids(log(end, onStream(32, "a-"), backwards, count(2))))
	require.Equal(t, b[:1], l.ids(log(start, onType(0, "$"))), "bounded reads have no use for a window")
}

// TestBookkeepingIsHiddenInTheLog covers the streams that EventStoreDB keeps to itself.
func TestBookkeepingIsHiddenInTheLog(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for _, stream := range []string{
		"$epoch-information", "$persistentsubscription-$all::g-checkpoint", "$persistentsubscription-$all::g-parked",
	} {
		hidden := l.write(stream, 1)
		require.NotContains(t, l.ids(log(start)), hidden[0])
		require.NotContains(t, l.ids(log(end, backwards, onStream(32, "$"))), hidden[0])
		require.Equal(t, hidden, l.ids(of(stream, start)))
	}
	shown := l.write("$persistentsubscription-s::g-checkpoint", 1)
	require.Contains(t, l.ids(log(start)), shown[0])
}

// TestReadsWithoutARequestEnd closes the call's sending side and says nothing.
func TestReadsWithoutARequestEnd(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	call, err := l.dial().NewStream(t.Context(), &streams.Streams_ServiceDesc.Streams[0], streams.Streams_Read_FullMethodName)
	require.NoError(t, err)
	require.NoError(t, call.CloseSend())
	require.Error(t, call.RecvMsg(&streams.ReadResp{}))
}

func TestReadsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	set := func(apply change) *streams.ReadReq { return log(start, apply) }
	position := func(commit, prepare uint64) *streams.ReadReq {
		return set(func(o *options) {
			o.StreamOption = &streams.ReadReq_Options_All{All: &streams.ReadReq_Options_AllOptions{
				AllOption: &streams.ReadReq_Options_AllOptions_Position{Position: &streams.ReadReq_Options_Position{
					CommitPosition: commit, PreparePosition: prepare,
				}},
			}}
		})
	}
	for name, c := range map[string]struct {
		request *streams.ReadReq
		text    string
	}{
		"NoOptions":           {&streams.ReadReq{}, "stream_option"},
		"NoSource":            {set(func(o *options) { o.StreamOption = nil }), "stream_option"},
		"NoPosition":          {set(func(o *options) { o.GetAll().AllOption = nil }), "all_option"},
		"HugePosition":        {position(math.MaxUint64-1, 0), "no position"},
		"HalfOfTheEnd":        {position(math.MaxUint64, 0), "no position"},
		"PrepareAfterCommit":  {position(1, 2), "no position"},
		"NoStreamName":        {of("", start), "name is missing"},
		"NameOfNoCharacters":  {of("\xff", start), "UTF-8"},
		"NoRevision":          {of("s", start, func(o *options) { o.GetStream().RevisionOption = nil }), "revision_option"},
		"HugeRevision":        {of("s", math.MinInt64), "no revision"},
		"UnknownDirection":    {set(func(o *options) { o.ReadDirection = 7 }), "read_direction"},
		"NoCount":             {set(func(o *options) { o.CountOption = nil }), "count_option"},
		"NoFilterOption":      {set(func(o *options) { o.FilterOption = nil }), "filter_option"},
		"NoFormOfIDs":         {set(func(o *options) { o.UuidOption = nil }), "uuid_option"},
		"EmptyFormOfIDs":      {set(func(o *options) { o.UuidOption = &streams.ReadReq_Options_UUIDOption{} }), "uuid_option"},
		"BackwardsForEver":    {log(end, backwards, forever), "goes forwards"},
		"StreamBackForEver":   {of("s", end, backwards, forever), "goes forwards"},
		"FilteredStream":      {of("s", start, onType(32, "x")), "only the whole log"},
		"FilteredStreamLive":  {of("s", start, onType(32, "x"), forever), "only the whole log"},
		"BadRegex":            {log(start, filtering(regex("(")), forever), "filter.regex"},
		"EmptyFilter":         {log(start, filtering(&streams.ReadReq_Options_FilterOptions{})), "stream_identifier or event_type"},
		"NoCheckpointsToMake": {log(start, onType(0, "x"), forever), "at least 1"},
	} {
		replies, err := l.read(c.request)
		require.Equal(t, codes.InvalidArgument, status.Code(err), "%s: %v", name, err)
		require.ErrorContains(t, err, c.text, name)
		require.Empty(t, replies, name)
	}
}

func regex(pattern string) *streams.ReadReq_Options_FilterOptions {
	return &streams.ReadReq_Options_FilterOptions{
		Filter: &streams.ReadReq_Options_FilterOptions_EventType{
			EventType: &streams.ReadReq_Options_FilterOptions_Expression{Regex: pattern},
		},
		Window:                       &streams.ReadReq_Options_FilterOptions_Count{Count: nothing},
		CheckpointIntervalMultiplier: 1,
	}
}
