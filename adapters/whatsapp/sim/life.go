package sim

import (
	"strconv"
	"time"
)

// How long a message is late, and one that is held is held. adWindow is how long everything to a person is free who came from
// an advertisement and was answered.
const (
	lateBy   = 10 * time.Minute
	heldFor  = time.Minute
	adWindow = 72 * time.Hour
)

// charged is from when answers are charged (2026-10-01).
var charged = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)

// follow plans what becomes of a message that was taken. The caller holds the lock.
func (p *Platform) follow(got Received, m request, now time.Time) {
	c := p.customer(plain(got.To))
	category := "service"
	if m.Template != nil {
		category = p.templates[m.Template.Name+"/"+m.Template.Language.Code].categoryOr("utility")
	}
	if c.fromAd && now.Sub(c.lastWrote) <= window {
		c.fromAd, c.freeUntil = false, now.Add(adWindow)
	}
	s := story{p, got, c, p.pricing(c, category, now), p.chance("life", got.Callback, got.Wamid), now}
	step := p.cfg.Pace
	if got.Fault == Held {
		s.at = s.at.Add(heldFor)
	}
	s.tell("sent", step, 0)
	switch {
	case got.Fault.later():
		s.tell("failed", step, got.Fault.code())
		return
	case category == "marketing" && c.optedOut:
		s.tell("failed", step, 131050)
		return
	case c.blocked:
		s.tell("failed", step, 131026)
		return
	case got.Fault == FailedThenDone:
		s.tell("failed", step, 131026)
	case got.Fault == Late:
		step += lateBy
	}
	s.tell("delivered", step, 0)
	c.inbox = append(c.inbox, Delivered{s.at, got.Number, got.Wamid, got.Body})
	s.react()
}

// story is a message's life as it is being planned; at is where it has come to.
type story struct {
	*Platform

	got      Received
	customer *customer
	pricing  object
	dice     interface{ Float64() float64 }
	at       time.Time
}

// tell plans a status, a while after the one before.
func (s *story) tell(word string, after time.Duration, code int) {
	s.at = s.at.Add(after)
	status := object{"id": s.got.Wamid, "status": word, "timestamp": seconds(s.at), "biz_opaque_callback_data": s.got.Callback}
	if s.got.Callback == "" {
		delete(status, "biz_opaque_callback_data")
	}
	if isNumber(s.customer.name) {
		status["recipient_id"] = s.customer.name
	} else {
		status["recipient_user_id"] = s.customer.name
	}
	if code != 0 {
		status["errors"] = []object{{"code": code, "title": titles[code], "error_data": object{"details": titles[code]}}}
	}
	if word == "sent" || word == "delivered" {
		status["pricing"] = s.pricing
	}
	s.plan(update{at: s.at, number: s.got.Number, list: "statuses", element: status}, s.got.Wamid+word)
}

// react plans what the person does: read, and then answer or block, by chance.
func (s *story) react() {
	if s.dice.Float64() >= s.cfg.Reads {
		return
	}
	s.tell("read", s.cfg.Pace, 0)
	switch roll := s.dice.Float64(); {
	case roll < s.cfg.Blocks:
		s.customer.blocked = true
	case roll < s.cfg.Blocks+s.cfg.Answers:
		s.at = s.at.Add(s.cfg.Pace)
		s.write(s.customer, s.got.Number, s.at, object{"type": "text", "text": object{"body": "Grazie"}})
	}
}

// pricing is the platform's word on the price class.
func (p *Platform) pricing(c *customer, category string, now time.Time) object {
	kind := "regular"
	open := !c.lastWrote.IsZero() && now.Sub(c.lastWrote) <= window
	switch {
	case !now.After(c.freeUntil):
		kind = "free_entry_point"
	case now.Before(charged) && open && (category == "service" || category == "utility"):
		kind = "free_customer_service"
	}
	return object{"billable": kind == "regular", "pricing_model": "PMP", "type": kind, "category": category}
}

func seconds(at time.Time) string { return strconv.FormatInt(at.Unix(), 10) }
