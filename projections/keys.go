package projections

import (
	"fmt"

	"github.com/jackc/pgx/v5/pgtype"
)

// identifies tells why a column cannot be part of a key, if it cannot. The rows of a batch are merged by the bytes of their
// keys: were two that differ one to Postgres, additions would be lost, or one row written twice in a statement.
func (d described) identifies() error {
	switch {
	case !d.exact():
		return fmt.Errorf("a key cannot be %s, of which Postgres takes different values for one: make it text, uuid, an integer, boolean, "+
			"bytea, date, time, timestamp, timestamptz or an enum", d.declared)
	case d.fitted:
		return fmt.Errorf("a key cannot be %s, to which Postgres cuts or rounds different values into one: "+
			"leave out the length or precision, and demand it by a CHECK", d.declared)
	case d.loose != "":
		return fmt.Errorf(`a key cannot have the collation %s, which takes different texts for one: give it COLLATE "C", `+
			"and write the text as it is to be compared", d.loose)
	}
	return nil
}

// exact tells whether values of the type are equal only if their bytes are.
func (t columnType) exact() bool {
	switch t.base {
	case pgtype.TextOID, pgtype.VarcharOID, pgtype.UUIDOID, pgtype.Int8OID, pgtype.Int4OID, pgtype.Int2OID, pgtype.BoolOID,
		pgtype.ByteaOID, pgtype.DateOID, pgtype.TimeOID, pgtype.TimestampOID, pgtype.TimestamptzOID:
		return true
	}
	return t.enum
}
