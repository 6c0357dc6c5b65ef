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
	"github.com/jackc/pgx/v5/pgconn"

	"daybook/events/id"
	"daybook/projections/tables"
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
		errs = append(errs, e.inTurn(ctx, conn, func(tx pgx.Tx) error { return e.register(ctx, tx, v.define(), store) }))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if _, err := e.muster(ctx, conn.Conn()); err != nil {
		return err
	}
	e.prepared.Store(true)
	return e.rereadMarks(ctx)
}

// inTurn runs a transaction that changes which builds there are. Engines take turns at that.
func (e *Engine) inTurn(ctx context.Context, db Beginner, change func(pgx.Tx) error) error {
	const turn = "SELECT pg_advisory_xact_lock(hashtextextended('daybook projections of ' || current_schema(), 0))"
	return pgx.BeginTxFunc(ctx, db, e.locking(), func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, turn); err != nil {
			return fmt.Errorf("waiting for the turn to change projections: %w", err)
		}
		return change(tx)
	})
}

// locking opens transactions that lock what others wait for. The server ends the session of one that idles for as long as
// a lease lasts: a process that is frozen must not keep the others waiting.
func (e *Engine) locking() pgx.TxOptions {
	return pgx.TxOptions{BeginQuery: fmt.Sprintf("BEGIN; SET LOCAL idle_in_transaction_session_timeout = %d", e.cfg.TTL.Milliseconds())}
}

// register creates the first build of a version, or finds that it was built from the same definition.
func (e *Engine) register(ctx context.Context, tx pgx.Tx, p *Projection, store id.Store) error {
	known, err := p.recognise(ctx, tx)
	if _, changed := errors.AsType[*MisuseError](err); changed {
		err = p.startOver(ctx, tx, err)
	}
	if err != nil || known {
		return err
	}
	phase := PhaseLive
	var others bool
	if err = tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM projections WHERE name = $1 AND phase <> 'scratch')", p.name).Scan(&others); err != nil {
		return fmt.Errorf("looking up projection %s: %w", p.name, err)
	}
	if others {
		phase = PhaseReplaying
	}
	return e.create(ctx, tx, p, store, phase)
}

// recognise tells whether the version was built before, and refuses another definition than it was built from. Scratch
// builds come and go, and say nothing about it.
func (p *Projection) recognise(ctx context.Context, tx pgx.Tx) (known bool, err error) {
	var was string
	err = tx.QueryRow(ctx, `SELECT fingerprint FROM projections WHERE name = $1 AND version = $2 AND phase <> 'scratch'
		ORDER BY build DESC LIMIT 1`, p.name, p.version).Scan(&was)
	switch {
	case err == nil && was == p.fingerprint():
		return true, nil
	case err == nil:
		return false, &MisuseError{p.Schema(), fmt.Sprintf("schema.sql or the list of handled events changed, but the version did not: "+
			"what is stored was built from fingerprint %.8s, this binary has %.8s. Give it version %d, or run the binary that built it",
			was, p.fingerprint(), p.version+1)}
	case errors.Is(err, pgx.ErrNoRows):
		return false, nil
	}
	return false, fmt.Errorf("looking up projection %s: %w", p.Schema(), err)
}

// startOver removes the builds of another definition of the version, unless one of them has projected an event: a mistake
// that is found before there are rows needs no new version. Otherwise it returns the refusal.
func (p *Projection) startOver(ctx context.Context, tx pgx.Tx, refusal error) error {
	rows, err := tx.Query(ctx, `SELECT p.name, p.version, p.build, p.phase, c.events
		FROM projections p JOIN checkpoints c ON c.projection = p.name AND c.version = p.version AND c.build = p.build
		WHERE p.name = $1 AND p.version = $2 AND p.phase <> 'scratch' FOR UPDATE`, p.name, p.version)
	if err != nil {
		return fmt.Errorf("looking up projection %s: %w", p.Schema(), err)
	}
	empty, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (b build, err error) {
		var events int64
		err = row.Scan(&b.name, &b.version, &b.number, &b.phase, &events)
		if err == nil && events > 0 {
			err = refusal
		}
		return b, err
	})
	for _, b := range empty {
		if err == nil {
			err = dropWithin(ctx, tx, b, b.phase)
		}
	}
	return err
}

// create makes a build: its rows, its physical schema, its tables, which fit the definition, or nothing is made; and what it
// leaves out. One that is to be replayed gets its secondary indexes when that is done: they cost more row by row than at
// once.
func (e *Engine) create(ctx context.Context, tx pgx.Tx, p *Projection, store id.Store, phase Phase) error {
	err := p.number(ctx, tx, phase)
	if err == nil {
		err = e.createSchema(ctx, tx, p)
	}
	if err == nil {
		err = p.bind(ctx, tx)
	}
	var held []string
	if err == nil && phase != PhaseLive {
		held, err = holdBack(ctx, tx, p.Schema())
	}
	if err == nil {
		_, err = tx.Exec(ctx, `INSERT INTO projections (name, version, build, schema_name, fingerprint, phase, held_back, created_at, changed_at)
			VALUES ($1, $2, $3, $4, $5, $6, coalesce($7::text[], '{}'), $8, clock_timestamp())`,
			p.name, p.version, p.build, p.Schema(), p.fingerprint(), phase, held, e.cfg.Now())
	}
	if err == nil {
		_, err = tx.Exec(ctx, `INSERT INTO checkpoints (projection, version, build, store_id, position, events, updated_at)
			VALUES ($1, $2, $3, $4, 0, 0, $5)`, p.name, p.version, p.build, store.Bytes(), e.cfg.Now())
	}
	if err == nil {
		err = leaveOut(ctx, tx, p)
	}
	if _, misuse := errors.AsType[*MisuseError](err); err == nil || misuse {
		return err // which names the projection itself
	}
	return fmt.Errorf("creating projection %s: %w", p.Schema(), err)
}

func (e *Engine) createSchema(ctx context.Context, tx pgx.Tx, p *Projection) error {
	if p.ddl == "" {
		return nil
	}
	if _, err := tx.Exec(ctx, "CREATE SCHEMA "+pgx.Identifier{p.Schema()}.Sanitize()); err != nil {
		return err
	}
	var path string
	if err := tx.QueryRow(ctx, "SELECT current_setting('search_path')").Scan(&path); err != nil {
		return err
	}
	if err := tables.SearchIn(ctx, tx, p.Schema()); err != nil {
		return err
	}
	if err := p.execute(ctx, tx); err != nil {
		return err
	}
	if err := p.staysWithin(ctx, tx); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "SELECT set_config('search_path', $1, true)", path)
	return err
}

// execute runs schema.sql. Within a block Postgres itself refuses what would end the engine's transaction.
func (p *Projection) execute(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, "SELECT set_config('daybook.schema', $1, true)", p.ddl); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "DO $$ BEGIN EXECUTE current_setting('daybook.schema'); END $$")
	reply, ok := errors.AsType[*pgconn.PgError](err)
	switch {
	case !ok || passes(reply):
		return err
	case reply.Code == "0A000" && reply.Routine == "exec_stmt_dynexecute":
		return &MisuseError{p.Schema(), "schema.sql: it runs within a transaction of the engine, and must not begin, divide or end one, " +
			"nor copy from the client: leave out BEGIN, SAVEPOINT, COMMIT, ROLLBACK and COPY … FROM STDIN"}
	}
	return &MisuseError{p.Schema(), fmt.Sprintf("schema.sql: %s%s", p.line(reply), reply)}
}

// staysWithin refuses what schema.sql made or altered outside its schema, where all builds would meet. The transaction has
// had to lock that, and still does. A temporary table is nobody else's.
func (p *Projection) staysWithin(ctx context.Context, tx pgx.Tx) error {
	var outside string
	err := tx.QueryRow(ctx, `SELECT coalesce(min(format('%I.%I', nspname, relname)), '')
		FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE l.pid = pg_backend_pid() AND l.mode = 'AccessExclusiveLock' AND nspname <> $1
			AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND relpersistence <> 't'`, p.Schema()).Scan(&outside)
	if err == nil && outside != "" {
		err = &MisuseError{p.Schema(), fmt.Sprintf("schema.sql: it makes or alters %s, which all builds would share: "+
			"leave out the name of the schema, so that each build has its own", outside)}
	}
	return err
}

// line finds the line of schema.sql that an error is in, if it is known: "line 3, “name text,”: ".
func (p *Projection) line(reply *pgconn.PgError) string {
	begins, query := strings.Index(p.ddl, reply.InternalQuery), []rune(reply.InternalQuery) // all of it, or the body of a function
	if begins < 0 || reply.InternalPosition < 1 || int(reply.InternalPosition) > len(query)+1 {
		return ""
	}
	before := p.ddl[:begins] + string(query[:reply.InternalPosition-1])
	number := strings.Count(before, "\n")
	return fmt.Sprintf("line %d, %q: ", number+1, strings.TrimSpace(strings.Split(p.ddl, "\n")[number]))
}

// fingerprint tells two definitions apart: the DDL, which events are handled, and the version.
func (p *Projection) fingerprint() string {
	parts := []string{p.name, strconv.Itoa(p.version), strings.Join(p.Handles(), ","), p.ddl}
	digest := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(digest[:])
}
