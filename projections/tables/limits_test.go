package tables_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"daybook/projections/tables"
)

// TestCompareHoldsABatch, not the table: 200,000 rows, most of them small and some large.
func TestCompareHoldsABatch(t *testing.T) {
	t.Parallel()
	s := twoSchemas(t)
	s.both(`CREATE TABLE rows (k bigint PRIMARY KEY, v text);
		INSERT INTO rows SELECT n, repeat('x', 12) FROM generate_series(1, 198000) n;
		INSERT INTO rows SELECT n, repeat('y', 20000) FROM generate_series(198001, 200000) n`)
	s.execute(s.b, "DELETE FROM rows WHERE k = 100000; UPDATE rows SET v = 'z' WHERE k = 200000")
	c, held, err := s.try(nil)
	require.NoError(t, err)
	require.Equal(t, tables.RowCounts{Both: 199_999, Equal: 199_998, Changed: 1, OnlyA: 1}, c.Tables[0].Rows)
	const growth = 2 // of a slice that is appended to
	require.LessOrEqual(t, held.Rows, growth*tables.BatchRows)
	require.Greater(t, held.Rows, tables.BatchRows/2, "small rows come in large batches")
	require.LessOrEqual(t, held.Bytes, growth*tables.BatchRows*20_100, "the first batch of large rows is as long as the one before")

	s.execute(s.a, "DELETE FROM rows WHERE k <= 198000")
	s.execute(s.b, "DELETE FROM rows WHERE k <= 198000")
	_, held, err = s.try(nil)
	require.NoError(t, err)
	require.LessOrEqual(t, held.Bytes, 2*growth*tables.BatchBytes)
}

// usable tells that a transaction goes on, with the settings that it had.
func usable(t *testing.T, txs ...pgx.Tx) {
	t.Helper()
	for _, tx := range txs {
		var zone string
		require.NoError(t, tx.QueryRow(t.Context(), "SELECT current_setting('TimeZone') FROM rows LIMIT 1").Scan(&zone))
		require.Equal(t, "Asia/Tokyo", zone)
		require.False(t, tx.Conn().IsClosed())
	}
}

func (s *schemas) sides() (a, b tables.Side) {
	a = tables.Side{Tx: begin(s.t, s.a), Schema: s.inA}
	b = tables.Side{Tx: begin(s.t, s.b), Schema: s.inB}
	for _, side := range []tables.Side{a, b} {
		_, err := side.Tx.Exec(s.t.Context(), "SET LOCAL TimeZone = 'Asia/Tokyo'")
		require.NoError(s.t, err)
	}
	return a, b
}

// TestCompareIsCancelledWhileItWaits: for a lock, here. The connections and even the transactions stay usable.
func TestCompareIsCancelledWhileItWaits(t *testing.T) {
	t.Parallel()
	s := twoSchemas(t)
	s.both("CREATE TABLE rows (k int PRIMARY KEY); INSERT INTO rows VALUES (1)")
	lock, err := s.b.Begin(t.Context())
	require.NoError(t, err)
	_, err = lock.Exec(t.Context(), "LOCK TABLE rows")
	require.NoError(t, err)
	a, b := s.sides()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error)
	go func() {
		_, err := tables.Compare(ctx, a, b, tables.Options{})
		ended <- err
	}()
	require.Eventually(t, func() bool {
		var waits bool
		err := s.a.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = $1::regclass)",
			fmt.Sprintf("%q.rows", s.inB)).Scan(&waits)
		return err == nil && waits
	}, 10*time.Second, 5*time.Millisecond)
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	require.NoError(t, lock.Rollback(t.Context()))
	usable(t, a.Tx, b.Tx)
	c, err := tables.Compare(t.Context(), a, b, tables.Options{})
	require.NoError(t, err)
	require.True(t, c.Equal())
}

// TestCompareIsCancelledAtAnyTime: no request to cancel is left behind for what comes after.
func TestCompareIsCancelledAtAnyTime(t *testing.T) {
	t.Parallel()
	s := twoSchemas(t)
	s.both("CREATE TABLE rows (k int PRIMARY KEY, v text); INSERT INTO rows SELECT n, 'v' FROM generate_series(1, 20000) n")
	a, b := s.sides()
	cancelled := 0
	for range 60 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(40_000))*time.Microsecond)
		c, err := tables.Compare(ctx, a, b, tables.Options{})
		cancel()
		if err != nil {
			require.ErrorIs(t, err, context.DeadlineExceeded)
			cancelled++
		} else {
			require.True(t, c.Equal())
		}
		usable(t, a.Tx, b.Tx)
	}
	require.Positive(t, cancelled)
}
