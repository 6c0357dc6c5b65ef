package whatsapp

import (
	"strconv"
	"time"

	"daybook/events"
)

// message is what Daybook reads of an inbound message; the whole of it is sealed beside.
type message struct {
	wamid    string
	from     events.Person
	contact  []byte // the platform's card of the sender, whole; none if it sent none
	kind     string
	sentAt   time.Time
	replyTo  string // wamid
	referral string
	words    string // what was typed or pressed: gone once it is sealed
	media    string
}

// readMessage takes any type of message, known or not. Only one that could not be told apart, attributed or placed in
// time is kept for later.
func (it *item) readMessage(element object) {
	m := &message{
		wamid:    text(element.get("id")),
		from:     personOf(element, it.contact),
		kind:     word(text(element.get("type"))),
		replyTo:  text(parseObject(element.get("context")).get("id")),
		referral: word(text(parseObject(element.get("referral")).get("source_type"))),
	}
	m.words, m.media = wordsOf(m.kind, element), mediaOf(m.kind, element)
	if it.contact != nil {
		m.contact = it.contact.raw
	}
	var timed bool
	m.sentAt, timed = seconds(element.get("timestamp"))
	switch {
	case m.wamid == "":
		it.lacks("id is missing")
	case m.from == (events.Person{}):
		it.lacks("from and from_user_id name nobody")
	case m.kind == "":
		it.lacks("type is missing or not a word")
	case !timed:
		it.lacks(ruleSeconds)
	case number(it.phoneNumberID) == "":
		it.lacks("metadata.phone_number_id is missing or not a number")
	case it.readNumberChange(m, element):
	default:
		it.message = m
	}
}

// lacks says what an update of a known kind is missing. The rule names fields, never their values.
func (it *item) lacks(rule string) { it.reason, it.detail = events.UnknownShape, rule }

const ruleSeconds = "timestamp is not a time in whole seconds between 2001 and 2286"

// seconds reads the platform's time: Unix seconds, as a string or as a number. Ten digits, so that milliseconds are not
// taken for a time in the far future.
func seconds(value []byte) (time.Time, bool) {
	s := text(value)
	if len(s) != 10 || !isDigits(s) || s[0] == '0' {
		return time.Time{}, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return time.Unix(n, 0).UTC(), err == nil
}
