package storetest

import (
	"slices"

	"daybook/events"
	"daybook/events/id"
)

// attempt is an append that somebody makes.
type attempt struct {
	stream   string
	expected events.Expected
	proposed []events.Proposed
}

// image is what a stream is, to the rules of appending.
type image struct {
	ids     []id.Event // everything it ever held
	known   bool       // it has metadata
	deleted bool       // its metadata says so
}

// verdict is what has to become of an append.
type verdict struct {
	revision int  // the answer: of the last event, -1 if there is none
	write    bool // or it is there already, or empty
	conflict bool // the stream is elsewhere
	gone     bool // the stream is deleted, and should not have been
}

// end is the last revision; -1 if there is none.
func (i image) end() int { return len(i.ids) - 1 }

// decide says the rules in their plainest words.
func (i image) decide(a attempt) verdict {
	ids, from := idsOf(a.proposed), int(a.expected)+1
	written := verdict{revision: i.end() + len(ids), write: len(ids) > 0}
	switch {
	case a.expected == events.StreamExists && i.deleted:
		return verdict{gone: true}
	case a.expected == events.StreamExists && i.end() < 0 && !i.known:
		return verdict{conflict: true}
	case a.expected == events.Any || a.expected == events.StreamExists:
		return i.decideByID(ids, written)
	case from == len(i.ids):
		return written
	case from > len(i.ids) || len(ids) == 0:
		return verdict{conflict: true}
	case a.expected == events.NoStream && i.deleted && ids[0] != i.ids[0]:
		return written
	case from+len(ids) > len(i.ids) || !slices.Equal(i.ids[from:from+len(ids)], ids):
		return verdict{conflict: true}
	default:
		return verdict{revision: from + len(ids) - 1}
	}
}

func (i image) decideByID(ids []id.Event, written verdict) verdict {
	if len(ids) == 0 || !slices.Contains(i.ids, ids[0]) {
		return written
	}
	for _, eventID := range ids {
		if !slices.Contains(i.ids, eventID) {
			return verdict{conflict: true}
		}
	}
	return verdict{revision: lastIndex(i.ids, ids[len(ids)-1])}
}

// lastIndex is where an id went last: it may have been written again at the end of its stream.
func lastIndex(ids []id.Event, eventID id.Event) int {
	for i := range slices.Backward(ids) {
		if ids[i] == eventID {
			return i
		}
	}
	return -1
}
