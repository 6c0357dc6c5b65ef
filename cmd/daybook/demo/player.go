package demo

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
	"daybook/events"
	"daybook/events/id"
)

// The invented business. Its platform ids are those of the sample deliveries.
const (
	wabaID        = "900100200300400"
	displayNumber = "390655500100"
	// An Italian firm that is billed in dollars, because the price change would not show in euros: of the cards that were
	// published, those in euros end with July's.
	currency = "USD"
)

// PhoneNumberID is the demo business's number: the first thing that the demo claims.
const PhoneNumberID = "900555000111222"

// Stage is where the demo plays.
type Stage struct {
	API      *client.Client
	Base     string                // of the server
	Secret   string                // signs webhooks
	Cards    []byte                // the platform's rate cards, as a CSV file
	Clock    *Clock                // the server's clock
	Out      io.Writer             // what a person reads
	Progress func(done, total int) // may be nil
	PerDay   int                   // reasons to write a day; 0: 16
}

// business is what the player knows of the business that it set up.
type business struct {
	account id.Account
	devices []device
}

type device struct {
	id   id.Device
	name string
}

// player plays the month and keeps count of everything it did, so that the book can be held against it.
type player struct {
	Stage
	*plan

	played   int // acts
	platform platform
	business business
	tally    tally
	last     events.Position // of the last command
}

// tally is what was done: how many facts of each type must stand in the book, and all messages that were written.
type tally struct {
	facts     map[string]int
	questions []question
	letters   []*letter
	posted    int // deliveries

	asked   map[person]time.Time // by each customer, last
	waiting map[person]time.Time // since when a customer waits for an answer
	written map[person]time.Time // to each customer, last
	optedIn map[person]bool      // who wants offers
}

func newPlayer(s Stage) (*player, error) {
	if s.PerDay == 0 {
		s.PerDay = 16
	}
	if s.Progress == nil {
		s.Progress = func(int, int) {}
	}
	calendar, err := newCalendar()
	if err != nil {
		return nil, err
	}
	return &player{
		Stage: s, plan: makePlan(calendar, len(devices), s.PerDay),
		tally: tally{
			facts: map[string]int{}, asked: map[person]time.Time{}, waiting: map[person]time.Time{}, written: map[person]time.Time{},
			optedIn: map[person]bool{},
		},
		platform: platform{
			wabaID: wabaID, phoneNumberID: PhoneNumberID, displayNumber: displayNumber, changes: calendar.changes,
			fromAd: map[person]time.Time{}, freeUntil: map[person]time.Time{},
		},
	}, nil
}

// devices are the business's: kind, platform, name. The second needs the premium plan.
var devices = [][3]string{
	{"smartphone", "ios", "iPhone Mario"}, {"smartphone", "android", "Samsung Luigi"},
	{"tablet", "ios", "iPad Cassa"}, {"computer", "windows", "PC Ufficio"},
}

// setUp registers the business and links its devices.
func (p *player) setUp(ctx context.Context) error {
	registered, err := p.API.RegisterAccount(ctx, api.RegisterAccount{
		Name: "Ferramenta Rossi", Kind: "enterprise", Country: "IT", Currency: currency, Timezone: timezone, WABAID: wabaID,
		Numbers: []api.Number{{PhoneNumberID: PhoneNumberID, DisplayPhoneNumber: displayNumber}},
	}, client.Key("demo-register"))
	if err != nil {
		return fmt.Errorf("registering the account: %w", err)
	}
	p.business.account = registered.ID
	fmt.Fprintf(p.Out, "  Ferramenta Rossi, account %s\n", registered.ID)
	if _, err = p.API.AcceptTerms(ctx, registered.ID, api.AcceptTerms{TermsVersion: "2026-01", PrivacyVersion: "2026-01"}); err != nil {
		return fmt.Errorf("accepting the terms: %w", err)
	}
	if err = p.link(ctx, devices[0]); err != nil {
		return err
	}
	if err = p.link(ctx, devices[1]); !client.IsProblem(err, "SmartphoneLimitReached") {
		return fmt.Errorf("a second smartphone on a standard account was not refused: %w", err)
	}
	fmt.Fprintf(p.Out, "  second smartphone refused: %s\n", err)
	if _, err = p.API.SubscribePremium(ctx, registered.ID); err != nil {
		return fmt.Errorf("subscribing premium: %w", err)
	}
	for _, d := range devices[1:] {
		if err = p.link(ctx, d); err != nil {
			return err
		}
	}
	p.count("AccountRegistered", "NumberClaimed", "WABAClaimed", "TermsAccepted", "PremiumSubscribed")
	return nil
}

func (p *player) link(ctx context.Context, d [3]string) error {
	linked, err := p.API.LinkDevice(ctx, p.business.account, api.LinkDevice{Kind: d[0], Platform: d[1], Name: d[2]})
	if err != nil {
		return fmt.Errorf("linking %s: %w", d[2], err)
	}
	p.business.devices = append(p.business.devices, device{linked.ID, d[2]})
	p.count("DeviceLinked")
	return nil
}

// playUntil plays what happens before an instant, and stands there.
func (p *player) playUntil(ctx context.Context, until time.Time) error {
	for ; p.played < len(p.acts) && p.acts[p.played].at.Before(until); p.played++ {
		act := p.acts[p.played]
		p.Clock.advance(act.at)
		if err := act.play(ctx, p); err != nil {
			return fmt.Errorf("act %d of %d, %s: %w", p.played+1, len(p.acts), act.at.In(p.zone).Format(monthDay), err)
		}
		p.Progress(p.played+1, len(p.acts))
	}
	p.Clock.advance(until)
	return nil
}

// ask plays a customer's message.
func (p *player) ask(ctx context.Context, q question) error {
	contact, asked := p.platform.inbound(q)
	if err := p.post(ctx, object{"contacts": []object{contact}, "messages": []object{asked}}); err != nil {
		return err
	}
	p.count("MessageReceived")
	p.tally.questions = append(p.tally.questions, q)
	p.tally.asked[q.from] = latest(p.tally.asked[q.from], q.at)
	if _, waits := p.tally.waiting[q.from]; !waits && !q.at.Before(p.tally.written[q.from]) {
		p.tally.waiting[q.from] = q.at
	}
	if q.ad {
		p.platform.fromAd[q.from] = q.at
	}
	return nil
}

// serviceWindow is how long a customer may be answered in free form, the last instant included.
const serviceWindow = 24 * time.Hour

// write plays the writing of a letter on its device.
func (p *player) write(ctx context.Context, l *letter) error {
	from := p.business.devices[l.device]
	message := api.SendMessage{DeviceID: from.id, To: l.to.address(), Type: "template", Category: l.category}
	if l.category == service {
		message.Type, message.Text = "text", &api.Text{Body: l.text}
	} else {
		message.Template = &api.Template{Name: l.text, Language: "en", Parameters: []string{l.to.name}}
	}
	if l.category == marketing {
		if err := p.optIn(ctx, l.to); err != nil {
			return err
		}
	}
	queued, err := p.API.SendMessage(ctx, p.business.account, message)
	if err != nil {
		return fmt.Errorf("sending from %s: %w", from.name, err)
	}
	p.count("MessageQueued")
	if l.delivered() != nil {
		p.count("MessageCharged") // once, whatever is told of it
	}
	p.tally.letters = append(p.tally.letters, l)
	l.id, l.conversation, l.deviceName, l.wamid = queued.ID, queued.Conversation, from.name, p.platform.wamid(l.to)
	l.unpriced = l.at.Before(p.cards)
	if asked, ever := p.tally.asked[l.to]; ever {
		l.open = !l.at.After(asked.Add(serviceWindow))
	}
	if since, waits := p.tally.waiting[l.to]; waits {
		l.answers, l.waited = true, l.at.Sub(since)
		delete(p.tally.waiting, l.to)
	}
	p.tally.written[l.to] = l.at
	l.adFree = p.platform.isFree(l)
	return nil
}

// optIn plays that a customer signs up for offers in the shop, once.
func (p *player) optIn(ctx context.Context, customer person) error {
	if p.tally.optedIn[customer] {
		return nil
	}
	_, err := p.API.RecordConsent(ctx, p.business.account, api.RecordConsent{
		Customer: customer.address(), Category: marketing, Wanted: true, Source: "form", Evidence: "the list at the counter",
	})
	if err != nil {
		return fmt.Errorf("recording an opt-in: %w", err)
	}
	p.tally.optedIn[customer] = true
	p.count("CustomerOptedIn")
	return nil
}

// accept plays the platform's answer, which names the letter.
func (p *player) accept(ctx context.Context, l *letter) error {
	accepted, err := p.API.AcceptMessage(ctx, p.business.account, l.id, l.wamid)
	if err != nil {
		return fmt.Errorf("accepting a message: %w", err)
	}
	p.last = max(p.last, accepted.Position)
	p.count("MessageAccepted")
	return nil
}

var factOf = map[string]string{"sent": "MessageSent", "delivered": "MessageDelivered", "read": "MessageRead", "failed": "MessageFailed"}

// tell posts what the platform tells of a letter.
func (p *player) tell(ctx context.Context, l *letter, t telling) error {
	told := make([]object, 0, len(t.statuses))
	for _, s := range t.statuses {
		told = append(told, p.platform.status(l, s))
		if !slices.Contains(l.told, s.word) {
			l.told = append(l.told, s.word)
			p.count(factOf[s.word])
		}
		if t.at.Before(l.acceptedAt) {
			p.count("UpdateQuarantined", "UpdateRedriven")
		}
	}
	return p.post(ctx, object{"statuses": told})
}

func (p *player) count(facts ...string) {
	for _, fact := range facts {
		p.tally.facts[fact]++
	}
}

func (p *player) post(ctx context.Context, value object) error {
	body, err := p.platform.body(value)
	if err != nil {
		return err
	}
	return p.deliver(ctx, body)
}

// deliver signs a body as the platform does and posts it.
func (p *player) deliver(ctx context.Context, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.Base+"/webhooks/whatsapp", bytes.NewReader(body))
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, []byte(p.Secret))
	mac.Write(body)
	request.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("posting a delivery: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		problem, _ := io.ReadAll(response.Body)
		return fmt.Errorf("posting a delivery: %s: %s", response.Status, problem)
	}
	p.tally.posted++
	return nil
}
