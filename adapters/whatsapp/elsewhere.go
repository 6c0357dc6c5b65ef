package whatsapp

import (
	"cmp"
	"strings"

	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
)

// part is one update of a conversation that is neither a message of the customer nor a status of ours: something that was
// written elsewhere, or that is said of the customer. An item of history holds many, of any number of conversations.
type part struct {
	customer events.Person
	wamid    string // of what was written elsewhere; empty: the fact is derived from said
	said     []byte // by what a repeat is recognised
	raw      []byte
	update   func(sealing) conversation.Update
}

// sealing is what an update is made with: the key of the customer's data and the fact that the sealed values belong to.
type sealing struct {
	*part

	key     events.DataKey
	fact    id.Fact
	message id.Message
	hash    events.WamidHash
}

func (s sealing) seal(path string, plaintext []byte) events.Sealed {
	return s.key.Seal(s.fact, path, plaintext)
}

// The fields of conversations besides messages, each with its list.
const (
	fieldEchoes      = "smb_message_echoes"
	listEchoes       = "message_echoes"
	fieldHistory     = "history"
	fieldState       = "smb_app_state_sync"
	listState        = "state_sync"
	fieldPreferences = "user_preferences"
)

// readPart takes an element of a field of conversations. It is false for any other.
func (it *item) readPart(element object) bool {
	var read func(object) ([]part, string)
	switch {
	case it.fieldName == fieldEchoes && it.list == listEchoes:
		read = it.readEcho
	case it.fieldName == fieldHistory && it.list == fieldHistory:
		read = it.readHistory
	case it.fieldName == fieldState && it.list == listState:
		read = it.readState
	case it.fieldName == fieldPreferences && it.list == fieldPreferences:
		read = it.readPreference
	default:
		return false
	}
	parts, rule := read(element)
	switch {
	case it.reason != "":
	case rule != "":
		it.lacks(rule)
	case number(it.phoneNumberID) == "":
		it.lacks("metadata.phone_number_id is missing or not a number")
	default:
		it.parts = parts
	}
	return true
}

// readEcho takes a message that was written in the platform's own app.
func (it *item) readEcho(element object) ([]part, string) {
	to := text(element.get("to"))
	p := part{
		customer: events.Person{WaID: waID(to), UserID: cmp.Or(userID(text(element.get("to_user_id"))), userID(to))},
		wamid:    text(element.get("id")), raw: it.raw,
	}
	kind := word(text(element.get("type")))
	at, timed := seconds(element.get("timestamp"))
	if rule := lacking(p, kind, timed); rule != "" {
		return nil, rule
	}
	p.update = func(s sealing) conversation.Update {
		return conversation.Echo{
			MessageID: s.message, WamidHash: s.hash, Kind: kind, SentAt: at, Dialling: s.customer.Dialling(),
			Wamid: s.seal("wamid", []byte(s.wamid)), To: s.seal("to", []byte(cmp.Or(s.customer.WaID, s.customer.UserID))), Content: s.seal("content", s.raw),
		}
	}
	return []part{p}, ""
}

// readHistory takes a chunk of the time before the business came here: threads with customers, each with its messages.
func (it *item) readHistory(element object) ([]part, string) {
	var parts []part
	for raw := range elements(element.get("threads")) {
		thread := parseObject(raw)
		with := text(thread.get("id"))
		customer := events.Person{WaID: waID(digitsOf(with)), UserID: userID(with)}
		for raw := range elements(thread.get("messages")) {
			p, rule := it.readImported(customer, raw)
			if rule != "" {
				return nil, rule
			}
			parts = append(parts, p)
		}
	}
	if len(parts) == 0 {
		return nil, "threads hold no messages"
	}
	return parts, ""
}

func (it *item) readImported(customer events.Person, raw []byte) (part, string) {
	element := parseObject(raw)
	p := part{customer: customer, wamid: text(element.get("id")), raw: raw}
	kind := word(text(element.get("type")))
	at, timed := seconds(element.get("timestamp"))
	if rule := lacking(p, kind, timed); rule != "" {
		return part{}, "threads.messages: " + rule
	}
	outbound := digitsOf(text(element.get("from"))) == digitsOf(it.displayNumber)
	status := events.Status(strings.ToLower(text(parseObject(element.get("history_context")).get("status"))))
	if !isStep(status) {
		status = ""
	}
	p.update = func(s sealing) conversation.Update {
		return conversation.Imported{
			MessageID: s.message, WamidHash: s.hash, Outbound: outbound, Kind: kind, SentAt: at, Status: status,
			Wamid: s.seal("wamid", []byte(s.wamid)), Content: s.seal("content", s.raw),
		}
	}
	return p, ""
}

func lacking(p part, kind string, timed bool) string {
	switch {
	case p.wamid == "":
		return "id is missing"
	case p.customer == (events.Person{}):
		return "nobody is named whom it was written to or by"
	case kind == "":
		return "type is missing or not a word"
	case !timed:
		return ruleSeconds
	}
	return ""
}

// readState takes a card of the business's address book. That somebody was taken out of it is nothing to know of a customer.
func (it *item) readState(element object) ([]part, string) {
	card := element.get("contact")
	contact := parseObject(card)
	if action := text(element.get("action")); action != "add" && action != "edit" {
		it.reason, it.detail = events.NotUsed, "only what is added to the address book is of use"
		return nil, ""
	}
	p := part{customer: events.Person{WaID: waID(digitsOf(text(contact.get("phone_number"))))}, said: card, raw: card}
	at, timed := seconds(parseObject(element.get("metadata")).get("timestamp"))
	switch {
	case p.customer == (events.Person{}):
		return nil, "contact.phone_number is missing or not a number"
	case !timed:
		return nil, "metadata." + ruleSeconds
	}
	name := text(contact.get("full_name"))
	p.update = func(s sealing) conversation.Update {
		return conversation.Identified{FactID: s.fact, At: at, Card: s.seal("card", s.raw), Name: s.seal("name", []byte(name))}
	}
	return []part{p}, ""
}

// readPreference takes a choice in the platform's own settings. There is one, for marketing.
func (it *item) readPreference(element object) ([]part, string) {
	person := text(element.get("wa_id"))
	p := part{
		customer: events.Person{WaID: waID(person), UserID: cmp.Or(userID(text(element.get("user_id"))), userID(person))},
		said:     it.raw, raw: it.raw,
	}
	at, timed := seconds(element.get("timestamp"))
	value := text(element.get("value"))
	switch {
	case p.customer == (events.Person{}):
		return nil, "wa_id and user_id name nobody"
	case text(element.get("category")) != "marketing_messages":
		return nil, "category is not marketing_messages"
	case value != "stop" && value != "resume":
		return nil, "value is neither stop nor resume"
	case !timed:
		return nil, ruleSeconds
	}
	p.update = func(s sealing) conversation.Update {
		return conversation.Preference{
			FactID: s.fact, Category: events.Marketing, Wanted: value == "resume", At: at, Evidence: s.seal("evidence", s.raw),
		}
	}
	return []part{p}, ""
}

// readNumberChange takes the platform's message that the customer has another number now. It is false for any other message.
func (it *item) readNumberChange(m *message, element object) bool {
	system := parseObject(element.get("system"))
	kind := text(system.get("type"))
	to := waID(cmp.Or(text(system.get("wa_id")), text(system.get("new_wa_id"))))
	if m.kind != "system" || (kind != "user_changed_number" && kind != "customer_changed_number") || to == "" {
		return false
	}
	it.parts = []part{{
		customer: m.from, wamid: m.wamid, raw: it.raw,
		update: func(s sealing) conversation.Update {
			return conversation.NumberChanged{
				FactID: s.fact, At: m.sentAt, Dialling: events.Person{WaID: to}.Dialling(),
				From: s.seal("from", []byte(cmp.Or(m.from.WaID, m.from.UserID))), To: s.seal("to", []byte(to)),
			}
		},
	}}
	return true
}
