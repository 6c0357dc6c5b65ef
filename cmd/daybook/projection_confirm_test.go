package main

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/web/client"
)

// TestAReadModelWaitsToBeToldToGoLive, and verbs do not wait for it: one of them is to tell it.
func TestAReadModelWaitsToBeToldToGoLive(t *testing.T) {
	config := testConfig(t)
	config.ProjectionConfirm, config.Process = true, "blue"
	a, err := open(t.Context(), config, time.Now, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer func() { require.NoError(t, a.close()) }()
	require.NoError(t, a.engine.Prepare(t.Context()))
	// As if what is live were of a version that this binary does not know.
	_, err = a.database.Exec(t.Context(), "UPDATE projections SET phase = 'replaying' WHERE name = 'audit'")
	require.NoError(t, err)
	require.NoError(t, a.during(t.Context(), func(base string) error {
		require.NoError(t, a.caughtUp(t.Context()))
		server := client.New(base, a.adminToken)
		require.Eventually(t, func() bool {
			state, err := server.Projections(t.Context(), client.WaitFor(a.opened))
			return err == nil && state.Projections[0].Phase == phaseReady
		}, 30*time.Second, 20*time.Millisecond)
		_, err := server.AuditEntries(t.Context(), client.AuditFilter{})
		require.True(t, client.IsProblem(err, "NotReady"), "%v", err)
		require.ErrorContains(t, err, "audit_v1 is ready and waits to go live")
		_, err = server.GoLive(t.Context(), "audit")
		require.NoError(t, err)
		_, err = server.AuditEntries(t.Context(), client.AuditFilter{})
		return err
	}))
}
