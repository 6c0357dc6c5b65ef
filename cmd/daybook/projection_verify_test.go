package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/web/api"
)

// TestVerifyFailsForWhateverDiffers: for what is not a row, too, in the verb, in the status and in the metrics.
func TestVerifyFailsForWhateverDiffers(t *testing.T) {
	t.Setenv("DAYBOOK_ADMIN_TOKEN", "document-token")
	var served *app
	base := runServer(t, func(a *app) { served = a })
	t.Setenv("DAYBOOK_URL", base)
	require.NoError(t, served.caughtUp(t.Context()))
	require.NotContains(t, scrape(t, base), "daybook_projection_drift", "nothing was compared")
	said, err := say(t, "bin/daybook projection verify audit")
	require.NoError(t, err, said)
	for _, want := range []string{`reason="rows"} 0`, `reason="constraint"} 0`, `reason="column"} 0`} {
		require.Contains(t, scrape(t, base), `daybook_projection_drift{projection="audit",`+want)
	}
	_, err = served.database.Exec(t.Context(), "ALTER TABLE audit_v1.entries ADD COLUMN forged text; ALTER TABLE audit_v1.entries DROP CONSTRAINT entries_pkey")
	require.NoError(t, err)
	said, err = say(t, "bin/daybook projection verify audit")
	require.ErrorContains(t, err, "projection audit is not what the log gives: column forged, constraint entries_pkey of entries")
	require.Contains(t, said, "entries: column forged is not of schema.sql: text\n")
	require.Contains(t, said, "entries: constraint entries_pkey is missing: PRIMARY KEY (")
	for _, want := range []string{`reason="rows"} 0`, `reason="constraint"} 1`, `reason="column"} 1`} {
		require.Contains(t, scrape(t, base), `daybook_projection_drift{projection="audit",`+want)
	}
	said, err = say(t, "bin/daybook projection status audit")
	require.NoError(t, err)
	require.Regexp(t, `\naudit_v1 is not what the log gives: column forged, constraint entries_pkey of entries\n\naudit_v1 was compared with the log: entries at 20\S+ \(log\)\n`, said)
}

func TestVerdictsThatAreNotCleanAreErrors(t *testing.T) {
	t.Parallel()
	at := time.Now()
	compared := []api.TableCheck{{Table: "entries", How: "log", CheckedAt: &at}}
	require.NoError(t, verdictOn(api.ProjectionVerdict{Name: "audit", Clean: true, Drift: api.Drift{Checked: compared}}))
	require.EqualError(t, verdictOn(api.ProjectionVerdict{Name: "audit"}),
		"projection audit: no rows were compared, as no sample proves any: verify it without --sample")
}
