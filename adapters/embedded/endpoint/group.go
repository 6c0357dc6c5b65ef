package endpoint

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/persistent"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"

	"daybook/events"
)

const allStream = "$all"

const (
	maxName = 1024 // bytes, of a group or of its stream, as of the streams that can be written

	endOfLog = "C:-1/P:-1" // as a start position
)

// group is a group of a persistent subscription. Times are milliseconds.
//
//nolint:tagliatelle // EventStoreDB's names
type group struct {
	Stream                string       `json:"stream"`
	Group                 string       `json:"group"`
	Filter                *groupFilter `json:"filter,omitempty"`
	ResolveLinkTos        bool         `json:"resolveLinkTos"`
	ExtraStatistics       bool         `json:"extraStatistics"`
	MessageTimeout        int64        `json:"messageTimeout"`
	StartPosition         string       `json:"startPosition"` // revision, C:commit/P:prepare, or -1 for the end
	HistoryBufferSize     int32        `json:"historyBufferSize"`
	LiveBufferSize        int32        `json:"liveBufferSize"`
	MaxRetryCount         int32        `json:"maxRetryCount"`
	ReadBatchSize         int32        `json:"readBatchSize"`
	CheckPointAfter       int64        `json:"checkPointAfter"`
	MinCheckPointCount    int32        `json:"minCheckPointCount"`
	MaxCheckPointCount    int32        `json:"maxCheckPointCount"`
	MaxSubscriberCount    int32        `json:"maxSubscriberCount"`
	NamedConsumerStrategy string       `json:"namedConsumerStrategy"`
}

// groupFilter picks the events of $all that a group gets.
type groupFilter struct {
	ByType   bool     `json:"by_type,omitempty"` // else by the name of the stream
	Regex    string   `json:"regex,omitempty"`
	Prefixes []string `json:"prefixes,omitempty"`
}

// parseGroup reads what group a client wants and, if it is for $all, the position from which on.
func parseGroup(options *persistent.CreateReq_Options) (group, *persistent.CreateReq_Position, error) {
	settings := options.GetSettings()
	switch {
	case options.GetGroupName() == "":
		return group{}, nil, invalid("the group's name is missing")
	case len(options.GetGroupName()) > maxName:
		return group{}, nil, invalid("the group's name is longer than %d bytes", maxName)
	case settings == nil:
		return group{}, nil, invalid("the group's settings are missing")
	}
	wanted := group{
		Group:                 options.GetGroupName(),
		ResolveLinkTos:        settings.GetResolveLinks(),
		ExtraStatistics:       settings.GetExtraStatistics(),
		MessageTimeout:        int64(settings.GetMessageTimeoutMs()) + settings.GetMessageTimeoutTicks()/ticksPerMillisecond,
		HistoryBufferSize:     settings.GetHistoryBufferSize(),
		LiveBufferSize:        settings.GetLiveBufferSize(),
		MaxRetryCount:         settings.GetMaxRetryCount(),
		ReadBatchSize:         settings.GetReadBatchSize(),
		CheckPointAfter:       int64(settings.GetCheckpointAfterMs()) + settings.GetCheckpointAfterTicks()/ticksPerMillisecond,
		MinCheckPointCount:    settings.GetMinCheckpointCount(),
		MaxCheckPointCount:    settings.GetMaxCheckpointCount(),
		MaxSubscriberCount:    settings.GetMaxSubscriberCount(),
		NamedConsumerStrategy: strategy(settings),
	}
	switch source := options.GetStreamOption().(type) {
	case *persistent.CreateReq_Options_Stream:
		return wanted, nil, wanted.ofStream(source.Stream)
	case *persistent.CreateReq_Options_All:
		return wanted, source.All.GetPosition(), wanted.ofAll(source.All)
	default:
		return wanted, nil, wanted.ofLegacy(options)
	}
}

// ticksPerMillisecond: a tick is 100 ns.
const ticksPerMillisecond = 10_000

func strategy(settings *persistent.CreateReq_Settings) string {
	if name := settings.GetConsumerStrategy(); name != "" {
		return name
	}
	return settings.GetNamedConsumerStrategy().String() //nolint:staticcheck // deprecated is not gone
}

func (g *group) ofStream(options *persistent.CreateReq_StreamOptions) error {
	switch start := options.GetRevisionOption().(type) {
	case *persistent.CreateReq_StreamOptions_Revision:
		return g.from(options.GetStreamIdentifier(), start.Revision)
	case *persistent.CreateReq_StreamOptions_Start:
		return g.from(options.GetStreamIdentifier(), 0)
	case *persistent.CreateReq_StreamOptions_End:
		return g.from(options.GetStreamIdentifier(), endRevision)
	}
	return invalid("where the group starts is missing")
}

// ofLegacy reads the shape of version 20, in which the Node client still creates groups.
func (g *group) ofLegacy(options *persistent.CreateReq_Options) error {
	//nolint:staticcheck // deprecated is not gone
	return g.from(options.GetStreamIdentifier(), options.GetSettings().GetRevision())
}

// endRevision is how clients write the end of a stream where a number has to stand.
const endRevision = math.MaxUint64

func (g *group) from(stream *shared.StreamIdentifier, revision uint64) (err error) {
	if g.Stream, err = streamName(stream); err != nil {
		return err
	}
	switch {
	case len(g.Stream) > maxName:
		return invalid("the stream's name is longer than %d bytes", maxName)
	case g.Stream == allStream:
		return invalid("a group for $all has to say so by the option all")
	case revision == endRevision:
		g.StartPosition = "-1"
	case revision > math.MaxInt64:
		return invalid("revision %d is beyond the last that a stream can have", revision)
	default:
		g.StartPosition = strconv.FormatUint(revision, 10)
	}
	return nil
}

func (g *group) ofAll(options *persistent.CreateReq_AllOptions) error {
	g.Stream = allStream
	switch start := options.GetAllOption().(type) {
	case *persistent.CreateReq_AllOptions_Position:
		commit, prepare := start.Position.GetCommitPosition(), start.Position.GetPreparePosition()
		g.StartPosition = fmt.Sprintf("C:%d/P:%d", commit, prepare)
		if commit == endRevision && prepare == endRevision {
			g.StartPosition = endOfLog
		}
	case *persistent.CreateReq_AllOptions_Start:
		g.StartPosition = "C:0/P:0"
	case *persistent.CreateReq_AllOptions_End:
		g.StartPosition = endOfLog
	default:
		return invalid("where the group starts is missing")
	}
	switch picked := options.GetFilterOption().(type) {
	case *persistent.CreateReq_AllOptions_NoFilter:
		return nil
	case *persistent.CreateReq_AllOptions_Filter:
		return g.filtered(picked.Filter)
	}
	return invalid("the filter option is missing")
}

func (g *group) filtered(options *persistent.CreateReq_AllOptions_FilterOptions) error {
	expression := options.GetStreamIdentifier()
	same := &streams.ReadReq_Options_FilterOptions{} // as in reads
	g.Filter = &groupFilter{}
	if options.GetEventType() != nil {
		expression, g.Filter.ByType = options.GetEventType(), true
	}
	g.Filter.Regex, g.Filter.Prefixes = expression.GetRegex(), expression.GetPrefix()
	rule := &streams.ReadReq_Options_FilterOptions_Expression{Regex: g.Filter.Regex, Prefix: g.Filter.Prefixes}
	switch {
	case g.Filter.ByType:
		same.Filter = &streams.ReadReq_Options_FilterOptions_EventType{EventType: rule}
	case expression != nil:
		same.Filter = &streams.ReadReq_Options_FilterOptions_StreamIdentifier{StreamIdentifier: rule}
	}
	if _, err := parseFilter(same, false); err != nil {
		return invalid("%v", err)
	}
	return nil
}

// flaw says why a group cannot work, or is empty. start is where it begins in the log, if it names a position.
func (g *group) flaw(start *persistent.CreateReq_Position, head events.Position) string {
	numbers := []struct {
		name  string
		value int64
	}{
		{"message timeout", g.MessageTimeout},
		{"checkpoint after", g.CheckPointAfter},
		{"history buffer size", int64(g.HistoryBufferSize)},
		{"live buffer size", int64(g.LiveBufferSize)},
		{"max retry count", int64(g.MaxRetryCount)},
		{"read batch size", int64(g.ReadBatchSize)},
		{"min checkpoint count", int64(g.MinCheckPointCount)},
		{"max checkpoint count", int64(g.MaxCheckPointCount)},
		{"max subscriber count", int64(g.MaxSubscriberCount)},
	}
	for _, n := range numbers {
		if n.value < 0 {
			return n.name + " must not be negative"
		}
	}
	known := []string{"DispatchToSingle", "RoundRobin", "Pinned", "PinnedByCorrelation"}
	commit, prepare := start.GetCommitPosition(), start.GetPreparePosition()
	switch {
	case !slices.Contains(known, g.NamedConsumerStrategy):
		return fmt.Sprintf("consumer strategy %q does not exist", g.NamedConsumerStrategy)
	case g.ReadBatchSize >= g.HistoryBufferSize:
		return "read batch size must be smaller than history buffer size"
	case start == nil || g.StartPosition == endOfLog:
		return ""
	case prepare > commit:
		return "the prepare position must not be after the commit position"
	case commit > uint64(head):
		return "the start position is beyond the end of the log"
	}
	return ""
}
