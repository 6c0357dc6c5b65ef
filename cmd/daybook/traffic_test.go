package main_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
	"daybook/events/id"
)

// posters post at the same time. A message's statuses are told for twice as long as there are posters, so that some are
// recorded before others are posted.
const (
	posters = 8
	stretch = 2 * posters
)

// traffic posts updates and journals what was acknowledged. Each delivery holds inbound messages and statuses.
type traffic struct {
	account id.Account
	sent    []sent // messages that are bound, whose statuses are told

	mu           sync.Mutex
	next         int
	acknowledged []delivery
	unanswered   []delivery
}

// delivery is one webhook body and the updates in it.
type delivery struct {
	body     []byte
	inbound  []string // platform ids
	statuses []status
}

type sent struct {
	message id.Message
	wamid   string
}

// status is a status element of the platform's.
type status struct {
	wamid, word string
	at          time.Time
	priced      string // type of pricing; "" when the platform says nothing of it
}

// midnight is when July begins in Rome, with another rate for marketing. Deliveries are told around it.
var midnight = time.Date(2026, 6, 30, 22, 0, 0, 0, time.UTC)

// priceOf is what a marketing message to Italy costs, in micros of USD.
func priceOf(delivered time.Time) int64 {
	if delivered.Before(midnight) {
		return 69_100
	}
	return 79_500
}

// newBusiness registers an account in Rome with one number and one device, from which it may send.
func newBusiness(t *testing.T, server *client.Client, kind, currency string) (id.Account, id.Device) {
	t.Helper()
	account, err := server.RegisterAccount(t.Context(), api.RegisterAccount{
		Name: "Test", Kind: kind, Country: "IT", Currency: currency, Timezone: "Europe/Rome", WABAID: "1",
		Numbers: []api.Number{{PhoneNumberID: "900555000111222", DisplayPhoneNumber: "390655500100"}},
	})
	require.NoError(t, err)
	_, err = server.AcceptTerms(t.Context(), account.ID, api.AcceptTerms{TermsVersion: "1", PrivacyVersion: "1"})
	require.NoError(t, err)
	device, err := server.LinkDevice(t.Context(), account.ID, api.LinkDevice{Kind: "computer", Platform: "web", Name: "Desk"})
	require.NoError(t, err)
	return account.ID, device.ID
}

// newTraffic sets a business up, with messages whose statuses can be told.
func newTraffic(t *testing.T, base string) *traffic {
	t.Helper()
	ctx, server := t.Context(), client.New(base, adminToken)
	account, device := newBusiness(t, server, "enterprise", "USD")
	tr := &traffic{account: account}
	for i := range 40 {
		customer := fmt.Sprintf("+3939000000%02d", i)
		_, err := server.RecordConsent(ctx, account, api.RecordConsent{Customer: customer, Category: "marketing", Wanted: true, Source: "form"})
		require.NoError(t, err)
		queued, err := server.SendMessage(ctx, account, api.SendMessage{
			DeviceID: device, To: customer, Type: "template", Category: "marketing",
			Template: &api.Template{Name: "order", Language: "it"},
		})
		require.NoError(t, err)
		wamid := fmt.Sprintf("wamid.SENT%d", i)
		_, err = server.AcceptMessage(ctx, account, queued.ID, wamid)
		require.NoError(t, err)
		tr.sent = append(tr.sent, sent{queued.ID, wamid})
	}
	return tr
}

// post keeps several posters busy and kills something after so many acknowledgements, in the middle of their work.
func (tr *traffic) post(t *testing.T, base string, killAfter int, kill func(*testing.T)) {
	t.Helper()
	var acknowledged atomic.Int64
	enough := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for range posters {
		group.Go(func() {
			for ctx.Err() == nil {
				d := tr.make()
				ok := deliver(ctx, base, d)
				tr.note(d, ok)
				if ok && acknowledged.Add(1) == int64(killAfter) {
					close(enough)
				}
			}
		})
	}
	<-enough
	kill(t)
	cancel()
	group.Wait()
}

// make invents the next delivery: two new messages, one from a new customer, and two statuses, perhaps told before, at
// another time. Read is told first and leaves the price to our policy; then with a type that no policy knows, which takes
// the charge back; delivered is told last and settles it.
func (tr *traffic) make() delivery {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	n := tr.next
	tr.next++
	d := delivery{}
	var contacts, inbound []map[string]any
	for i, number := range []string{fmt.Sprintf("3938%08d", n), fmt.Sprintf("39390000%04d", n%50)} {
		wamid := fmt.Sprintf("wamid.IN%d.%d", n, i)
		d.inbound = append(d.inbound, wamid)
		contacts = append(contacts, map[string]any{"wa_id": number, "profile": map[string]any{"name": "Somebody"}})
		inbound = append(inbound, map[string]any{
			"from": number, "id": wamid, "timestamp": strconv.Itoa(1_780_000_000 + n), "type": "text", "text": map[string]any{"body": "hello"},
		})
	}
	at := midnight.Add(time.Duration(n*37%101-50) * time.Minute)
	turn := n / stretch
	read := status{wamid: tr.sent[(turn+7)%len(tr.sent)].wamid, word: "read", at: at}
	if n%stretch >= posters {
		read.priced = "free_of_a_new_kind"
	}
	d.statuses = []status{{tr.sent[turn%len(tr.sent)].wamid, "delivered", at, "regular"}, read}
	d.body = bodyOf(contacts, inbound, d.statuses)
	return d
}

// bodyOf is a webhook's.
func bodyOf(contacts, inbound []map[string]any, told []status) []byte {
	var statuses []map[string]any
	for _, s := range told {
		element := map[string]any{
			"id": s.wamid, "status": s.word, "timestamp": strconv.FormatInt(s.at.Unix(), 10), "recipient_id": "39390000000",
		}
		if s.priced != "" {
			element["pricing"] = map[string]any{"pricing_model": "PMP", "type": s.priced, "category": "marketing"}
		}
		statuses = append(statuses, element)
	}
	var changes []any
	change := func(field string, list, contacts []map[string]any) {
		if len(list) == 0 {
			return
		}
		v := map[string]any{"metadata": map[string]any{"phone_number_id": "900555000111222", "display_phone_number": "390655500100"}, field: list}
		if contacts != nil {
			v["contacts"] = contacts
		}
		changes = append(changes, map[string]any{"field": "messages", "value": v})
	}
	change("messages", inbound, contacts)
	change("statuses", statuses, nil)
	body, _ := json.Marshal(map[string]any{
		"object": "whatsapp_business_account", "entry": []any{map[string]any{"id": "1", "changes": changes}},
	})
	return body
}

// settle tells of every message once more that it was delivered: so each has a price in the end.
func (tr *traffic) settle(t *testing.T, base string) {
	t.Helper()
	d := delivery{}
	for _, s := range tr.sent {
		d.statuses = append(d.statuses, status{s.wamid, "delivered", midnight.Add(time.Minute), "regular"})
	}
	d.body = bodyOf(nil, nil, d.statuses)
	require.True(t, deliver(t.Context(), base, d))
	tr.note(d, true)
}

// deliveredAt is the earliest time at which each message was told as delivered.
func (tr *traffic) deliveredAt() map[id.Message]time.Time {
	messages, earliest := map[string]id.Message{}, map[id.Message]time.Time{}
	for _, s := range tr.sent {
		messages[s.wamid] = s.message
	}
	for _, d := range tr.acknowledged {
		for _, s := range d.statuses {
			message := messages[s.wamid]
			if at, told := earliest[message]; s.word == "delivered" && (!told || s.at.Before(at)) {
				earliest[message] = s.at
			}
		}
	}
	return earliest
}

func (tr *traffic) note(d delivery, ok bool) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if ok {
		tr.acknowledged = append(tr.acknowledged, d)
	} else {
		tr.unanswered = append(tr.unanswered, d)
	}
}

func (tr *traffic) acknowledgedSoFar() int {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return len(tr.acknowledged)
}

func (tr *traffic) retry(t *testing.T, base string) {
	t.Helper()
	unanswered := tr.unanswered
	tr.unanswered = nil
	for _, d := range unanswered {
		require.True(t, deliver(t.Context(), base, d))
		tr.note(d, true)
	}
}

func deliver(ctx context.Context, base string, d delivery) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/webhooks/whatsapp", bytes.NewReader(d.body))
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, []byte(appSecret))
	mac.Write(d.body)
	request.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	return response.Body.Close() == nil && response.StatusCode == http.StatusOK
}
