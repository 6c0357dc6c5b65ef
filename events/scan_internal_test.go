package events

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"testing"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// What is read without the library is what the library reads, and what Encode writes plainly is never left to it.
func TestScannedValuesAreThoseOfTheLibrary(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var envelope Envelope
		fill(t, reflect.ValueOf(&envelope).Elem())
		requireSameScan(t, envelope, scanEnvelope)
		var fact StatusFact
		fill(t, reflect.ValueOf(&fact).Elem())
		requireSameScan(t, fact, scanStatus)
	})
}

func requireSameScan[V any](t *rapid.T, value V, scan func([]byte) (V, bool)) {
	text, err := json.Marshal(value)
	require.NoError(t, err)
	if n := rapid.IntRange(-40, len(text)-1).Draw(t, "changed"); n >= 0 { // anything may stand there
		text[n] = rapid.Byte().Draw(t, "byte")
	}
	var want V
	err = jsonv2.Unmarshal(text, &want)
	if got, ok := scan(text); ok {
		require.NoErrorf(t, err, "%s", text)
		require.Equalf(t, want, got, "%s", text)
	}
}

func TestPlainEventsAreScanned(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"MessageSent", "MessageDelivered", "MessageRead", "MessagePlayed"} {
		stored := map[string]json.RawMessage{}
		readJSON(t, "testdata/golden/"+name+".v1.json", &stored)
		_, ok := scanEnvelope(compact(t, stored["metadata"]))
		require.True(t, ok)
		var fact StatusFact
		require.NoError(t, json.Unmarshal(stored["data"], &fact))
		fact.Origin = nil
		text, err := json.Marshal(fact)
		require.NoError(t, err)
		got, ok := scanStatus(text)
		require.True(t, ok)
		require.Equal(t, fact, got)
	}
}

func FuzzScan(f *testing.F) {
	f.Add([]byte(`{"version":1,"occurred_at":"2026-10-05T10:42:07Z","recorded_at":"2026-10-05T10:42:07Z","actor":"a","source":"b"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, ok := scanEnvelope(data); ok {
			var want Envelope
			require.NoError(t, jsonv2.Unmarshal(data, &want))
			require.Equal(t, want, got)
		}
		if got, ok := scanStatus(data); ok {
			var want StatusFact
			require.NoError(t, jsonv2.Unmarshal(data, &want))
			require.Equal(t, want, got)
		}
	})
}

func readJSON(t *testing.T, path string, to any) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, to))
}

func compact(t *testing.T, text []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, json.Compact(&out, text))
	return out.Bytes()
}
