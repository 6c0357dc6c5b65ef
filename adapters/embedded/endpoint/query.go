package endpoint

import (
	"math"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
)

// query is what a ReadReq asks for, if it makes sense.
type query struct {
	stream       string // empty: the whole log
	from         edge
	point        uint64 // the revision or position, at atPoint
	backwards    bool
	subscription bool
	count        uint64 // at most so many events; of bounded reads only
	filter       *filter
	resolve      bool // send what a link points to along with it
	form         idForm
}

// edge is where a query begins.
type edge uint8

const (
	atStart edge = iota
	atPoint
	atEnd
)

func (q *query) all() bool { return q.stream == "" }

// source names what is read, as access to it is given.
func (q *query) source() string {
	if q.all() {
		return "$all"
	}
	return q.stream
}

// begin chooses the one for the edge at which the query begins.
func (q *query) begin(start, point, end uint64) uint64 {
	switch q.from {
	case atStart:
		return start
	case atPoint:
		return point
	default:
		return end
	}
}

// parseQuery reads the options of a ReadReq. Every choice has to be made, and the choices have to go together.
func parseQuery(options *streams.ReadReq_Options) (query, error) {
	q := query{resolve: options.GetResolveLinks()}
	for _, parse := range []func(*streams.ReadReq_Options) error{
		q.parseSource, q.parseDirection, q.parseExtent, q.parseFilter, q.parseForm,
	} {
		if err := parse(options); err != nil {
			return query{}, err
		}
	}
	return q, nil
}

func (q *query) parseSource(options *streams.ReadReq_Options) (err error) {
	switch source := options.GetStreamOption().(type) {
	case *streams.ReadReq_Options_Stream:
		if q.stream, err = streamName(source.Stream.GetStreamIdentifier()); err != nil {
			return err
		}
		return q.parseRevision(source.Stream)
	case *streams.ReadReq_Options_All:
		return q.parsePosition(source.All)
	default:
		return invalid("stream_option: it has to be stream or all")
	}
}

// parseRevision reads where in a stream to begin. The greatest number means the end, like end itself.
func (q *query) parseRevision(options *streams.ReadReq_Options_StreamOptions) error {
	switch revision := options.GetRevisionOption().(type) {
	case *streams.ReadReq_Options_StreamOptions_Start:
		q.from = atStart
	case *streams.ReadReq_Options_StreamOptions_End:
		q.from = atEnd
	case *streams.ReadReq_Options_StreamOptions_Revision:
		q.from, q.point = atPoint, revision.Revision
		if q.point == math.MaxUint64 {
			q.from = atEnd
		} else if q.point > math.MaxInt64 {
			return invalid("stream.revision: %d is no revision", q.point)
		}
	default:
		return invalid("stream.revision_option: it has to be revision, start or end")
	}
	return nil
}

// parsePosition reads where in the log to begin. Of the two numbers of a position the commit counts; they are the same
// for every record.
func (q *query) parsePosition(options *streams.ReadReq_Options_AllOptions) error {
	switch position := options.GetAllOption().(type) {
	case *streams.ReadReq_Options_AllOptions_Start:
		q.from = atStart
	case *streams.ReadReq_Options_AllOptions_End:
		q.from = atEnd
	case *streams.ReadReq_Options_AllOptions_Position:
		commit, prepare := position.Position.GetCommitPosition(), position.Position.GetPreparePosition()
		q.from, q.point = atPoint, commit
		switch {
		case commit == math.MaxUint64 && prepare == math.MaxUint64:
			q.from = atEnd
		case commit > math.MaxInt64 || prepare > commit:
			return invalid("all.position: (%d, %d) is no position", commit, prepare)
		}
	default:
		return invalid("all.all_option: it has to be position, start or end")
	}
	return nil
}

func (q *query) parseDirection(options *streams.ReadReq_Options) error {
	switch direction := options.GetReadDirection(); direction {
	case streams.ReadReq_Options_Forwards:
	case streams.ReadReq_Options_Backwards:
		q.backwards = true
	default:
		return invalid("read_direction: %d is no direction", direction)
	}
	return nil
}

func (q *query) parseExtent(options *streams.ReadReq_Options) error {
	switch extent := options.GetCountOption().(type) {
	case *streams.ReadReq_Options_Count:
		q.count = extent.Count
	case *streams.ReadReq_Options_Subscription:
		q.subscription = true
		if q.backwards {
			return invalid("read_direction: a subscription goes forwards")
		}
	default:
		return invalid("count_option: it has to be count or subscription")
	}
	return nil
}

func (q *query) parseFilter(options *streams.ReadReq_Options) (err error) {
	switch option := options.GetFilterOption().(type) {
	case *streams.ReadReq_Options_NoFilter:
		return nil
	case *streams.ReadReq_Options_Filter:
		if !q.all() {
			return invalid("filter: only the whole log can be filtered")
		}
		if q.filter, err = parseFilter(option.Filter, q.subscription); err != nil {
			return invalid("%s", err.Error())
		}
		return nil
	default:
		return invalid("filter_option: it has to be filter or no_filter")
	}
}

func (q *query) parseForm(options *streams.ReadReq_Options) error {
	switch options.GetUuidOption().GetContent().(type) {
	case *streams.ReadReq_Options_UUIDOption_Structured:
		q.form = structuredIDs
	case *streams.ReadReq_Options_UUIDOption_String_:
		q.form = stringIDs
	default:
		return invalid("uuid_option: it has to be structured or string")
	}
	return nil
}
