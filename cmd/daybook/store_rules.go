package main

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"daybook/events"
)

// rule is what somebody has done to the events of a stream. The zero rule leaves them as they are.
type rule struct {
	says   string
	remedy string
}

var (
	tombstoned = rule{
		"is deleted for good (tombstone)",
		"do not scavenge: until then its events are in the log. A tombstone cannot be taken back: restore a backup without it",
	}
	softDeleted = rule{
		"is deleted (its events are still in the log)",
		"do not scavenge: that removes its events. Write {} as its metadata, twice: the first brings it back empty, the second shows its events",
	}
)

func hides(settings []string) rule {
	return rule{
		"hides events by its metadata: " + strings.Join(settings, ", "),
		"do not scavenge: that removes what is hidden. Write its metadata again without $maxAge, $maxCount and $tb",
	}
}

// ruling tells what a record says of the events of one of Daybook's streams. It is false if it says nothing.
func ruling(r *events.Record) (stream string, is rule, ok bool) {
	stream, described := strings.CutPrefix(r.Stream, "$$")
	switch {
	case stream == "" || events.SystemStream(stream):
		return "", rule{}, false
	case described:
		return stream, hiddenBy(r), r.Type == "$metadata"
	default:
		return stream, tombstoned, tombstone(r)
	}
}

func tombstone(r *events.Record) bool {
	return r.Type == "$streamDeleted" && r.Revision == math.MaxInt64
}

// hiddenBy reads what the metadata of a stream hides of it. Numbers that are not above 0 hide nothing. Nor does metadata
// that is not JSON, or in which one of these is no whole number: EventStoreDB takes that as if it were empty.
func hiddenBy(r *events.Record) rule {
	var keys map[string]json.RawMessage
	if r.Binary || json.Unmarshal(r.Data, &keys) != nil {
		return rule{}
	}
	var settings []string
	for _, key := range []string{"$maxAge", "$maxCount", "$tb"} {
		value, there := keys[key]
		if !there {
			continue
		}
		n, err := strconv.ParseInt(string(value), 10, 64)
		if err != nil {
			return rule{}
		}
		if n > 0 {
			settings = append(settings, key+" "+string(value))
		}
	}
	switch {
	case len(settings) == 0:
		return rule{}
	case string(keys["$tb"]) == strconv.FormatInt(math.MaxInt64, 10):
		return softDeleted
	default:
		return hides(settings)
	}
}

// rules are those that are in force, by stream.
type rules map[string]rule

// take puts in force what a record says, and tells of which stream that is new.
func (all rules) take(r *events.Record) (stream string, changed bool) {
	stream, is, ok := ruling(r)
	if !ok || all[stream] == is {
		return "", false
	}
	stream = strings.Clone(stream) // it may lie in the memory of many records
	if all[stream] = is; is == (rule{}) {
		delete(all, stream)
	}
	return stream, true
}
