package sim

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"sort"
	"time"
)

// webhookTimeout is how long a receiver may take to answer.
const webhookTimeout = 10 * time.Second

// What was not answered with 200 is told again: at once, then less and less often, for this long.
const (
	retryFirst = time.Second
	retryMost  = time.Hour
	retryFor   = 36 * time.Hour
)

// update is something that is to be told at an instant: an element of a list, or a whole value of an account's field.
type update struct {
	at      time.Time
	order   int // of planning
	number  string
	list    string
	field   string // messages when empty
	contact object // of the sender
	element object

	since time.Time // of the first try
	wait  time.Duration
}

// updates are sorted by when they are to be told.
type updates []update

// plan puts an update where it belongs; what is about tells it from others, for chance. The caller holds the lock.
func (p *Platform) plan(u update, about string) {
	dice := p.chance("plan", about)
	if dice.Float64() < p.cfg.Disorder {
		u.at = u.at.Add(time.Duration(dice.Float64() * float64(10*p.cfg.Pace)))
	}
	p.insert(u)
	if dice.Float64() < p.cfg.Duplicate {
		u.at = u.at.Add(p.cfg.Pace)
		p.insert(u)
	}
}

func (p *Platform) insert(u update) {
	p.told++
	u.order = p.told
	i := sort.Search(len(p.updates), func(i int) bool { return p.updates[i].at.After(u.at) })
	p.updates = slices.Insert(p.updates, i, u)
}

// Pending tells how many updates wait to be told.
func (p *Platform) Pending() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.updates)
}

// Next returns when the next update is to be told; zero: none waits.
func (p *Platform) Next() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.updates) == 0 {
		return time.Time{}
	}
	return p.updates[0].at
}

// Tell tells what is due, in batches, and returns how many updates were taken. Those that were not are told again later.
func (p *Platform) Tell(ctx context.Context) (taken int) {
	for ctx.Err() == nil {
		batch := p.due()
		if len(batch) == 0 {
			return taken
		}
		if p.post(ctx, bodyOf(p.cfg, batch)) {
			taken += len(batch)
			continue
		}
		p.postpone(batch)
	}
	return taken
}

// due takes the updates of one body: all of a number's list, or one value of a field.
func (p *Platform) due() []update {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.cfg.Now()
	var batch, rest updates
	for i, u := range p.updates {
		if u.at.After(now) || len(batch) == p.cfg.Batch {
			rest = append(rest, p.updates[i:]...)
			break
		}
		if len(batch) == 0 || u.field == "" && batch[0].field == "" && u.number == batch[0].number && u.list == batch[0].list {
			batch = append(batch, u)
		} else {
			rest = append(rest, u)
		}
	}
	p.updates = rest
	return batch
}

func (p *Platform) postpone(batch []update) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.cfg.Now()
	for _, u := range batch {
		if u.since.IsZero() {
			u.since = now
		}
		u.wait = min(max(2*u.wait, retryFirst), retryMost)
		if u.at = now.Add(u.wait); u.at.Sub(u.since) <= retryFor {
			p.insert(u)
		}
	}
}

// post sends a body, signed, and tells whether it was taken.
func (p *Platform) post(ctx context.Context, body []byte) bool {
	if p.cfg.Webhook == "" {
		return true
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.cfg.Webhook, bytes.NewReader(body))
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, []byte(p.cfg.Secret))
	mac.Write(body)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	response, err := p.client.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode == http.StatusOK
}

// bodyOf is the webhook that tells a batch.
func bodyOf(cfg Config, batch []update) []byte {
	first := batch[0]
	value, field := first.element, first.field
	if field == "" || first.list != "" {
		var contacts, elements []object
		for _, u := range batch {
			elements = append(elements, u.element)
			if u.contact != nil {
				contacts = append(contacts, u.contact)
			}
		}
		value = object{
			"messaging_product": "whatsapp", "metadata": object{"display_phone_number": cfg.Display, "phone_number_id": first.number},
			first.list: elements,
		}
		if contacts != nil {
			value["contacts"] = contacts
		}
	}
	if field == "" {
		field = "messages"
	}
	body, _ := json.Marshal(object{ //nolint:errchkjson // of strings and numbers: it cannot fail
		"object": "whatsapp_business_account",
		"entry":  []object{{"id": cfg.WABA, "time": first.at.Unix(), "changes": []object{{"field": field, "value": value}}}},
	})
	return body
}
