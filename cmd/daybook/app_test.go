package main

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/adapters/embedded/endpoint"
	"daybook/adapters/eventstoredb"
	"daybook/adapters/postgres"
	"daybook/adapters/postgres/pgtest"
	"daybook/adapters/storetest"
	"daybook/cmd/daybook/storecopy"
	"daybook/events"
	"daybook/events/id"
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

// TestStoreRefusesReadModelsOfAnother, before it writes anything anywhere: neither store nor database are touched.
func TestStoreRefusesReadModelsOfAnother(t *testing.T) {
	config, log := testConfig(t), slog.New(slog.DiscardHandler)
	a, err := open(t.Context(), config, time.Now, log)
	require.NoError(t, err)
	require.NoError(t, a.during(t.Context(), func(string) error { return a.caughtUp(t.Context()) }))
	require.NoError(t, a.close())
	before := checkpoints(t, config)
	shards := 0
	for _, p := range a.policyList() {
		shards += p.Shards()
	}
	require.Len(t, before, len(definitions())+1+shards, "one each, the head's, and those of the policies' shards")

	other := storetest.LendEmbedded(t)
	wrong := config
	wrong.EventStore, _ = storetest.Serve(t, other)
	_, err = open(t.Context(), wrong, time.Now, log)
	require.ErrorContains(t, err, other.ID().String())
	require.ErrorContains(t, err, a.store.ID().String())
	require.ErrorContains(t, err, "set DAYBOOK_EVENTSTORE or DAYBOOK_DATA")
	for record, err := range other.ReadStream(t.Context(), events.StoreStream, 1) {
		require.NoError(t, err)
		require.Fail(t, "the other store was bound", record.Type)
	}
	require.Equal(t, before, checkpoints(t, config))

	a, err = open(t.Context(), config, time.Now, log)
	require.NoError(t, err, "back on its own store")
	require.NoError(t, a.close())
}

// checkpoints reads where projections and policies are.
func checkpoints(t *testing.T, config Config) []string {
	t.Helper()
	pool, err := postgres.Open(t.Context(), config.DatabaseURL)
	require.NoError(t, err)
	defer pool.Close()
	rows, err := pool.Query(t.Context(), `SELECT concat_ws(' ', projection, version, store_id, position) FROM checkpoints
		UNION ALL SELECT concat_ws(' ', policy, shard, store_id, position) FROM policies ORDER BY 1`)
	require.NoError(t, err)
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return all
}

// TestServingEndsWhenTheStoreIsSealed by somebody else: what was written from then on, the copy might lack.
func TestServingEndsWhenTheStoreIsSealed(t *testing.T) {
	for name, remote := range map[string]bool{"as configured": false, "over the wire": true} {
		t.Run(name, func(t *testing.T) {
			config, log := testConfig(t), slog.New(slog.DiscardHandler)
			if remote {
				config.EventStore, _ = storetest.Serve(t, storetest.LendEmbedded(t))
			}
			a, err := open(t.Context(), config, time.Now, log)
			require.NoError(t, err)
			base := ""
			err = a.serve(t.Context(), func(at string) error {
				base = at
				return storecopy.Seal(t.Context(), a.store, time.Now())
			})
			require.ErrorContains(t, err, "store "+a.store.ID().String()+" was sealed while Daybook ran on it")
			require.ErrorContains(t, err, "daybook store unseal")
			running, err := answers(t.Context(), base)
			require.NoError(t, err)
			require.False(t, running)
			require.NoError(t, a.close())
			if config.EventStore != "" {
				_, err = open(t.Context(), config, time.Now, log)
				require.ErrorContains(t, err, "is sealed")
			}
		})
	}
}

// TestAnEventStoreThatEverybodyCanReadIsNoted in the log.
func TestAnEventStoreThatEverybodyCanReadIsNoted(t *testing.T) {
	for listen, warned := range map[string]bool{"0.0.0.0:0": true, "[::]:0": true, "127.0.0.1:0": false} {
		config := Config{Listen: "127.0.0.1:0", StoreListen: listen, Data: t.TempDir(), DatabaseURL: pgtest.Database(t)}
		var said strings.Builder
		a, err := open(t.Context(), config, time.Now, slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelWarn})))
		require.NoError(t, err)
		require.NoError(t, a.during(t.Context(), func(string) error { return nil }))
		require.NoError(t, a.close())
		require.Equal(t, warned, strings.Contains(said.String(), "can be read from other machines"), "%s: %s", listen, said.String())
	}
}

// TestTheOfferedEventStoreCanOnlyBeRead: an open port must not bypass the commands.
func TestTheOfferedEventStoreCanOnlyBeRead(t *testing.T) {
	config := Config{Listen: "127.0.0.1:0", StoreListen: "127.0.0.1:0", Data: t.TempDir(), DatabaseURL: pgtest.Database(t)}
	a, err := open(t.Context(), config, time.Now, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer func() { require.NoError(t, a.close()) }()
	var read id.Store
	var written error
	require.NoError(t, a.during(t.Context(), func(string) error {
		offered, err := eventstoredb.Open(t.Context(), connectionTo(a.storeAddress), eventstoredb.Log(a.log))
		if err != nil {
			return err
		}
		read = offered.ID()
		_, written = offered.Append(t.Context(), "stream", events.Any, []events.Proposed{{ID: id.New[id.Event](), Type: "Noted", Data: []byte("{}")}})
		return offered.Close()
	}))
	require.Equal(t, a.store.ID(), read)
	var refused *eventstoredb.AccessError
	require.ErrorAs(t, written, &refused)
	_, found, err := a.store.ReadLast(t.Context(), "stream")
	require.NoError(t, err)
	require.False(t, found)
}

// TestDataFolderIsMade also when only the admin token and a key are kept in it.
func TestDataFolderIsMade(t *testing.T) {
	config := testConfig(t)
	config.Data = filepath.Join(config.Data, "fresh", "folder")
	config.EventStore, _ = storetest.Serve(t, storetest.LendEmbedded(t))
	a, err := open(t.Context(), config, time.Now, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.NoError(t, a.close())
	folder, err := os.Stat(config.Data)
	require.NoError(t, err)
	require.Equal(t, fs.ModeDir|0o700, folder.Mode())
}

// TestUsersWhoMayNotReadTheLogWriteNothing: Daybook could not work for them.
func TestUsersWhoMayNotReadTheLogWriteNothing(t *testing.T) {
	store := storetest.LendEmbedded(t)
	config := testConfig(t)
	config.EventStore = serveForUsers(t, store, "ops:other")
	_, err := open(t.Context(), config, time.Now, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "whose whole log Daybook has to be allowed to read")
	for record, err := range store.ReadStream(t.Context(), events.StoreStream, 1) {
		require.NoError(t, err)
		require.Fail(t, "it was written to", record.Type)
	}
}

// serveForUsers offers a store over TLS and returns how one of its users connects to it.
func serveForUsers(t *testing.T, store *embedded.Store, user string) string {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	server, err := endpoint.New(endpoint.Config{
		Store: store, Users: map[string]string{"admin": "secret", "ops": "other"},
		TLS: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS13},
	})
	require.NoError(t, err)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Shutdown(context.Background())
		require.NoError(t, <-served)
	})
	return "esdb://" + user + "@" + listener.Addr().String() + "?tlsVerifyCert=false"
}
