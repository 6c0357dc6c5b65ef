package projections

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"

	"daybook/projections/tables"
)

// encoder appends one field's value as a cell: a length and that many bytes of Postgres's binary form, or length -1 for
// NULL. A row of COPY and an array parameter are both made of cells.
type encoder func(buffer []byte) ([]byte, error)

// putter appends the bytes of one value, or returns nil for NULL.
type putter func(buffer []byte, v reflect.Value) ([]byte, error)

// columnType is what the catalogue says of a column.
type columnType struct {
	oid  uint32 // as declared: what arrays of it are made of
	base uint32 // beneath domains
	enum bool
	name string // for casts
	must bool   // an insert that leaves it out, or NULL, is refused
}

func (t columnType) array() bool { return strings.HasSuffix(t.name, "[]") }

// text returns what prints values of the type as Postgres does; nil for types that name no partition.
func (t columnType) text() func(value []byte) string {
	switch {
	case t.enum || t.base == pgtype.TextOID || t.base == pgtype.VarcharOID:
		return func(value []byte) string { return string(value) }
	case t.base == pgtype.UUIDOID:
		return func(value []byte) string {
			u, _ := uuid.FromBytes(value)
			return u.String()
		}
	case t.base == pgtype.Int8OID || t.base == pgtype.Int4OID || t.base == pgtype.Int2OID:
		return func(value []byte) string {
			var n int64
			if len(value) > 0 && value[0] >= 1<<7 {
				n = -1
			}
			for _, b := range value {
				n = n<<8 | int64(b)
			}
			return strconv.FormatInt(n, 10)
		}
	}
	return nil
}

// encoderFor binds a field to a column.
func encoderFor(field reflect.Value, t columnType) (encoder, error) {
	element := field.Type()
	pointer := element.Kind() == reflect.Pointer
	if pointer {
		element = element.Elem()
	}
	put := putterFor(element, t)
	if put == nil {
		return nil, fmt.Errorf("a %s cannot be stored as %s", field.Type(), t.name)
	}
	mayBeNil := nilable(field.Type())
	return func(buffer []byte) ([]byte, error) {
		v := field
		if mayBeNil && v.IsNil() {
			return tables.AppendNull(buffer), nil
		}
		if pointer {
			v = v.Elem()
		}
		at := len(buffer)
		filled, err := put(append(buffer, 0, 0, 0, 0), v)
		switch {
		case err != nil:
			return nil, err
		case filled == nil: // which is NULL to pgx, as a pgtype.Date that is not valid
			return tables.AppendNull(buffer), nil
		}
		binary.BigEndian.PutUint32(filled[at:], uint32(len(filled)-at-4))
		return filled, nil
	}, nil
}

// putterFor chooses by both types; nil means that they do not fit.
func putterFor(t reflect.Type, c columnType) putter {
	text := t.Kind() == reflect.String
	octets := t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8
	switch base := c.base; {
	case c.enum || base == pgtype.TextOID || base == pgtype.VarcharOID || base == pgtype.BPCharOID:
		if text || octets {
			return putText
		}
		return nil // pgx would print a number; a mistake is likelier
	case base == pgtype.JSONOID && (text || octets):
		return putText
	case base == pgtype.JSONBOID && (text || octets):
		return func(buffer []byte, v reflect.Value) ([]byte, error) { return putText(append(buffer, 1), v) }
	case base == pgtype.UUIDOID:
		return uuidPutter(t)
	case base == pgtype.Int8OID:
		return integerPutter(t, 8)
	case base == pgtype.Int4OID:
		return integerPutter(t, 4)
	case base == pgtype.Int2OID:
		return integerPutter(t, 2)
	case base == pgtype.BoolOID && t.Kind() == reflect.Bool:
		return putBool
	case base == pgtype.TimestamptzOID && t == reflect.TypeFor[time.Time]():
		return putTime
	case base == pgtype.ByteaOID && octets:
		return func(buffer []byte, v reflect.Value) ([]byte, error) { return append(buffer, v.Bytes()...), nil }
	}
	return otherPutter(t, c.base)
}

// putText writes U+FFFD for what Postgres takes in no text: zero bytes and broken UTF-8. One odd event must not hold a
// projection up for ever; its exact bytes are in the store.
func putText(buffer []byte, v reflect.Value) ([]byte, error) {
	if v.Kind() != reflect.String {
		b := v.Bytes()
		if utf8.Valid(b) && bytes.IndexByte(b, 0) < 0 {
			return append(buffer, b...), nil
		}
		return append(buffer, storable(string(b))...), nil
	}
	s := v.String()
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return append(buffer, s...), nil
	}
	return append(buffer, storable(s)...), nil
}

func storable(s string) string {
	const replacement = string(utf8.RuneError)
	return strings.ReplaceAll(strings.ToValidUTF8(s, replacement), "\x00", replacement)
}

// uuidPutter takes identifiers by their method Bytes, and uuid.UUID itself.
func uuidPutter(t reflect.Type) putter {
	switch {
	case t == reflect.TypeFor[uuid.UUID](), t == reflect.TypeFor[[16]byte]():
		return func(buffer []byte, v reflect.Value) ([]byte, error) { return append(buffer, v.Bytes()...), nil }
	case reflect.PointerTo(t).Implements(reflect.TypeFor[identifier]()):
		return func(buffer []byte, v reflect.Value) ([]byte, error) {
			i, ok := v.Addr().Interface().(identifier)
			if !ok {
				return nil, fmt.Errorf("%s is no identifier", v.Type())
			}
			octets := i.Bytes()
			return append(buffer, octets[:]...), nil
		}
	}
	return nil
}

type identifier interface{ Bytes() [16]byte }

func integerPutter(t reflect.Type, size int) putter {
	limit := int64(math.MaxInt64) >> (64 - 8*size)
	put := func(buffer []byte, n int64) ([]byte, error) {
		if n > limit || n < -limit-1 {
			return nil, fmt.Errorf("%d does not fit in %d bytes", n, size)
		}
		for shift := 8 * (size - 1); shift >= 0; shift -= 8 {
			buffer = append(buffer, byte(n>>shift))
		}
		return buffer, nil
	}
	switch {
	case reflect.Int <= t.Kind() && t.Kind() <= reflect.Int64:
		return func(buffer []byte, v reflect.Value) ([]byte, error) { return put(buffer, v.Int()) }
	case reflect.Uint <= t.Kind() && t.Kind() <= reflect.Uint64:
		return func(buffer []byte, v reflect.Value) ([]byte, error) {
			if v.Uint() > math.MaxInt64 {
				return nil, fmt.Errorf("%d does not fit in 8 bytes", v.Uint())
			}
			return put(buffer, int64(v.Uint()))
		}
	}
	return nil
}

func putBool(buffer []byte, v reflect.Value) ([]byte, error) {
	if v.Bool() {
		return append(buffer, 1), nil
	}
	return append(buffer, 0), nil
}

// postgresEpoch is 2000-01-01 UTC in Unix microseconds.
const postgresEpoch = 946_684_800_000_000

func putTime(buffer []byte, v reflect.Value) ([]byte, error) {
	at, ok := v.Addr().Interface().(*time.Time)
	if !ok {
		return nil, fmt.Errorf("%s is no time", v.Type())
	}
	return binary.BigEndian.AppendUint64(buffer, uint64(at.UnixMicro()-postgresEpoch)), nil
}

// otherPutter leaves every other pair of types to pgx. For a type of Postgres that it does not know it would choose by that
// of Go alone, and Postgres would read the bytes as something else.
func otherPutter(t reflect.Type, oid uint32) putter {
	types := pgtype.NewMap()
	if _, known := types.TypeForOID(oid); !known {
		return nil
	}
	if slices.Contains([]reflect.Kind{reflect.Chan, reflect.Func, reflect.Complex64, reflect.Complex128}, t.Kind()) {
		return nil // JSON would say so of each event
	}
	plan := types.PlanEncode(oid, pgtype.BinaryFormatCode, reflect.Zero(t).Interface())
	if plan == nil {
		return nil
	}
	return func(buffer []byte, v reflect.Value) ([]byte, error) { return plan.Encode(v.Interface(), buffer) }
}
