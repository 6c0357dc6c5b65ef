package web

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"

	"daybook/adapters/web/api"
	"daybook/events"
	"daybook/events/id"
)

// customerPrefix is where customers call. What follows is the token of a link.
const customerPrefix = apiPrefix + "/customer/"

// customerLink is what a link opens: one customer's side of one business number, for a while.
type customerLink struct {
	account  id.Account
	customer id.Customer
	number   string
	until    time.Time // whole seconds
}

// signatureSize is of the signature in the token, as text.
const (
	signatureSize = 64
	linkIDsSize   = 2*len(uuid.UUID{}) + 8
)

// token is the link as text: whom and what it is for, without anything personal, signed by this installation.
func (s *server) token(l customerLink) string {
	claims := append(append(make([]byte, 0, 128), l.account.UUID[:]...), l.customer.UUID[:]...)
	claims = binary.BigEndian.AppendUint64(claims, uint64(l.until.Unix()))
	claims = append(claims, l.number...)
	return base64.RawURLEncoding.EncodeToString(claims) + "." + s.signature(claims)
}

func (s *server) signature(claims []byte) string { return s.Vault.Digest("customer link", claims) }

// link reads a token. Whatever is wrong with it, it is no link.
func (s *server) link(token string) (l customerLink, ok bool) {
	text, signature, _ := strings.Cut(token, ".")
	claims, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(claims) < linkIDsSize || subtle.ConstantTimeCompare([]byte(signature), []byte(s.signature(claims))) != 1 {
		return customerLink{}, false
	}
	l.account.UUID, l.customer.UUID = uuid.UUID(claims[:16]), uuid.UUID(claims[16:32])
	l.until = time.Unix(int64(binary.BigEndian.Uint64(claims[32:linkIDsSize])), 0).UTC()
	l.number = string(claims[linkIDsSize:])
	return l, s.Now().Before(l.until)
}

// linked lets a request pass whose address has the token of a link. It needs nothing else, and nothing else counts.
func (s *server) linked(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, customerPrefix), "/")
		l, ok := s.link(token)
		switch {
		case !ok:
			s.refuse(w, r, api.NewProblem(http.StatusNotFound, "LinkUnknown", "there is no such link, or it does not count any more"))
		case !s.visits.admit(l.customer, s.Now()):
			w.Header().Set("Retry-After", "1")
			s.refuse(w, r, api.NewProblem(http.StatusTooManyRequests, "TooManyRequests", "too many requests came by this link: wait a second"))
		default:
			serveAs(caller{actor: events.Actor("customer:" + l.customer.String()), source: "customer", link: l}, next, w, r)
		}
	})
}

// visits bounds how often each customer may call: visitsAtOnce, and then one a second. It is safe for concurrent use.
type visits struct {
	mu   *sync.Mutex
	free *lru.Cache[id.Customer, time.Time] // when all of the customer's visits are free again
}

const (
	visitsAtOnce = 60
	maxVisitors  = 1 << 14
)

func newVisits() visits {
	free, err := lru.New[id.Customer, time.Time](maxVisitors)
	if err != nil {
		panic(err) // only a size below 1 is an error
	}
	return visits{&sync.Mutex{}, free}
}

func (v visits) admit(customer id.Customer, now time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	free, _ := v.free.Get(customer)
	if free.Before(now) {
		free = now
	}
	if free = free.Add(time.Second); free.After(now.Add(visitsAtOnce * time.Second)) {
		return false
	}
	v.free.Add(customer, free)
	return true
}
