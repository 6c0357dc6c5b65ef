package web

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"

	"daybook/adapters/web/api"
	"daybook/commands"
	"daybook/domain"
	"daybook/events"
	"daybook/events/id"
)

// caller is who a request comes from: the installation's operator, or somebody with roles in one account.
type caller struct {
	actor    events.Actor
	source   string
	operator bool
	account  id.Account
	roles    []events.Role
	device   id.Device    // the only one that may be written with; zero: any
	link     customerLink // by which a customer comes
}

// asOperator is whoever runs the installation, and may do everything in all accounts.
func asOperator(actor events.Actor, source string) caller {
	return caller{actor: actor, source: source, operator: true}
}

// signedIn is the session's key; its value is the actor.
const signedIn = "actor"

// authenticated lets a request pass that carries the admin token, a user's key, or the cookie of a session. A browser sends
// the cookie by itself, so a write with it must also come from our own pages.
func (s *server) authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := bearer(r)
		switch {
		case commands.IsKey(token):
			s.serveKey(token, next, w, r)
		case s.isAdmin(token):
			serveAs(asOperator("api:admin", "api"), next, w, r)
		default:
			s.serveSession(next, w, r)
		}
	})
}

// serveKey passes the request on as the user's whose key it carries.
func (s *server) serveKey(text string, next http.Handler, w http.ResponseWriter, r *http.Request) {
	owner, who, err := s.Commands.Authenticate(r.Context(), text)
	if no, ok := errors.AsType[*domain.Rejection](err); ok {
		s.unauthorized(w, r, no.Detail)
		return
	}
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	serveAs(caller{actor: who.Actor(), source: "api", account: owner, roles: who.Roles, device: who.Device}, next, w, r)
}

// serveSession passes the request on as the operator who has signed in.
func (s *server) serveSession(next http.Handler, w http.ResponseWriter, r *http.Request) {
	actor, err := s.session(r)
	switch {
	case err != nil:
		s.refuse(w, r, err)
	case actor == "":
		s.unauthorized(w, r, "send the header Authorization: Bearer with a key or the admin token")
	case s.origin.Check(r) != nil:
		s.refuse(w, r, api.NewProblem(http.StatusForbidden, "CrossOrigin", "a session may write only from this server's own pages"))
	default:
		serveAs(asOperator(actor, "web"), next, w, r)
	}
}

func (s *server) unauthorized(w http.ResponseWriter, r *http.Request, detail string) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="daybook"`)
	s.refuse(w, r, api.NewProblem(http.StatusUnauthorized, "Unauthorized", detail))
}

// bearer is the token that a request carries, or "".
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return token
}

// isAdmin compares digests, so that the time tells neither length nor content. No token configured means nobody.
func (s *server) isAdmin(token string) bool {
	given, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(s.AdminToken))
	return subtle.ConstantTimeCompare(given[:], want[:]) == 1 && s.AdminToken != ""
}

// session returns the actor of the request's session, or "".
func (s *server) session(r *http.Request) (events.Actor, error) {
	cookie, err := r.Cookie(s.sessions.Cookie.Name)
	if err != nil {
		return "", nil //nolint:nilerr // no cookie is no session
	}
	ctx, err := s.sessions.Load(r.Context(), cookie.Value)
	if err != nil {
		return "", err
	}
	return events.Actor(s.sessions.GetString(ctx, signedIn)), nil
}

// newSessions keeps sessions in memory: a restart signs everybody out, and the next link is printed with it. Expired
// sessions stay until then; they are a few bytes per sign-in.
func newSessions(secure bool) *scs.SessionManager {
	sessions := scs.New()
	sessions.Store = memstore.NewWithCleanupInterval(0)
	sessions.Lifetime = sessionLifetime
	sessions.HashTokenInStore = true
	sessions.Cookie.Name = "daybook_session"
	sessions.Cookie.HttpOnly = true
	sessions.Cookie.SameSite = http.SameSiteStrictMode
	sessions.Cookie.Secure = secure
	return sessions
}

// signIn trades a one-time token for a session. Only GET redeems: what merely looks at links must not use them up.
func (s *server) signIn(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet || !s.links.redeem(r.URL.Query().Get("token"), s.Now()) {
		s.page(w, r, http.StatusUnauthorized, "signin", signInPage{Used: r.URL.Query().Has("token")})
		return
	}
	if err := s.sessions.RenewToken(r.Context()); err != nil {
		s.refuse(w, r, err)
		return
	}
	s.sessions.Put(r.Context(), signedIn, "web:admin")
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// signOut ends the session.
func (s *server) signOut(w http.ResponseWriter, r *http.Request) {
	if s.origin.Check(r) != nil {
		s.refuse(w, r, api.NewProblem(http.StatusForbidden, "CrossOrigin", "a session may write only from this server's own pages"))
		return
	}
	if err := s.sessions.Destroy(r.Context()); err != nil {
		s.refuse(w, r, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// links holds the sign-in links that were not used yet, by digest. It is safe for concurrent use.
type links struct {
	mu   sync.Mutex
	open map[[sha256.Size]byte]time.Time // when it becomes void; zero: when used
}

// maxLinks bounds the memory that minting can take.
const maxLinks = 64

var errTooManyLinks = errors.New("too many sign-in links are open")

// add opens a link.
func (l *links) add(token string, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		l.open = map[[sha256.Size]byte]time.Time{}
	}
	l.open[sha256.Sum256([]byte(token))] = until
}

// mint opens a new link for a while.
func (l *links) mint(now time.Time) (token string, until time.Time, err error) {
	l.mu.Lock()
	for digest, void := range l.open {
		if !void.IsZero() && now.After(void) {
			delete(l.open, digest)
		}
	}
	full := len(l.open) >= maxLinks
	l.mu.Unlock()
	if full {
		return "", time.Time{}, errTooManyLinks
	}
	token, until = rand.Text(), now.Add(signInLifetime)
	l.add(token, until)
	return token, until, nil
}

// redeem uses a link up. The digest makes the look-up's time independent of the token.
func (l *links) redeem(token string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	digest := sha256.Sum256([]byte(token))
	until, ok := l.open[digest]
	delete(l.open, digest)
	return ok && (until.IsZero() || !now.After(until))
}

type callerKey struct{}

// serveAs passes the request on with its caller. The route that was found there is handed back for the log.
func serveAs(c caller, next http.Handler, w http.ResponseWriter, r *http.Request) {
	inner := r.WithContext(context.WithValue(r.Context(), callerKey{}, c))
	next.ServeHTTP(w, inner)
	r.Pattern = inner.Pattern
}

func callerOf(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}

// metaOf says of a command who gives it.
func metaOf(ctx context.Context) commands.Meta {
	c := callerOf(ctx)
	return commands.Meta{Actor: c.actor, Source: c.source, Correlation: traceOf(ctx)}
}
