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
	timezone      = "Europe/Rome"
	seed          = 1
)

// PhoneNumberID is the demo business's number: the first thing that the demo claims.
const PhoneNumberID = "900555000111222"

// Stage is where the demo plays.
type Stage struct {
	API      *client.Client
	Base     string                // of the server
	Secret   string                // signs webhooks
	Clock    *Clock                // the server's clock
	Out      io.Writer             // what a person reads
	Progress func(done, total int) // may be nil
	PerDay   int                   // exchanges a day; 0: 40
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

// player plays the week and keeps count of everything it did, so that the book can be held against it.
type player struct {
	Stage

	platform platform
	business business
	tally    tally
	last     events.Position // of the last command
}

// tally is what must stand in the book: how many facts of each type, and who wrote each message.
type tally struct {
	facts  map[string]int
	sent   []sentMessage
	posted int // deliveries
}

type sentMessage struct {
	id           id.Message
	conversation id.Conversation
	deviceName   string
	status       string // what the platform said last and highest
}

func newPlayer(s Stage) *player {
	if s.PerDay == 0 {
		s.PerDay = 40
	}
	if s.Progress == nil {
		s.Progress = func(int, int) {}
	}
	return &player{
		Stage: s, tally: tally{facts: map[string]int{}},
		platform: platform{wabaID: wabaID, phoneNumberID: PhoneNumberID, displayNumber: displayNumber},
	}
}

// setUp registers the business and links its devices.
func (p *player) setUp(ctx context.Context) error {
	registered, err := p.API.RegisterAccount(ctx, api.RegisterAccount{
		Name: "Ferramenta Rossi", Kind: "enterprise", Country: "IT", Currency: "EUR", Timezone: timezone, WABAID: wabaID,
		Numbers: []api.Number{{PhoneNumberID: PhoneNumberID, DisplayPhoneNumber: displayNumber}},
	}, client.Key("demo-register"))
	if err != nil {
		return fmt.Errorf("registering the account: %w", err)
	}
	p.business.account = registered.ID
	if _, err = p.API.AcceptTerms(ctx, registered.ID, api.AcceptTerms{TermsVersion: "2026-01", PrivacyVersion: "2026-01"}); err != nil {
		return fmt.Errorf("accepting the terms: %w", err)
	}
	if err = p.link(ctx, "smartphone", "ios", "iPhone Mario"); err != nil {
		return err
	}
	if err = p.link(ctx, "smartphone", "android", "Samsung Luigi"); !client.IsProblem(err, "SmartphoneLimitReached") {
		return fmt.Errorf("a second smartphone on a standard account was not refused: %w", err)
	}
	fmt.Fprintf(p.Out, "  %s: %s\n", "second smartphone refused", err)
	if _, err = p.API.SubscribePremium(ctx, registered.ID); err != nil {
		return fmt.Errorf("subscribing premium: %w", err)
	}
	for _, d := range [][3]string{{"smartphone", "android", "Samsung Luigi"}, {"tablet", "ios", "iPad Cassa"}, {"computer", "windows", "PC Ufficio"}} {
		if err = p.link(ctx, d[0], d[1], d[2]); err != nil {
			return err
		}
	}
	p.count("AccountRegistered", "NumberClaimed", "TermsAccepted", "PremiumSubscribed")
	return nil
}

func (p *player) link(ctx context.Context, kind, platform, name string) error {
	linked, err := p.API.LinkDevice(ctx, p.business.account, api.LinkDevice{Kind: kind, Platform: platform, Name: name})
	if err != nil {
		return fmt.Errorf("linking %s: %w", name, err)
	}
	p.business.devices = append(p.business.devices, device{linked.ID, name})
	p.count("DeviceLinked")
	return nil
}

// play plays one exchange, at the time it is planned for.
func (p *player) play(ctx context.Context, e episode) (sentMessage, error) {
	p.Clock.advance(e.asksAt.Add(2 * time.Second))
	contact, asked := p.platform.inbound(e.customer, e.asksAt, e.question)
	if err := p.post(ctx, object{"contacts": []object{contact}, "messages": []object{asked}}); err != nil {
		return sentMessage{}, err
	}
	p.count("MessageReceived")

	e.repliesAt = p.Clock.advance(e.repliesAt)
	answer, err := p.send(ctx, e, api.SendMessage{Type: "text", Text: &api.Text{Body: e.answer}}, "service")
	if err != nil || !e.template {
		return answer, err
	}
	e.repliesAt = p.Clock.advance(e.repliesAt.Add(time.Minute))
	_, err = p.send(ctx, e, api.SendMessage{Type: "template", Category: "utility", Template: &api.Template{
		Name: "order_update", Language: "en", Parameters: []string{e.customer.name},
	}}, "utility")
	return answer, err
}

// send writes a message from the exchange's device and plays what becomes of it.
func (p *player) send(ctx context.Context, e episode, message api.SendMessage, category string) (sentMessage, error) {
	from := p.business.devices[e.device]
	message.DeviceID, message.To = from.id, "+"+e.customer.number
	queued, err := p.API.SendMessage(ctx, p.business.account, message)
	if err != nil {
		return sentMessage{}, fmt.Errorf("sending from %s: %w", from.name, err)
	}
	p.count("MessageQueued")
	wamid := p.platform.wamid(e.customer.number)
	accept := func() error {
		accepted, err := p.API.AcceptMessage(ctx, p.business.account, queued.ID, wamid)
		p.last = max(p.last, accepted.Position)
		return err
	}
	tell := func() error { return p.tell(ctx, e, wamid, category) }
	steps := []func() error{accept, tell}
	if e.fate == toldEarly {
		steps = []func() error{tell, accept}
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return sentMessage{}, fmt.Errorf("playing what became of a message: %w", err)
		}
	}
	p.count("MessageAccepted")
	sent := sentMessage{queued.ID, queued.Conversation, from.name, e.fate.ends()}
	p.tally.sent = append(p.tally.sent, sent)
	return sent, nil
}

// tell posts the statuses of a message, in the way of its fate.
func (p *player) tell(ctx context.Context, e episode, wamid, category string) error {
	words := e.fate.words()
	told := make([]object, 0, len(words))
	seen := map[string]bool{}
	for _, word := range words {
		at := e.repliesAt.Add(delays[word])
		told = append(told, p.platform.status(wamid, word, e.customer, at, category))
		if !seen[word] {
			seen[word] = true
			p.count(factOf[word])
		}
	}
	if e.fate == toldEarly {
		for range words {
			p.count("UpdateQuarantined", "UpdateRedriven")
		}
	}
	return p.post(ctx, object{"statuses": told})
}

// delays is when a status happens, after the message was written.
var delays = map[string]time.Duration{
	"sent": time.Second, "failed": 2 * time.Second, "delivered": 3 * time.Second, "read": 40 * time.Second,
}

var factOf = map[string]string{"sent": "MessageSent", "delivered": "MessageDelivered", "read": "MessageRead", "failed": "MessageFailed"}

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
