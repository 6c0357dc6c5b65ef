package web

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"daybook/adapters/web/api"
	"daybook/commands"
	"daybook/commands/policies"
	"daybook/events"
	"daybook/events/id"
	"daybook/projections"
)

// Store is the event store as far as queries need it: how far it goes, and what began a stream.
type Store interface {
	Head(ctx context.Context) (events.Position, error)
	ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[events.Record, error]
}

// Database runs the read models' queries.
type Database interface {
	readmodel
	Ping(ctx context.Context) error
}

// Projections is the engine: where each projection stands, and which schema its readers use. Read returns that when the
// projection has read the position, or ctx's error.
type Projections interface {
	Status(ctx context.Context) ([]projections.Status, error)
	Read(ctx context.Context, name string, position events.Position) (projections.Readable, error)
	Live(ctx context.Context, name string) (schema string, err error)
	Builds
	Parking
	Past
}

// Policies is the runner: where each policy stands, and the wait for a position. WaitFor returns when all of the policy
// has passed it, with a position that all it recorded because of that lies at or before; or ctx's error.
type Policies interface {
	Status(ctx context.Context) ([]policies.Status, error)
	WaitFor(ctx context.Context, policy string, position events.Position) (events.Position, error)
}

// Vault keeps identities and keys.
type Vault interface {
	WamidHash(wamid string) events.WamidHash
	Digest(label string, data []byte) string
	Customers(ctx context.Context, account id.Account, people []events.Person) ([]id.Customer, error)
	Keys(ctx context.Context, scopes []events.KeyScope) (map[events.KeyScope]events.DataKey, error)
	Open(ctx context.Context, sealed events.Sealed, fact id.Fact, path string) ([]byte, error)
}

// Redriver drives a quarantined update again. It returns where the update landed, or a rejection.
type Redriver interface {
	Redrive(ctx context.Context, meta commands.Meta, item id.Quarantine) (stream string, position events.Position, err error)
}

// Config is what the handler needs. All fields are required but those that say otherwise.
type Config struct {
	AdminToken  string // the operator's bearer token of the API; empty: none is accepted but users' keys
	SignInToken string // of the first sign-in link, good for one use; empty: none
	// SecureCookies keeps session cookies off plain HTTP. Set it behind TLS.
	SecureCookies bool
	// Wait bounds wait_for; 0 means 5 seconds.
	Wait time.Duration

	StoreID id.Store
	Store   Store
	// HiddenStreams tells how many streams somebody has hidden or deleted events of; nil: nobody looks.
	HiddenStreams func() int64

	Commands    *commands.Handler
	Vault       Vault
	Erased      func(error) bool // tells that something does not open because its key was destroyed
	Redriver    Redriver
	Projections Projections
	Policies    Policies
	Database    Database

	Webhook http.Handler // at /webhooks/whatsapp
	Metrics http.Handler // at /metrics

	Log *slog.Logger
	Now func() time.Time
}

type server struct {
	Config

	sessions *scs.SessionManager
	origin   *http.CrossOriginProtection
	links    links
	visits   visits
	used     usedKeys
	pages    pages
}

// New returns the handler of everything that Daybook serves over HTTP.
func New(config Config) http.Handler {
	if config.Wait == 0 {
		config.Wait = defaultWait
	}
	s := &server{
		Config: config, sessions: newSessions(config.SecureCookies), origin: http.NewCrossOriginProtection(), pages: newPages(), used: newUsedKeys(), visits: newVisits(),
	}
	if config.HiddenStreams == nil {
		s.HiddenStreams = func() int64 { return 0 }
	}
	if config.SignInToken != "" {
		s.links.add(config.SignInToken, time.Time{})
	}
	calls := http.NewServeMux()
	document := s.mountAPI(calls)

	mux := http.NewServeMux()
	mux.Handle("/webhooks/whatsapp", config.Webhook)
	mux.Handle("GET /metrics", config.Metrics)
	mux.Handle(apiPrefix+"/", s.authenticated(s.routed(calls)))
	mux.Handle(customerPrefix, s.linked(s.routed(calls)))
	mux.HandleFunc("GET /openapi.json", document)
	mux.HandleFunc("GET /healthz", s.healthy)
	mux.HandleFunc("GET /readyz", s.ready)
	s.mountPages(mux)
	return s.guarded(s.routed(mux))
}

const apiPrefix = "/api/v1"

// mountAPI registers every endpoint on mux and returns the handler of the OpenAPI document.
func (s *server) mountAPI(mux *http.ServeMux) http.HandlerFunc {
	config := huma.DefaultConfig("Daybook", "1")
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", "" // the document is served outside; nothing loads a viewer
	config.CreateHooks = nil                                             // no $schema member in answers
	config.Formats = map[string]huma.Format{"application/json": jsonFormat(), "json": jsonFormat()}
	config.RejectUnknownQueryParameters = true
	config.Transformers = []huma.Transformer{s.transform}
	describe(config.OpenAPI)
	endpoints := humago.NewWithPrefix(mux, apiPrefix, config)
	endpoints.UseMiddleware(unambiguous(endpoints))
	s.registerAccounts(endpoints)
	s.registerPeople(endpoints)
	s.registerOffer(endpoints)
	s.registerTemplates(endpoints)
	s.registerMessages(endpoints)
	s.registerConsents(endpoints)
	s.registerCustomer(endpoints)
	s.registerStaff(endpoints)
	s.registerCampaigns(endpoints)
	s.registerRates(endpoints)
	s.registerLedger(endpoints)
	s.registerAnalytics(endpoints)
	s.registerAudit(endpoints)
	s.registerQuarantine(endpoints)
	s.registerOperations(endpoints)
	s.registerBuilds(endpoints)
	s.registerParked(endpoints)
	s.registerPast(endpoints)
	return s.document(endpoints.OpenAPI())
}

// transform sends the library's own refusals through the single exit for errors.
func (s *server) transform(ctx huma.Context, _ string, v any) (any, error) {
	if model, ok := v.(*huma.ErrorModel); ok {
		if model.Status == http.StatusRequestEntityTooLarge {
			model.Detail = fmt.Sprintf("a request body holds at most %d bytes here", ctx.Operation().MaxBodyBytes-1)
		}
		return s.problem(ctx.Context(), model), nil
	}
	return v, nil
}

// body is an answer that has nothing but a body.
type body[T any] struct{ Body T }

// endpoint registers one operation for those whom who permits. Its errors leave through the single exit.
func endpoint[In, Out any](s *server, a huma.API, who access, op huma.Operation, handle func(context.Context, *In) (*Out, error)) {
	who.mustSuit(op.OperationID, new(In))
	op.Description += " " + who.sentence()
	op.Middlewares = append(huma.Middlewares{who.guard(a)}, op.Middlewares...)
	if op.MaxBodyBytes == 0 {
		op.MaxBodyBytes = MaxBodyBytes
	}
	op.MaxBodyBytes++ // the library refuses what reaches the bound
	op.Errors = append(op.Errors, http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusServiceUnavailable)
	_, reads := reflect.TypeFor[In]().FieldByName("Body")
	_, takesFile := reflect.TypeFor[In]().FieldByName("RawBody")
	if reads || takesFile {
		op.Errors = append(op.Errors, http.StatusBadRequest, http.StatusRequestTimeout,
			http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	huma.Register(a, op, func(ctx context.Context, in *In) (*Out, error) {
		err := who.confine(ctx, in)
		if err == nil {
			var out *Out
			if out, err = handle(ctx, in); err == nil {
				return out, nil
			}
		}
		return nil, s.failed(ctx, err)
	})
}

// failed adds to a problem the header that says when to try again.
func (s *server) failed(ctx context.Context, err error) error {
	p := s.problem(ctx, err)
	if p.Status != http.StatusServiceUnavailable {
		return p
	}
	after := max(p.RetryAfter, time.Second)
	return huma.ErrorWithHeaders(p, http.Header{"Retry-After": {strconv.Itoa(int(after.Seconds()))}})
}

// document serves the OpenAPI 3.1 description, rendered once.
func (s *server) document(description *huma.OpenAPI) http.HandlerFunc {
	text, err := description.MarshalJSON()
	return func(w http.ResponseWriter, r *http.Request) {
		if err != nil {
			s.refuse(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/vnd.oai.openapi+json;version=3.1")
		_, _ = w.Write(text)
	}
}

// describe fills in what the document says of the whole API.
func describe(document *huma.OpenAPI) {
	document.Info.Description = "Daybook records business messaging as immutable facts and reads the audit trail, the billing ledger and the figures out of them. " +
		"Every command answers with the position of its last fact; every query takes wait_for with such a position and " +
		"then reads no older state. A command with the header Idempotency-Key may be repeated safely. A parameter of a query " +
		"comes once, with a value; its instants are RFC 3339, of the years 1970 to 9999, and the + of an offset is written %2B."
	document.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"bearer": {Type: "http", Scheme: "bearer", Description: "A user's key, or the operator's admin token: DAYBOOK_ADMIN_TOKEN, or the one printed at start."},
	}
	document.Security = []map[string][]string{{"bearer": {}}}
	document.Tags = []*huma.Tag{
		{Name: "Accounts", Description: "Businesses, their terms, profiles and devices."},
		{Name: "People", Description: "Who works for an account, in which roles, and their keys to this API."},
		{Name: "Messages", Description: "Writing messages, and what became of them."},
		{Name: "Campaigns", Description: "One message to many customers, when it is sent and what it may cost."},
		{Name: "Customers", Description: "What customers want to receive; and what they themselves see, choose and take away, by a link."},
		{Name: "Billing", Description: "Rate cards, and the ledger of what messages cost."},
		{Name: "Analytics", Description: "How many messages there were, and what became of them."},
		{Name: "Audit", Description: "The trail of everything that happened."},
		{Name: "Quarantine", Description: "Webhook updates that found no place."},
		{Name: "Operations", Description: "The state of the installation."},
	}
	document.Components.Schemas.RegisterTypeAlias(reflect.TypeFor[huma.ErrorModel](), reflect.TypeFor[api.Problem]())
}

var _ huma.StatusError = (*api.Problem)(nil)
