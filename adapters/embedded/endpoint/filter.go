package endpoint

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"

	"daybook/events"
)

const (
	defaultWindow = 32      // events; what a client means that asks for no window of its own
	maxPattern    = 1 << 14 // bytes; compiling takes memory in proportion
)

// filter picks records by the name of their stream or their type. A nil filter picks everything.
type filter struct {
	byType   bool
	pattern  *regexp.Regexp // nil: prefixes
	prefixes []string       // sorted, and none begins with another
	interval uint64         // records between two checkpoints, whether picked or not
}

// parseFilter reads a filter, and refuses one that is ambiguous or that no rule can be made of. The checkpoints of a
// filter mean nothing outside subscriptions, so only there they have to make sense.
func parseFilter(options *streams.ReadReq_Options_FilterOptions, subscription bool) (*filter, error) {
	f := &filter{}
	var expression *streams.ReadReq_Options_FilterOptions_Expression
	switch by := options.GetFilter().(type) {
	case *streams.ReadReq_Options_FilterOptions_StreamIdentifier:
		expression = by.StreamIdentifier
	case *streams.ReadReq_Options_FilterOptions_EventType:
		expression, f.byType = by.EventType, true
	default:
		return nil, errors.New("filter: it has to name either stream_identifier or event_type")
	}
	if err := f.compile(expression); err != nil {
		return nil, err
	}
	if !subscription {
		return f, nil
	}
	return f, f.pace(options)
}

func (f *filter) compile(expression *streams.ReadReq_Options_FilterOptions_Expression) (err error) {
	regex, prefixes := expression.GetRegex(), expression.GetPrefix()
	switch {
	case (regex == "") == (len(prefixes) == 0):
		return errors.New("filter: it has to have either a regex or prefixes")
	case len(regex) > maxPattern:
		return fmt.Errorf("filter.regex: it is longer than %d bytes", maxPattern)
	case regex != "":
		if f.pattern, err = regexp.Compile(regex); err != nil {
			return fmt.Errorf("filter.regex: %w", err)
		}
		return nil
	}
	for _, prefix := range slices.Sorted(slices.Values(prefixes)) {
		if n := len(f.prefixes); n == 0 || !strings.HasPrefix(prefix, f.prefixes[n-1]) {
			f.prefixes = append(f.prefixes, prefix)
		}
	}
	return nil
}

// pace works out how far apart checkpoints are.
func (f *filter) pace(options *streams.ReadReq_Options_FilterOptions) error {
	window := uint64(defaultWindow)
	switch w := options.GetWindow().(type) {
	case *streams.ReadReq_Options_FilterOptions_Max:
		window = uint64(w.Max)
	case *streams.ReadReq_Options_FilterOptions_Count:
	default:
		return errors.New("filter.window: it has to be max or count")
	}
	f.interval = window * uint64(options.GetCheckpointIntervalMultiplier())
	if f.interval == 0 {
		return errors.New("filter: max and checkpointIntervalMultiplier have to be at least 1")
	}
	return nil
}

// picks says whether a record is wanted.
func (f *filter) picks(r *events.Record) bool {
	if f == nil {
		return true
	}
	name := r.Stream
	if f.byType {
		name = r.Type
	}
	if f.pattern != nil {
		return f.pattern.MatchString(name)
	}
	at, exact := slices.BinarySearch(f.prefixes, name)
	return exact || at > 0 && strings.HasPrefix(name, f.prefixes[at-1])
}
