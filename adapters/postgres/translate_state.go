package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"daybook/events/id"
)

// Holders tells who holds policies over a store right now, or over none yet; sorted. A database without the tables has
// none.
func Holders(ctx context.Context, pool *pgxpool.Pool, store id.Store) ([]string, error) {
	return named(ctx, pool, "reading who holds policies", `SELECT DISTINCT holder FROM policies
		WHERE expires_at > now() AND coalesce(store_id, $1) = $1 ORDER BY holder`, store)
}

// Elsewhere tells which stores read models and policies are built from when they are built from others, and none from the
// given one; sorted.
func Elsewhere(ctx context.Context, pool *pgxpool.Pool, store id.Store) ([]string, error) {
	return named(ctx, pool, "reading which store read models are built from", `WITH built AS (
			SELECT store_id FROM checkpoints c WHERE NOT EXISTS (SELECT FROM projections p -- what is only looked at says nothing
				WHERE p.name = c.projection AND p.version = c.version AND p.build = c.build AND p.phase = 'scratch')
			UNION SELECT store_id FROM policies WHERE store_id IS NOT NULL)
		SELECT store_id::text FROM built WHERE NOT EXISTS (SELECT FROM built WHERE store_id = $1) ORDER BY 1`, store)
}

func named(ctx context.Context, pool *pgxpool.Pool, doing, query string, store id.Store) ([]string, error) {
	there, err := migrated(ctx, pool)
	if err != nil || !there {
		return nil, err
	}
	rows, err := pool.Query(ctx, query, store)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return found, nil
}

// migrated tells whether the pool's search path finds the tables of checkpoints.
func migrated(ctx context.Context, pool *pgxpool.Pool) (there bool, err error) {
	err = pool.QueryRow(ctx, "SELECT to_regclass('checkpoints') IS NOT NULL AND to_regclass('policies') IS NOT NULL").Scan(&there)
	return there, err
}
