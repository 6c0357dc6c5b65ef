package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

// jsonFormat reads and writes bodies. Reading is stricter than encoding/json: text that is not UTF-8 and members that
// come twice (in any case, as encoding/json matches them) are refused, because two readers could see two requests.
func jsonFormat() huma.Format {
	return huma.Format{
		Marshal: func(w io.Writer, v any) error {
			encoder := json.NewEncoder(w)
			encoder.SetEscapeHTML(false)
			return encoder.Encode(v)
		},
		Unmarshal: func(data []byte, v any) error {
			if _, first := v.(*any); first { // the library decodes twice: to validate, then into the struct
				if err := checkJSON(data); err != nil {
					return err
				}
			}
			return positioned(json.Unmarshal(data, v))
		},
	}
}

// positioned words a decoding error with the byte it happened at and without the value.
func positioned(err error) error {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("malformed JSON at byte %d: %w", syntax.Offset, syntax)
	}
	if mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("a JSON value of the wrong type ends at byte %d", mismatch.Offset) // its own text has the value
	}
	if err != nil {
		return errors.New("a JSON value has the wrong form")
	}
	return nil
}

// checkJSON refuses what encoding/json would silently repair or let pass.
func checkJSON(data []byte) error {
	for at := 0; at < len(data); {
		r, size := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && size == 1 {
			return fmt.Errorf("malformed JSON at byte %d: not UTF-8", at+1)
		}
		at += size
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	return checkMembers(decoder)
}

// checkMembers walks one JSON text. The stack has one entry per open array or object: nil for arrays, else the names
// seen so far.
func checkMembers(decoder *json.Decoder) error {
	var stack []map[string]bool
	name := false // the next token is a member's name
	for {
		token, err := decoder.Token()
		if err != nil {
			return nil //nolint:nilerr // the end, or a syntax error, which Unmarshal reports with its place
		}
		switch token := token.(type) {
		case json.Delim:
			switch token {
			case '{':
				stack = append(stack, map[string]bool{})
			case '[':
				stack = append(stack, nil)
			default:
				stack = stack[:len(stack)-1]
			}
			name = len(stack) > 0 && stack[len(stack)-1] != nil
			continue
		case string:
			if name {
				seen, key := stack[len(stack)-1], strings.ToLower(token)
				if seen[key] {
					return fmt.Errorf("malformed JSON at byte %d: a member comes twice", decoder.InputOffset())
				}
				seen[key], name = true, false
				continue
			}
		}
		name = len(stack) > 0 && stack[len(stack)-1] != nil
	}
}
