// Package campaign decides on one message to a whole audience: who, when, for how much.
//
// Invariants:
//   - What a campaign says, whom to, when and for how much can be changed until it starts; a change takes the approval back.
//   - It starts when it is due, if it is approved then, and writes to nobody from its end on.
//   - Recipients are taken in the order of the audience, each once. Money is held for them before they are written to: what
//     was spent and what is held never exceed the limit when something new is held (S16).
//   - What is held for a recipient ends in one of three ways: the recipient is not written to, the message's fate is known
//     to cost nothing, or a charge takes its place.
//   - A charge is counted once per billing batch, however often it is told, and whatever it is: messages that the platform
//     delivered are paid for, even above the limit. Then nothing more is held.
package campaign

import (
	"strconv"
	"strings"
	"time"

	"daybook/domain"
	"daybook/events"
	"daybook/events/id"
	"daybook/events/money"
)

// ChunkSize is how many recipients a chunk of an audience has; the last one may have fewer.
const ChunkSize = 500

const streamPrefix = "campaign-"

// Stream names the campaign's stream.
func Stream(campaign id.Campaign) string { return streamPrefix + campaign.String() }

// IDOf returns the campaign that has a stream; false where that is another's.
func IDOf(stream string) (id.Campaign, bool) {
	text, found := strings.CutPrefix(stream, streamPrefix)
	campaign, err := id.Parse[id.Campaign](text)
	return campaign, found && err == nil
}

// ChunkStream names the stream of a chunk of the campaign's audiences.
func ChunkStream(campaign id.Campaign, chunk int) string {
	return Stream(campaign) + "-" + strconv.Itoa(chunk)
}

// MessageID returns the id of the message to a recipient: whoever writes it, and however often, it is one message.
func MessageID(campaign id.Campaign, customer id.Customer) id.Message {
	return id.Derive[id.Message]("campaign", campaign.String(), customer.String())
}

// Phase is how far a campaign is.
type Phase string

// The phases.
const (
	Drafted   Phase = "drafted"
	Approved  Phase = "approved"
	Running   Phase = "running"
	Paused    Phase = "paused"
	Cancelled Phase = "cancelled"
	Completed Phase = "completed"
)

// State is a campaign as far as decisions need it. The zero value is none.
type State struct {
	drafted   events.CampaignDrafted
	audience  events.AudienceSet
	scheduled events.CampaignScheduled
	limit     money.Amount
	phase     Phase

	next      place        // the recipient that nothing was decided on yet
	current   *reservation // for the recipients before next, while they are written to
	turn      string       // whose turn has to come before next is written to; empty: it may be now
	exhausted bool         // the money did not suffice for next
	reserved  int64        // micro-units, current included
	spent     int64
	written   int
	skipped   map[events.SkipReason]int
	charged   map[string]uint64 // by billing stream: revision of the last batch that was counted
	counted   events.Ref        // the last outcome that was counted
}

// place is a recipient of the audience.
type place struct{ chunk, index int }

// reservation is for the recipients of a chunk from one on up to another, and what is held for each.
type reservation struct {
	place

	to         int
	rates      []events.ReservedRate
	recipients []int // which of the rates, from 1
}

// Evolve folds one event.
func Evolve(s State, event events.Event) State {
	switch e := event.(type) {
	case events.CampaignDrafted:
		s.drafted, s.phase = e, Drafted
	case events.AudienceSet:
		s.audience, s.phase = e, Drafted
	case events.CampaignScheduled:
		s.scheduled, s.phase = e, Drafted
	case events.BudgetSet:
		if s.limit = e.Limit; !e.Running {
			s.phase = Drafted
		}
		s.exhausted = false
	case events.CampaignApproved:
		s.phase = Approved
	case events.CampaignStarted:
		s.phase, s.turn, s.skipped, s.charged = Running, "", map[events.SkipReason]int{}, map[string]uint64{}
	case events.CampaignPaused:
		s.phase = Paused
	case events.CampaignResumed:
		s.phase, s.turn = Running, ""
	case events.CampaignCancelled:
		s.phase = Cancelled
	case events.CampaignCompleted:
		s.phase = Completed
	default:
		s = s.account(event)
	}
	return s
}

// account folds what moves money or recipients.
func (s State) account(event events.Event) State {
	switch e := event.(type) {
	case events.BudgetReserved:
		s.current = &reservation{place{e.Chunk, e.From}, e.To, e.Rates, e.Recipients}
		s.reserved += e.Amount.Micros
		s.exhausted, s.turn = false, ""
	case events.BudgetExhausted:
		s.exhausted, s.turn = true, ""
	case events.ReservationUsed:
		s.next, s.current, s.turn = s.after(e.Chunk, e.To), nil, TurnAfter(e)
		s.reserved -= e.Released.Micros
		s.written += e.Written
		for _, n := range e.Skipped {
			s.skipped[n.Reason] += n.Count
		}
	case events.CampaignCharged:
		s.spent += e.Amount.Micros
		s.reserved -= e.Held.Micros
		s.charged[e.Source.Stream] = e.Source.Revision
	case events.OutcomesCounted:
		s.reserved -= e.Released.Micros
		s.counted = e.Source
	}
	return s
}

// after is the place that follows the recipients of a chunk up to one.
func (s State) after(chunk, to int) place {
	if to == s.chunkSize(chunk) {
		return place{chunk + 1, 0}
	}
	return place{chunk, to}
}

func (s State) chunkSize(chunk int) int {
	return min(ChunkSize, s.audience.Recipients-chunk*ChunkSize)
}

// Exists reports whether the campaign was drafted.
func (s State) Exists() bool { return !s.drafted.CampaignID.IsZero() }

// Account returns whose campaign it is.
func (s State) Account() id.Account { return s.drafted.AccountID }

// Drafted returns what the campaign says.
func (s State) Drafted() events.CampaignDrafted { return s.drafted }

// Audience returns whom it is for.
func (s State) Audience() events.AudienceSet { return s.audience }

// Scheduled returns when it runs, and on whose device that was decided.
func (s State) Scheduled() events.CampaignScheduled { return s.scheduled }

// Money returns what was spent, and what is held for messages whose fate is not known.
func (s State) Money() (spent, reserved money.Amount) { return s.money(s.spent), s.money(s.reserved) }

// Phase returns how far it is; empty when there is none.
func (s State) Phase() Phase { return s.phase }

// Counted returns the last outcome that was counted; zero when none was.
func (s State) Counted() events.Ref { return s.counted }

func (s State) started() bool { return s.phase == Running || s.phase == Paused || s.ended() }

// known refuses a campaign that does not exist.
func (s State) known() error {
	if !s.Exists() {
		return domain.Missing("CampaignUnknown", "there is no such campaign")
	}
	return nil
}

// editable refuses to change what a campaign is once it has started.
func (s State) editable() error {
	if err := s.known(); err != nil {
		return err
	}
	if s.started() {
		return domain.Refuse("CampaignLocked", "the campaign is %s: it cannot be changed any more", s.phase)
	}
	return nil
}

// ended tells whether nothing can be changed in what becomes of the campaign.
func (s State) ended() bool { return s.phase == Cancelled || s.phase == Completed }

func (s State) money(micros int64) money.Amount {
	return money.Amount{Micros: micros, Currency: s.limit.Currency}
}

// over tells whether the time of the campaign has passed.
func (s State) over(now time.Time) bool { return !now.Before(s.scheduled.EndsAt) }
