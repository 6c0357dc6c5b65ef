package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"daybook/adapters/embedded"
	"daybook/adapters/eventstoredb"
	"daybook/adapters/postgres"
	"daybook/cmd/daybook/storecopy"
	"daybook/events"
	"daybook/projections/audit"
)

func storeCopyCommand() *cobra.Command {
	var database string
	command := &cobra.Command{
		Use:   "copy FROM TO",
		Short: "Move the history of one event store into another",
		Long: `Move the history of one event store into another: addresses are esdb://… or folders. The target has to be empty.
Stop Daybook first. The source is sealed, so that nothing is added to it; events are copied in order, byte for byte; read
models and policies are translated, so that projections go on without a rebuild; then everything is read again and compared.
A copy that was interrupted goes on when it is run again. One that is finished is compared again, and read models that were
away then are translated.`,
		Args: cobra.ExactArgs(2),
		RunE: func(command *cobra.Command, arguments []string) error {
			config, err := LoadConfig()
			if err != nil {
				return err
			}
			log := newLog(command.ErrOrStderr(), config)
			c := &storeCopy{stores: stores{config, log}, database: database, out: command.OutOrStdout(), progress: command.ErrOrStderr()}
			err = c.run(command.Context(), arguments[0], arguments[1])
			if errors.Is(err, context.Canceled) {
				return errors.New("interrupted: run it again to go on")
			}
			return err
		},
	}
	databaseFlag(command, &database)
	return command
}

func databaseFlag(command *cobra.Command, database *string) {
	command.Flags().StringVar(database, "database", "",
		"Postgres with the read models, or none (default: the one that Daybook is set to use: DATABASE_URL, or the one in DAYBOOK_DATA)")
}

// storeCopy is one run of the verb.
type storeCopy struct {
	stores

	database      string
	out, progress io.Writer
}

func (c *storeCopy) run(ctx context.Context, fromAddress, toAddress string) (err error) {
	if err = checkAddress(toAddress); err != nil { // before anything is written anywhere
		return fmt.Errorf("TO %s: %w", addressed(toAddress), err)
	}
	if err = apart(fromAddress, toAddress); err != nil {
		return err
	}
	from, err := c.open(ctx, fromAddress, false)
	if err != nil {
		return fmt.Errorf("FROM %s: %w", addressed(fromAddress), err)
	}
	return closing(from, func() (err error) {
		models, err := c.openReadModels(ctx)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, models.close()) }()
		if models.away != nil {
			c.log.Warn("the read models cannot be reached: they stay as they are", "error", models.away)
		}
		if err = models.quiet(ctx, from); err != nil {
			return err
		}
		return c.into(ctx, toAddress, func(to eventStore) error { return c.copy(ctx, from, to, models) })
	})
}

// apart refuses a copy of a folder onto itself: nobody can open it twice.
func apart(from, to string) error {
	if isConnection(from) || isConnection(to) {
		return nil
	}
	a, _, errA := folderOfStore(from)
	b, _, errB := folderOfStore(to)
	if err := errors.Join(errA, errB); err != nil {
		return err
	}
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	if errA == nil && errB == nil && os.SameFile(infoA, infoB) {
		return fmt.Errorf("FROM and TO are the same store, in %s", a)
	}
	return nil
}

// into opens the target, which is made if it is a folder. One that was made for a copy that did not begin goes again.
func (c *storeCopy) into(ctx context.Context, address string, work func(to eventStore) error) error {
	made := ""
	if !isConnection(address) {
		folder, _, err := folderOfStore(address)
		if err != nil {
			return err
		}
		made = missing(folder)
	}
	to, err := c.open(ctx, address, true)
	if err != nil {
		return fmt.Errorf("TO %s: %w", addressed(address), err)
	}
	began := true
	err = closing(to, func() error {
		failed := work(to)
		if failed != nil && made != "" {
			state, err := storecopy.ReadState(context.WithoutCancel(ctx), to)
			began = err != nil || state.Begun != nil
		}
		return failed
	})
	if made != "" && !began {
		err = errors.Join(err, os.RemoveAll(made))
	}
	return err
}

// missing is the topmost folder on the way to a folder that is not there; empty when all are.
func missing(folder string) (top string) {
	for {
		if _, err := os.Lstat(folder); !errors.Is(err, fs.ErrNotExist) {
			return top
		}
		top, folder = folder, filepath.Dir(folder)
	}
}

func (c *storeCopy) copy(ctx context.Context, from, to eventStore, models *readModels) error {
	progress := newProgress(c.progress, storeClock)
	var moved postgres.Translated
	cfg := storecopy.Config{From: from, To: to, Now: storeClock, TooLarge: tooLarge, Progress: progress.show}
	if models.pool != nil {
		cfg.Translate = func(ctx context.Context, move storecopy.Move) (err error) {
			moved, err = postgres.Translate(ctx, models.pool, postgres.Move{
				From: move.From, To: move.To, Places: placesOf(move),
				Own: func(ctx context.Context, tx pgx.Tx, v postgres.Version) error { return writeOwnEntries(ctx, tx, to, v) },
			})
			return err
		}
	}
	result, err := storecopy.Run(ctx, cfg)
	progress.end()
	if err != nil {
		return err
	}
	did := "copied and compared"
	if result.Before {
		did = "compared again"
	}
	fmt.Fprintf(c.out, "%s: %d events of %d streams, digest %s\nfrom store %s to store %s\n",
		did, result.Events, result.Streams, result.Digest, from.ID(), to.ID())
	_, err = fmt.Fprintln(c.out, models.said(moved, from.ID()))
	return err
}

func placesOf(move storecopy.Move) func(yield func(postgres.Place, error) bool) {
	return func(yield func(postgres.Place, error) bool) {
		for place, err := range move.Places {
			if !yield(postgres.Place(place), err) {
				return
			}
		}
	}
}

func tooLarge(err error) bool {
	_, here := errors.AsType[*embedded.TooLargeError](err)
	_, there := errors.AsType[*eventstoredb.TooLargeError](err)
	return here || there
}

// writeOwnEntries writes what the audit trail says of the store's own stream: the copy has other events there. The other
// read models say nothing of it.
func writeOwnEntries(ctx context.Context, tx pgx.Tx, store storecopy.Store, v postgres.Version) error {
	if trail := audit.Define(); v.Projection != trail.Name() || v.Number != trail.Version() {
		return nil
	}
	for r, err := range store.ReadStream(ctx, events.StoreStream, 0) {
		if err != nil {
			return err
		}
		if r.Position > v.Position {
			break
		}
		envelope, err := events.DecodeEnvelope(r.Metadata)
		if err != nil {
			return fmt.Errorf("reading %s@%d: %w", r.Stream, r.Revision, err)
		}
		_, err = tx.Exec(ctx, "INSERT INTO "+pgx.Identifier{v.Schema}.Sanitize()+`.entries (position, stream, revision, type, event_id,
				occurred_at, recorded_at, actor, source, is_text, data, metadata)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, true, $10, $11)`,
			int64(r.Position), r.Stream, int64(r.Revision), r.Type, r.ID, envelope.OccurredAt, envelope.RecordedAt, string(envelope.Actor),
			envelope.Source, r.Data, r.Metadata)
		if err != nil {
			return fmt.Errorf("writing the audit entry of %s@%d: %w", r.Stream, r.Revision, err)
		}
	}
	return ctx.Err()
}
