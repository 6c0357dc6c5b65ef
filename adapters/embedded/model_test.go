package embedded_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"daybook/adapters/embedded"
	"daybook/events"
	"daybook/events/id"
)

// entry is one record of the model's log.
type entry struct {
	stream   string
	revision uint64
	kind     string
	data     string
	binary   bool
	id       id.Event // zero where the store chose it
}

// model is the rules in their plainest words: one log, and every question answered by going through it.
type model struct {
	log    []entry
	forgot int // entries before are not recognised by their id any more
}

func (m *model) records(stream string) (all []entry) {
	for _, e := range m.log {
		if e.stream == stream {
			all = append(all, e)
		}
	}
	return all
}

// cur is the last revision of a stream, -1 if it has none.
func (m *model) cur(stream string) int64 {
	all := m.records(stream)
	if len(all) == 0 {
		return -1
	}
	return int64(all[len(all)-1].revision)
}

func (m *model) tombstoned(stream string) bool {
	return m.cur(stream) == math.MaxInt64 || m.cur(strings.TrimPrefix(stream, "$$")) == math.MaxInt64
}

// metadata reads the last record of a stream's metadata; nil stands for none, or none that can be read.
func (m *model) metadata(stream string) map[string]int64 {
	all := m.records("$$" + stream)
	if strings.HasPrefix(stream, "$$") || len(all) == 0 {
		return nil
	}
	last := all[len(all)-1]
	var object map[string]any
	decoder := json.NewDecoder(strings.NewReader(last.data))
	decoder.UseNumber()
	if last.kind != "$metadata" || last.binary || decoder.Decode(&object) != nil {
		return nil
	}
	numbers := map[string]int64{}
	for _, key := range []string{"$maxCount", "$maxAge", "$tb"} {
		if value, ok := object[key]; ok {
			number, _ := value.(json.Number)
			n, err := number.Int64()
			if err != nil {
				return nil
			}
			numbers[key] = n
		}
	}
	return numbers
}

func (m *model) softDeleted(stream string) bool { return m.metadata(stream)["$tb"] == math.MaxInt64 }

func (m *model) described(stream string) bool {
	return !strings.HasPrefix(stream, "$$") && m.cur("$$"+stream) >= 0
}

func (m *model) add(stream string, proposed ...events.Proposed) {
	next := uint64(m.cur(stream) + 1)
	for _, e := range proposed {
		m.log = append(m.log, entry{stream, next, e.Type, string(e.Data), e.Binary, e.ID})
		next++
	}
}

// addMetadata writes $tb beside what raw says.
func (m *model) addMetadata(stream, raw string, before int64) {
	object := map[string]any{}
	if json.Unmarshal([]byte(raw), &object) != nil || object == nil {
		object = map[string]any{}
	}
	object["$tb"] = before
	data, err := json.Marshal(object)
	if err != nil {
		panic(err)
	}
	m.add("$$"+stream, events.Proposed{Type: "$metadata", Data: data})
	if m.metadata(stream)["$tb"] != before { // it cannot be said beside that
		m.log[len(m.log)-1].data = fmt.Sprintf(`{"$tb":%d}`, before)
	}
}

// outcome is an answer: a revision, or which error.
type outcome struct {
	revision int64 // of the answer; -1: the stream has no events
	conflict bool
	actual   events.Expected
	deleted  bool
}

// try decides an attempt and, if it passes, writes it.
func (m *model) try(a attempt) outcome {
	cur, missing := m.cur(a.stream), m.cur(a.stream) < 0 && !m.described(a.stream)
	softDeleted := m.softDeleted(a.stream)
	conflict := outcome{conflict: true, actual: events.Expected(cur)}
	proposed := a.proposed
	if a.do != "append" {
		proposed = notes(1) // ids nobody has seen
	}
	switch {
	case m.tombstoned(a.stream), a.expected == events.StreamExists && softDeleted:
		return outcome{deleted: true}
	case missing && (a.expected == events.StreamExists || a.do == "delete"):
		return conflict
	}
	write, at, ok := m.check(a, proposed, cur, softDeleted)
	switch {
	case !ok:
		return conflict
	case !write:
		return outcome{revision: at}
	case a.do == "delete":
		m.add("$$"+a.stream, events.Proposed{Type: "$metadata", Data: []byte(`{"$tb":9223372036854775807}`)})
		return outcome{revision: m.cur("$$" + a.stream)}
	case a.do == "tombstone":
		m.log = append(m.log, entry{a.stream, math.MaxInt64, "$streamDeleted", "", true, id.Event{}})
		return outcome{revision: math.MaxInt64}
	}
	original, isMetadata := strings.CutPrefix(a.stream, "$$")
	revivesEmpty := isMetadata && m.softDeleted(original)
	metadata := m.records("$$" + a.stream)
	m.add(a.stream, proposed...)
	if softDeleted {
		m.addMetadata(a.stream, metadata[len(metadata)-1].data, cur+1)
	}
	if last := proposed[len(proposed)-1]; revivesEmpty {
		raw := string(last.Data)
		if last.Type != "$metadata" || last.Binary {
			raw = ""
		}
		m.addMetadata(original, raw, m.cur(original)+1)
	}
	return outcome{revision: cur + int64(len(proposed))}
}

// check is rule 3 to 5 of the protocol's idempotency rules.
func (m *model) check(a attempt, proposed []events.Proposed, cur int64, softDeleted bool) (write bool, at int64, ok bool) {
	if a.expected == events.Any || a.expected == events.StreamExists {
		at = cur
		for i, e := range proposed {
			place := m.placeOf(a.stream, e.ID)
			if place < 0 {
				return i == 0, 0, i == 0
			}
			at = place
		}
		return false, at, true
	}
	from := int64(a.expected) + 1
	switch {
	case from == cur+1:
		return len(proposed) > 0, cur, true
	case from > cur+1 || len(proposed) == 0:
		return false, 0, false
	}
	stream := m.records(a.stream)
	for i, e := range proposed {
		at = from + int64(i)
		if at > cur || stream[at].id != e.ID {
			return i == 0 && softDeleted && a.expected == events.NoStream, 0, i == 0 && softDeleted && a.expected == events.NoStream
		}
	}
	return false, at, true
}

// placeOf is where an id went last, as far as that is still remembered; -1 if nowhere.
func (m *model) placeOf(stream string, eventID id.Event) int64 {
	for i, e := range slices.Backward(m.log) {
		if i >= m.forgot && e.stream == stream && e.id == eventID {
			return int64(e.revision)
		}
	}
	return -1
}

func (m *model) view(stream string) embedded.View {
	cur, metadata := m.cur(stream), m.metadata(stream)
	switch {
	case m.tombstoned(stream):
		return embedded.View{State: embedded.Tombstoned}
	case cur < 0 && !m.described(stream):
		return embedded.View{}
	case strings.HasPrefix(stream, "$$"):
		return embedded.View{State: embedded.Live, First: uint64(cur), Last: uint64(cur)}
	}
	v := embedded.View{State: embedded.Live, Empty: cur < 0, Last: uint64(max(cur, 0))}
	if m.softDeleted(stream) {
		v.State = embedded.SoftDeleted
	}
	first := max(metadata["$tb"], 0)
	if n := metadata["$maxCount"]; n > 0 {
		first = max(first, cur-n+1)
	}
	v.First, v.MaxAge = uint64(first), time.Duration(max(metadata["$maxAge"], 0))*time.Second
	return v
}

// attempt is one request.
type attempt struct {
	do       string
	stream   string
	expected events.Expected
	proposed []events.Proposed
}
