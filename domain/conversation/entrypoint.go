package conversation

import (
	"time"

	"daybook/events"
	"daybook/events/id"
)

const (
	entryPointLength = 72 * time.Hour // of a free entry point window, while the platform has told no other end
	entryPointAnswer = 24 * time.Hour // within which the first answer opens one
)

// fromAd is how the platform calls a conversation that came from an ad, in a status.
const fromAd = "referral_conversion"

// entryPoint is the last free entry point window, and what may open the next.
type entryPoint struct {
	window  events.EntryPoint
	message id.Message // came from an ad, and is not answered yet; zero: there is none
	askedAt time.Time
}

func (p entryPoint) asked(e events.MessageReceived) entryPoint {
	if asked := askedAt(e); events.Entry(e.Referral) == events.EntryAd && asked.After(p.askedAt) {
		p.message, p.askedAt = e.MessageID, asked
	}
	return p
}

// answered forgets the message that came from an ad: only the first answer opens a window.
func (p entryPoint) answered() entryPoint {
	p.message = id.Message{}
	return p
}

// open is the window that a message written now is in, or opens; nil when there is none.
func (p entryPoint) open(reply id.Message, now time.Time) (until *time.Time, opens *events.EntryPoint) {
	opened := events.EntryPoint{
		OriginID: p.message, ReplyID: reply, OpenedAt: now, Until: now.Add(entryPointLength), Basis: events.EntryPointComputed,
	}
	switch {
	case !p.message.IsZero() && !now.After(p.askedAt.Add(entryPointAnswer)) && opened.Until.After(p.window.Until):
		return &opened.Until, &opened
	case !now.After(p.window.Until):
		return new(p.window.Until), nil
	}
	return nil, nil
}

// told is the window that the platform tells of with a message, where that is news. It replaces one that was computed, and
// is replaced by one that ends later; what belongs to an earlier window than the last is no news.
func (p entryPoint) told(message id.Message, writtenAt time.Time, origin *events.Origin) *events.EntryPoint {
	if origin == nil || origin.Type != fromAd || origin.ExpiresAt == nil {
		return nil
	}
	until := origin.ExpiresAt.UTC()
	known := p.window
	switch {
	case writtenAt.Before(known.OpenedAt) || until.Equal(known.Until):
		return nil
	case known.Basis == events.EntryPointTold && until.Before(known.Until):
		return nil
	}
	opened := events.EntryPoint{OriginID: known.OriginID, ReplyID: message, OpenedAt: writtenAt, Until: until, Basis: events.EntryPointTold}
	if !writtenAt.After(known.Until) { // the same window, now with the platform's end
		opened.OpenedAt = known.OpenedAt
	} else {
		opened.OriginID = id.Message{}
	}
	return &opened
}
