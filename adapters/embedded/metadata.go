package embedded

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"daybook/events"
)

// EventStoreDB's names. The records of stream $$s are the metadata of stream s: each replaces the one before.
const (
	metadataPrefix = "$$"
	metadataType   = "$metadata"
	tombstoneType  = "$streamDeleted"

	keyMaxCount = "$maxCount" // only so many of the last records are visible
	keyMaxAge   = "$maxAge"   // only records younger than so many seconds
	keyBefore   = "$tb"       // only records from this revision on

	tombstoneRevision = math.MaxInt64
	softDeletedBefore = math.MaxInt64 // the $tb of a soft-deleted stream
)

// metadataOf returns the stream that holds a stream's metadata.
func metadataOf(stream string) string { return metadataPrefix + stream }

// describedBy returns the stream whose metadata a stream holds, and false if it is no metadata stream.
func describedBy(stream string) (string, bool) { return strings.CutPrefix(stream, metadataPrefix) }

// State is what has become of a stream.
type State int

// The states of a stream.
const (
	Missing     State = iota // nothing was ever appended, neither to it nor to its metadata
	Live                     // it can be read
	SoftDeleted              // it reads as missing until somebody appends to it again
	Tombstoned               // it is gone for ever, and its metadata stream with it
)

// View is how a stream looks through its metadata. Of a stream that is missing or tombstoned only the state is told.
type View struct {
	State  State
	First  uint64        // revisions before it are hidden by $maxCount or $tb
	Last   uint64        // the last revision; nothing is visible when First > Last
	Empty  bool          // it is there by its metadata alone: it has no records, and Last means nothing
	MaxAge time.Duration // records created longer ago than this are hidden; 0: none are
}

// View tells how a stream looks at the head. Metadata that is no JSON object with values of the right kind hides
// nothing; every metadata stream shows its last record only. Errors are those of ReadAll.
func (s *Store) View(ctx context.Context, stream string) (View, error) {
	view, err := View{}, ctx.Err()
	if err == nil {
		view, err = s.view(stream, s.head.now())
	}
	if err != nil {
		return View{}, fmt.Errorf("looking at %s: %w", stream, err)
	}
	return view, nil
}

func (s *Store) view(stream string, head events.Position) (View, error) {
	if nameTooLong(stream) {
		return View{}, nil
	}
	if err := s.enter(); err != nil {
		return View{}, err
	}
	defer s.leave()
	end, err := readTip(s.db, stream, head)
	if err != nil {
		return View{}, err
	}
	if end.revision == tombstoneRevision {
		return View{State: Tombstoned}, nil
	}
	if described, ok := describedBy(stream); ok {
		return viewMetadata(s.db, described, end, head)
	}
	limits, described, err := readLimits(s.db, stream, head)
	if err != nil {
		return View{}, err
	}
	return limits.view(end, described), nil
}

// viewMetadata is the view of the stream that holds another's metadata.
func viewMetadata(db *pebble.DB, described string, end tip, head events.Position) (View, error) {
	its, err := readTip(db, described, head)
	switch {
	case err != nil:
		return View{}, err
	case its.revision == tombstoneRevision:
		return View{State: Tombstoned}, nil
	case end == emptyStream:
		return View{}, nil
	default:
		return View{State: Live, First: uint64(end.revision), Last: uint64(end.revision)}, nil
	}
}

// limits are what the metadata of a stream hides. 0 is no limit, as is any number below.
type limits struct {
	maxCount int64
	maxAge   int64 // seconds
	before   int64 // revision
}

func (l limits) softDeleted() bool { return l.before == softDeletedBefore }

func (l limits) view(end tip, described bool) View {
	v := View{State: Live, Empty: end == emptyStream, Last: uint64(max(end.revision, 0))}
	switch {
	case l.softDeleted():
		v.State = SoftDeleted
	case v.Empty && !described:
		return View{}
	}
	first := l.before
	if l.maxCount > 0 {
		first = max(first, end.revision-l.maxCount+1)
	}
	v.First = uint64(first)
	v.MaxAge = time.Duration(min(l.maxAge, math.MaxInt64/int64(time.Second))) * time.Second
	return v
}

// limitsIn reads the limits out of a record of a metadata stream. As in EventStoreDB, one that is malformed in any of
// the keys known here counts as if it were empty; earlier ones do not come back.
func limitsIn(kind string, binary bool, data []byte) limits {
	var keys map[string]json.RawMessage
	if kind != metadataType || binary || json.Unmarshal(data, &keys) != nil {
		return limits{}
	}
	var l limits
	for key, limit := range map[string]*int64{keyMaxCount: &l.maxCount, keyMaxAge: &l.maxAge, keyBefore: &l.before} {
		value, there := keys[key]
		if !there {
			continue
		}
		n, err := strconv.ParseInt(string(value), 10, 64)
		if err != nil {
			return limits{}
		}
		*limit = max(n, 0)
	}
	return l
}

// reviving returns metadata that shows a stream from a revision on, and otherwise says what the given one says, if that
// can be kept.
func reviving(metadata []byte, from int64) ([]byte, error) {
	var keys map[string]json.RawMessage
	if json.Unmarshal(metadata, &keys) != nil || keys == nil {
		keys = map[string]json.RawMessage{}
	}
	keys[keyBefore] = strconv.AppendInt(nil, from, 10)
	changed, err := json.Marshal(keys)
	if err != nil {
		return nil, fmt.Errorf("writing metadata: %w", err)
	}
	if limitsIn(metadataType, false, changed).before != from { // another key is malformed, which would undo this one
		return fmt.Appendf(nil, "{%q:%d}", keyBefore, from), nil
	}
	return changed, nil
}

// readLimits reads the limits of a stream as of a position, and whether it has metadata at all.
func readLimits(db *pebble.DB, stream string, until events.Position) (l limits, described bool, err error) {
	metadata, described, err := readMetadata(db, stream, until)
	return limitsIn(metadata.Type, metadata.Binary, metadata.Data), described, err
}

// readMetadata returns the last record of a stream's metadata as of a position, and false if there is none.
func readMetadata(db *pebble.DB, stream string, until events.Position) (events.Record, bool, error) {
	end, err := readTip(db, metadataOf(stream), until)
	if err != nil || end == emptyStream {
		return events.Record{}, false, err
	}
	metadata, err := recordAt(db, end.position)
	return metadata, err == nil, err
}
