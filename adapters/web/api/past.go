package api

import (
	"time"

	"daybook/events"
)

// AsOfQuery asks for a read model as it stood at some moment.
type AsOfQuery struct {
	ProjectionNamed

	At     string `query:"at" required:"true" doc:"The moment: a position, or an instant (RFC 3339), which stands for the last event that had been recorded by then." example:"2026-10-05T10:42:07Z"`
	Table  string `query:"table" doc:"The table whose rows to read; missing: none, but the list of tables." example:"messages"`
	Format string `query:"format" enum:"csv,json" doc:"The form of the rows; json when it is missing." example:"csv"`
}

// AsOf is a read model as it stood after an event, and how that was found out. With a table, its rows follow.
type AsOf struct {
	Name      string          `json:"name"            doc:"The projection." example:"messages"`
	Version   int             `json:"version"         doc:"The version of it that was projected: the newest that this server knows." example:"3"`
	Position  events.Position `json:"position"        doc:"The events up to this position were projected. Asked for again, it gives the same, until the projector changes or an event is skipped." example:"4711"`
	AskedTime *time.Time      `json:"asked_time"      doc:"The instant that was asked for; null when a position was."`
	LastEvent *AsOfEvent      `json:"last_event"      doc:"The last of these events; null when there was none."`
	Events    int64           `json:"events"          doc:"How many there were." example:"1234"`
	Parked    int64           `json:"parked"          doc:"Partitions that wait because one of these events failed: their rows are as they were before it." example:"0"`
	Skipped   int64           `json:"skipped"         doc:"How many of these events somebody has skipped, then or since: they are left out." example:"0"`
	Note      string          `json:"note"            doc:"What to keep in mind of it."`
	Tables    []TableRows     `json:"tables"          nullable:"false" doc:"How many rows each table had."`
	Table     string          `json:"table,omitempty" doc:"The table whose rows follow; missing when none was asked for." example:"messages"`
}

// AsOfEvent is an event, with the reference to cite.
type AsOfEvent struct {
	Position   events.Position `json:"position"    doc:"Place in the store." example:"4711"`
	Stream     string          `json:"stream"      doc:"The stream it stands in." example:"conversation-4f0c…"`
	Revision   uint64          `json:"revision"    doc:"Place in the stream. Stream and revision are the reference to cite." example:"12"`
	Type       string          `json:"type"        doc:"What happened." example:"MessageDelivered"`
	RecordedAt time.Time       `json:"recorded_at" doc:"When it was recorded."`
}

// TableRows counts the rows of one table.
type TableRows struct {
	Table string `json:"table" doc:"The table." example:"messages"`
	Rows  int64  `json:"rows"  doc:"How many rows." example:"2"`
}

// AsOfRows is AsOf with the rows of its table.
type AsOfRows struct {
	AsOf

	Rows []map[string]any `json:"rows,omitempty" nullable:"false" doc:"The rows in the order of their key, as objects of their columns; missing without a table. Where it ends early, the answer breaks off."`
}

// AsOfHeader is the header of an answer in CSV that holds what an answer in JSON begins with.
const AsOfHeader = "Daybook-As-Of"
