package main_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/adapters/eventstoredb"
	"daybook/events"
	"daybook/events/id"
)

// library is a store in a data folder, with a bit of everything.
func library(t *testing.T) (data string) {
	t.Helper()
	data = t.TempDir()
	store, err := embedded.Open(filepath.Join(data, "store"))
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	for n := range 3 {
		known, err := events.Encode(id.New[id.Event](), events.VaultBound{VaultID: fmt.Sprint("<v", n, ">")}, events.Envelope{Actor: "test", Source: "test"})
		require.NoError(t, err)
		place(t, store, "books", known)
	}
	place(t, store, "$stats", events.Proposed{ID: id.New[id.Event](), Type: "$stat", Data: []byte("{}")})
	place(t, store, "odd \x1b[31m", events.Proposed{ID: id.New[id.Event](), Type: "Raw", Data: []byte{0xff, 0}, Metadata: []byte("none"), Binary: true})
	return data
}

func place(t *testing.T, store *embedded.Store, stream string, proposed ...events.Proposed) {
	t.Helper()
	_, err := store.Append(t.Context(), stream, events.Any, proposed)
	require.NoError(t, err)
}

func TestStoreStatTailAndCat(t *testing.T) {
	t.Parallel()
	data := library(t)
	server := serveStore(t, "127.0.0.1:0", data)
	defer server.stop(t)
	copied := library(t)
	for _, address := range []string{server.base, copied, filepath.Join(copied, "store")} {
		said, err := daybook(t.Context(), t, nil, "store", "stat", "--store", address)
		require.NoError(t, err, said)
		require.Regexp(t, `(?m)^store +[0-9a-f-]{36}\nstate +open\nhead +[1-9]\d*\nevents +5\nstreams +3\nbytes +\d+\nthe database's own +\d+ events in`, said)

		said, err = daybook(t.Context(), t, nil, "store", "tail", "-n", "3", "--store", address)
		require.NoError(t, err, said)
		require.Regexp(t, `^\d+\t\S+Z\tVaultBound\tbooks@1\n\d+\t\S+Z\tVaultBound\tbooks@2\n\d+\t\S+Z\tRaw\t"odd \\x1b\[31m"@0\n$`, said)
		said, err = daybook(t.Context(), t, nil, "store", "tail", "--system", "--store", address)
		require.NoError(t, err, said)
		require.Contains(t, said, "\t$stat\t$stats@0\n")
		said, err = daybook(t.Context(), t, nil, "store", "tail", "-n", "0", "--store", address)
		require.NoError(t, err)
		require.Empty(t, said)

		said, err = daybook(t.Context(), t, nil, "store", "cat", "books", "--from", "1", "--store", address)
		require.NoError(t, err, said)
		lines := strings.Split(strings.TrimSpace(said), "\n")
		require.Len(t, lines, 2)
		var line map[string]any
		require.NoError(t, json.Unmarshal([]byte(lines[0]), &line))
		require.Equal(t, map[string]any{"vault_id": "<v1>"}, line["data"])
		require.Contains(t, lines[0], `"data":{"vault_id":"\u003cv1\u003e"}`, "as it is stored")
		require.InDelta(t, 1, line["revision"], 0)
		require.Equal(t, "VaultBound", line["type"])
		said, err = daybook(t.Context(), t, nil, "store", "cat", "odd \x1b[31m", "--store", address)
		require.NoError(t, err, said)
		require.Contains(t, said, `"data_base64":"/wA=","metadata_base64":"bm9uZQ=="}`)
		said, err = daybook(t.Context(), t, nil, "store", "cat", "books", "--from", "3", "--store", address)
		require.NoError(t, err)
		require.Empty(t, said)
		said, err = daybook(t.Context(), t, nil, "store", "cat", "nothing", "--store", address)
		require.Error(t, err)
		require.Contains(t, said, "there is no stream nothing")
	}
}

// A store that is followed here could not be served.
func TestStoreTailFollowsWhatIsServed(t *testing.T) {
	t.Parallel()
	said, err := daybook(t.Context(), t, nil, "store", "tail", "-f", "--store", library(t))
	require.Error(t, err)
	require.Contains(t, said, "--follow wants one that is served")
}

// What is appended while tail follows comes after what was there, once.
func TestStoreTailFollows(t *testing.T) {
	t.Parallel()
	server := serveStore(t, "127.0.0.1:0", library(t))
	defer server.stop(t)
	path, err := binary()
	require.NoError(t, err)
	following := exec.CommandContext(t.Context(), path, "store", "tail", "-n", "1", "-f", "--store", server.base)
	out, err := following.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, following.Start())
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	require.Contains(t, lines.Text(), "Raw")
	store, err := eventstoredb.Open(t.Context(), server.base)
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	for n := range 5 {
		for _, stream := range []string{"$hidden", "followed"} {
			_, err = store.Append(t.Context(), stream, events.Any, []events.Proposed{{ID: id.New[id.Event](), Type: "Noted", Data: []byte("{}")}})
			require.NoError(t, err)
		}
		require.True(t, lines.Scan())
		require.Contains(t, lines.Text(), fmt.Sprintf("\tNoted\tfollowed@%d", n))
	}
	require.NoError(t, following.Process.Signal(syscall.SIGTERM))
	require.False(t, lines.Scan())
	require.NoError(t, following.Wait())
}

func TestStoreCensus(t *testing.T) {
	t.Parallel()
	data := library(t)
	said, err := daybook(t.Context(), t, nil, "store", "census", "--store", data)
	require.Error(t, err)
	require.Contains(t, said, `this binary cannot read Raw version none (1 of 1 events), the first of them "odd \x1b[31m"@0`)

	data = t.TempDir()
	store, err := embedded.Open(filepath.Join(data, "store"))
	require.NoError(t, err)
	encode := func(n int) (all []events.Proposed) {
		for range n {
			e, err := events.Encode(id.New[id.Event](), events.VaultBound{VaultID: "v"}, events.Envelope{Actor: "test", Source: "test"})
			require.NoError(t, err)
			all = append(all, e)
		}
		return all
	}
	rule := func(text string) events.Proposed {
		return events.Proposed{ID: id.New[id.Event](), Type: "$metadata", Data: []byte(text)}
	}
	for _, stream := range []string{"kept", "fewer", "older", "undone", "deleted", "gone"} {
		place(t, store, stream, encode(2)...)
	}
	place(t, store, "$$fewer", rule(`{"$maxCount":1,"mine":2}`))
	place(t, store, "$$older", rule(`{"$maxAge":60,"$tb":1}`))
	place(t, store, "$$undone", rule(`{"$maxCount":1}`))
	place(t, store, "$$undone", rule(`{"mine":1}`))
	place(t, store, "$$kept", rule(`no JSON`))
	place(t, store, "$$$stats", rule(`{"$maxCount":1}`))
	_, err = store.Delete(t.Context(), "deleted", events.Any)
	require.NoError(t, err)
	_, err = store.Tombstone(t.Context(), "gone", events.Any)
	require.NoError(t, err)
	require.NoError(t, store.Close())

	path, err := binary()
	require.NoError(t, err)
	command := exec.CommandContext(t.Context(), path, "store", "census", "--store", data)
	var warnings strings.Builder
	command.Stderr = &warnings
	output, err := command.Output()
	require.Error(t, err, "whoever runs it before an upgrade has to learn of it")
	require.Regexp(t, `(?m)^TYPE +VERSION +EVENTS +FIRST +LAST\nStoreCreated +1 +1 .*\nVaultBound +1 +12 +kept@0 \S+Z +gone@1 \S+Z\n$`, string(output))
	require.Equal(t, `warning: stream deleted is deleted (its events are still in the log)
warning: stream fewer hides events by its metadata: $maxCount 1
warning: stream gone is deleted for good (tombstone)
warning: stream older hides events by its metadata: $maxAge 60, $tb 1
daybook: of 4 streams something is deleted, hidden or missing
`, warnings.String())

	newer := encode(1)[0]
	newer.Metadata = []byte(strings.Replace(string(newer.Metadata), `"version":1`, `"version":9`, 1))
	store, err = embedded.Open(filepath.Join(data, "store"))
	require.NoError(t, err)
	place(t, store, "kept", newer)
	require.NoError(t, store.Close())
	said, err = daybook(t.Context(), t, nil, "store", "census", "--store", data)
	require.Error(t, err)
	require.Contains(t, said, "this binary cannot read VaultBound version 9 (1 of 1 events), the first of them kept@2")
}

// Without an address the verbs look into the store that Daybook is set to run on, also while it runs.
func TestStoreVerbsFindTheStore(t *testing.T) {
	t.Parallel()
	data := library(t)
	store, err := embedded.Open(filepath.Join(data, "store")) // as a running Daybook has it
	require.NoError(t, err)
	said, err := daybook(t.Context(), t, []string{"DAYBOOK_DATA=" + data, "DAYBOOK_STORE_LISTEN=off"}, "store", "stat")
	require.Error(t, err)
	require.Contains(t, said, "already open in another process")
	require.Contains(t, said, "it does not offer it (DAYBOOK_STORE_LISTEN)")
	want := store.ID().String()
	require.NoError(t, store.Close())

	server := serveStore(t, "127.0.0.1:0", data)
	other := serveStore(t, "127.0.0.1:0", library(t))
	defer other.stop(t)
	elsewhere := strings.TrimSuffix(strings.TrimPrefix(other.base, "esdb://"), "?tls=false")
	for _, environment := range [][]string{
		{"DAYBOOK_DATA=" + data},
		{"DAYBOOK_DATA=" + data, "DAYBOOK_STORE_LISTEN=" + elsewhere}, // that of another Daybook
		{"DAYBOOK_DATA=" + t.TempDir(), "DAYBOOK_EVENTSTORE=" + server.base},
	} {
		said, err = daybook(t.Context(), t, environment, "store", "stat")
		require.NoError(t, err, said)
		require.Contains(t, said, want)
	}
	server.kill(t) // its note stays
	again, err := embedded.Open(filepath.Join(data, "store"))
	require.NoError(t, err)
	said, err = daybook(t.Context(), t, []string{"DAYBOOK_DATA=" + data}, "store", "stat")
	require.Error(t, err)
	require.Contains(t, said, "nobody answers at "+server.base)
	impostor := serveStore(t, strings.TrimSuffix(strings.TrimPrefix(server.base, "esdb://"), "?tls=false"), t.TempDir())
	said, err = daybook(t.Context(), t, []string{"DAYBOOK_DATA=" + data}, "store", "stat")
	require.Error(t, err)
	require.Contains(t, said, "is another one")
	require.Contains(t, said, "not "+want)
	impostor.stop(t)
	require.NoError(t, again.Close())
	said, err = daybook(t.Context(), t, []string{"DAYBOOK_DATA=" + data}, "store", "stat")
	require.NoError(t, err, said)
	require.Contains(t, said, want)
}

func TestStoreVerbsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	nowhere := filepath.Join(t.TempDir(), "none")
	broken := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(broken, "cert.pem"), []byte("no certificate"), 0o600))
	for _, c := range []struct{ arguments, want string }{
		{"store stat --store " + nowhere, "there is no event store in " + nowhere},
		{"store unseal " + nowhere, "there is no event store in " + nowhere},
		{"store copy " + nowhere + " " + nowhere + "2", "FROM " + nowhere + ": there is no event store in"},
		{"store copy " + nowhere, "accepts 2 arg(s)"},
		{"store stat --store esdb://user:hunter2@?tls=maybe", "connection string"},
		{"store copy esdb://user:hunter2@?tls=maybe " + nowhere, "FROM esdb://?tls=maybe: "},
		{"store copy ./none esdb:127.0.0.1:2113?tls=false", `TO esdb:127.0.0.1:2113?tls=false: "esdb:127.0.0.1:2113?tls=false" is neither`},
		{"store stat --store http://user:hunter2@x", `"http://x" is neither a connection string`},
		{"store stat --store localhost:2113", "is neither a connection string"},
		{"store tail -n -1", `"-n, --lines" flag: expected a number, 0 or more`},
		{"store tail -n x", `"-n, --lines" flag: expected a number, 0 or more`},
		{"store cat a --from -1", `"--from" flag: expected a revision`},
		{"store cat", "accepts 1 arg(s)"},
		{"store serve --mem --listen nowhere", "listening:"},
		{"store serve --mem --data " + nowhere, "--mem and --data exclude one another"},
		{"store serve --mem --max-append-bytes 0", "expected a number of bytes between 1 and 15728640"},
		{"store serve --mem --max-append-bytes 99999999999", "expected a number of bytes between 1 and 15728640"},
		{"store serve --mem --advertise here", "Advertise"},
		{"store serve --mem --tls-key x", "--tls-cert and --tls-key belong together"},
		{"store serve --mem --tls-key " + broken + "/cert.pem --tls-cert " + broken + "/cert.pem", "--tls-cert, --tls-key: "},
		{"store sell", `unknown command "sell"`},
	} {
		said, err := daybook(t.Context(), t, []string{"DAYBOOK_DATA=" + nowhere}, strings.Fields(c.arguments)...)
		require.Error(t, err, c.arguments)
		require.Contains(t, said, c.want)
		require.NotContains(t, said, "hunter2")
	}
	require.NoDirExists(t, nowhere, "looking makes no stores")
	require.NoDirExists(t, nowhere+"2")
}

func TestStoreUnseal(t *testing.T) {
	t.Parallel()
	data, to := library(t), filepath.Join(t.TempDir(), "store")
	said, err := daybook(t.Context(), t, nil, "store", "unseal", data)
	require.NoError(t, err, said)
	require.Contains(t, said, "is not sealed")
	said, err = daybook(t.Context(), t, []string{"DATABASE_URL=postgres://nobody@127.0.0.1:1/none?connect_timeout=1"}, "store", "copy", data, to)
	require.NoError(t, err, said)
	require.Contains(t, said, "read models: not translated, because they could not be reached")
	require.NoDirExists(t, filepath.Join(to, "store"), "it is the store's own folder")
	said, err = daybook(t.Context(), t, nil, "store", "stat", "--store", data)
	require.NoError(t, err, said)
	require.Regexp(t, `state +sealed`, said)
	said, err = daybook(t.Context(), t, nil, "store", "stat", "--store", to)
	require.NoError(t, err, said)
	require.Regexp(t, `state +open, copy of store`, said)
	said, err = daybook(t.Context(), t, nil, "store", "copy", "--database", "none", data, to)
	require.NoError(t, err, said)
	require.Contains(t, said, "read models: not translated\n")
	said, err = daybook(t.Context(), t, nil, "store", "unseal", data)
	require.NoError(t, err, said)
	require.Contains(t, said, "is open again")
	said, err = daybook(t.Context(), t, nil, "store", "stat", "--store", data)
	require.NoError(t, err, said)
	require.Regexp(t, `state +open\n`, said)
}

// A plain server ends when it is asked to, in memory or not, and says where it is.
func TestStoreServeEndsCleanly(t *testing.T) {
	t.Parallel()
	path, err := binary()
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	command := exec.CommandContext(ctx, path, "store", "serve", "--mem", "--listen", "0.0.0.0:0", "--max-append-bytes", "1000")
	command.Dir = t.TempDir()
	var stderr strings.Builder
	command.Stderr = &stderr
	out, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	require.Regexp(t, `^esdb://127\.0\.0\.1:\d+\?tls=false$`, lines.Text())
	store, err := eventstoredb.Open(t.Context(), lines.Text())
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	_, err = store.Append(t.Context(), "a", events.Any, []events.Proposed{{ID: id.New[id.Event](), Type: "Noted", Data: make([]byte, 1001)}})
	_, tooLarge := err.(*eventstoredb.TooLargeError) //nolint:errorlint // the adapter gives it bare
	require.True(t, tooLarge, "%v", err)
	require.NoError(t, command.Process.Signal(syscall.SIGTERM))
	require.False(t, lines.Scan(), "one line is all it prints")
	require.NoError(t, command.Wait(), stderr.String())
	require.Equal(t, 1, strings.Count(stderr.String(), "\n"), stderr.String())
	require.Contains(t, stderr.String(), "everybody who reaches this address may read and write")
	left, err := os.ReadDir(command.Dir)
	require.NoError(t, err)
	require.Empty(t, left)
}
