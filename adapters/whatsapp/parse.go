package whatsapp

import (
	"bytes"
	"encoding/binary"
	"slices"

	"daybook/events"
)

// platformObject is what every delivery to this webhook is about.
const platformObject = "whatsapp_business_account"

// fieldMessages is the one webhook field whose updates belong to conversations.
const fieldMessages = "messages"

// The lists of a value whose elements belong to conversations.
const (
	listMessages = "messages"
	listStatuses = "statuses"
	listErrors   = "errors"
)

// extent says how much of a delivery an item is. What cannot be taken apart is kept together.
type extent int

const (
	wholeBody   extent = iota // not a delivery that we know how to read
	wholeEntry                // an entry without changes
	wholeChange               // a change without lists: account-level fields, unknown shapes
	oneElement                // one element of a list in a change's value: a message, a status, an echo, …
)

// item is the smallest update that stands alone. It is a message, a status, parts of conversations, something told of an
// account, or something that has no place yet (reason is set).
type item struct {
	origin

	extent  extent
	list    string // of one element: the list it stood in
	raw     []byte // exactly as it arrived
	contact *contact

	message *message
	status  *status
	told    *told
	parts   []part // of conversations, besides messages and statuses
	reason  events.QuarantineReason
	detail  string
}

// origin is where in the delivery an item stood: what is needed to drive it again alone. Values are as they arrived.
type origin struct {
	object             []byte
	entryID, entryTime []byte
	field              []byte
	product, metadata  []byte
	phoneNumberID      string
	displayNumber      string
	wabaID, fieldName  string
}

// contact is the platform's card of a person who occurs in a value.
type contact struct {
	raw    []byte
	person events.Person
}

// parse takes a delivery apart. Each element of each list becomes exactly one item; whatever is no list of elements is
// kept together, so that nothing signed is lost. The error is a *MalformedError.
func parse(body []byte) ([]item, error) {
	if err := checkJSON(body); err != nil {
		return nil, err
	}
	p := parser{body: bytes.TrimSpace(body)}
	p.parseBody()
	return p.items, nil
}

// parser walks the envelope: body, entries, changes, values. Its origin is where it is.
type parser struct {
	origin

	body  []byte
	items []item
}

func (p *parser) parseBody() {
	body := parseObject(p.body)
	p.object = body.get("object")
	if text(p.object) != platformObject {
		p.keep(wholeBody, p.body, events.UnknownShape, "object is not "+platformObject)
		return
	}
	if !p.each(body, "entry", p.parseEntry) {
		p.keep(wholeBody, p.body, events.UnknownShape, "entry is missing, empty or not an array")
	}
}

func (p *parser) parseEntry(raw []byte) {
	entry := parseObject(raw)
	p.origin = origin{object: p.object, entryID: entry.get("id"), entryTime: entry.get("time"), wabaID: text(entry.get("id"))}
	if !p.each(entry, "changes", p.parseChange) {
		p.keep(wholeEntry, raw, events.UnknownShape, "changes is missing, empty or not an array")
	}
}

func (p *parser) parseChange(raw []byte) {
	change := parseObject(raw)
	p.field = change.get("field")
	p.fieldName = text(p.field)
	p.setMetadata(nil)
	before := len(p.items)
	for _, m := range change {
		if m.key == "value" {
			p.parseValue(parseObject(m.value))
		}
	}
	if len(p.items) > before {
		return
	}
	if p.fieldName == fieldMessages || p.fieldName == "" {
		p.keep(wholeChange, raw, events.UnknownShape, "value holds no messages, statuses or errors")
		return
	}
	p.keep(wholeChange, raw, events.UnknownField, "field is not handled")
	p.items[len(p.items)-1].readTold(parseObject(change.get("value")))
}

// parseValue takes a value apart when it is about a business number. Account-level values have no lists of updates:
// what is an array in them belongs together.
func (p *parser) parseValue(value object) {
	if value.get("metadata") == nil && value.get("messaging_product") == nil && p.fieldName != fieldMessages {
		return
	}
	p.setMetadata(value)
	contacts := parseContacts(value.get("contacts"))
	var rest object
	for _, m := range value {
		switch {
		case m.key == "messaging_product" || m.key == "metadata" || m.key == "contacts":
		case isArray(m.value):
			p.parseList(m.key, m.value, contacts)
		default:
			rest = append(rest, m)
		}
	}
	if len(rest) > 0 {
		value = append(object{{"messaging_product", p.product}, {"metadata", p.metadata}}, rest...)
		change := object{{"field", p.field}, {"value", value.encode()}}.encode()
		p.keep(wholeChange, change, events.UnknownField, "value has members that are not handled")
		p.items[len(p.items)-1].readTold(value)
	}
}

func (p *parser) parseList(name string, value []byte, contacts contacts) {
	all := slices.Collect(elements(value))
	p.items = slices.Grow(p.items, len(all))
	for _, raw := range all {
		element := parseObject(raw)
		it := item{origin: p.origin, extent: oneElement, list: name, raw: raw, contact: contacts.of(element)}
		switch {
		case len(raw) > plainMax:
			it.lacks(ruleSize)
		case p.fieldName == fieldMessages && name == listMessages:
			it.readMessage(element)
		case p.fieldName == fieldMessages && name == listStatuses:
			it.readStatus(element)
		case p.fieldName == fieldMessages && name == listErrors:
			it.readError(element)
		case it.readPart(element):
		case isGroupField(p.fieldName):
			it.reason, it.detail = events.NotUsed, "groups are priced, not managed"
		default:
			it.reason, it.detail = events.UnknownField, "value."+word(name)+" is not handled"
		}
		p.items = append(p.items, it)
	}
}

// each calls read for every element of every list of that name. It is false when that was none.
func (p *parser) each(o object, name string, read func([]byte)) bool {
	found := false
	for _, m := range o {
		if m.key != name {
			continue
		}
		for element := range elements(m.value) {
			found = true
			read(element)
		}
	}
	return found
}

func (p *parser) keep(much extent, raw []byte, reason events.QuarantineReason, detail string) {
	p.items = append(p.items, item{origin: p.origin, extent: much, raw: raw, reason: reason, detail: detail})
}

func (p *parser) setMetadata(value object) {
	p.product, p.metadata = value.get("messaging_product"), value.get("metadata")
	metadata := parseObject(p.metadata)
	p.phoneNumberID = text(metadata.get("phone_number_id"))
	p.displayNumber = text(metadata.get("display_phone_number"))
}

// kind names the item in the catalogue's words.
func (it *item) kind() string {
	switch {
	case it.fieldName == fieldMessages && it.list == listMessages:
		return "message"
	case it.fieldName == fieldMessages && it.list == listStatuses:
		return "status"
	}
	return "value"
}

// canonical is what identifies an item however it was batched and laid out. The entry's time is the moment of sending
// and belongs to it only when the item has no time of its own: then it is all that tells a second occurrence from a
// repeat.
func (it *item) canonical() []byte {
	at := it.entryTime
	if it.extent == oneElement && parseObject(it.raw).get("timestamp") != nil {
		at = nil
	}
	var b []byte
	for _, part := range [][]byte{
		[]byte(it.fieldName), []byte(it.wabaID), []byte(it.phoneNumberID), []byte(it.list), at, compact(it.raw),
	} {
		b = append(binary.AppendUvarint(b, uint64(len(part))), part...)
	}
	return b
}

// delivery is a body that holds this item alone: parsing it yields the item again.
func (it *item) delivery() []byte {
	if it.extent == wholeBody {
		return it.raw
	}
	entry, change := it.raw, it.raw
	if it.extent == oneElement {
		value := object{{"messaging_product", it.product}, {"metadata", it.metadata}}
		if it.contact != nil {
			value = append(value, member{"contacts", list(it.contact.raw)})
		}
		value = append(value, member{it.list, list(it.raw)})
		change = object{{"field", it.field}, {"value", value.encode()}}.encode()
	}
	if it.extent != wholeEntry {
		entry = object{{"id", it.entryID}, {"time", it.entryTime}, {"changes", list(change)}}.encode()
	}
	return object{{"object", it.object}, {"entry", list(entry)}}.encode()
}
