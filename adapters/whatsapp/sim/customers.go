package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// customer is a person with the platform's app.
type customer struct {
	name      string // number, or business-scoped user id
	blocked   bool
	optedOut  bool
	fromAd    bool // came from an advertisement and is not answered yet
	lastWrote time.Time
	freeUntil time.Time
	inbox     []Delivered
	wrote     int
}

// Delivered is a message that a customer has: all that the business ever shows to them.
type Delivered struct {
	At     time.Time       `json:"at"`
	Number string          `json:"phone_number_id"`
	Wamid  string          `json:"wamid"`
	Body   json.RawMessage `json:"body"`
}

func (p *Platform) customer(name string) *customer {
	c := p.customers[name]
	if c == nil {
		c = &customer{name: name}
		p.customers[name] = c
	}
	return c
}

// Inbox lists what a customer got.
func (p *Platform) Inbox(name string) []Delivered {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Delivered(nil), p.customer(plain(name)).inbox...)
}

// Says is what a customer does by hand.
type Says struct {
	Number string `json:"phone_number_id"` // the business's
	Text   string `json:"text"`
	File   string `json:"file"` // id of a file: an image with the text as its caption
	Ad     bool   `json:"ad"`   // it comes from an advertisement
}

// Write has a customer write to the business.
func (p *Platform) Write(name string, s Says) {
	p.mu.Lock()
	defer p.mu.Unlock()
	message := object{"type": "text", "text": object{"body": s.Text}}
	if f, uploaded := p.files[s.File]; uploaded {
		message = object{"type": "image", "image": object{"id": s.File, "mime_type": f.mediaType, "sha256": f.digest, "caption": s.Text}}
	}
	c := p.customer(plain(name))
	if s.Ad {
		c.fromAd = true
		message["referral"] = object{"source_type": "ad", "source_id": "900000000000001", "headline": "Advertisement"}
	}
	p.write(c, s.Number, p.cfg.Now(), message)
}

// write plans a customer's message. The caller holds the lock.
func (p *Platform) write(c *customer, number string, at time.Time, message object) {
	c.wrote++
	c.lastWrote = at
	message["id"] = wamid(fmt.Sprintf("%s.%d", c.name, c.wrote), c.wrote)
	message["timestamp"] = seconds(at)
	contact := object{"profile": object{"name": "Customer " + c.name}}
	if isNumber(c.name) {
		message["from"], contact["wa_id"] = c.name, c.name
	} else {
		message["from_user_id"], contact["user_id"] = c.name, c.name
	}
	about, _ := message["id"].(string)
	p.plan(update{at: at, number: number, list: "messages", contact: contact, element: message}, about)
}

func isNumber(name string) bool { return strings.Trim(name, "0123456789") == "" }

// act has a customer do something: write (messages), block, unblock, opt-out or opt-in.
func (p *Platform) act(w http.ResponseWriter, r *http.Request) {
	var s Says
	if r.ContentLength != 0 {
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyMax)).Decode(&s); err != nil {
			explain(w, errors.New("the body is not the JSON object that was expected"))
			return
		}
	}
	name := plain(r.PathValue("number"))
	switch act := r.PathValue("act"); act {
	case "messages":
		if s.Number == "" || s.Text == "" && s.File == "" {
			explain(w, errors.New(`expected {"phone_number_id": …, "text": … or "file": …}`))
			return
		}
		p.Write(name, s)
	case "block", "unblock":
		p.Block(name, act == "block")
	case "opt-out", "opt-in":
		p.OptOut(name, s.Number, act == "opt-out")
	default:
		http.NotFound(w, r)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// Block has a customer block the business, or no more. The platform tells nobody.
func (p *Platform) Block(name string, blocked bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.customer(plain(name)).blocked = blocked
}

// OptOut has a customer stop marketing in the platform's settings, or resume it, which is told.
func (p *Platform) OptOut(name, number string, stopped bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.customer(plain(name))
	c.optedOut = stopped
	value := "resume"
	if stopped {
		value = "stop"
	}
	at := p.cfg.Now()
	p.plan(update{at: at, number: number, field: "user_preferences", list: "user_preferences", element: object{
		"wa_id": c.name, "detail": "User requested to " + value + " marketing messages", "category": "marketing_messages",
		"value": value, "timestamp": at.Unix(),
	}}, "preference"+c.name+seconds(at))
}

func (p *Platform) listInbox(w http.ResponseWriter, r *http.Request) {
	answer(w, http.StatusOK, p.Inbox(r.PathValue("number")))
}

func (p *Platform) listLog(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, p.Log()) }

// echo has the business write in the platform's own app.
func (p *Platform) echo(w http.ResponseWriter, r *http.Request) {
	var s struct {
		Says

		To string `json:"to"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyMax)).Decode(&s); err != nil || s.To == "" || s.Number == "" {
		explain(w, errors.New(`expected {"phone_number_id": …, "to": …, "text": …}`))
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.accepted++
	name, at := wamid(s.To, p.accepted), p.cfg.Now()
	p.plan(update{at: at, number: s.Number, field: "smb_message_echoes", list: "message_echoes", element: object{
		"from": p.cfg.Display, "to": plain(s.To), "id": name, "timestamp": seconds(at), "type": "text", "text": object{"body": s.Text},
	}}, name)
	w.WriteHeader(http.StatusNoContent)
}
