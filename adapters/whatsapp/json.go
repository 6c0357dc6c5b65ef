package whatsapp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"unicode/utf8"
)

// MalformedError says that a body is not JSON, and where.
type MalformedError struct {
	Offset int64 // bytes read before the fault
	Rule   string
}

func (e *MalformedError) Error() string {
	return fmt.Sprintf("malformed JSON at byte %d: %s", e.Offset, e.Rule)
}

// checkJSON reports the first fault of a body. Everything else in this file relies on it having found none.
func checkJSON(body []byte) error {
	var whole json.RawMessage
	err := json.Unmarshal(body, &whole)
	if err == nil {
		return nil
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return &MalformedError{syntax.Offset, syntax.Error()}
	}
	return &MalformedError{int64(len(body)), err.Error()}
}

// object is a JSON object as it was written: in order, with repeated keys, values untouched. A map would lose two of
// the three, and with a repeated key an update.
type object []member

type member struct {
	key   string
	value []byte
}

// get returns the value of a key, nil when absent. Of repeated keys the last counts, as everywhere in JSON.
func (o object) get(key string) []byte {
	for i := len(o) - 1; i >= 0; i-- {
		if o[i].key == key {
			return o[i].value
		}
	}
	return nil
}

// parseObject takes an object apart, one level deep. Anything else has no members.
func parseObject(value []byte) object {
	if !isObject(value) {
		return nil
	}
	members := make(object, 0, 8)
	for rest := skipSpace(value[1:]); rest[0] != '}'; {
		end := valueLen(rest)
		key := text(rest[:end])
		rest = skipSpace(skipSpace(rest[end:])[1:]) // the colon
		end = valueLen(rest)
		members = append(members, member{key, rest[:end:end]})
		if rest = skipSpace(rest[end:]); rest[0] == ',' {
			rest = skipSpace(rest[1:])
		}
	}
	return members
}

// elements yields the elements of an array. Anything else has none.
func elements(value []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if !isArray(value) {
			return
		}
		for rest := skipSpace(value[1:]); rest[0] != ']'; {
			end := valueLen(rest)
			if !yield(rest[:end:end]) {
				return
			}
			if rest = skipSpace(rest[end:]); rest[0] == ',' {
				rest = skipSpace(rest[1:])
			}
		}
	}
}

func isObject(value []byte) bool { return len(value) > 0 && value[0] == '{' }

func isArray(value []byte) bool { return len(value) > 0 && value[0] == '[' }

// text returns a string's text and a number's digits: the platform writes identifiers and times either way.
// Everything else is "".
func text(value []byte) string {
	switch {
	case len(value) == 0:
		return ""
	case value[0] == '"':
		if bytes.IndexByte(value, '\\') < 0 && utf8.Valid(value) {
			return string(value[1 : len(value)-1])
		}
		var s string
		if json.Unmarshal(value, &s) != nil {
			return ""
		}
		return s
	case value[0] == '-' || value[0] >= '0' && value[0] <= '9':
		return string(value)
	}
	return ""
}

// flag returns a boolean, nil when the value is none.
func flag(value []byte) *bool {
	b, err := strconv.ParseBool(string(value))
	if err != nil || len(value) < len("true") {
		return nil // ParseBool also takes 1, t, F, …
	}
	return &b
}

// valueLen returns the length of the value at the start of valid JSON.
func valueLen(rest []byte) int {
	switch rest[0] {
	case '"':
		return stringLen(rest)
	case '{', '[':
		depth := 0
		for i := 0; ; i++ {
			switch rest[i] {
			case '"':
				i += stringLen(rest[i:]) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
	default:
		if end := bytes.IndexAny(rest, ",]} \t\r\n"); end >= 0 {
			return end
		}
		return len(rest)
	}
}

// stringLen returns the length of the string at the start, quotes included.
func stringLen(rest []byte) int {
	for i := 1; ; i++ {
		switch rest[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

func skipSpace(rest []byte) []byte {
	for i, c := range rest {
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return rest[i:]
		}
	}
	return nil
}

// encode writes an object. Members without a value are left out.
func (o object) encode() []byte {
	b := []byte{'{'}
	for _, m := range o {
		if m.value == nil {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(append(b, quote(m.key)...), ':'), m.value...)
	}
	return append(b, '}')
}

// list writes an array of one element, nothing for none.
func list(element []byte) []byte {
	if element == nil {
		return nil
	}
	return append(append([]byte{'['}, element...), ']')
}

// array writes an array.
func array(elements [][]byte) []byte {
	return append(append([]byte{'['}, bytes.Join(elements, []byte{','})...), ']')
}

// compact returns the value without insignificant space. Nothing else of it changes.
func compact(value []byte) []byte {
	var b bytes.Buffer
	b.Grow(len(value))
	if json.Compact(&b, value) != nil {
		return value // not JSON: unreachable after checkJSON
	}
	return b.Bytes()
}

// quote writes a string as JSON.
func quote(s string) []byte {
	quoted, err := json.Marshal(s)
	if err != nil {
		return []byte(`""`) // unreachable: every valid string marshals
	}
	return quoted
}
