package whatsapp_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/adapters/postgres/pgtest"
	"daybook/adapters/storetest"
	"daybook/adapters/vault"
	"daybook/adapters/whatsapp"
	"daybook/commands"
	"daybook/domain/account"
	"daybook/domain/conversation"
	"daybook/domain/devices"
	"daybook/events"
	"daybook/events/id"
)

// The business of the samples.
const (
	sampleNumber = "900555000111222"
	sampleWABA   = "900100200300400"
)

// noon is when the tests happen: after every time in the samples.
func noon() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

// failing is what a require needs: a *testing.T or a *rapid.T.
type failing interface {
	require.TestingT
	Helper()
}

// safe wires the real vault to the port.
type safe struct {
	*vault.Vault

	Pool *pgxpool.Pool
	dir  string // of the master key
}

func (s safe) IndexQuarantine(ctx context.Context, named map[id.Key][]events.Person) error {
	var entries []vault.QuarantinedPerson
	for key, people := range named {
		for _, person := range people {
			entries = append(entries, vault.QuarantinedPerson{Key: key, Person: person})
		}
	}
	return s.Vault.IndexQuarantine(ctx, entries)
}

func openVault(tb testing.TB) safe {
	tb.Helper()
	return reopen(tb, pgtest.Pool(tb), tb.TempDir())
}

// reopen is another process on the same vault: nothing is cached.
func reopen(tb testing.TB, pool *pgxpool.Pool, dir string) safe {
	tb.Helper()
	master, err := vault.LoadMaster("", dir)
	require.NoError(tb, err)
	v, err := vault.Open(tb.Context(), pool, master)
	require.NoError(tb, err)
	return safe{v, pool, dir}
}

// bindings is a routing read model that is always caught up: it reads the log forward before it answers.
type bindings struct {
	store storetest.LentStore
	mu    sync.Mutex
	read  events.Position
	known map[events.WamidHash]whatsapp.Route
}

func (b *bindings) Lookup(ctx context.Context, hashes []events.WamidHash) (map[events.WamidHash]whatsapp.Route, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for record, err := range b.store.ReadAll(ctx, b.read) {
		if err != nil {
			return nil, err
		}
		b.read = record.Position
		if record.Type != events.NameOf[events.MessageAccepted]() {
			continue
		}
		envelope, event, err := decode(record)
		if err != nil {
			return nil, err
		}
		e := event.(events.MessageAccepted)
		b.known[e.WamidHash] = whatsapp.Route{
			Account: envelope.Account, Conversation: e.ConversationID, Message: e.MessageID,
			Recipient: e.CustomerID, PhoneNumberID: e.PhoneNumberID,
		}
	}
	found := map[events.WamidHash]whatsapp.Route{}
	for _, hash := range hashes {
		if route, ok := b.known[hash]; ok {
			found[hash] = route
		}
	}
	return found, nil
}

func decode(record events.Record) (events.Envelope, events.Event, error) {
	envelope, err := events.DecodeEnvelope(record.Metadata)
	if err != nil {
		return envelope, nil, err
	}
	event, err := events.Decode(record.Type, envelope.Version, record.Data)
	return envelope, event, err
}

// rig is the whole way in, of real parts.
type rig struct {
	ctx      context.Context // of the test
	store    storetest.LentStore
	vault    safe
	commands *commands.Handler
	handler  *whatsapp.Handler
	logged   *bytes.Buffer
}

func newRig(ctx context.Context, t storetest.TB, v safe) *rig {
	t.Helper()
	store := storetest.Lend(t, embedded.Clock(noon))
	return wire(ctx, store, store, v)
}

// wire puts a store between the log and the commands, so that it can fail.
func wire(ctx context.Context, store storetest.LentStore, through commands.EventStore, v safe) *rig {
	handling, logged := commands.New(through, noon), &bytes.Buffer{}
	log := slog.New(slog.NewTextHandler(logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return &rig{ctx: ctx, store: store, vault: v, commands: handling, logged: logged, handler: &whatsapp.Handler{
		Ingester: &whatsapp.Ingester{
			Recorder: handling, Vault: v, Now: noon,
			Routes: &bindings{store: store, known: map[events.WamidHash]whatsapp.Route{}},
		},
		Secrets: []string{"new-secret", secret}, VerifyToken: "token", Log: log,
	}}
}

// start is a rig for one test.
func start(t *testing.T) *rig {
	t.Helper()
	return newRig(t.Context(), t, openVault(t))
}

// post delivers a body as the platform does.
func (r *rig) post(body []byte) *httptest.ResponseRecorder {
	return r.deliver(body, sign(secret, body))
}

func (r *rig) deliver(body []byte, signature string) *httptest.ResponseRecorder {
	request := httptest.NewRequestWithContext(r.ctx, http.MethodPost, "/webhooks/whatsapp", bytes.NewReader(body))
	request.Header.Set(whatsapp.SignatureHeader, signature)
	answer := httptest.NewRecorder()
	r.handler.ServeHTTP(answer, request)
	return answer
}

func (r *rig) mustPost(t failing, body []byte) {
	t.Helper()
	answer := r.post(body)
	require.Equal(t, http.StatusOK, answer.Code, answer.Body.String()+r.logged.String())
}

// register opens the account of the samples and links a device.
func (r *rig) register(t failing) (id.Account, id.Device) {
	t.Helper()
	meta := commands.Meta{Actor: "api:test", Source: "api"}
	owner, _, err := r.commands.RegisterAccount(r.ctx, meta, account.Register{
		Name: "Ferramenta Rossi", Kind: "app", Country: "IT", Currency: "USD", Timezone: "Europe/Rome", WABAID: sampleWABA,
		Numbers: []events.BusinessNumber{{PhoneNumberID: sampleNumber, DisplayPhoneNumber: "390655500100"}},
	})
	require.NoError(t, err)
	_, err = r.commands.AcceptTerms(r.ctx, meta, owner, "1", "1")
	require.NoError(t, err)
	device, _, err := r.commands.LinkDevice(r.ctx, meta, owner, devices.Link{Kind: "smartphone", Platform: "ios", Name: "iPhone Mario"})
	require.NoError(t, err)
	return owner, device
}

// bind sends a message to each recipient and binds it to the platform's id.
func (r *rig) bind(t failing, owner id.Account, device id.Device, recipients map[string]string) {
	t.Helper()
	meta := commands.Meta{Actor: "api:test", Source: "api"}
	for _, wamid := range slices.Sorted(maps.Keys(recipients)) {
		customers, err := r.vault.Customers(r.ctx, owner, []events.Person{{WaID: recipients[wamid]}})
		require.NoError(t, err)
		message := id.New[id.Message]()
		_, err = r.commands.SendMessage(r.ctx, meta, conversation.Send{
			Account: owner, PhoneNumberID: sampleNumber, CustomerID: customers[0], MessageID: message, DeviceID: device,
			Kind: "template", Category: events.Utility, Template: &events.Template{Name: "october_offer", Language: "it"},
		})
		require.NoError(t, err)
		_, err = r.commands.AcceptMessage(r.ctx, meta, commands.AcceptMessage{
			Conversation: conversation.IDOf(sampleNumber, customers[0]), Message: message, WamidHash: r.vault.WamidHash(wamid),
		})
		require.NoError(t, err)
	}
}

// book is everything in the log, read and opened.
type book struct {
	records     []events.Record
	received    map[events.WamidHash][]events.MessageReceived
	steps       map[step][]events.StatusFact
	quarantined map[id.Quarantine]events.UpdateQuarantined
	redriven    map[id.Quarantine]events.UpdateRedriven
	bodies      map[id.Quarantine]string // canonical text of the one update inside
	told        map[string][]string      // by canonical text: the types of the facts taken from it
	elsewhere   int                      // facts of what was written, or said of a customer, elsewhere
}

// step is the natural key of a status.
type step struct {
	message   id.Message
	recipient id.Customer
	status    events.Status
}

// read reads the log. Every fact must stand in its place once.
func (r *rig) read(t failing) book {
	t.Helper()
	b := book{
		received:    map[events.WamidHash][]events.MessageReceived{},
		steps:       map[step][]events.StatusFact{},
		quarantined: map[id.Quarantine]events.UpdateQuarantined{},
		redriven:    map[id.Quarantine]events.UpdateRedriven{},
		bodies:      map[id.Quarantine]string{},
		told:        map[string][]string{},
	}
	ids := map[id.Event]bool{}
	for record, err := range r.store.ReadAll(r.ctx, events.Start) {
		require.NoError(t, err)
		if strings.HasPrefix(record.Stream, "$") {
			continue // the server's own
		}
		require.False(t, ids[record.ID], "event id twice")
		ids[record.ID] = true
		b.records = append(b.records, record)
		_, event, err := decode(record)
		require.NoError(t, err)
		switch e := event.(type) {
		case events.ToldEvent:
			text := r.toldText(t, e.Told())
			b.told[text] = append(b.told[text], record.Type)
		case events.MessageEchoed, events.MessageImported, events.CustomerIdentified:
			b.elsewhere++
		case events.CustomerOptedOut:
			if e.Source == events.SourcePreferences {
				b.elsewhere++
			}
		case events.MessageReceived:
			b.received[e.WamidHash] = append(b.received[e.WamidHash], e)
		case events.MessageSent:
			b.step(events.StatusSent, e.StatusFact)
		case events.MessageDelivered:
			b.step(events.StatusDelivered, e.StatusFact)
		case events.MessageRead:
			b.step(events.StatusRead, e.StatusFact)
		case events.MessagePlayed:
			b.step(events.StatusPlayed, e.StatusFact)
		case events.MessageFailed:
			b.step(events.StatusFailed, e.StatusFact)
		case events.UpdateQuarantined:
			require.NotContains(t, b.quarantined, e.QuarantineID)
			require.Equal(t, "quarantine-"+e.QuarantineID.String(), record.Stream)
			b.quarantined[e.QuarantineID] = e
			body, err := r.vault.Open(r.ctx, e.Body, id.Of[id.Fact](e.QuarantineID), "body")
			require.NoError(t, err)
			updates := updatesOf(t, plain(t, body))
			require.Len(t, updates, 1)
			b.bodies[e.QuarantineID] = updates[0].text
		case events.UpdateRedriven:
			require.NotContains(t, b.redriven, e.QuarantineID)
			b.redriven[e.QuarantineID] = e
		}
	}
	return b
}

// toldText opens the update that a fact was taken from: an element of a list, or a whole change.
func (r *rig) toldText(t failing, fact events.ToldFact) string {
	t.Helper()
	raw, err := r.vault.Open(r.ctx, fact.Raw, fact.FactID, "raw")
	require.NoError(t, err)
	body := []byte(`{"entry":[{"changes":[` + string(raw) + `]}]}`)
	if !bytes.Contains(raw, []byte(`"field"`)) {
		body = batch("errors", string(raw))
	}
	updates := updatesOf(t, body)
	require.Len(t, updates, 1)
	return updates[0].text
}

// plain unpacks a large body.
func plain(t failing, body []byte) []byte {
	t.Helper()
	if bytes.HasPrefix(body, []byte("{")) {
		return body
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	require.NoError(t, err)
	body, err = io.ReadAll(z)
	require.NoError(t, err)
	return body
}

func (b *book) step(status events.Status, fact events.StatusFact) {
	key := step{fact.MessageID, fact.RecipientID, status}
	b.steps[key] = append(b.steps[key], fact)
}

// update is one update of a delivery as the tests read it, without the code under test.
type update struct {
	list    string // "messages", "statuses", … or "" for a whole change
	element map[string]any
	text    string // canonical
}

// updatesOf takes a well-formed delivery apart.
func updatesOf(t failing, body []byte) []update {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var delivery struct {
		Entry []struct {
			Changes []struct {
				Field string         `json:"field"`
				Value map[string]any `json:"value"`
			} `json:"changes"`
		} `json:"entry"`
	}
	require.NoError(t, d.Decode(&delivery))
	var found []update
	for _, entry := range delivery.Entry {
		for _, change := range entry.Changes {
			if _, numbered := change.Value["metadata"]; !numbered {
				found = append(found, newUpdate(t, "", change.Field, change.Value))
				continue
			}
			for list, elements := range change.Value {
				if array, ok := elements.([]any); ok && list != "contacts" {
					for _, element := range array {
						found = append(found, newUpdate(t, list, change.Field, element.(map[string]any)))
					}
				}
			}
		}
	}
	return found
}

func newUpdate(t failing, list, field string, element map[string]any) update {
	t.Helper()
	text, err := json.Marshal([]any{list, field, element})
	require.NoError(t, err)
	return update{list, element, string(text)}
}

func (u update) member(name string) string {
	s, _ := u.element[name].(string)
	return s
}

// recipients maps the platform ids in the statuses of deliveries to who was written to.
func recipients(t failing, bodies map[string][]byte) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, body := range bodies {
		for _, u := range updatesOf(t, body) {
			if u.list == "statuses" {
				found[u.member("id")] = u.member("recipient_id")
			}
		}
	}
	return found
}

// batch is a delivery of the elements of one list.
func batch(list string, elements ...string) []byte {
	return []byte(`{"object":"whatsapp_business_account","entry":[{"id":"` + sampleWABA + `","changes":[{"field":"messages","value":{` +
		`"messaging_product":"whatsapp","metadata":{"display_phone_number":"390655500100","phone_number_id":"` + sampleNumber + `"},"` +
		list + `":[` + strings.Join(elements, ",") + `]}}]}]}`)
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
