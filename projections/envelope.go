package projections

import (
	"strconv"
	"time"

	"github.com/google/uuid"

	"daybook/events"
)

// decodeEnvelope is events.DecodeEnvelope for a log read from end to end: envelopes as events.EncodeEnvelope writes them
// (no white space, no escapes, ASCII) are read in one pass at a tenth of the cost. Anything else is left to it.
func decodeEnvelope(metadata []byte) (events.Envelope, error) {
	var e events.Envelope
	if readEnvelope(&e, string(metadata)) && e.Version > 0 {
		return e, nil
	}
	return events.DecodeEnvelope(metadata)
}

// readEnvelope reports whether it understood everything. The strings of e share the memory of text.
func readEnvelope(e *events.Envelope, text string) bool {
	if len(text) < 2 || text[0] != '{' {
		return false
	}
	for rest := text[1:]; ; rest = rest[1:] {
		key, after, ok := readString(rest)
		if !ok || after == "" || after[0] != ':' {
			return false
		}
		if key == "version" {
			end := 1
			for end < len(after) && '0' <= after[end] && after[end] <= '9' {
				end++
			}
			n, err := strconv.Atoi(after[1:end])
			if err != nil || after[1] == '0' && end > 2 {
				return false
			}
			e.Version, rest = n, after[end:]
		} else {
			var value string
			if value, rest, ok = readString(after[1:]); !ok || !setField(e, key, value) {
				return false
			}
		}
		switch {
		case rest == "}":
			return true
		case rest == "" || rest[0] != ',':
			return false
		}
	}
}

// readString reads a JSON string that means what it says.
func readString(text string) (value, rest string, ok bool) {
	if text == "" || text[0] != '"' {
		return "", "", false
	}
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return text[1:i], text[i+1:], true
		case c == '\\' || c < ' ' || c > '~':
			return "", "", false
		}
	}
	return "", "", false
}

func setField(e *events.Envelope, key, value string) bool {
	switch key {
	case "account":
		return setID(&e.Account.UUID, value)
	case "occurred_at":
		return setTime(&e.OccurredAt, value)
	case "recorded_at":
		return setTime(&e.RecordedAt, value)
	case "actor":
		e.Actor = events.Actor(value)
	case "source":
		e.Source = value
	case "$correlationId":
		return setID(&e.Correlation.UUID, value)
	case "$causationId":
		e.Causation = value
	case "command":
		return setID(&e.Command.UUID, value)
	case "digest":
		e.Digest = value
	default:
		return false
	}
	return true
}

func setID(field *uuid.UUID, value string) bool {
	u, err := uuid.Parse(value)
	*field = u
	return err == nil && len(value) == 36
}

func setTime(field *time.Time, value string) bool {
	return field.UnmarshalText([]byte(value)) == nil
}
