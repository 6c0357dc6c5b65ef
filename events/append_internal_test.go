package events

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// What is written without reflection is what encoding/json writes, whatever stands in the fields: also in those that are
// added one day.
func TestAppendedBytesAreThoseOfTheLibrary(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var charged MessageCharged
		var envelope Envelope
		fill(t, reflect.ValueOf(&charged).Elem())
		fill(t, reflect.ValueOf(&envelope).Elem())
		data, ok := charged.appendJSON(nil)
		require.True(t, ok)
		want, err := json.Marshal(charged)
		require.NoError(t, err)
		require.Equal(t, string(want), string(data))
		metadata, err := EncodeEnvelope(envelope)
		require.NoError(t, err)
		want, err = json.Marshal(envelope)
		require.NoError(t, err)
		require.Equal(t, string(want), string(metadata))
	})
}

func TestTimesThatAreNotPlainAreLeftToTheLibrary(t *testing.T) {
	t.Parallel()
	rome := time.FixedZone("CET", 3600)
	at := time.Date(2026, 11, 2, 9, 0, 0, 0, rome)
	metadata, err := EncodeEnvelope(Envelope{OccurredAt: at, RecordedAt: at})
	require.NoError(t, err)
	require.Contains(t, string(metadata), `"occurred_at":"2026-11-02T09:00:00+01:00"`)
	_, ok := MessageCharged{WasDeliveredAt: &at}.appendJSON(nil)
	require.False(t, ok)
	_, err = EncodeEnvelope(Envelope{OccurredAt: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)})
	require.Error(t, err)
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
