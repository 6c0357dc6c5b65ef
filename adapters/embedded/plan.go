package embedded

import (
	"daybook/events"
	"daybook/events/id"
)

// plan is what a request that passed its check writes, side by side: what it asks for, and the metadata that follows
// from it, if any does.
type plan struct {
	asked   part
	follows part
}

// part is a run of events at the end of one stream.
type part struct {
	stream    string
	from      int64 // revision of the first
	events    []events.Proposed
	end       *ending // of that stream
	described *ending // of the stream whose metadata this is, if it is metadata
}

func (p *part) empty() bool { return len(p.events) == 0 }

// plan says what a request writes. its is the ending of the stream that r.stream describes, if it does.
func (d *decider) plan(r *request, end, its *ending) (plan, error) {
	asked := part{stream: r.stream, from: end.revision + 1, events: r.proposed, end: end, described: its}
	switch {
	case r.action == deleting:
		metadata, err := d.metadata(r.stream, end, r.proposed[0])
		return plan{asked: metadata}, err
	case r.action == tombstoning:
		asked.from = tombstoneRevision
		return plan{asked: asked}, nil
	case end.softDeleted:
		follows, err := d.revive(r.stream, end)
		return plan{asked, follows}, err
	case its != nil && its.softDeleted:
		follows, err := reviveEmpty(asked)
		return plan{asked, follows}, err
	default:
		return plan{asked: asked}, nil
	}
}

// metadata is one record of a stream's metadata.
func (d *decider) metadata(stream string, its *ending, e events.Proposed) (part, error) {
	end, err := d.ending(metadataOf(stream))
	if err != nil {
		return part{}, err
	}
	return part{
		stream: metadataOf(stream), from: end.revision + 1, events: []events.Proposed{e}, end: end, described: its,
	}, nil
}

// revive is the metadata that follows when a soft-deleted stream is appended to: it is shown from there on, and what
// else was said of it holds.
func (d *decider) revive(stream string, its *ending) (part, error) {
	p, err := d.metadata(stream, its, events.Proposed{ID: id.New[id.Event](), Type: metadataType})
	if err != nil {
		return part{}, err
	}
	if p.end.position > d.synced {
		return part{}, errCommitFirst
	}
	latest, err := recordAt(d.db, p.end.position)
	if err != nil {
		return part{}, err
	}
	p.events[0].Data, err = reviving(latest.Data, its.revision+1)
	return p, err
}

// reviveEmpty is the metadata that follows when metadata is written to a soft-deleted stream: all that the stream holds
// stays hidden.
func reviveEmpty(asked part) (part, error) {
	var said []byte
	if last := asked.events[len(asked.events)-1]; last.Type == metadataType && !last.Binary {
		said = last.Data
	}
	data, err := reviving(said, asked.described.revision+1)
	follows := asked
	follows.from += int64(len(asked.events))
	follows.events = []events.Proposed{{ID: id.New[id.Event](), Type: metadataType, Data: data}}
	return follows, err
}

// marks returns the stream that gets metadata or a tombstone by this part, if one does.
func (p *part) marks() (stream string, ok bool) {
	if p.from == tombstoneRevision {
		return p.stream, true
	}
	described, _ := describedBy(p.stream)
	return described, p.described != nil
}

// note remembers what a part has changed once it is in the batch, with its last event at the given tip.
func (p *part) note(at tip) {
	p.end.tip = at
	if p.described != nil {
		last := &p.events[len(p.events)-1]
		p.described.described = true
		p.described.softDeleted = limitsIn(last.Type, last.Binary, last.Data).softDeleted()
	}
}
