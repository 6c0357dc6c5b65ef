package postgres

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"daybook/events/id"
)

// FollowedStores returns the stores that checkpoints of projections and policies are of: one, or none in a new database,
// as long as nobody has mixed them up.
func FollowedStores(ctx context.Context, pool *pgxpool.Pool) ([]id.Store, error) {
	rows, err := pool.Query(ctx, `SELECT store_id FROM checkpoints
		UNION SELECT store_id FROM policies WHERE store_id IS NOT NULL ORDER BY store_id`)
	if err != nil {
		return nil, fmt.Errorf("reading which stores the checkpoints are of: %w", err)
	}
	stores, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (store id.Store, err error) {
		var raw uuid.UUID
		err = row.Scan(&raw)
		return id.Store{UUID: raw}, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading which stores the checkpoints are of: %w", err)
	}
	return stores, nil
}
