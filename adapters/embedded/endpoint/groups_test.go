package endpoint_test

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/persistent"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func settings() *persistent.CreateReq_Settings {
	return &persistent.CreateReq_Settings{
		ResolveLinks: true, MaxRetryCount: 10, MinCheckpointCount: 10, MaxCheckpointCount: 1000,
		LiveBufferSize: 500, ReadBatchSize: 20, HistoryBufferSize: 500,
		NamedConsumerStrategy: persistent.CreateReq_RoundRobin,
		MessageTimeout:        &persistent.CreateReq_Settings_MessageTimeoutTicks{MessageTimeoutTicks: 300_000_000},
		CheckpointAfter:       &persistent.CreateReq_Settings_CheckpointAfterMs{CheckpointAfterMs: 2000},
	}
}

// group asks for a group as the Go client does.
func group(change func(*persistent.CreateReq_Options)) *persistent.CreateReq {
	options := &persistent.CreateReq_Options{
		StreamOption: &persistent.CreateReq_Options_Stream{Stream: &persistent.CreateReq_StreamOptions{
			StreamIdentifier: named("orders"),
			RevisionOption:   &persistent.CreateReq_StreamOptions_Start{Start: &shared.Empty{}},
		}},
		GroupName: "group",
		Settings:  settings(),
	}
	if change != nil {
		change(options)
	}
	return &persistent.CreateReq{Options: options}
}

func groupOfAll(expression *persistent.CreateReq_AllOptions_FilterOptions_Expression) *persistent.CreateReq {
	return group(func(o *persistent.CreateReq_Options) {
		all := &persistent.CreateReq_AllOptions{
			AllOption:    &persistent.CreateReq_AllOptions_End{End: &shared.Empty{}},
			FilterOption: &persistent.CreateReq_AllOptions_NoFilter{NoFilter: &shared.Empty{}},
		}
		if expression != nil {
			all.FilterOption = &persistent.CreateReq_AllOptions_Filter{Filter: &persistent.CreateReq_AllOptions_FilterOptions{
				Filter: &persistent.CreateReq_AllOptions_FilterOptions_EventType{EventType: expression},
			}}
		}
		o.StreamOption = &persistent.CreateReq_Options_All{All: all}
	})
}

func groupFrom(commit, prepare uint64) *persistent.CreateReq {
	request := groupOfAll(nil)
	request.GetOptions().GetAll().AllOption = &persistent.CreateReq_AllOptions_Position{
		Position: &persistent.CreateReq_Position{CommitPosition: commit, PreparePosition: prepare},
	}
	return request
}

func (r *rig) create(request *persistent.CreateReq) (a answer) {
	r.Helper()
	_, a.err = persistent.NewPersistentSubscriptionsClient(r.dial()).Create(r.Context(), request, grpc.Trailer(&a.trailers))
	return a
}

// groups returns what is recorded.
func (r *rig) groups() []map[string]any {
	r.Helper()
	last, found, err := r.store.ReadLast(r.Context(), "$persistentSubscriptionConfig")
	require.NoError(r, err)
	if !found {
		return nil
	}
	var list struct {
		Entries []map[string]any `json:"entries"`
	}
	require.NoError(r, json.Unmarshal(last.Data, &list))
	return list.Entries
}

func TestGroupsAreRecordedInEveryShape(t *testing.T) {
	t.Parallel()
	legacy := func(revision uint64) *persistent.CreateReq {
		return group(func(o *persistent.CreateReq_Options) {
			o.StreamOption = nil
			o.StreamIdentifier, o.Settings.Revision = named("orders"), revision //nolint:staticcheck // deprecated is not gone
		})
	}
	ofStream := func(start *persistent.CreateReq_StreamOptions) *persistent.CreateReq {
		start.StreamIdentifier = named("orders")
		return group(func(o *persistent.CreateReq_Options) {
			o.StreamOption = &persistent.CreateReq_Options_Stream{Stream: start}
		})
	}
	for name, c := range map[string]struct {
		request       *persistent.CreateReq
		stream, start string
	}{
		"from the start":       {group(nil), "orders", "0"},
		"from a revision":      {ofStream(&persistent.CreateReq_StreamOptions{RevisionOption: &persistent.CreateReq_StreamOptions_Revision{Revision: 7}}), "orders", "7"},
		"from the end":         {ofStream(&persistent.CreateReq_StreamOptions{RevisionOption: &persistent.CreateReq_StreamOptions_End{}}), "orders", "-1"},
		"old, from the start":  {legacy(0), "orders", "0"},
		"old, from the end":    {legacy(math.MaxUint64), "orders", "-1"},
		"all from the end":     {groupOfAll(nil), "$all", "C:-1/P:-1"},
		"all from a position":  {groupFrom(1, 1), "$all", "C:1/P:1"},
		"all from the last":    {groupFrom(math.MaxUint64, math.MaxUint64), "$all", "C:-1/P:-1"},
		"all by type":          {groupOfAll(&persistent.CreateReq_AllOptions_FilterOptions_Expression{Prefix: []string{"a", "b"}}), "$all", "C:-1/P:-1"},
		"strategy by its name": {group(func(o *persistent.CreateReq_Options) { o.Settings.ConsumerStrategy = "PinnedByCorrelation" }), "orders", "0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := serve(t, nil)
			require.NoError(t, r.create(c.request).err)
			recorded := r.groups()
			require.Len(t, recorded, 1)
			require.Equal(t, c.stream, recorded[0]["stream"])
			require.Equal(t, c.start, recorded[0]["startPosition"])
			require.InDelta(t, 30_000, recorded[0]["messageTimeout"], 0)
			require.InDelta(t, 2000, recorded[0]["checkPointAfter"], 0)
			require.InDelta(t, 500, recorded[0]["historyBufferSize"], 0)
		})
	}
}

func TestGroupsThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	set := func(change func(*persistent.CreateReq_Settings)) *persistent.CreateReq {
		return group(func(o *persistent.CreateReq_Options) { change(o.GetSettings()) })
	}
	const failed = "persistent-subscription-failed"
	for name, c := range map[string]struct {
		request   *persistent.CreateReq
		code      codes.Code
		exception string
		reason    string
	}{
		"nothing":         {&persistent.CreateReq{}, codes.InvalidArgument, "", "name"},
		"no name":         {group(func(o *persistent.CreateReq_Options) { o.GroupName = "" }), codes.InvalidArgument, "", "name"},
		"no settings":     {group(func(o *persistent.CreateReq_Options) { o.Settings = nil }), codes.InvalidArgument, "", "settings"},
		"no stream":       {group(func(o *persistent.CreateReq_Options) { o.StreamOption = nil }), codes.InvalidArgument, "", "name"},
		"no start":        {group(func(o *persistent.CreateReq_Options) { o.GetStream().RevisionOption = nil }), codes.InvalidArgument, "", "starts"},
		"all as a stream": {group(func(o *persistent.CreateReq_Options) { o.GetStream().StreamIdentifier = named("$all") }), codes.InvalidArgument, "", "option all"},
		"beyond 2^63": {group(func(o *persistent.CreateReq_Options) {
			o.GetStream().RevisionOption = &persistent.CreateReq_StreamOptions_Revision{Revision: 1 << 63}
		}), codes.InvalidArgument, "", "beyond"},
		"no start of all": {group(func(o *persistent.CreateReq_Options) {
			o.StreamOption = &persistent.CreateReq_Options_All{All: &persistent.CreateReq_AllOptions{}}
		}), codes.InvalidArgument, "", "starts"},
		"bad regex":        {groupOfAll(&persistent.CreateReq_AllOptions_FilterOptions_Expression{Regex: "("}), codes.InvalidArgument, "", "regex"},
		"empty filter":     {groupOfAll(&persistent.CreateReq_AllOptions_FilterOptions_Expression{}), codes.InvalidArgument, "", "filter"},
		"prepare > commit": {groupFrom(1, 2), codes.Internal, failed, "prepare"},
		"beyond the log":   {groupFrom(1<<40, 1), codes.Internal, failed, "beyond"},
		"unknown strategy": {set(func(s *persistent.CreateReq_Settings) { s.ConsumerStrategy = "naïve" }), codes.Internal, failed, "strategy"},
		"unknown number":   {set(func(s *persistent.CreateReq_Settings) { s.NamedConsumerStrategy = 9 }), codes.Internal, failed, "strategy"}, //nolint:staticcheck // deprecated is not gone
		"batch >= history": {set(func(s *persistent.CreateReq_Settings) { s.ReadBatchSize = 500 }), codes.Internal, failed, "smaller"},
		"negative retries": {set(func(s *persistent.CreateReq_Settings) { s.MaxRetryCount = -1 }), codes.Internal, failed, "negative"},
		"stream too long": {group(func(o *persistent.CreateReq_Options) {
			o.GetStream().StreamIdentifier, o.Settings.ReadBatchSize = named(strings.Repeat("ü", 3<<20)), 500
		}), codes.InvalidArgument, "", "longer"},
		"name too long": {group(func(o *persistent.CreateReq_Options) { o.GroupName = strings.Repeat("x", 2<<20) }), codes.InvalidArgument, "", "longer"},
	} {
		t.Run(name, func(t *testing.T) {
			a := r.create(c.request)
			a.require(t, c.code, c.exception, nil)
			require.ErrorContains(t, a.err, c.reason)
			if c.exception == failed {
				require.Contains(t, a.trailers.Get("reason")[0], c.reason)
				require.Equal(t, []string{"group"}, a.trailers.Get("group-name"))
			}
		})
	}
	require.Empty(t, r.stored("$persistentSubscriptionConfig"))
}

// TestGroupsAreNotLostToOneAnother: each list replaces the one before, so two at once could.
func TestGroupsAreNotLostToOneAnother(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	client := persistent.NewPersistentSubscriptionsClient(r.dial())
	var all sync.WaitGroup
	var mu sync.Mutex
	refusals := 0
	for i := range 40 {
		all.Go(func() {
			_, err := client.Create(t.Context(), group(func(o *persistent.CreateReq_Options) { o.GroupName = strconv.Itoa(i % 20) }))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				refusals++
				if status.Code(err) != codes.AlreadyExists {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	require.Equal(t, 20, refusals)
	require.Len(t, r.groups(), 20)
}
