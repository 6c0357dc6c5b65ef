package whatsapp

import (
	"cmp"
	"strconv"
	"time"

	"daybook/commands"
	"daybook/events"
)

// status is what Daybook reads of a message's status; the whole of it is sealed beside.
type status struct {
	wamid       string
	word        events.Status
	at          time.Time
	participant events.Person // of a group; zero when the message's recipient is meant
	pricing     *events.Pricing
	origin      *events.Origin
	errors      []events.PlatformError
	callback    commands.Callback // what we gave the platform with the message; zero: nothing of ours
}

// readStatus takes the five steps of a message's life. Other words are kept until somebody knows what they mean.
func (it *item) readStatus(element object) {
	s := &status{
		wamid:   text(element.get("id")),
		word:    events.Status(text(element.get("status"))),
		pricing: readPricing(element.get("pricing")),
		origin:  readOrigin(element.get("conversation")),
		errors:  readErrors(element.get("errors")),
	}
	s.callback, _ = commands.ParseCallback(text(element.get("biz_opaque_callback_data")))
	// The documentation has both spellings.
	participant := cmp.Or(text(element.get("recipient_participant_id")), text(element.get("participant_recipient_id")))
	s.participant = events.Person{WaID: waID(participant), UserID: userID(participant)}
	var timed bool
	s.at, timed = seconds(element.get("timestamp"))
	switch {
	case s.wamid == "":
		it.lacks("id is missing")
	case s.word == "":
		it.lacks("status is missing")
	case !isStep(s.word):
		it.reason, it.detail = events.UnknownStatus, "status is not one of sent, delivered, read, played, failed"
	case !timed:
		it.lacks(ruleSeconds)
	case participant != "" && s.participant == (events.Person{}):
		it.lacks("recipient_participant_id names nobody")
	default:
		it.status = s
	}
}

func isStep(s events.Status) bool {
	switch s {
	case events.StatusSent, events.StatusDelivered, events.StatusRead, events.StatusPlayed, events.StatusFailed:
		return true
	}
	return false
}

// unreadable stands where the platform told something about the price that is no word. No pricing policy knows it, so the
// charge stays pending: dropped, it would be charged as if nothing had been told.
const unreadable = "unreadable"

// readPricing takes the platform's word on the price. It is nil when nothing was told.
func readPricing(value []byte) *events.Pricing {
	if isMissing(value) {
		return nil
	}
	if !isObject(value) {
		return &events.Pricing{Type: unreadable}
	}
	p := parseObject(value)
	return &events.Pricing{
		Billable: flag(p.get("billable")),
		Model:    priceWord(p.get("pricing_model")),
		Type:     priceWord(p.get("type")),
		Category: priceWord(p.get("category")),
	}
}

// priceWord is the word of a member, "" when there is none.
func priceWord(value []byte) string {
	if isMissing(value) {
		return ""
	}
	return cmp.Or(word(text(value)), unreadable)
}

// isMissing reports whether a member says nothing: it is not there, null, or the empty string.
func isMissing(value []byte) bool {
	s := string(value)
	return s == "" || s == "null" || s == `""`
}

func readOrigin(value []byte) *events.Origin {
	if !isObject(value) {
		return nil
	}
	c := parseObject(value)
	o := &events.Origin{
		PlatformID: word(text(c.get("id"))),
		Type:       word(text(parseObject(c.get("origin")).get("type"))),
	}
	if expires, ok := seconds(c.get("expiration_timestamp")); ok {
		o.ExpiresAt = &expires
	}
	return o
}

// errorsMax is more than the platform ever lists. The whole list is in the sealed status.
const errorsMax = 16

// readErrors takes the codes only: the words may hold anything, and anybody.
func readErrors(value []byte) []events.PlatformError {
	var found []events.PlatformError
	for raw := range elements(value) {
		if len(found) == errorsMax {
			break
		}
		code, err := strconv.Atoi(text(parseObject(raw).get("code")))
		if err != nil {
			code = 0
		}
		found = append(found, events.PlatformError{Code: code})
	}
	return found
}
