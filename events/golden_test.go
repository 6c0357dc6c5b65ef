package events_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/events"
	"daybook/events/id"
)

// With -update, missing golden files are written. Existing ones never are: they stand for what stores hold.
var update = flag.Bool("update", false, "write golden files that are missing")

const goldenFolder = "testdata/golden"

// golden is one stored event: the exact bytes, indented in the file only for reading.
type golden struct {
	Data     json.RawMessage `json:"data"`
	Metadata json.RawMessage `json:"metadata"`
}

func TestGoldenFilesCoverTheCatalogue(t *testing.T) {
	t.Parallel()
	require.ElementsMatch(t, events.Names(), slices.Collect(maps.Keys(exemplars())), "every catalogue entry needs an exemplar, and nothing else")
	for name, versions := range exemplars() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			current := versions[len(versions)-1]
			requireFilled(t, reflect.ValueOf(current), name)
			proposed, err := events.Encode(id.Event{}, current, envelope(len(versions)))
			require.NoError(t, err)
			require.Equal(t, name, proposed.Type)
			writeMissing(t, name, len(versions), golden{proposed.Data, proposed.Metadata})

			stored := readGolden(t, name, len(versions))
			require.Equal(t, string(stored.Data), string(proposed.Data), "the bytes of a stored version never change")
			require.Equal(t, string(stored.Metadata), string(proposed.Metadata))

			for i, want := range versions {
				old := readGolden(t, name, i+1)
				meta, err := events.DecodeEnvelope(old.Metadata)
				require.NoError(t, err)
				require.Equal(t, envelope(i+1), meta)
				decoded, err := events.Decode(name, meta.Version, old.Data)
				require.NoError(t, err)
				require.Equal(t, want, decoded)
			}
		})
	}
}

// A golden file whose name has left the catalogue means that stored history became unreadable.
func TestEveryGoldenFileIsReadable(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(goldenFolder, "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		name, version := splitName(t, file)
		require.Contains(t, events.Names(), name, file)
		_, err := events.Decode(name, version, readGolden(t, name, version).Data)
		require.NoError(t, err, file)
	}
}

func envelope(version int) events.Envelope {
	return events.Envelope{
		Version:     version,
		Account:     of[id.Account](1),
		OccurredAt:  time.Date(2026, 10, 5, 10, 42, 7, 0, time.UTC),
		RecordedAt:  time.Date(2026, 10, 5, 10, 42, 8, 123456000, time.UTC),
		Actor:       "api:admin",
		Source:      "api",
		Correlation: of[id.Trace](2),
		Causation:   of[id.Event](3).String(),
		Command:     of[id.Command](4),
		Digest:      "f2ca1bb6c7e907d06dafe4687e579fce76b37e4e93b7605022da52e6ccc26fd2",
	}
}

// requireFilled makes sure that the exemplar shows every field, so that the golden file pins every name.
func requireFilled(t *testing.T, v reflect.Value, path string) {
	t.Helper()
	require.False(t, v.IsZero() && v.Type().Size() > 0, "%s is not filled in the exemplar", path)
	switch v.Kind() {
	case reflect.Pointer:
		requireFilled(t, v.Elem(), path)
	case reflect.Slice:
		for i := range v.Len() {
			requireFilled(t, v.Index(i), fmt.Sprintf("%s[%d]", path, i))
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			requireFilled(t, v.Field(i), path+"."+v.Type().Field(i).Name)
		}
	default: // has no parts
	}
}

func goldenFile(name string, version int) string {
	return filepath.Join(goldenFolder, fmt.Sprintf("%s.v%d.json", name, version))
}

func splitName(t *testing.T, file string) (name string, version int) {
	t.Helper()
	name, rest, ok := strings.Cut(filepath.Base(file), ".v")
	require.True(t, ok, file)
	_, err := fmt.Sscanf(rest, "%d.json", &version)
	require.NoError(t, err, file)
	return name, version
}

func readGolden(t *testing.T, name string, version int) golden {
	t.Helper()
	text, err := os.ReadFile(goldenFile(name, version))
	require.NoError(t, err, "run the test with -update to write the missing golden file, and commit it")
	var g golden
	require.NoError(t, json.Unmarshal(text, &g))
	return golden{compact(t, g.Data), compact(t, g.Metadata)}
}

func writeMissing(t *testing.T, name string, version int, g golden) {
	t.Helper()
	_, err := os.Stat(goldenFile(name, version))
	if !*update || !errors.Is(err, fs.ErrNotExist) {
		return
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "{\n  \"data\": ")
	require.NoError(t, json.Indent(&text, g.Data, "  ", "  "))
	fmt.Fprintf(&text, ",\n  \"metadata\": ")
	require.NoError(t, json.Indent(&text, g.Metadata, "  ", "  "))
	fmt.Fprintf(&text, "\n}\n")
	require.NoError(t, os.WriteFile(goldenFile(name, version), text.Bytes(), 0o600))
}

// compact undoes the indentation and touches nothing else: not the order, not the escapes, not the numbers.
func compact(t *testing.T, raw json.RawMessage) json.RawMessage {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, json.Compact(&out, raw))
	return out.Bytes()
}
