package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"daybook/events"
)

// positioned is a table of a read model with a column named position.
type positioned struct {
	name     string // quoted, with its schema
	streamed bool   // it has a column named stream, too
	triggers []string
}

// moveTables translates the positions of one read model. Rows about the store's own stream go.
func (t *translation) moveTables(ctx context.Context, schema string) error {
	rows, err := t.tx.Query(ctx, `SELECT format('%I.%I', n.nspname, c.relname),
			EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'stream' AND NOT attisdropped),
			ARRAY(SELECT quote_ident(tgname) FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal AND tgenabled = 'O' ORDER BY tgname)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND a.attname = 'position' AND a.atttypid = 'bigint'::regtype
			AND NOT a.attisdropped AND NOT c.relispartition ORDER BY c.relname`, schema)
	if err != nil {
		return err
	}
	tables, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p positioned, err error) {
		return p, row.Scan(&p.name, &p.streamed, &p.triggers)
	})
	if err != nil {
		return err
	}
	for _, table := range tables {
		if err = t.moveTable(ctx, table); err != nil {
			return fmt.Errorf("table %s: %w", table.name, err)
		}
	}
	return nil
}

func (t *translation) moveTable(ctx context.Context, table positioned) error {
	if err := t.alter(ctx, table, "DISABLE"); err != nil {
		return err
	}
	moved, err := t.tx.Exec(ctx, fmt.Sprintf(`UPDATE %s t SET position = m.target + %d FROM pg_temp.moved m WHERE m.source = t.position`,
		table.name, aside))
	if err != nil {
		return err
	}
	t.done.Rows += moved.RowsAffected()
	if table.streamed {
		_, err = t.tx.Exec(ctx, fmt.Sprintf(`DELETE FROM %s WHERE position < %d AND stream = $1`, table.name, aside), events.StoreStream)
		if err != nil {
			return err
		}
	}
	var strays, first int64
	err = t.tx.QueryRow(ctx, fmt.Sprintf(`SELECT count(*), coalesce(min(position), 0) FROM %s WHERE position < %d`, table.name, aside)).
		Scan(&strays, &first)
	if err != nil {
		return err
	}
	if strays > 0 {
		return fmt.Errorf("%d rows have positions that are not in the store that was copied, the first of them %d: "+
			"they were built from another history", strays, first)
	}
	_, err = t.tx.Exec(ctx, fmt.Sprintf(`UPDATE %s SET position = position - %d WHERE position >= %[2]d`, table.name, aside))
	if err != nil {
		return err
	}
	return t.alter(ctx, table, "ENABLE")
}

// alter switches the table's triggers. They guard what projections write, not where it is.
func (t *translation) alter(ctx context.Context, table positioned, change string) error {
	for _, trigger := range table.triggers {
		if _, err := t.tx.Exec(ctx, fmt.Sprintf("ALTER TABLE %s %s TRIGGER %s", table.name, change, trigger)); err != nil {
			return err
		}
	}
	return nil
}
