package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"daybook/adapters/postgres"
	"daybook/adapters/postgres/pgtest"
	"daybook/adapters/storetest"
	"daybook/adapters/vault"
	"daybook/adapters/watermill"
	"daybook/adapters/web"
	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
	"daybook/commands"
	"daybook/commands/policies"
	"daybook/domain"
	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
	"daybook/projections"
	"daybook/projections/analytics"
	"daybook/projections/audit"
	"daybook/projections/campaigns"
	"daybook/projections/customers"
	"daybook/projections/ledger"
	"daybook/projections/messages"
	"daybook/projections/routing"
	"daybook/projections/templates"
	"daybook/projections/timers"
)

const (
	token  = "correct-horse-battery-staple"
	signIn = "one-time-token"
)

// system is everything behind the handler, all of it real, and a client before it.
type system struct {
	*client.Client

	t        *testing.T
	url      string
	store    storetest.LentStore
	commands *commands.Handler
	vault    *vault.Vault
	engine   *projections.Engine
	database *pgxpool.Pool
	log      *lockedBuffer
	pause    func()                            // stops the projections
	hold     func()                            // stops the policies
	restart  func(change ...func(*web.Config)) // puts a new handler, with nothing in memory, before the same store
}

// start runs a whole installation over real HTTP. Change may alter the configuration.
func start(t *testing.T, change ...func(*web.Config)) *system {
	t.Helper()
	log := &lockedBuffer{}
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	store := storetest.Lend(t)
	database, err := postgres.Open(t.Context(), pgtest.Database(t)) // projections make schemas of their own
	require.NoError(t, err)
	t.Cleanup(database.Close)
	master, err := vault.LoadMaster("", t.TempDir())
	require.NoError(t, err)
	keeper, err := vault.Open(t.Context(), pgtest.Pool(t), master)
	require.NoError(t, err)
	engine, err := projections.NewEngine(projections.Config{
		Pool: database, Subscriber: watermill.NewBatchSubscriber(watermill.Config{Log: store}), Log: store, Now: time.Now,
	}, audit.Define, messages.Define, routing.Define, ledger.Define, analytics.Define, templates.Define, campaigns.Define, customers.Define, timers.Define)
	require.NoError(t, err)
	require.NoError(t, engine.Prepare(t.Context()))
	s := &system{
		t: t, store: store, commands: commands.New(store, time.Now), vault: keeper, engine: engine, database: database, log: log, pause: run(t, engine.Run),
	}
	runner, err := policies.NewRunner(policies.Config{
		Log: store, Leases: postgres.NewLeases(database), Now: time.Now, Logger: logger,
	}, policies.NewRating(store, time.Now), policies.NewCampaigns(s.commands, vault.Copies{Vault: keeper}, 0),
		policies.NewCampaignCharges(store, s.commands), policies.NewCampaignOutcomes(store, s.commands))
	require.NoError(t, err)
	s.hold = run(t, runner.Run)
	config := web.Config{
		AdminToken: token, SignInToken: signIn, StoreID: store.ID(), Store: store, Commands: s.commands, Vault: keeper, Erased: erased,
		Redriver: nowhere{}, Projections: engine, Policies: runner, Database: database,
		Webhook: http.NotFoundHandler(), Metrics: http.NotFoundHandler(), Log: logger, Now: time.Now,
	}
	var handler atomic.Pointer[http.Handler]
	s.restart = func(change ...func(*web.Config)) {
		config.Commands = commands.New(store, time.Now)
		for _, c := range change {
			c(&config)
		}
		handler.Store(new(web.New(config)))
	}
	s.restart(change...)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*handler.Load()).ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	s.url, s.Client = server.URL, client.New(server.URL, token)
	return s
}

// run runs what goes on in the background until the test ends, or until the returned function is called.
func run(t *testing.T, background func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- background(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
	})
	t.Cleanup(stop)
	return stop
}

func erased(err error) bool {
	_, ok := errors.AsType[*vault.ErasedError](err)
	return ok
}

// nowhere finds no quarantined update.
type nowhere struct{}

func (nowhere) Redrive(context.Context, commands.Meta, id.Quarantine) (string, events.Position, error) {
	return "", events.Start, domain.Missing("QuarantineUnknown", "there is no such item")
}

// The business of most tests.
var rossi = api.RegisterAccount{
	Name: "Ferramenta Rossi", Kind: "app", Country: "IT", Currency: "EUR", Timezone: "Europe/Rome", WABAID: "102290129340398",
	Numbers: []api.Number{{PhoneNumberID: "106540352242922", DisplayPhoneNumber: "390655550100"}},
}

const customerNumber = "393331234567"

// account registers the business and accepts the terms.
func (s *system) account() id.Account {
	s.t.Helper()
	opened, err := s.RegisterAccount(s.t.Context(), rossi)
	require.NoError(s.t, err)
	_, err = s.AcceptTerms(s.t.Context(), opened.ID, api.AcceptTerms{TermsVersion: "1", PrivacyVersion: "1"})
	require.NoError(s.t, err)
	return opened.ID
}

// device links a smartphone.
func (s *system) device(account id.Account, name string) id.Device {
	s.t.Helper()
	linked, err := s.LinkDevice(s.t.Context(), account, api.LinkDevice{Kind: "smartphone", Platform: "ios", Name: name})
	require.NoError(s.t, err)
	return linked.ID
}

// hello records a message of the customer, which opens the service window.
func (s *system) hello(account id.Account) id.Conversation {
	s.t.Helper()
	number := rossi.Numbers[0].PhoneNumberID
	customers, err := s.vault.Customers(s.t.Context(), account, []events.Person{{WaID: customerNumber}})
	require.NoError(s.t, err)
	chat := conversation.IDOf(number, customers[0])
	hash := s.vault.WamidHash("wamid.hello")
	_, err = s.commands.RecordUpdates(s.t.Context(), commands.Meta{Actor: "platform:whatsapp", Source: "webhook"}, commands.Delivery{
		Account: account, PhoneNumberID: number, Customer: customers[0], Conversation: chat,
		Updates: []conversation.Update{conversation.Inbound{
			MessageID: conversation.InboundID(hash), WamidHash: hash, Kind: "text", SentAt: time.Now().Add(-time.Minute).Truncate(time.Second),
		}},
	})
	require.NoError(s.t, err)
	return chat
}

// delivered records a status of a message that was accepted under the platform's id.
func (s *system) told(account id.Account, message id.Message, wamid string, status events.Status, at time.Time) {
	s.t.Helper()
	number := rossi.Numbers[0].PhoneNumberID
	customers, err := s.vault.Customers(s.t.Context(), account, []events.Person{{WaID: customerNumber}})
	require.NoError(s.t, err)
	hash := s.vault.WamidHash(wamid)
	outcome, err := s.commands.RecordUpdates(s.t.Context(), commands.Meta{Actor: "platform:whatsapp", Source: "webhook"}, commands.Delivery{
		Account: account, PhoneNumberID: number, Customer: customers[0], Conversation: conversation.IDOf(number, customers[0]),
		Updates: []conversation.Update{conversation.StatusUpdate{
			MessageID: message, RecipientID: customers[0], FactID: conversation.StatusFactID(hash, status, customers[0]), Status: status, At: at,
		}},
	})
	require.NoError(s.t, err)
	require.Empty(s.t, outcome.Unplaced)
}

// text is a message to the customer.
func text(device id.Device, body string) api.SendMessage {
	return api.SendMessage{DeviceID: device, To: "+39 333 123 4567", Type: "text", Text: &api.Text{Body: body}}
}

// answer is a raw response.
type answer struct {
	*http.Response

	body []byte
}

// call makes a raw request with the admin token.
func (s *system) call(method, path, body string, headers ...string) answer {
	s.t.Helper()
	return s.raw(method, path, body, append([]string{"Authorization", "Bearer " + token}, headers...)...)
}

// raw makes a request with nothing but the given headers, names and values in turn. It follows no redirect.
func (s *system) raw(method, path, body string, headers ...string) answer {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	require.NoError(s.t, err)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	require.NoError(s.t, err)
	content, err := io.ReadAll(response.Body)
	require.NoError(s.t, err)
	require.NoError(s.t, response.Body.Close())
	return answer{response, content}
}

// problem checks that the answer is a whole problem document and returns it.
func (a answer) problem(t *testing.T) api.Problem {
	t.Helper()
	require.Equal(t, "application/problem+json", a.Header.Get("Content-Type"), "body: %s", a.body)
	decoder := json.NewDecoder(bytes.NewReader(a.body))
	decoder.DisallowUnknownFields()
	var p api.Problem
	require.NoError(t, decoder.Decode(&p), "body: %s", a.body)
	require.Equal(t, a.StatusCode, p.Status)
	require.NotEmpty(t, p.Code)
	require.Equal(t, api.ProblemType+p.Code, p.Type)
	require.NotEmpty(t, p.Title)
	require.NotEmpty(t, p.Detail)
	require.Equal(t, "urn:uuid:"+a.Header.Get("Daybook-Correlation"), p.Instance)
	for _, field := range p.Errors {
		require.NotEqual(t, field.Detail == "", field.Message == "", "a rule of a file's line, or of a request's field")
		require.Equal(t, field.Message == "", field.Location == "")
	}
	return p
}

// decoded is the answer's body.
func decoded[T any](t *testing.T, a answer) (body T) {
	t.Helper()
	require.NoError(t, json.Unmarshal(a.body, &body), "body: %s", a.body)
	return body
}

// lockedBuffer is a log that tests read.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// open opens a sealed value of a message.
func (s *system) open(sealed events.Sealed, message id.Message, path string) string {
	s.t.Helper()
	plain, err := s.vault.Open(s.t.Context(), sealed, id.Of[id.Fact](message), path)
	require.NoError(s.t, err)
	return string(plain)
}
