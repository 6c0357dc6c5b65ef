package policies

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/events"
	"daybook/events/id"
)

// What is written here without reflection is what events.Encode writes, whatever stands in the fields: also in those
// that are added one day.
func TestChargesAreEncodedAsEventsAre(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var charged events.MessageCharged
		var envelope events.Envelope
		fill(t, reflect.ValueOf(&charged).Elem())
		fill(t, reflect.ValueOf(&envelope).Elem())
		envelope.Command, envelope.Digest = id.Command{}, "" // rating is no command
		proposed, err := events.Encode(id.Event{}, charged, envelope)
		require.NoError(t, err)
		envelope.Version = chargedVersion
		require.Equal(t, string(proposed.Data), string(appendCharged(nil, &charged)))
		require.Equal(t, string(proposed.Metadata), string(appendEnvelope(nil, &envelope)))
	})
}

// fill draws a value for every field, and often none.
func fill(t *rapid.T, v reflect.Value) {
	if rapid.IntRange(0, 3).Draw(t, "empty") == 0 {
		return
	}
	if at, ok := v.Addr().Interface().(*time.Time); ok {
		*at = time.Unix(rapid.Int64Range(-62135596800, 253402300799).Draw(t, "second"),
			rapid.SampledFrom([]int64{0, 1, 120_000_000, 999_999_999}).Draw(t, "nanosecond")).UTC()
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem())
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i))
		}
	case reflect.String:
		v.SetString(rapid.OneOf(rapid.String(), rapid.StringMatching(`[ -~]*`), rapid.SampledFrom([]string{"\xff", "\u2028", "Côte <d'Ivoire> & \"\\"})).Draw(t, "text"))
	case reflect.Int, reflect.Int64:
		v.SetInt(rapid.Int64().Draw(t, "number"))
	case reflect.Uint8, reflect.Uint64:
		v.SetUint(uint64(rapid.Byte().Draw(t, "number")) << rapid.IntRange(0, 56).Draw(t, "shift") & (1<<(8*v.Type().Size()) - 1))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "flag"))
	default:
		t.Fatalf("%s has no values here", v.Type())
	}
}
