package main

import (
	"cmp"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/adapters/postgres/pgtest"
	"daybook/adapters/storetest"
	"daybook/cmd/daybook/storecopy"
)

// testConfig is of a Daybook that listens where nobody else does, on the event store that DAYBOOK_TEST_STORE says.
func testConfig(t *testing.T) Config {
	t.Helper()
	config := Config{Listen: "127.0.0.1:0", StoreListen: off, Data: t.TempDir(), DatabaseURL: pgtest.Database(t)}
	if storetest.Remote(t) {
		config.EventStore, _ = storetest.Serve(t, storetest.LendEmbedded(t, embedded.MaxAppendBytes(maxAppendBytes)))
	}
	return config
}

// TestStoreRefusesAnotherVault: with another vault, everybody would be a stranger and every repeated delivery news.
func TestStoreRefusesAnotherVault(t *testing.T) {
	config := testConfig(t)
	for range 2 { // the same vault is welcome again
		a, err := open(t.Context(), config, time.Now, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		require.NoError(t, a.close())
	}
	config.DatabaseURL = pgtest.Database(t)
	_, err := open(t.Context(), config, time.Now, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "is not the one that this store was sealed with")
}

// TestWorkThatFailsIsReported also when it ends while everything else is being stopped because of it.
func TestWorkThatFailsIsReported(t *testing.T) {
	broken := errors.New("does not add up")
	config := testConfig(t)
	for range 5 {
		for _, outcome := range []error{broken, nil} {
			a, err := open(t.Context(), config, time.Now, slog.New(slog.DiscardHandler))
			require.NoError(t, err)
			require.ErrorIs(t, a.during(t.Context(), func(string) error { return outcome }), outcome)
			require.NoError(t, a.close())
		}
	}
}

// TestServingFailureIsReported: an address that is taken.
func TestServingFailureIsReported(t *testing.T) {
	config := testConfig(t)
	config.Listen = "127.0.0.1:999999"
	a, err := open(t.Context(), config, time.Now, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer func() { require.NoError(t, a.close()) }()
	require.ErrorContains(t, a.during(t.Context(), func(string) error { return nil }), "listening")
}

func TestAnAddressThatListensEverywhereIsReachedHere(t *testing.T) {
	for listening, want := range map[string]string{
		"0.0.0.0:80": "127.0.0.1:80", "[::]:80": "127.0.0.1:80", ":80": "127.0.0.1:80", "127.0.0.1:80": "127.0.0.1:80", "[fe80::1]:80": "[fe80::1]:80",
	} {
		require.Equal(t, want, dialled(listening))
	}
}

// TestStoresThatWereCopiedUnboundAreBound: a store's own stream may hold more than its creation before a vault is named.
func TestStoresThatWereCopiedUnboundAreBound(t *testing.T) {
	config, log := testConfig(t), slog.New(slog.DiscardHandler)
	store, err := stores{config, log}.open(t.Context(), cmp.Or(config.EventStore, config.Data), true)
	require.NoError(t, err)
	require.NoError(t, storecopy.Seal(t.Context(), store, time.Now()))
	require.NoError(t, storecopy.Unseal(t.Context(), store, time.Now()))
	require.NoError(t, store.Close())
	for range 2 {
		a, err := open(t.Context(), config, time.Now, log)
		require.NoError(t, err)
		bound, _, err := a.boundVault(t.Context())
		require.NoError(t, err)
		require.Equal(t, a.vault.ID(), bound)
		require.NoError(t, a.close())
	}
}
