package api

import "time"

// ParkedEvents is what waits, and what was skipped, of a projection.
type ParkedEvents struct {
	Builds []ParkedBuild `json:"builds" nullable:"false" doc:"Every build of the projection."`
}

// ParkedBuild is what waits in one build, and what it left out.
type ParkedBuild struct {
	Schema  string            `json:"schema"          doc:"The physical schema of the build." example:"messages_v3"`
	Blast   *Blast            `json:"blast,omitempty" doc:"How much of the build waits; missing when it parks nothing but pauses, or is of a version that this process does not know."`
	Parked  []ParkedPartition `json:"parked"          nullable:"false" doc:"The partitions that wait, the longest waiting first."`
	Skipped []SkippedEvent    `json:"skipped"         nullable:"false" doc:"The events that were left out for good, in the order of the store."`
}

// Blast is how much of a build waits.
type Blast struct {
	Text   string `json:"text"   doc:"In words." example:"3 of 41220 conversations"`
	Parked int64  `json:"parked" doc:"How many partitions wait." example:"3"`
	Total  int64  `json:"total"  doc:"How many have rows or wait; 0 when the tables do not tell." example:"41220"`
	Of     string `json:"of"     doc:"What the partitions are." example:"conversations"`
}

// ParkedCounts are how much of a build waits.
type ParkedCounts struct {
	Partitions int64 `json:"partitions" doc:"How many partitions wait: conversations, say." example:"3"`
	Events     int64 `json:"events"     doc:"How many of their events do." example:"7"`
}

// EventPlace is the durable reference of an event.
type EventPlace struct {
	Stream   string `json:"stream"   doc:"The stream." example:"conversation-4f0c…"`
	Revision uint64 `json:"revision" doc:"Place in the stream." example:"12"`
}

// ParkedPartition is a partition that waits, because one of its events failed.
type ParkedPartition struct {
	Key      string      `json:"key"             doc:"The partition: a conversation's id, say." example:"4f0c1f0a-7c5e-4b7e-9f51-3a1c5f2f7a10"`
	Cause    string      `json:"cause"           doc:"Why the last try failed."`
	ParkedAt time.Time   `json:"parked_at"       doc:"When it began to wait."`
	Tries    int         `json:"tries"           doc:"How often it was tried." example:"1"`
	TriedAt  time.Time   `json:"tried_at"        doc:"When it was tried last."`
	Wanted   bool        `json:"wanted"          doc:"Whether it will be tried again soon."`
	Events   int         `json:"events"          doc:"How many events wait." example:"2"`
	First    *EventPlace `json:"first,omitempty" doc:"The first of them: the one to mend or to skip; missing when none is left."`
	Type     string      `json:"type,omitempty"  doc:"What that is." example:"MessageAccepted"`
}

// SkippedEvent is an event that a build left out for good.
type SkippedEvent struct {
	Key       string     `json:"key"        doc:"The partition that waited for it."`
	Event     EventPlace `json:"event"      doc:"The event."`
	Type      string     `json:"type"       doc:"What it is." example:"MessageAccepted"`
	SkippedAt time.Time  `json:"skipped_at" doc:"When it was skipped."`
	Reason    string     `json:"reason"     doc:"Why, in the words of whoever skipped it."`
}

// RetryParked says what to try again; all that is parked of the build that is read, when it says nothing.
type RetryParked struct {
	Schema string `json:"schema,omitempty" doc:"The build; missing: the one that is read." example:"messages_v3"`
	Key    string `json:"key,omitempty"    doc:"The partition; missing: all that wait." example:"4f0c1f0a-7c5e-4b7e-9f51-3a1c5f2f7a10"`
}

// SkipParked names the event that a partition waits for, and why it is left out.
type SkipParked struct {
	EventPlace

	Schema string `json:"schema,omitempty" doc:"The build; missing: the one that is read." example:"messages_v3"`
	Key    string `json:"key"              doc:"The partition that waits for it." example:"4f0c1f0a-7c5e-4b7e-9f51-3a1c5f2f7a10"`
	Reason string `json:"reason"           doc:"Why: one line of at most 500 characters. It is recorded for good, so name no customer." example:"a test that was recorded by mistake"`
}
