package projectiontest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/events"
	"daybook/events/id"
	"daybook/projections"
)

// OldVersions reads every golden file of the events that a projection handles, and projects those of older versions: each
// has to leave the rows, or to be refused with the words, of the same fact in the current version. A projection that
// handles all events undecoded may keep the very bytes, so that of its rows nothing follows.
func OldVersions(t *testing.T, define projections.Definition, files fs.FS) error {
	t.Helper()
	handled := define().Handles()
	for _, name := range handled {
		if name == "*" {
			continue
		}
		stored, err := fs.Glob(files, name+".v*.json")
		require.NoError(t, err)
		for _, file := range stored {
			old := readGolden(t, files, file, name)
			envelope, err := events.DecodeEnvelope(old.Metadata)
			require.NoError(t, err, file)
			fact, err := events.Decode(name, envelope.Version, old.Data)
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			current, err := events.Encode(old.ID, fact, envelope)
			require.NoError(t, err, file)
			if bytes.Equal(current.Metadata, old.Metadata) || slices.Contains(handled, "*") {
				continue
			}
			if got, want := outcome(t, define, old), outcome(t, define, current); !slices.Equal(got, want) {
				return fmt.Errorf("%s leaves %q, and the same fact in the current version %q", file, got, want)
			}
		}
	}
	return nil
}

func readGolden(t *testing.T, files fs.FS, file, name string) events.Proposed {
	t.Helper()
	text, err := fs.ReadFile(files, file)
	require.NoError(t, err)
	var stored struct {
		Data     json.RawMessage `json:"data"`
		Metadata json.RawMessage `json:"metadata"`
	}
	require.NoError(t, json.Unmarshal(text, &stored), file)
	return events.Proposed{ID: id.Derive[id.Event]("golden", name), Type: name, Data: stored.Data, Metadata: compact(t, stored.Metadata)}
}

// compact undoes the indentation of a golden file.
func compact(t *testing.T, indented []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, json.Compact(&out, indented))
	return out.Bytes()
}

// outcome is what one event leaves: rows, or why it is refused or parked.
func outcome(t *testing.T, define projections.Definition, e events.Proposed) []string {
	t.Helper()
	s := For(t, define)
	s.GivenRaw("golden-1", e)
	s.run()
	head := s.Position()
	var reason string
	require.Eventually(t, func() bool {
		all, err := s.engine.Status(t.Context())
		if err != nil || len(all) == 0 {
			return false
		}
		reason = all[0].Error
		return reason != "" || all[0].Position >= head
	}, patience, 5*time.Millisecond)
	if reason != "" {
		return []string{strings.TrimSpace(reason)}
	}
	parked, err := s.engine.Parked(t.Context(), s.projection.Name())
	require.NoError(t, err)
	dump, err := Dump(t.Context(), s.pool, s.Schema())
	require.NoError(t, err)
	for _, p := range parked {
		dump = append(dump, "parked: "+p.Cause)
	}
	return dump
}
