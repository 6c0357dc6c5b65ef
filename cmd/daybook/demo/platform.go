package demo

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// platform words what the messaging platform would send. It only builds bodies; posting them is the player's business.
type platform struct {
	wabaID, phoneNumberID, displayNumber string
	changes                              time.Time // when it begins to charge for service messages

	messages  int                  // how many platform ids were given out
	fromAd    map[person]time.Time // when each came from an advertisement and is not answered yet
	freeUntil map[person]time.Time // for those who were
}

// wamid makes a well-formed platform id, which, as the real ones do, holds the phone number.
func (p *platform) wamid(of person) string {
	p.messages++
	return "wamid." + base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "\x1d\x18%s\x15\x02\x00DEMO%012d\x00", of.known(), p.messages))
}

// object is a JSON object of the platform's.
type object map[string]any

// inbound is one message element with its contact.
func (p *platform) inbound(q question) (contact, message object) {
	contact = object{"profile": object{"name": q.from.name}}
	message = object{
		"id": p.wamid(q.from), "timestamp": seconds(q.at), "type": "text", "text": object{"body": q.text},
	}
	if q.from.number == "" {
		contact["user_id"], message["from_user_id"] = q.from.userID, q.from.userID
	} else {
		contact["wa_id"], message["from"] = q.from.number, q.from.number
	}
	if q.ad {
		message["referral"] = object{"source_type": "ad", "source_id": "900000000000001", "headline": "Autumn offer"}
	}
	return contact, message
}

// A customer who came from an advertisement and is answered within a day may be written to freely for three. The
// platform alone knows of whom this holds.
const (
	adAnswer = 24 * time.Hour
	adWindow = 72 * time.Hour
)

// isFree reports whether a letter, which is written now, is free by an advertisement.
func (p *platform) isFree(l *letter) bool {
	if came, waits := p.fromAd[l.to]; waits && !l.at.After(came.Add(adAnswer)) {
		p.freeUntil[l.to] = l.at.Add(adWindow)
	}
	delete(p.fromAd, l.to)
	return !l.at.After(p.freeUntil[l.to])
}

// status is one status element. Pricing is told on sent, and on one of delivered and read.
func (p *platform) status(l *letter, s status) object {
	element := object{"id": l.wamid, "status": s.word, "timestamp": seconds(s.at)}
	if l.to.number == "" {
		element["recipient_user_id"] = l.to.userID
	} else {
		element["recipient_id"] = l.to.number
	}
	if s.word == "failed" {
		element["errors"] = []object{{
			"code": 131026, "title": "Message undeliverable",
			"error_data": object{"details": "Message could not be delivered."},
		}}
	}
	if s.word == "sent" || s.word == "delivered" || s.word == "read" && l.when("delivered") == nil {
		if pricing := p.pricing(l, s.at); pricing != nil {
			element["pricing"] = pricing
		}
	}
	return element
}

// pricing is the platform's word on the price class, nil where it says nothing.
func (p *platform) pricing(l *letter, at time.Time) object {
	word := func(kind string) object {
		return object{"billable": kind == regular, "pricing_model": "PMP", "type": kind, "category": l.category}
	}
	changed := !at.Before(p.changes)
	switch {
	case l.adFree:
		return word("free_entry_point")
	case l.silent:
		return nil
	case l.category == service && changed:
		return nil // what it says of the free ones of the month is not published
	case l.category == service, l.category == utility && l.open && !changed:
		return word("free_customer_service")
	default:
		return word(regular)
	}
}

// body wraps elements into one webhook body.
func (p *platform) body(value object) ([]byte, error) {
	value["messaging_product"] = "whatsapp"
	value["metadata"] = object{"display_phone_number": p.displayNumber, "phone_number_id": p.phoneNumberID}
	return json.Marshal(object{
		"object": "whatsapp_business_account",
		"entry": []object{{
			"id":      p.wabaID,
			"changes": []object{{"field": "messages", "value": value}},
		}},
	})
}

func seconds(at time.Time) string { return strconv.FormatInt(at.Unix(), 10) }
