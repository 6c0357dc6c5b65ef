package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"daybook/adapters/embedded"
	"daybook/adapters/eventstoredb"
)

// stores opens event stores by their addresses: connection strings of EventStoreDB, or folders.
type stores struct {
	config Config
	log    *slog.Logger
}

// storeClock is the clock of the verbs.
func storeClock() time.Time { return time.Now() }

// ours is the store that Daybook is set to run on. One that another process has open is asked over its endpoint.
func (s stores) ours(ctx context.Context) (eventStore, error) {
	if s.config.EventStore != "" {
		return s.open(ctx, s.config.EventStore, false)
	}
	store, err := s.open(ctx, s.config.Data, false)
	if _, taken := errors.AsType[*embedded.InUseError](err); !taken {
		return store, err
	}
	remote, failed := s.served(ctx)
	if failed != nil {
		return nil, fmt.Errorf("%w; and %w", err, failed)
	}
	return remote, nil
}

// served opens our embedded store where whoever has it says that it answers.
func (s stores) served(ctx context.Context) (eventStore, error) {
	folder, _, err := folderOfStore(s.config.Data)
	if err != nil {
		return nil, err
	}
	note, found, err := readNote(folder)
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, errors.New("it does not offer it (DAYBOOK_STORE_LISTEN), so that it cannot be asked")
	}
	remote, err := eventstoredb.Open(ctx, note.Connection, eventstoredb.Log(s.log), eventstoredb.Existing(), eventstoredb.Patience(5*time.Second))
	if err != nil {
		return nil, fmt.Errorf("nobody answers at %s, where it was offered last: %w", note.Connection, err)
	}
	if remote.ID() != note.Store {
		return nil, errors.Join(fmt.Errorf("at %s, where it was offered last, is another one: %s, and not %s", note.Connection, remote.ID(), note.Store),
			remote.Close())
	}
	return remote, nil
}

// open opens the store of an address. Only with create is one made where there is none.
func (s stores) open(ctx context.Context, address string, create bool) (eventStore, error) {
	if err := checkAddress(address); err != nil {
		return nil, err
	}
	if isConnection(address) {
		options := []eventstoredb.Option{eventstoredb.Log(s.log), eventstoredb.Clock(storeClock)}
		if !create {
			options = append(options, eventstoredb.Existing())
		}
		store, err := eventstoredb.Open(ctx, address, options...)
		if err != nil {
			return nil, fmt.Errorf("opening the event store: %w", err)
		}
		return store, nil
	}
	folder, there, err := folderOfStore(address)
	if err != nil {
		return nil, err
	}
	if !there && !create {
		return nil, fmt.Errorf("there is no event store in %s", address)
	}
	store, err := embedded.Open(folder, embedded.Log(s.log), embedded.Clock(storeClock), embedded.MaxAppendBytes(maxAppendBytes))
	if err != nil {
		return nil, fmt.Errorf("opening the event store: %w", err)
	}
	return store, nil
}

func isConnection(address string) bool {
	return strings.HasPrefix(address, "esdb://") || strings.HasPrefix(address, "esdb+discover://")
}

// checkAddress refuses what was meant to be a connection string and is none: it would be the name of a folder.
func checkAddress(address string) error {
	first, _, _ := strings.Cut(address, "/")
	if address == "" || strings.Contains(first, ":") && !isConnection(address) {
		return fmt.Errorf("%q is neither a connection string (esdb://…, esdb+discover://…) nor a folder; "+
			"a folder of that name is ./%[1]s", addressed(address))
	}
	return nil
}

// addressed is an address as it may be shown: without the password.
func addressed(address string) string {
	scheme, rest, found := strings.Cut(address, ":")
	if at := strings.LastIndex(rest, "@"); found && at >= 0 {
		return scheme + "://" + rest[at+1:]
	}
	return address
}

// folderOfStore finds the store that a folder stands for: a data folder for the store in it, and a store's own folder for
// itself. One that is yet to be made is its own if it is called so.
func folderOfStore(path string) (folder string, there bool, err error) {
	if there, err = holdsStore(path); there || err != nil {
		return path, there, err
	}
	inside := filepath.Join(path, storeFolder)
	if there, err = holdsStore(inside); there || err != nil {
		return inside, there, err
	}
	if filepath.Base(filepath.Clean(path)) == storeFolder {
		return path, false, nil
	}
	return inside, false, nil
}

// holdsStore tells a folder with a database by its manifest, without opening it.
func holdsStore(folder string) (bool, error) {
	found, err := filepath.Glob(filepath.Join(escapeGlob(folder), "MANIFEST-*"))
	return len(found) > 0, err
}

// escapeGlob takes the meaning from what would be a pattern in a folder's name.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// dialled is where a listener can be reached from here: all interfaces are not an address to dial.
func dialled(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if address, err := netip.ParseAddr(host); host == "" || err == nil && address.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

func connectionTo(address string) string { return "esdb://" + address + "?tls=false" }

// closing does something with a store, and closes it.
func closing(store eventStore, work func() error) (err error) {
	defer func() { err = errors.Join(err, store.Close()) }()
	return work()
}
