package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"daybook/adapters/embedded"
	"daybook/adapters/postgres"
	"daybook/events/id"
)

// readModels is the database whose checkpoints a copy translates, or why there is none.
type readModels struct {
	pool   *pgxpool.Pool
	away   error // why it cannot be reached
	server *postgres.Server
}

// noModelsError says that Daybook never had read models here.
type noModelsError struct{ data string }

func (e *noModelsError) Error() string {
	return fmt.Sprintf("DATABASE_URL is unset, and there is no private Postgres in %s", e.data)
}

// openReadModels opens the database that was named, or the one that Daybook is set to use. Without the latter a copy goes
// on: its read models can be translated by running it again, or built anew.
func (c *storeCopy) openReadModels(ctx context.Context) (*readModels, error) {
	m := &readModels{}
	if c.database == "none" {
		return m, nil
	}
	m.away = c.connect(ctx, m)
	switch {
	case m.away == nil:
	case ctx.Err() != nil:
		return nil, errors.Join(ctx.Err(), m.close())
	case c.database != "":
		return nil, errors.Join(fmt.Errorf("--database: %w", m.away), m.close())
	}
	return m, nil
}

func (c *storeCopy) connect(ctx context.Context, m *readModels) error {
	address := c.database
	if address == "" {
		address = c.config.DatabaseURL
	}
	if address == "" {
		folder := filepath.Join(c.config.Data, "postgres")
		if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
			return &noModelsError{c.config.Data}
		}
		server, err := postgres.Start(ctx, postgres.ServerConfig{DataDir: folder, Logger: c.log})
		if err != nil {
			return fmt.Errorf("starting Postgres: %w", err)
		}
		m.server, address = server, server.URL()
	}
	pool, err := postgres.Connect(ctx, address)
	if err == nil {
		m.pool = pool
	}
	return err
}

// quiet refuses a source that somebody works on. An embedded one that is open here is open nowhere else.
func (m *readModels) quiet(ctx context.Context, from eventStore) error {
	if _, alone := from.(*embedded.Store); alone || m.pool == nil {
		return nil
	}
	held, err := postgres.Holders(ctx, m.pool, from.ID())
	if err == nil && len(held) > 0 {
		err = fmt.Errorf("a running Daybook holds policies over store %s (%s): stop it; what one that was killed held is free some seconds later",
			from.ID(), strings.Join(held, ", "))
	}
	return err
}

func (m *readModels) close() error {
	if m.pool != nil {
		m.pool.Close()
	}
	if m.server != nil {
		return m.server.Stop(context.Background())
	}
	return nil
}

// said tells what became of the read models.
func (m *readModels) said(moved postgres.Translated, from id.Store) string {
	switch {
	case m.away != nil:
		return fmt.Sprintf("read models: not translated, because they could not be reached: %s; run it again when they can", m.away)
	case m.pool == nil:
		return "read models: not translated"
	case moved == postgres.Translated{}:
		return fmt.Sprintf("read models: none are built from store %s", from)
	}
	return fmt.Sprintf("read models: %d versions of projections with %d rows that name positions, and %d shards of policies go on in the copy",
		moved.Projections, moved.Rows, moved.Shards)
}
