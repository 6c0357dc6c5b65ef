package whatsapp

import (
	"cmp"
	"strings"

	"daybook/events"
)

// contacts finds the card of a person by any of their names.
type contacts map[string]*contact

func parseContacts(value []byte) contacts {
	found := contacts{}
	for raw := range elements(value) {
		card := parseObject(raw)
		c := &contact{
			raw:    raw,
			person: events.Person{WaID: waID(text(card.get("wa_id"))), UserID: userID(text(card.get("user_id")))},
		}
		for _, name := range []string{c.person.WaID, c.person.UserID} {
			if name != "" && found[name] == nil {
				found[name] = c
			}
		}
	}
	return found
}

// naming lists the members by which an element names the customer it is about.
var naming = []string{"from", "from_user_id", "to", "to_user_id", "recipient_id", "recipient_user_id", "wa_id", "user_id"}

// of finds the card of the person that an element is about, by a name that both have. What else the delivery holds
// must not matter: the same update comes again in other company.
func (c contacts) of(element object) *contact {
	if len(c) == 0 {
		return nil
	}
	for _, key := range naming {
		if found := c[text(element.get(key))]; found != nil {
			return found
		}
	}
	return nil
}

// waID accepts the digits of a WhatsApp id, "" for anything else.
func waID(s string) string { return number(s) }

// userID accepts a business-scoped user id such as "IT.1234", "" for anything else.
func userID(s string) string {
	if events.DialUserID(s) == (events.Dialling{}) || word(s) == "" {
		return ""
	}
	return s
}

// personOf joins the ways of naming the sender of a message. What the message itself says comes first.
func personOf(element object, card *contact) events.Person {
	from := text(element.get("from"))
	p := events.Person{WaID: waID(from), UserID: cmp.Or(userID(text(element.get("from_user_id"))), userID(from))}
	if card != nil {
		p = events.Person{WaID: cmp.Or(p.WaID, card.person.WaID), UserID: cmp.Or(p.UserID, card.person.UserID)}
	}
	return p
}

// people finds everybody that an item names, wherever in it, but for the business's own number. Quarantined items are
// indexed by them, so that erasing a person reaches what is kept in quarantine.
func (it *item) people() []events.Person {
	var found []events.Person
	seen := map[events.Person]bool{{}: true}
	see := func(p events.Person) {
		if !seen[p] && (p.WaID == "" || p.WaID != it.displayNumber) {
			seen[p] = true
			found = append(found, p)
		}
	}
	visit("", it.raw, see, 0)
	if it.contact != nil {
		visit("", it.contact.raw, see, 0)
	}
	return found
}

// depthMax is deeper than any shape of the platform's. It bounds the work on hostile nesting.
const depthMax = 32

// visit shows every person named in a value.
func visit(key string, value []byte, see func(events.Person), depth int) {
	switch {
	case depth > depthMax:
	case isObject(value):
		for _, m := range parseObject(value) {
			visit(m.key, m.value, see, depth+1)
		}
	case isArray(value):
		for element := range elements(value) {
			visit(key, element, see, depth+1)
		}
	default:
		see(named(key, text(value)))
	}
}

// named reads a member that names a person.
func named(key, value string) events.Person {
	switch key {
	case "from", "to", "wa_id", "recipient_id", "recipient_participant_id", "participant_recipient_id", "input",
		"user_id", "from_user_id", "to_user_id", "recipient_user_id":
		if found := userID(value); found != "" {
			return events.Person{UserID: found}
		}
		return events.Person{WaID: waID(value)}
	case "phone_number", "phone":
		return events.Person{WaID: waID(digitsOf(value))}
	}
	return events.Person{}
}

// word accepts what the platform uses as a word or id in clear: short, and of letters, digits, and _ . - only.
// Anything else is "", because free text may hold personal data.
func word(s string) string {
	const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"
	if len(s) > 128 || strings.Trim(s, allowed) != "" {
		return ""
	}
	return s
}

// number accepts an id of the platform's that is all digits, "" for anything else.
func number(s string) string {
	if len(s) > 32 || !isDigits(s) {
		return ""
	}
	return s
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func digitsOf(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}
