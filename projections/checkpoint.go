package projections

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"daybook/events"
	"daybook/events/id"
)

// checkpoint is how far one version has projected, of which store, and in whose epoch.
type checkpoint struct {
	store    id.Store
	position events.Position
	epoch    int64
}

// readCheckpoint reads the stored checkpoint of a version.
func readCheckpoint(ctx context.Context, pool *pgxpool.Pool, p *Projection) (checkpoint, error) {
	var (
		c     checkpoint
		store [16]byte
	)
	err := pool.QueryRow(ctx, "SELECT store_id, position, epoch FROM checkpoints WHERE projection = $1 AND version = $2",
		p.name, p.version).Scan(&store, &c.position, &c.epoch)
	if err != nil {
		return checkpoint{}, fmt.Errorf("reading the checkpoint of %s: %w", p.Schema(), err)
	}
	c.store.UUID = store
	return c, nil
}

// errMoved says that the checkpoint is no longer where the batch begins: another worker was here.
var errMoved = errors.New("another worker moved the checkpoint")

// begin opens the transaction of a batch by moving the checkpoint from floor to ceiling, in one round trip. A worker that
// comes second waits here for the first one's commit, and then finds the checkpoint moved.
func (w *worker) begin(ctx context.Context, conn *pgxpool.Conn, b *Batch) (pgx.Tx, error) {
	batch := &pgx.Batch{}
	batch.BeginTx(pgx.TxOptions{})
	batch.Queue(`UPDATE checkpoints SET position = $1, events = events + $2, updated_at = $3
		WHERE projection = $4 AND version = $5 AND store_id = $6 AND position = $7 AND epoch = $8`,
		int64(b.Last), int64(len(b.Events)), w.engine.cfg.Now(),
		w.p.name, w.p.version, w.at.store.Bytes(), int64(b.After), w.at.epoch)
	results := conn.Conn().SendBatch(ctx, batch)
	tx := results.Tx()
	_, err := results.Exec()
	if err == nil {
		tag, stepErr := results.Exec()
		if err = stepErr; err == nil && tag.RowsAffected() != 1 {
			err = errMoved
		}
	}
	if closeErr := results.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		rollback(ctx, tx)
		return nil, fmt.Errorf("moving the checkpoint of %s from %d to %d: %w", w.p.Schema(), b.After, b.Last, err)
	}
	return tx, nil
}

// rollback ends a transaction that failed; if that fails, too, pgx closes the connection, which has the same effect.
func rollback(ctx context.Context, tx pgx.Tx) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	_ = tx.Rollback(ctx)
}
