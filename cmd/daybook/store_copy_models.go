package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5/pgxpool"

	"daybook/adapters/postgres"
	"daybook/events/id"
)

// readModels is the database whose checkpoints a copy translates, or why there is none.
type readModels struct {
	pool   *pgxpool.Pool
	away   error // why it cannot be reached
	server *postgres.Server
}

// openReadModels opens the database that was named, or the one that Daybook is set to use. Without one a copy goes on: its
// read models can be translated by running it again, or built anew.
func (c *storeCopy) openReadModels(ctx context.Context) (*readModels, error) {
	m := &readModels{}
	if c.database == "none" {
		return m, nil
	}
	if m.away = c.connect(ctx, m); m.away == nil {
		return m, nil
	}
	if ctx.Err() != nil {
		return nil, errors.Join(ctx.Err(), m.close())
	}
	c.log.Warn("the read models cannot be reached: they stay as they are", "error", m.away)
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
			return fmt.Errorf("DATABASE_URL is unset, and there is no private Postgres in %s", c.config.Data)
		}
		server, err := postgres.Start(ctx, postgres.ServerConfig{DataDir: folder, Logger: c.log})
		if err != nil {
			return fmt.Errorf("starting Postgres: %w", err)
		}
		m.server, address = server, server.URL()
	}
	pool, err := postgres.Connect(ctx, address)
	m.pool = pool
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
	return fmt.Sprintf("read models: %d projections with %d rows that name positions, and %d shards of policies go on in the copy",
		moved.Projections, moved.Rows, moved.Shards)
}
