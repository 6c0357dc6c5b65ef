package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/adapters/postgres/pgtest"
)

// TestDemoAddsUp plays a short demo. The demo holds the book against its own count and fails when they differ.
func TestDemoAddsUp(t *testing.T) {
	var out, log bytes.Buffer
	config := Config{
		Listen: "127.0.0.1:0", StoreListen: "off", Data: t.TempDir(), DatabaseURL: pgtest.Database(t),
		WhatsAppAppSecrets: []string{"demo-test-secret"},
	}
	require.NoError(t, playDemo(t.Context(), config, 5, &out, &log), &out)
	require.Contains(t, out.String(), "written on  iPhone Mario (called iPhone Banco now)")
	require.Contains(t, out.String(), "Everything adds up.")
	require.NotContains(t, out.String(), "WRONG")
	require.Empty(t, log.String(), "a demo that goes well warns of nothing")
}
