package events

import (
	"time"

	"daybook/events/id"
)

// TimerKind is what a timer is for; policies tell by it which timers are theirs.
type TimerKind string

// The kinds, each with the subject that its timers have.
const (
	TimerCampaignStart  TimerKind = "campaign_start"  // the campaign's
	TimerCampaignExpiry TimerKind = "campaign_expiry" // the campaign's
	TimerCampaignPace   TimerKind = "campaign_pace"   // the campaign's: time for its next recipients
	TimerMessageTTL     TimerKind = "message_ttl"     // a message: its life is over
	TimerDispatchRetry  TimerKind = "dispatch_retry"  // a message: it may be given to the platform again
	TimerMediaRetry     TimerKind = "media_retry"     // a message: its file may be fetched again
	TimerContentRefresh TimerKind = "content_refresh" // a device: its content is to be downloaded
	TimerPeriodClose    TimerKind = "period_close"    // a month, as 2026-10
)

// TimerSet says that something is due at an instant. Each timer is a stream of its own: setting it again, and firing it
// twice, are then refused by the store itself.
type TimerSet struct {
	TimerID id.Timer  `json:"timer_id"` // derived from kind, stream, subject and an ordinal
	Kind    TimerKind `json:"kind"`
	Due     time.Time `json:"due"`     // whole microseconds
	Stream  string    `json:"stream"`  // whose it is: the stream that decides what follows
	Subject string    `json:"subject"` // what of that stream; see the kinds
}

// TimerFired says that a timer was found due, and says again what it was set for: a policy needs no other fact beside it.
type TimerFired struct {
	TimerID id.Timer  `json:"timer_id"`
	Kind    TimerKind `json:"kind"`
	Due     time.Time `json:"due"`
	Stream  string    `json:"stream"`
	Subject string    `json:"subject"`
	FiredAt time.Time `json:"fired_at"` // never before Due, and later by as long as nobody looked
}

// TimerCancelled says that a timer will not fire.
type TimerCancelled struct {
	TimerID id.Timer `json:"timer_id"`
}

func (TimerSet) isEvent()       {}
func (TimerFired) isEvent()     {}
func (TimerCancelled) isEvent() {}
