package embedded

import "daybook/events/id"

// recentIDs remembers where the last events went, by stream and id: a ring, so the oldest is forgotten first.
type recentIDs struct {
	places map[idInStream]tip
	size   int
	ring   []idInStream // at most size
	next   int          // the oldest, once the ring is full
}

type idInStream struct {
	stream string
	event  id.Event
}

func newRecentIDs(size int) *recentIDs {
	return &recentIDs{places: map[idInStream]tip{}, size: size}
}

func (r *recentIDs) find(stream string, event id.Event) (tip, bool) {
	place, ok := r.places[idInStream{stream, event}]
	return place, ok
}

func (r *recentIDs) add(stream string, event id.Event, place tip) {
	key := idInStream{stream, event}
	if len(r.ring) < r.size {
		r.ring = append(r.ring, key)
	} else {
		delete(r.places, r.ring[r.next])
		r.ring[r.next] = key
		r.next = (r.next + 1) % len(r.ring)
	}
	r.places[key] = place
}
