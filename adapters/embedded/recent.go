package embedded

import "daybook/events/id"

// recentIDs remembers where the last events went, by stream and id: a ring, so the oldest is forgotten first.
type recentIDs struct {
	places map[idInStream]tip
	size   int
	ring   []placed // at most size
	next   int      // the oldest, once the ring is full
}

type idInStream struct {
	stream string
	event  id.Event
}

type placed struct {
	idInStream

	at tip
}

func newRecentIDs(size int) *recentIDs {
	return &recentIDs{places: map[idInStream]tip{}, size: size}
}

func (r *recentIDs) find(stream string, event id.Event) (tip, bool) {
	place, ok := r.places[idInStream{stream, event}]
	return place, ok
}

func (r *recentIDs) add(stream string, event id.Event, place tip) {
	added := placed{idInStream{stream, event}, place}
	if len(r.ring) < r.size {
		r.ring = append(r.ring, added)
	} else {
		r.forget(r.ring[r.next])
		r.ring[r.next] = added
		r.next = (r.next + 1) % len(r.ring)
	}
	r.places[added.idInStream] = place
}

// forget lets go of where an id went, unless it has gone somewhere else since.
func (r *recentIDs) forget(oldest placed) {
	if r.places[oldest.idInStream] == oldest.at {
		delete(r.places, oldest.idInStream)
	}
}
