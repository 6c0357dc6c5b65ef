package storecopy

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"daybook/events"
)

// Tally is how many events a stream holds, and a digest over theirs in order.
type Tally struct {
	Events uint64
	Digest [sha256.Size]byte
}

func (t Tally) String() string {
	return fmt.Sprintf("%d events with digest %x", t.Events, t.Digest[:8])
}

func (t Tally) with(event [sha256.Size]byte) Tally {
	return Tally{t.Events + 1, sha256.Sum256(append(t.Digest[:], event[:]...))}
}

// digest is the SHA-256 over stream, revision, id, type, kind of data, data and metadata, each after its length as a
// varint. The revision has eight bytes, the highest first, but none in the stores' own stream, where it changes with the
// move. The kind is a byte: 1 for binary data, 0 for JSON.
func digest(scratch []byte, r *events.Record) (_ [sha256.Size]byte, grown []byte) {
	var revision, kind []byte
	if r.Stream != events.StoreStream {
		revision = binary.BigEndian.AppendUint64(nil, r.Revision)
	}
	if kind = []byte{0}; r.Binary {
		kind[0] = 1
	}
	b := scratch[:0]
	for _, part := range [][]byte{[]byte(r.Stream), revision, r.ID.UUID[:], []byte(r.Type), kind, r.Data, r.Metadata} {
		b = append(binary.AppendUvarint(b, uint64(len(part))), part...)
	}
	return sha256.Sum256(b), b
}

// verification reads both stores side by side.
type verification struct {
	*copying

	fromLog, toLog *cursor
	streams        map[string]*StreamDifference // all of them; most do not differ
	all            [2]hashing
	scratch        []byte
	first          string // where they part
	whole          bool   // it came to its end, and nothing differs
}

// hashing is a digest over digests.
type hashing struct {
	events uint64
	hash   interface {
		Write(b []byte) (int, error)
		Sum(b []byte) []byte
	}
}

func (c *copying) verify(ctx context.Context) (Result, error) {
	v := &verification{copying: c}
	if c.Translate != nil {
		move := Move{From: c.from.ID, To: c.to.ID, Places: v.places(ctx)}
		if err := c.Translate(ctx, move); err != nil {
			return Result{}, err
		}
	}
	if !v.whole {
		for _, err := range v.places(ctx) {
			if err != nil {
				return Result{}, err
			}
		}
	}
	return Result{Events: v.all[0].events, Streams: len(v.streams), Digest: hex.EncodeToString(v.all[0].hash.Sum(nil))}, nil
}

// places compares everything, and yields where events are for as long as the stores are the same.
func (v *verification) places(ctx context.Context) iter.Seq2[Place, error] {
	return func(yield func(Place, error) bool) {
		v.fromLog, v.toLog = v.source(ctx), v.target(ctx)
		defer v.fromLog.close()
		defer v.toLog.close()
		v.streams, v.first = map[string]*StreamDifference{}, ""
		v.all = [2]hashing{{hash: sha256.New()}, {hash: sha256.New()}}
		for {
			place, found, err := v.step(ctx)
			switch {
			case err != nil:
				yield(Place{}, err)
				return
			case place == nil && !found:
				if err = v.outcome(ctx); err != nil {
					yield(Place{}, err)
				}
				return
			case place != nil && !yield(*place, nil):
				return
			}
		}
	}
}

// step takes one event of each store. Found is false when both are at their end; the place is nil for events that have
// none, or where the stores differ.
func (v *verification) step(ctx context.Context) (place *Place, found bool, err error) {
	a, hasA, err := v.fromLog.step(ctx)
	if err != nil {
		return nil, false, err
	}
	b, hasB, err := v.toLog.step(ctx)
	if err != nil || !hasA && !hasB {
		return nil, false, err
	}
	if hasA {
		v.note(&a, 0)
		v.Progress(Progress{Comparing, v.all[0].events, a.Position, v.from.SealedAt})
	}
	if hasB {
		v.note(&b, 1)
	}
	if v.first == "" && (hasA != hasB || difference(&a, &b) != "") {
		v.first = parting(a, b, hasA, hasB)
	}
	if v.first != "" || a.Stream == events.StoreStream || a.System() {
		return nil, true, nil
	}
	return &Place{a.Position, b.Position, a.Stream, a.Revision, a.ID, v.toLog.counted}, true, nil
}

// note counts an event of the source (0) or the target (1).
func (v *verification) note(r *events.Record, side int) {
	var sum [sha256.Size]byte
	sum, v.scratch = digest(v.scratch, r)
	stream := v.streams[r.Stream]
	if stream == nil {
		name := strings.Clone(r.Stream) // it may lie in the memory of many records
		stream = &StreamDifference{Stream: name}
		v.streams[name] = stream
	}
	if side == 0 {
		stream.From = stream.From.with(sum)
	} else {
		stream.To = stream.To.with(sum)
	}
	v.all[side].events++
	_, _ = v.all[side].hash.Write(sum[:]) // never fails
}

// outcome compares counts and digests, of all and of each stream.
func (v *verification) outcome(ctx context.Context) error {
	if v.first == "" && v.all[0].events == v.all[1].events && slices.Equal(v.all[0].hash.Sum(nil), v.all[1].hash.Sum(nil)) {
		err := v.untouched(ctx) // while it was read
		v.whole = err == nil
		v.Progress(Progress{Comparing, v.all[0].events, v.from.SealedAt, v.from.SealedAt})
		return err
	}
	const shown = 10
	e := &DifferenceError{First: v.first, Finished: v.to.Finished != nil}
	for _, name := range slices.Sorted(maps.Keys(v.streams)) {
		stream := v.streams[name]
		switch {
		case stream.From == stream.To:
		case len(e.Streams) < shown:
			e.Streams = append(e.Streams, *stream)
		default:
			e.More++
		}
	}
	return e
}
