// Package projections turns the log into read models: events in, rows out, each event exactly once.
//
// # Writing one
//
// `daybook projection new NAME` writes the skeleton of one, with its read model and a test;
// docs/tutorial/first-projection.md goes through all of it.
//
// A projection is a name, a version, the DDL of its tables and a handler per event. The author writes what an event
// does to rows; everything else is the engine's.
//
//	func Define() *projections.Projection {
//		p := projections.New("messages", 1, messages.Schema)
//		msgs := projections.Patch[messages.Message](p, "messages")
//		projections.On(p, func(e events.MessageDelivered, at projections.At) error {
//			return msgs.Set(messages.Message{ID: e.MessageID, DeliveredAt: new(e.At)})
//		})
//		return p
//	}
//
// Tables come in three kinds. [Append] only adds rows, by COPY. [Patch] keeps one row per key and writes exactly the
// columns that an event names. [Sum] keeps one row per key and adds to it. Rows are flat structs whose exported fields
// carry a tag `db:"column"`, and `db:"column,key"` for the key of a Patch or Sum table. How fields become columns is
// worked out once, when the engine starts, and checked against the tables: a mistake is an error there, naming
// projection, table and field.
//
// Tables are written in the order in which they are defined: define what is referred to before what refers to it.
//
// A sum is only right if every addition was, for ever. So each batch proves, in the statement that adds, that every row
// it touched is what it was plus what was added. And a Sum table may declare by [From] the query that it must be equal
// to: [Projection.CheckSums] compares the whole. Define it after the tables that it follows from, so that their
// constraints and triggers have the first word.
//
//	balances := projections.Sum[ledger.Balance](p, "balances", projections.From("SELECT … FROM entries GROUP BY …"))
//	…
//	return balances.Add(ledger.Balance{Account: e.Account, Asset: "EUR", Amount: 30_000, Entries: 1})
//
// A schema is executed with search_path set to the physical schema of the version ("messages_v1"): table names in it
// are unqualified. Types of Go and of Postgres must agree:
//
//	id.ID, uuid.UUID, [16]byte   uuid
//	string and its kinds         text, varchar, enums, json, jsonb
//	signed and unsigned ints     bigint, integer, smallint (range checked)
//	bool                         boolean
//	float32, float64             double precision
//	time.Time                    timestamptz (microseconds)
//	[]byte and its kinds         bytea, text, json, jsonb
//	anything else                what pgx encodes for the column, if it knows the type: not money
//
// Keys are compared by their bytes before Postgres sees them, so theirs are the types of which values are equal only if their
// bytes are: text, varchar, uuid, the integers, boolean, bytea, date, time, timestamp, timestamptz and enums, all without a
// length or precision, and text without a collation that is not deterministic. Demand a length by a CHECK.
//
// Postgres text holds neither U+0000 nor broken UTF-8: rows show U+FFFD for them, and an enum or JSON column may refuse
// what is left. The exact bytes are in the store, and in the audit entry of the event.
//
// Handlers must be pure: no clock, no I/O, nothing kept between events but through tables. An event, and whatever its
// pointers and slices lead to, is shared by all projections of the process: read only. Handlers run one at a time, in log
// order, in batches. What must never fail, such as an audit trail, uses [OnAll] and does not decode. What follows from
// rows that are there already uses [OnTx], and gets the transaction.
//
// # A batch means what its events mean one after another
//
// Where batches begin and end is chance, so it must not show. What the events of a batch write is merged, and written at
// once. When the database refuses that, or a handler fails, the same events are written one by one, each in a savepoint,
// within one transaction: what fails then is that event's fault, and no other's.
//
// Nor does merging hide anything from constraints. A row is shown to a CHECK, or to a type that refuses values, as often as
// events change what that judges. Where rows are judged by one another, by a foreign key or by a unique index of a Patch or
// Sum table apart from its key, a batch in which several events write such rows is written one by one from the beginning:
// that takes a round trip for each event, and is the price of such constraints. The engine knows the constraints that there
// were when it started. A trigger sees rows as they are written, and no more; one that must see every event belongs to an
// Append table.
//
// # When an event fails
//
// When a handler fails (or panics), or the database refuses what it wrote, nothing of the event is left. Nothing is ever
// passed over in silence. A projection pauses: it stands at the event, with all before it applied, and tries again until it
// works. One that says [Park] lets the event wait, and with it all later ones of the same partition, while the others go
// on; see [Engine.Parked], [Engine.Retry] and [Engine.Skip].
//
// No event is blamed for what is the database's trouble: a full disk, a lost connection, tables or rights that somebody changed.
// A projection waits until it is gone; the error says what to do, and the how-to of a projection that stands still lists them.
//
// # How it runs
//
// The [Engine] runs each build as a Watermill handler of batches. A batch is one transaction whose first statement
// moves the checkpoint by compare-and-set, so two workers can never both apply an event, and none is lost between rows
// and checkpoint. See [Engine] for guarantees and [Batch] for what a batch subscriber owes the engine.
//
// A build is one physical schema with the rows of one version. Several processes share the builds by leases, and take over
// from one another. A version is built again beside the live build, and takes its place when it is told to; a version that
// is new takes its place by itself, if no one else in the process could read the old one: see [Engine.Rebuild],
// [Engine.GoLive] and [Phase].
//
// # Whether it is right
//
// That a projection is not behind says nothing of its rows. [Engine.Verify] projects the log anew into a scratch build, and
// compares the live one with it row by row; with [Config.Audit] the engine verifies by itself: samples, and slowly what no
// sample proves. [Engine.AsOf] leaves such a build of any position of the log to be read, [Engine.View] reads one and
// removes it, and [Engine.PositionAt] finds the position for a time.
package projections
