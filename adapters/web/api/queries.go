package api

import (
	"encoding/json"
	"time"

	"daybook/events"
	"daybook/events/id"
)

// AuditEntry is one event of the audit trail, as it was recorded. Sealed values in Data stay sealed.
type AuditEntry struct {
	Position   events.Position `json:"position"   doc:"Place in the store." example:"4711"`
	Stream     string          `json:"stream"     doc:"The stream it stands in." example:"conversation-4f0c…"`
	Revision   uint64          `json:"revision"   doc:"Place in the stream. Stream and revision are the reference to cite." example:"12"`
	Type       string          `json:"type"       doc:"What happened." example:"MessageDelivered"`
	EventID    id.Event        `json:"event_id"   format:"uuid" doc:"The event."`
	OccurredAt time.Time       `json:"occurred_at" doc:"The world's clock; the store's for events that are not ours."`
	RecordedAt *time.Time      `json:"recorded_at" doc:"Our clock when it was decided; null for events that are not ours."`
	Actor      *events.Actor   `json:"actor"      doc:"Who caused it, as kind and name; null for events that are not ours." example:"platform:whatsapp"`
	AccountID  *id.Account     `json:"account_id" format:"uuid" nullable:"true" doc:"The business; null for the installation's own events."`
	Data       json.RawMessage `json:"data"       doc:"The event as it was recorded; {\"base64\": …} when it is not JSON."`
}

// AuditEntries is one page of the audit trail, in the order of the store.
type AuditEntries struct {
	Entries   []AuditEntry         `json:"entries"        nullable:"false" doc:"The entries, by position."`
	Next      *events.Position     `json:"next"           doc:"Give it to after for the next page; null at the end."`
	Positions []ProjectionPosition `json:"positions"      nullable:"false" doc:"How far each projection was that this was read from."`
}

// QuarantineEntry is one webhook update that was kept whole because it found no place.
type QuarantineEntry struct {
	ID            id.Quarantine           `json:"id" format:"uuid" doc:"The item."`
	Position      events.Position         `json:"position" doc:"Where it was quarantined."`
	Reason        events.QuarantineReason `json:"reason" doc:"Why it found no place." example:"unknown_message"`
	Detail        string                  `json:"detail,omitempty" doc:"The field and the rule."`
	Field         string                  `json:"field" doc:"The webhook's field." example:"messages"`
	Kind          string                  `json:"kind" doc:"What it is: message, status or value." example:"status"`
	WABAID        string                  `json:"waba_id" doc:"The platform's billing account."`
	PhoneNumberID string                  `json:"phone_number_id,omitempty" doc:"The platform's id of the business number."`
	ReceivedAt    time.Time               `json:"received_at" doc:"When it came in."`
	RedrivenAt    *time.Time              `json:"redriven_at,omitempty" doc:"When it found its place; open items have none."`
	Stream        string                  `json:"stream,omitempty" doc:"Where it landed."`
}

// QuarantineEntries is one page of the quarantine, oldest first.
type QuarantineEntries struct {
	Entries   []QuarantineEntry    `json:"entries"   nullable:"false" doc:"The items, by position."`
	Next      *events.Position     `json:"next"      doc:"Give it to after for the next page; null at the end."`
	Positions []ProjectionPosition `json:"positions" nullable:"false" doc:"How far each projection was that this was read from."`
}

// Redriven answers a re-drive.
type Redriven struct {
	Recorded

	ID     id.Quarantine `json:"id"     format:"uuid" doc:"The item."`
	Stream string        `json:"stream" doc:"Where it landed." example:"conversation-4f0c…"`
}

// ProjectionPosition says how far a projection was, at least, when it was read.
type ProjectionPosition struct {
	Projection string          `json:"projection" doc:"The projection." example:"audit"`
	Position   events.Position `json:"position"   doc:"The last position it has read." example:"4711"`
}

// ProjectionStatus is how one build of a projection stands.
type ProjectionStatus struct {
	Name       string          `json:"name"             doc:"The projection." example:"audit"`
	Version    int             `json:"version"          doc:"Its version." example:"1"`
	Build      int             `json:"build"            doc:"Which build of this version it is, from 1." example:"2"`
	Schema     string          `json:"schema"           doc:"The physical schema that it fills." example:"audit_v1_b2"`
	Phase      string          `json:"phase"            doc:"How far it has come: replaying, ready, live, or retired after it was live." example:"live"`
	Live       bool            `json:"live"             doc:"Whether readers read this build."`
	State      string          `json:"state"            doc:"What it does: running, retrying while Postgres or the store fails, paused at an event that fails, stopped, or standby while another process works on it and nothing is wrong there." example:"running"`
	Reason     string          `json:"reason,omitempty" doc:"Why it is not running."`
	Since      *time.Time      `json:"since,omitempty"  doc:"When that began; missing when nothing is wrong."`
	Event      *StandingEvent  `json:"event,omitempty"  doc:"The event at which it is paused."`
	Holder     string          `json:"holder,omitempty" doc:"The process that works on it; missing when none does."`
	Here       bool            `json:"here"             doc:"Whether that is this process."`
	Position   events.Position `json:"position"         doc:"The last position it has read." example:"4711"`
	Events     int64           `json:"events"           doc:"How many events it has read." example:"1234"`
	LagEvents  int64           `json:"lag_events"       doc:"How many events it has not read yet." example:"0"`
	LagAtLeast bool            `json:"lag_at_least"     doc:"Whether there may be more of them: the count is not at the head either."`
	LagSeconds float64         `json:"lag_seconds"      doc:"Age of the oldest event that it has not read yet." example:"0"`
	UpdatedAt  time.Time       `json:"updated_at"       doc:"When it last moved on."`

	Progress   *float64 `json:"progress,omitempty"    doc:"While it is replaying: the share of the events that it has read, from 0 to 1." example:"0.42"`
	Rate       *float64 `json:"rate,omitempty"        doc:"While it is replaying: events a second, on average since the build began." example:"21000"`
	ETASeconds *float64 `json:"eta_seconds,omitempty" doc:"While it is replaying: how long the rest takes at that rate, without the making of indexes at the end." example:"95"`

	Drift  *Drift        `json:"drift,omitempty"  doc:"What the last comparison of its rows with the log found; missing when there was none."`
	Audit  string        `json:"audit,omitempty"  doc:"Why this process could not compare its rows with the log when it last tried by itself."`
	Parked *ParkedCounts `json:"parked,omitempty" doc:"What waits of it because an event failed; missing when it pauses instead."`
}

// StandingEvent is the event at which a projection is paused.
type StandingEvent struct {
	Stream   string `json:"stream"   doc:"Its stream."`
	Revision uint64 `json:"revision" doc:"Its place there, from 0." example:"3"`
	Type     string `json:"type"     doc:"What happened." example:"MessageReceived"`
}

// Drift is what comparisons of a projection with the log found, of each table the last one.
type Drift struct {
	Rows      int64           `json:"rows"                 doc:"Rows that are not what the log gives." example:"0"`
	Tables    []TableDrift    `json:"tables"               nullable:"false" doc:"The tables that differ."`
	Compared  int64           `json:"compared"             doc:"Rows that were compared."`
	Complete  bool            `json:"complete"             doc:"Whether all rows of all tables were compared with the whole log."`
	Position  events.Position `json:"position"             doc:"Where the projection was when rows were compared last."`
	CheckedAt *time.Time      `json:"checked_at,omitempty" doc:"When that was; missing when no rows were ever compared."`
	Checked   []TableCheck    `json:"checked"              nullable:"false" doc:"Every table: when its rows were compared last, and how."`
}

// TableDrift is how one table is not what the log gives.
type TableDrift struct {
	Table   string        `json:"table"             doc:"The table." example:"entries"`
	Rows    int64         `json:"rows"              doc:"How many rows differ." example:"2"`
	Objects []ObjectDrift `json:"objects,omitempty" doc:"What else of it differs."`
	Text    string        `json:"text"              doc:"The same in words." example:"2 rows of entries"`
}

// ObjectDrift is something of a table that is not what the projection's schema makes of it.
type ObjectDrift struct {
	Kind string `json:"kind"           doc:"table, column, constraint, index or trigger." example:"constraint"`
	Name string `json:"name"           doc:"Its name." example:"entries_pkey"`
	Live string `json:"live,omitempty" doc:"How it is; missing when it is not there."`
	Due  string `json:"due,omitempty"  doc:"How it should be; missing when it should not be there."`
}

// TableCheck says when the rows of one table were compared last.
type TableCheck struct {
	Table     string          `json:"table"                doc:"The table." example:"entries"`
	How       string          `json:"how"                  doc:"With what: log (all rows, with the whole log), identity (all rows of a sum, with what it sums up), sample (the rows of some streams, with these), or never." example:"log"`
	Rows      int64           `json:"rows"                 doc:"How many rows." example:"1234"`
	Position  events.Position `json:"position"             doc:"Where the projection was then." example:"4711"`
	CheckedAt *time.Time      `json:"checked_at,omitempty" doc:"When; missing when they never were."`
}

// PolicyStatus is how a policy stands: what turns facts into further facts, as rating does.
type PolicyStatus struct {
	Name       string          `json:"name"             doc:"The policy." example:"rating"`
	State      string          `json:"state"            doc:"What it does in this process: running, retrying, stopped, or standby while others hold all its shards." example:"running"`
	Reason     string          `json:"reason,omitempty" doc:"Why it is retrying."`
	Position   events.Position `json:"position"         doc:"The last position that all its shards have passed, in whichever process." example:"4711"`
	LagEvents  int64           `json:"lag_events"       doc:"How many events some of its shards have not passed, whoever works on them." example:"0"`
	LagAtLeast bool            `json:"lag_at_least"     doc:"Whether there may be more of them: they are counted up to a thousand."`
	LagSeconds float64         `json:"lag_seconds"      doc:"Age of the oldest of them." example:"0"`
	Shards     []ShardStatus   `json:"shards,omitempty" doc:"Its parts, which go on side by side."`
}

// ShardStatus is how one shard of a policy stands.
type ShardStatus struct {
	Shard    int             `json:"shard"            doc:"Its number, from 0." example:"0"`
	Holder   string          `json:"holder,omitempty" doc:"The process that works on it; missing when none does."`
	Here     bool            `json:"here"             doc:"Whether that is this process."`
	Position events.Position `json:"position"         doc:"The last position that it has passed; as last saved, when it is elsewhere." example:"4711"`
	Reason   string          `json:"reason,omitempty" doc:"Why it rests."`
}

// Projections lists every projection and policy.
type Projections struct {
	Projections []ProjectionStatus `json:"projections" nullable:"false" doc:"The projections, by name."`
	Policies    []PolicyStatus     `json:"policies"    nullable:"false" doc:"The policies."`
	Head        events.Position    `json:"head"        doc:"Position of the last record in the store."`
	StoreID     id.Store           `json:"store_id"    format:"uuid" doc:"The store that positions are valid in."`
}

// SignInLink answers a request for a sign-in link.
type SignInLink struct {
	Path      string    `json:"path"       doc:"Open it once in a browser, under the server's address." example:"/sign-in?token=…"`
	ExpiresAt time.Time `json:"expires_at" doc:"The link is void from then on."`
}
