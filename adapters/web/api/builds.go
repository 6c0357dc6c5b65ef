package api

import "daybook/events"

// ProjectionNamed is what everything about one projection takes.
type ProjectionNamed struct {
	Name string `path:"name" doc:"The projection." example:"audit"`
}

// ProjectionBuild is one build of a read model: the answer to whoever began it, put it live or removed it.
type ProjectionBuild struct {
	Name   string `json:"name"   doc:"The projection." example:"audit"`
	Schema string `json:"schema" doc:"The physical schema of the build." example:"audit_v1_b2"`
}

// ProjectionDiff tells how the build that is ready differs from the live one.
type ProjectionDiff struct {
	Live     string          `json:"live"     doc:"The build that is read." example:"audit_v1"`
	Ready    string          `json:"ready"    doc:"The build that is ready." example:"audit_v1_b2"`
	Position events.Position `json:"position" doc:"Both builds are compared as of this position."`
	Equal    bool            `json:"equal"    doc:"Whether readers would find the same in both."`
	Tables   []TableDiff     `json:"tables"   nullable:"false" doc:"Every table, equal ones too."`
	Parked   []string        `json:"parked"   nullable:"false" doc:"Keys of the partitions that wait in the build that is ready and do not wait in the live one."`
	Text     string          `json:"text"     doc:"The same in words, with the first rows that differ of each table."`
}

// TableDiff counts the rows of one table.
type TableDiff struct {
	Table     string `json:"table"`
	Equal     int64  `json:"equal"      doc:"Rows that are the same."`
	Changed   int64  `json:"changed"    doc:"Rows of the same key with other values."`
	OnlyLive  int64  `json:"only_live"  doc:"Rows that the new build does not have."`
	OnlyReady int64  `json:"only_ready" doc:"Rows that the live build does not have."`
}

// GoLive asks for the build to be read that is ready.
type GoLive struct {
	ProjectionNamed

	Schema     string `query:"schema" doc:"The physical schema of the build, if it has to be that one; missing: whichever is ready." example:"audit_v1_b2"`
	WithParked bool   `query:"with_parked" doc:"Whether it may go live although partitions wait in it that do not wait in the build that is read."`
}

// VerifyProjection asks for a comparison of the live build with the log.
type VerifyProjection struct {
	ProjectionNamed

	Sample int `query:"sample" minimum:"0" maximum:"20000" doc:"About how many streams to project anew, at most as many as it takes events. 0: all of the log, which proves most and takes as long as a rebuild." example:"200"`
}

// ProjectionVerdict is what a comparison with the log found.
type ProjectionVerdict struct {
	Drift

	Name   string `json:"name"   doc:"The projection." example:"audit"`
	Schema string `json:"schema" doc:"The build that is read." example:"audit_v1"`
	Clean  bool   `json:"clean"  doc:"Whether rows were compared and nothing differs: rows, columns, constraints, indexes or triggers."`
	Text   string `json:"text"   doc:"The same in words: what was compared, what was not, and the first rows that differ."`
}
