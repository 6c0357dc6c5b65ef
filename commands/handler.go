package commands

import (
	"sync"
	"sync/atomic"
	"time"

	"daybook/domain/account"
	"daybook/domain/billing"
	"daybook/domain/campaign"
	"daybook/domain/content"
	"daybook/domain/conversation"
	"daybook/domain/devices"
	"daybook/domain/media"
	"daybook/domain/quarantine"
	"daybook/domain/ratecards"
	"daybook/domain/staff"
	"daybook/domain/template"
	"daybook/domain/timer"
	"daybook/events"
)

// Handler executes commands. It is safe for concurrent use: commands on one stream run one after the other, commands
// on different streams side by side. Several handlers, in one process or many, may share a store.
type Handler struct {
	store         EventStore // for what is recorded without a fold
	now           func() time.Time
	accounts      aggregate[account.State]
	numbers       aggregate[account.Number]
	registries    aggregate[devices.State]
	conversations aggregate[conversation.State]
	quarantined   aggregate[quarantine.State]
	rateCards     aggregate[ratecards.State]
	timers        aggregate[timer.State]
	staff         aggregate[staff.State]
	content       aggregate[content.State]
	files         aggregate[media.State]
	wabas         aggregate[account.WABA]
	terms         aggregate[account.Terms]
	notices       aggregate[account.Notices]
	told          aggregate[account.Record]
	templates     aggregate[template.State]
	closings      aggregate[billing.Requests]
	campaigns     aggregate[campaign.State]
	chunks        aggregate[campaign.Chunk] // of campaigns' audiences
	readings      readings                  // of rate cards; see Book
	knownTerms    atomic.Pointer[knownTerms]
	owners        sync.Map // phone number id → id.Account; see NumberOwner
}

// chunksLimit keeps few chunks: each has the sealed values of 500 people.
const chunksLimit = 8 * (entryWeight + 2)

// New returns a handler over a store. The clock says when things are recorded.
func New(store EventStore, now func() time.Time) *Handler { return newHandler(store, now, cacheLimit) }

func newHandler(store EventStore, now func() time.Time, limit int) *Handler {
	h := &Handler{
		store: store, now: now,
		accounts:      newAggregate(store, now, account.Evolve, limit),
		numbers:       newAggregate(store, now, account.EvolveNumber, limit),
		registries:    newAggregate(store, now, devices.Evolve, limit),
		conversations: newAggregate(store, now, conversation.Evolve, limit),
		quarantined:   newAggregate(store, now, quarantine.Evolve, limit),
		rateCards:     newAggregate(store, now, ratecards.Evolve, limit),
		timers:        newAggregate(store, now, timer.Evolve, limit),
		staff:         newAggregate(store, now, staff.Evolve, limit),
		content:       newAggregate(store, now, content.Evolve, limit),
		files:         newAggregate(store, now, media.Evolve, limit),
		wabas:         newAggregate(store, now, account.EvolveWABA, limit),
		terms:         newAggregate(store, now, account.EvolveTerms, limit),
		notices:       newAggregate(store, now, account.EvolveNotices, limit),
		told:          newAggregate(store, now, account.EvolveRecord, limit),
		templates:     newAggregate(store, now, template.Evolve, limit),
		campaigns:     newAggregate(store, now, campaign.Evolve, limit),
		chunks:        newAggregate(store, now, campaign.EvolveChunk, min(limit, chunksLimit)),
		closings:      newAggregate(store, now, billing.EvolveRequests, limit),
	}
	h.conversations.books = &bookkeeping[conversation.State]{bookLimit, conversation.State.CarryForward}
	return h
}

func newAggregate[S any](store EventStore, now func() time.Time, evolve func(S, events.Event) S, limit int) aggregate[S] {
	return aggregate[S]{store: store, now: now, evolve: evolve, cache: newCache[S](limit)}
}
