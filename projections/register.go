package projections

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"daybook/events/id"
)

// Prepare registers what is not registered yet and checks every definition against its tables. The first build of a name
// becomes the live one. Run prepares by itself; call it to have the tables before anything is served.
func (e *Engine) Prepare(ctx context.Context) error {
	if e.prepared.Load() {
		return nil
	}
	store, err := e.storeID(ctx)
	if err != nil {
		return err
	}
	conn, err := e.cfg.Pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("preparing projections: %w", err)
	}
	defer conn.Release()
	var errs []error
	for _, v := range e.versions {
		errs = append(errs, pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return e.register(ctx, tx, v.Projection, store) }))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := e.muster(ctx, conn.Conn()); err != nil {
		return err
	}
	e.prepared.Store(true)
	return e.rereadMarks(ctx)
}

// register creates the first build of a version, or finds that it was built from the same definition. Engines that start
// together take turns.
func (e *Engine) register(ctx context.Context, tx pgx.Tx, p *Projection, store id.Store) error {
	const turn = "SELECT pg_advisory_xact_lock(hashtextextended('daybook projections of ' || current_schema(), 0))"
	if _, err := tx.Exec(ctx, turn); err != nil {
		return fmt.Errorf("waiting to register projections: %w", err)
	}
	var known string
	err := tx.QueryRow(ctx, "SELECT fingerprint FROM projections WHERE name = $1 AND version = $2 ORDER BY build DESC LIMIT 1", p.name, p.version).Scan(&known)
	switch {
	case err == nil && known == p.fingerprint():
		return nil
	case err == nil:
		return &MisuseError{p.Schema(), fmt.Sprintf("schema.sql or the list of handled events changed, but the version did not: "+
			"what is stored was built from fingerprint %.8s, this binary has %.8s. Give it version %d, or run the binary that built it",
			known, p.fingerprint(), p.version+1)}
	case !errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("looking up projection %s: %w", p.Schema(), err)
	}
	if err := e.create(ctx, tx, p, store); err != nil {
		return fmt.Errorf("creating projection %s: %w", p.Schema(), err)
	}
	return nil
}

func (e *Engine) create(ctx context.Context, tx pgx.Tx, p *Projection, store id.Store) error {
	_, err := tx.Exec(ctx, `INSERT INTO projections (name, version, build, schema_name, fingerprint, phase, created_at, changed_at)
		VALUES ($1, $2, $3, $4, $5, CASE WHEN EXISTS (SELECT FROM projections WHERE name = $1) THEN 'replaying' ELSE 'live' END, $6, $6)`,
		p.name, p.version, p.build, p.Schema(), p.fingerprint(), e.cfg.Now())
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO checkpoints (projection, version, build, store_id, position, events, updated_at)
		VALUES ($1, $2, $3, $4, 0, 0, $5)`, p.name, p.version, p.build, store.Bytes(), e.cfg.Now())
	if err != nil || p.ddl == "" {
		return err
	}
	if _, err = tx.Exec(ctx, "CREATE SCHEMA "+pgx.Identifier{p.Schema()}.Sanitize()); err != nil {
		return err
	}
	if err = searchIn(ctx, tx, p.Schema()); err != nil {
		return err
	}
	if _, err = tx.Exec(ctx, p.ddl, pgx.QueryExecModeSimpleProtocol); err != nil {
		return &MisuseError{p.Schema(), fmt.Sprintf("schema.sql: %s", err)}
	}
	return nil
}

// fingerprint tells two definitions apart: the DDL, which events are handled, and the version.
func (p *Projection) fingerprint() string {
	parts := []string{p.name, strconv.Itoa(p.version), strings.Join(p.Handles(), ","), p.ddl}
	digest := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(digest[:])
}
