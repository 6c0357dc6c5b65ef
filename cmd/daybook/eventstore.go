package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"daybook/adapters/embedded"
	"daybook/adapters/embedded/endpoint"
	"daybook/adapters/eventstoredb"
	"daybook/cmd/daybook/storecopy"
	"daybook/events"
	"daybook/events/id"
)

// eventStore is what the parts of Daybook ask of an event store, taken together. Each of them names its own part.
type eventStore interface {
	eventReader
	ID() id.Store
	Append(ctx context.Context, stream string, expected events.Expected, proposed []events.Proposed) (events.Appended, error)
	Close() error
}

type eventReader interface {
	ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[events.Record, error]
	ReadLast(ctx context.Context, stream string) (events.Record, bool, error)
	ReadAll(ctx context.Context, after events.Position) iter.Seq2[events.Record, error]
	ReadAllBack(ctx context.Context, before events.Position) iter.Seq2[events.Record, error]
	SubscribeAll(ctx context.Context, after events.Position, limit int) iter.Seq2[[]events.Record, error]
	SubscribeMetadata(ctx context.Context) iter.Seq2[[]events.Record, error]
	Head(ctx context.Context) (events.Position, error)
}

// storeFolder is where the embedded store lives, in the data folder.
const storeFolder = "store"

// maxAppendBytes lets the largest delivery that is accepted, which is sealed and so a third longer, be kept whole.
const maxAppendBytes = 8 << 20

// openStore opens the EventStoreDB that was named, or the embedded store of the data folder. One that is being moved is
// not to be used.
func (a *app) openStore(ctx context.Context) (err error) {
	if a.config.EventStore != "" {
		err = a.connectStore(ctx)
	} else {
		err = a.embedStore()
	}
	if err != nil {
		return fmt.Errorf("opening the event store: %w", err)
	}
	a.onClose(a.store.Close)
	if a.opened, err = a.store.Head(ctx); err != nil {
		return fmt.Errorf("opening the event store, whose whole log Daybook has to be allowed to read: %w", err)
	}
	state, err := storecopy.ReadState(ctx, a.store)
	if err != nil {
		return err
	}
	return state.Usable()
}

func (a *app) connectStore(ctx context.Context) error {
	store, err := eventstoredb.Open(ctx, a.config.EventStore, eventstoredb.Log(a.log), eventstoredb.Clock(a.now))
	if err != nil {
		return err
	}
	a.store = store
	return nil
}

func (a *app) embedStore() error {
	store, err := embedded.Open(filepath.Join(a.config.Data, storeFolder), embedded.Log(a.log), embedded.Clock(a.now),
		embedded.MaxAppendBytes(maxAppendBytes))
	if err != nil {
		return err
	}
	a.store, a.embedded = store, store
	return nil
}

// untilSealed watches the store for as long as it is served, and is an error once somebody has sealed it: it is being
// moved, and what would still be written here, the copy might lack.
func (a *app) untilSealed(ctx context.Context) error {
	for batch, err := range a.store.SubscribeAll(ctx, a.opened, watchedBatch) {
		if err != nil {
			return fmt.Errorf("watching whether the event store is sealed: %w", err)
		}
		for _, r := range batch {
			if r.Stream == events.StoreStream && r.Type == events.NameOf[events.StoreSealed]() {
				return fmt.Errorf("store %s was sealed while Daybook ran on it: its history goes on in a copy. Once that is complete, "+
					"run Daybook on it; or, if the move was called off, open this one again with `daybook store unseal`", a.store.ID())
			}
		}
	}
	return nil
}

// watchedBatch is how many records are looked at together.
const watchedBatch = 256

// offerStore offers the embedded store to read, over EventStoreDB's protocol, until ctx is done. An open port must not
// bypass the commands, so nothing can be written there.
func (a *app) offerStore(ctx context.Context, group *errgroup.Group) error {
	if a.embedded == nil || a.config.StoreListen == off {
		return nil
	}
	server, err := endpoint.New(endpoint.Config{Store: a.embedded, Logger: a.log, ReadOnly: true})
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", a.config.StoreListen)
	if err != nil {
		return fmt.Errorf("offering the event store: %w: set DAYBOOK_STORE_LISTEN to another address, or to off", err)
	}
	a.storeAddress = listener.Addr().String()
	if err = noteStore(filepath.Join(a.config.Data, storeFolder), a.store.ID(), connectionTo(dialled(a.storeAddress))); err != nil {
		return errors.Join(err, listener.Close())
	}
	if at, ok := listener.Addr().(*net.TCPAddr); ok && !at.IP.IsLoopback() {
		a.log.WarnContext(ctx, "the event store can be read from other machines, by everybody: DAYBOOK_STORE_LISTEN knows no users",
			"address", a.storeAddress)
	}
	group.Go(func() error { return server.Serve(listener) })
	group.Go(func() error {
		<-ctx.Done()
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		server.Shutdown(limit)
		return nil
	})
	return nil
}

// hasData tells whether there is a store to look at, without making one.
func (c Config) hasData() (bool, error) {
	if c.EventStore != "" {
		return true, nil
	}
	_, err := os.Stat(filepath.Join(c.Data, storeFolder))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
