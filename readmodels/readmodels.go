// Package readmodels is what the read models share. There is one folder for each: what its tables mean, the rows, and
// the queries.
//
// A read model never writes: its rows are the work of the projection of the same name. Every query names the schema
// that it reads, because each version of a projection fills a schema of its own: a caller asks once per request which
// one is live and passes it on, so that one answer never mixes two versions.
package readmodels

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Querier runs queries: a pool, a connection, or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// In puts the schema where the statement says "$schema".
func In(schema, statement string) string {
	return strings.ReplaceAll(statement, "$schema", pgx.Identifier{schema}.Sanitize())
}

// Limit is how many rows a page may have: as many as asked for, but 100 when nothing was asked and at most 1,000.
func Limit(asked int) int {
	if asked <= 0 {
		return 100
	}
	return min(asked, 1000)
}
