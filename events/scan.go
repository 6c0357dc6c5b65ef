package events

import (
	"bytes"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/google/uuid"

	"daybook/events/id"
)

// Reading a log is reading envelopes and statuses. Those that stand exactly as Encode writes them, member after member,
// without spaces and escapes, are read here, more than twice as fast as by the library; whatever else they may be is left
// to it, and so are all errors.

// scannerOf returns what reads events of E where they stand plainly; nil when only the library can.
func scannerOf[E Event]() func(data []byte) (Event, bool) {
	switch any(*new(E)).(type) {
	case MessageSent:
		return scanAs(func(f StatusFact) Event { return MessageSent{f} })
	case MessageDelivered:
		return scanAs(func(f StatusFact) Event { return MessageDelivered{f} })
	case MessageRead:
		return scanAs(func(f StatusFact) Event { return MessageRead{f} })
	case MessagePlayed:
		return scanAs(func(f StatusFact) Event { return MessagePlayed{f} })
	}
	return nil
}

func scanAs(status func(StatusFact) Event) func(data []byte) (Event, bool) {
	return func(data []byte) (Event, bool) {
		fact, ok := scanStatus(data)
		if !ok {
			return nil, false
		}
		return status(fact), true
	}
}

// scanEnvelope reads what appendEnvelope writes. Not ok: it is something else.
func scanEnvelope(metadata []byte) (e Envelope, ok bool) {
	s := scanner{rest: metadata}
	s.skip(`{"version":`)
	e.Version = s.number()
	if s.have(`,"account":`) {
		e.Account.UUID = s.id()
	}
	s.skip(`,"occurred_at":`)
	e.OccurredAt = s.time()
	s.skip(`,"recorded_at":`)
	e.RecordedAt = s.time()
	s.skip(`,"actor":`)
	e.Actor = Actor(s.text())
	s.skip(`,"source":`)
	e.Source = s.text()
	if s.have(`,"$correlationId":`) {
		e.Correlation.UUID = s.id()
	}
	if s.have(`,"$causationId":`) {
		e.Causation = s.text()
	}
	if s.have(`,"command":`) {
		e.Command.UUID = s.id()
	}
	if s.have(`,"digest":`) {
		e.Digest = s.text()
	}
	s.skip(`}`)
	return e, s.done()
}

// scanStatus reads a status that has nothing but what all of them share. Not ok: it is something else.
func scanStatus(data []byte) (f StatusFact, ok bool) {
	s := scanner{rest: data}
	s.skip(`{"conversation_id":`)
	f.ConversationID.UUID = s.id()
	s.skip(`,"message_id":`)
	f.MessageID.UUID = s.id()
	s.skip(`,"recipient_id":`)
	f.RecipientID.UUID = s.id()
	s.skip(`,"fact_id":`)
	f.FactID.UUID = s.id()
	s.skip(`,"at":`)
	f.At = s.time()
	if s.have(`,"pricing":`) {
		f.Pricing = s.pricing()
	}
	if s.have(`,"sending":`) { // an origin before it is left to the library
		f.Sending = s.sending()
	}
	if s.have(`,"delivery":`) {
		f.Delivery = s.delivery()
	}
	f.ShowsSent = s.have(`,"shows_sent":true`)
	if s.have(`,"raw":`) {
		f.Raw = Sealed(s.text())
	}
	s.skip(`}`)
	return f, s.done()
}

func (s *scanner) pricing() *Pricing {
	p := &Pricing{}
	s.skip(`{`)
	first := true
	next := func(name string) bool {
		if !first {
			name = "," + name
		}
		found := s.have(name)
		first = first && !found
		return found
	}
	if next(`"billable":`) {
		billable := s.have(`true`)
		if !billable {
			s.skip(`false`)
		}
		p.Billable = &billable
	}
	if next(`"model":`) {
		p.Model = s.text()
	}
	if next(`"type":`) {
		p.Type = s.text()
	}
	if next(`"category":`) {
		p.Category = s.text()
	}
	s.skip(`}`)
	return p
}

func (s *scanner) sending() (out Sending) {
	s.skip(`{"phone_number_id":`)
	out.PhoneNumberID = s.text()
	s.skip(`,"device_id":`)
	out.DeviceID.UUID = s.id()
	s.skip(`,"category":`)
	out.Category = Category(s.text())
	s.skip(`,"queued_at":`)
	out.QueuedAt = s.time()
	if s.have(`,"window_until":`) {
		out.WindowUntil = new(s.time())
	}
	if s.have(`,"entry_point_until":`) {
		out.EntryPointUntil = new(s.time())
	}
	if s.have(`,"market":`) {
		out.Market = s.text()
	}
	if s.have(`,"campaign":`) {
		out.Campaign = s.campaign()
	}
	switch {
	case s.have(`,"dialling":{"prefix":`):
		out.Dialling.Prefix = s.text()
		if s.have(`,"country":`) {
			out.Dialling.Country = s.text()
		}
		s.skip(`}`)
	case s.have(`,"dialling":{"country":`):
		out.Dialling.Country = s.text()
		s.skip(`}`)
	}
	s.skip(`}`)
	return out
}

func (s *scanner) delivery() *Delivery {
	d := &Delivery{}
	s.skip(`{"at":`)
	d.At = s.time()
	d.Inferred = s.have(`,"inferred":true`)
	if s.have(`,"pricing":`) {
		d.Pricing = s.pricing()
	}
	if s.have(`,"first_at":`) {
		d.FirstAt = new(s.time())
	}
	if s.have(`,"within":`) {
		d.Within = &id.Message{UUID: s.id()}
	}
	d.Late = s.have(`,"late":true`)
	s.skip(`}`)
	return d
}

func (s *scanner) campaign() *CampaignRef {
	c := &CampaignRef{}
	s.skip(`{"campaign_id":`)
	c.CampaignID.UUID = s.id()
	s.skip(`,"chunk":`)
	c.Chunk = s.number()
	s.skip(`,"reserved":`)
	c.Reserved = int64(s.number())
	s.skip(`}`)
	return c
}

// scanner reads JSON of one exact shape. After the first thing that is not as expected nothing counts.
type scanner struct {
	rest []byte
	lost bool
}

func (s *scanner) done() bool { return !s.lost && len(s.rest) == 0 }

// have moves past a text, if it is there.
func (s *scanner) have(text string) bool {
	if len(s.rest) < len(text) || string(s.rest[:len(text)]) != text {
		return false
	}
	s.rest = s.rest[len(text):]
	return true
}

func (s *scanner) skip(text string) {
	if !s.have(text) {
		s.lost = true
	}
}

// text reads a string of plain characters.
func (s *scanner) text() string {
	text := s.quoted()
	if word, known := words[string(text)]; known {
		return word
	}
	return string(text)
}

// words are texts that nearly every envelope and status repeats: they need not be kept once more each time.
var words = func(list ...string) map[string]string {
	known := map[string]string{}
	for _, word := range list {
		known[word] = word
	}
	return known
}(
	string(Marketing), string(Utility), string(Authentication), string(Service),
	"PMP", "CBP", "regular", "free_customer_service", "free_entry_point", "platform:whatsapp", "webhook",
)

func (s *scanner) quoted() []byte {
	s.skip(`"`)
	end := bytes.IndexByte(s.rest, '"')
	if end < 0 {
		s.lost = true
		return nil
	}
	inside := s.rest[:end]
	for _, c := range inside {
		if c < ' ' || c > '~' || c == '\\' {
			s.lost = true
			return nil
		}
	}
	s.rest = s.rest[end+1:]
	return inside
}

// number reads a small count without a sign.
func (s *scanner) number() int {
	n := 0
	for n < len(s.rest) && '0' <= s.rest[n] && s.rest[n] <= '9' {
		n++
	}
	value, err := strconv.Atoi(string(s.rest[:n]))
	if err != nil || n > 1 && s.rest[0] == '0' {
		s.lost = true
	}
	s.rest = s.rest[n:]
	return value
}

// time reads an instant in UTC. The library is stricter than time.Time: every number has all its digits.
func (s *scanner) time() (t time.Time) {
	const shape = "0000-00-00T00:00:00"
	text := s.quoted()
	if len(text) <= len(shape) || text[len(text)-1] != 'Z' {
		s.lost = true
		return t
	}
	for i := range len(shape) {
		if isDigit := '0' <= text[i] && text[i] <= '9'; isDigit != (shape[i] == '0') || !isDigit && text[i] != shape[i] {
			s.lost = true
			return t
		}
	}
	if text[len(shape)] != '.' && text[len(shape)] != 'Z' {
		s.lost = true
	}
	if err := t.UnmarshalText(text); err != nil {
		s.lost = true
	}
	return t
}

// id reads an identifier in its canonical form.
func (s *scanner) id() (u uuid.UUID) {
	text := s.quoted()
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		s.lost = true
		return u
	}
	at := 0
	for _, part := range [...][2]int{{0, 8}, {9, 13}, {14, 18}, {19, 23}, {24, 36}} {
		n, err := hex.Decode(u[at:], text[part[0]:part[1]])
		if err != nil {
			s.lost = true
		}
		at += n
	}
	return u
}
