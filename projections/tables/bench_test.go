package tables_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"daybook/adapters/postgres/pgtest"
	"daybook/projections/tables"
)

// BenchmarkCompare compares a million rows with themselves, in tables whose primary key's index has the order that is
// read, and in tables that have to be sorted.
func BenchmarkCompare(b *testing.B) {
	const rows = 1_000_000
	pool := pgtest.Pool(b)
	var schema string
	require.NoError(b, pool.QueryRow(b.Context(), "SELECT current_schema()").Scan(&schema))
	for _, k := range []struct{ name, column, value string }{
		{"Bigint", "bigint", "n"},
		{"UUID", "uuid", "md5(n::text)::uuid"},
		{"TextC", `text COLLATE "C"`, "md5(n::text)"},
		{"TextSorted", `text`, "md5(n::text)"},
		{"NumericSorted", `numeric`, "n"},
		{"NoKey", "", "n"},
	} {
		b.Run(k.name, func(b *testing.B) {
			key := "k " + k.column + " PRIMARY KEY"
			if k.column == "" {
				key = "k bigint"
			}
			_, err := pool.Exec(b.Context(), fmt.Sprintf(`DROP TABLE IF EXISTS rows; CREATE TABLE rows (%s, v bigint);
				INSERT INTO rows SELECT %s, n FROM generate_series(1, %d) n; ANALYZE rows`, key, k.value, rows))
			require.NoError(b, err)
			for b.Loop() {
				begin := func() tables.Side {
					tx, err := pool.BeginTx(b.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
					require.NoError(b, err)
					return tables.Side{Tx: tx, Schema: schema}
				}
				one, other := begin(), begin()
				out, err := tables.Compare(b.Context(), one, other, tables.Options{})
				require.NoError(b, err)
				require.EqualValues(b, rows, out.Tables[0].Rows.Equal)
				require.NoError(b, one.Tx.Rollback(b.Context()))
				require.NoError(b, other.Tx.Rollback(b.Context()))
			}
		})
	}
}
