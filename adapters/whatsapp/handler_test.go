package whatsapp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/adapters/storetest"
	"daybook/adapters/whatsapp"
	"daybook/events"
)

func TestHandshake(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		configured, mode, token, challenge string
		want                               int
	}{
		"Right":        {"token", "subscribe", "token", "1158201444", http.StatusOK},
		"WrongToken":   {"token", "subscribe", "tokem", "1158201444", http.StatusForbidden},
		"NoToken":      {"token", "subscribe", "", "1158201444", http.StatusForbidden},
		"WrongMode":    {"token", "unsubscribe", "token", "1158201444", http.StatusForbidden},
		"NoChallenge":  {"token", "subscribe", "token", "", http.StatusForbidden},
		"NotSetUp":     {"", "subscribe", "", "1158201444", http.StatusForbidden},
		"NotSetUpElse": {"", "subscribe", "token", "1158201444", http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &whatsapp.Handler{VerifyToken: c.configured}
			query := url.Values{"hub.mode": {c.mode}, "hub.challenge": {c.challenge}, "hub.verify_token": {c.token}}
			answer := httptest.NewRecorder()
			h.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/webhooks/whatsapp?"+query.Encode(), nil))
			require.Equal(t, c.want, answer.Code)
			if c.want == http.StatusOK {
				require.Equal(t, "1158201444", answer.Body.String())
				require.Equal(t, "text/plain; charset=utf-8", answer.Header().Get("Content-Type"))
			} else {
				require.Equal(t, "VerifyTokenMismatch", problemOf(t, answer).Code)
				require.NotContains(t, answer.Body.String(), "1158201444")
			}
		})
	}
}

type problem struct {
	Detail string `json:"detail"`
	Code   string `json:"code"`
	Status int    `json:"status"`
	Offset *int64 `json:"offset"`
}

func problemOf(t *testing.T, answer *httptest.ResponseRecorder) problem {
	t.Helper()
	require.Equal(t, "application/problem+json", answer.Header().Get("Content-Type"))
	var p problem
	require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &p))
	require.Equal(t, answer.Code, p.Status)
	require.NotEmpty(t, p.Detail)
	return p
}

func TestOtherMethodsAreRefused(t *testing.T) {
	t.Parallel()
	answer := httptest.NewRecorder()
	(&whatsapp.Handler{}).ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodDelete, "/webhooks/whatsapp", nil))
	require.Equal(t, http.StatusMethodNotAllowed, answer.Code)
	require.Equal(t, "MethodNotAllowed", problemOf(t, answer).Code)
	require.Equal(t, "GET, POST", answer.Header().Get("Allow"))
}

// TestRefusedDeliveriesStoreNothing: wrong or missing signatures, oversize and malformed bodies.
func TestRefusedDeliveriesStoreNothing(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.register(t)
	r.handler.BodyMax = 1000
	var observed []whatsapp.Answer
	r.handler.Observe = func(a whatsapp.Answer) { observed = append(observed, a) }
	records := len(r.read(t).records)
	good := samples(t)["msg_text.json"]
	large := batch("messages", `{"x":"`+strings.Repeat("x", 1000)+`"}`)
	malformed := []byte(`{"object":"whatsapp_business_account","entry":[}`)
	for _, c := range []struct {
		name, signature string
		body            []byte
		status          int
		code            string
	}{
		{"WrongSignature", sign("other", good), good, http.StatusUnauthorized, "SignatureInvalid"},
		{"SignatureOfAnotherBody", sign(secret, good[1:]), good, http.StatusUnauthorized, "SignatureInvalid"},
		{"NoSignature", "", good, http.StatusUnauthorized, "SignatureInvalid"},
		{"UnsignedMalformed", sign("other", malformed), malformed, http.StatusUnauthorized, "SignatureInvalid"},
		{"TooLarge", sign(secret, large), large, http.StatusRequestEntityTooLarge, "BodyTooLarge"},
		{"Malformed", sign(secret, malformed), malformed, http.StatusBadRequest, "MalformedJSON"},
		{"Empty", sign(secret, nil), nil, http.StatusBadRequest, "MalformedJSON"},
	} {
		answer := r.deliver(c.body, c.signature)
		require.Equal(t, c.status, answer.Code, c.name)
		p := problemOf(t, answer)
		require.Equal(t, c.code, p.Code, c.name)
		if c.name == "Malformed" {
			require.Equal(t, int64(48), *p.Offset)
			require.Contains(t, p.Detail, "byte 48")
		}
		last := observed[len(observed)-1]
		require.Equal(t, c.status, last.Status)
		require.Equal(t, c.code, last.Code)
	}
	require.Len(t, r.read(t).records, records)
	r.mustPost(t, good)
	require.Equal(t, whatsapp.Result{Updates: 1, Placed: 1}, observed[len(observed)-1].Result)
}

// endless is a body that counts what is read of it.
type endless struct{ read atomic.Int64 }

func (e *endless) Read(p []byte) (int, error) {
	e.read.Add(int64(len(p)))
	return len(p), nil
}

// TestReadsAtMostTheLimit: of a body without a length no more than the limit is read, and of one without a signature
// nothing.
func TestReadsAtMostTheLimit(t *testing.T) {
	t.Parallel()
	h := &whatsapp.Handler{
		Ingester: &whatsapp.Ingester{Now: noon}, Secrets: []string{secret}, BodyMax: 10_000, Log: discard(),
	}
	for _, c := range []struct {
		signature string
		announced int64
		status    int
		read      int64
	}{
		{sign(secret, nil), -1, http.StatusRequestEntityTooLarge, 20_000}, // a buffer's length more than the limit
		{sign(secret, nil), 10_001, http.StatusRequestEntityTooLarge, 0},
		{"sha256=00", -1, http.StatusUnauthorized, 0},
	} {
		body := &endless{}
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks/whatsapp", body)
		request.ContentLength = c.announced
		request.Header.Set(whatsapp.SignatureHeader, c.signature)
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, request)
		require.Equal(t, c.status, answer.Code)
		require.LessOrEqual(t, body.read.Load(), c.read)
	}
}

func TestBodyThatEndsEarly(t *testing.T) {
	t.Parallel()
	h := &whatsapp.Handler{Ingester: &whatsapp.Ingester{Now: noon}, Secrets: []string{secret}, Log: discard()}
	body := io.MultiReader(strings.NewReader("{"), &broken{})
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks/whatsapp", body)
	request.Header.Set(whatsapp.SignatureHeader, sign(secret, []byte("{")))
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, request)
	require.Equal(t, http.StatusBadRequest, answer.Code)
	require.Equal(t, "BodyUnreadable", problemOf(t, answer).Code)
}

type broken struct{}

func (*broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestForeignObjectIsKept: what is signed is never lost, even if it is not for us.
func TestForeignObjectIsKept(t *testing.T) {
	t.Parallel()
	r := start(t)
	for range 2 {
		r.mustPost(t, []byte(`{"object":"page","entry":[{"id":"1","changes":[{"field":"feed","value":{"metadata":{}, "posts":[{"a":1}]}}]}]}`))
	}
	quarantined := r.read(t).quarantined
	require.Len(t, quarantined, 1)
	for _, e := range quarantined {
		require.Equal(t, events.UnknownShape, e.Reason)
		require.Empty(t, e.Field)
	}
}

// TestSameDeliveryAtOnce posts one delivery from eight senders at the same time, over a real server.
func TestSameDeliveryAtOnce(t *testing.T) {
	t.Parallel()
	r := start(t)
	bodies := samples(t)
	owner, device := r.register(t)
	r.bind(t, owner, device, recipients(t, bodies))
	server := httptest.NewServer(r.handler)
	defer server.Close()
	var all [][]byte
	for _, body := range bodies {
		all = append(all, body)
		var group sync.WaitGroup
		statuses := make([]int, 8)
		for i := range statuses {
			group.Go(func() { statuses[i] = send(t.Context(), server, body) })
		}
		group.Wait()
		for _, status := range statuses {
			require.Equal(t, http.StatusOK, status)
		}
	}
	r.landed(t, all, true, true)
}

// send posts a body, signed, and returns the status, 0 when there was none.
func send(ctx context.Context, server *httptest.Server, body []byte) int {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/webhooks/whatsapp", bytes.NewReader(body))
	if err != nil {
		return 0
	}
	request.Header.Set(whatsapp.SignatureHeader, sign(secret, body))
	answer, err := server.Client().Do(request)
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	if _, err = io.Copy(io.Discard, answer.Body); err != nil {
		return 0
	}
	return answer.StatusCode
}

var errDisk = errors.New("the disk is full")

// faulty is a store that fails every nth append: before writing, or after, when the caller cannot know.
type faulty struct {
	storetest.LentStore

	every, count atomic.Int64
}

func (f *faulty) Append(ctx context.Context, stream string, expected events.Expected, proposed []events.Proposed) (events.Appended, error) {
	n, every := f.count.Add(1), f.every.Load()
	if every == 0 || n%every != 0 {
		return f.LentStore.Append(ctx, stream, expected, proposed)
	}
	if n%(2*every) == 0 {
		if _, err := f.LentStore.Append(ctx, stream, expected, proposed); err != nil {
			return events.Appended{}, err
		}
	}
	return events.Appended{}, errDisk
}

// TestFailureInTheMiddle: a store that fails some appends makes the delivery fail; repeated until it is taken,
// everything stands once.
func TestFailureInTheMiddle(t *testing.T) {
	t.Parallel()
	store := storetest.Lend(t, embedded.Clock(noon))
	flaky := &faulty{LentStore: store}
	r := wire(t.Context(), store, flaky, openVault(t))
	bodies := samples(t)
	owner, device := r.register(t)
	r.bind(t, owner, device, recipients(t, bodies))
	var elements []string
	for i := range 60 {
		elements = append(elements, `{"from":"39390`+strings.Repeat("1", i%7)+`00","id":"wamid.`+strings.Repeat("x", i+1)+`","timestamp":"1759312800","type":"text"}`)
	}
	all := [][]byte{batch("messages", elements...)}
	for _, body := range bodies {
		all = append(all, body)
	}
	flaky.every.Store(3)
	failed := 0
	for _, body := range all {
		for {
			answer := r.post(body)
			if answer.Code == http.StatusOK {
				break
			}
			failed++
			require.Equal(t, http.StatusServiceUnavailable, answer.Code)
			require.Equal(t, "NotDurable", problemOf(t, answer).Code)
			require.NotContains(t, answer.Body.String(), errDisk.Error())
		}
	}
	require.Positive(t, failed)
	r.landed(t, all, true, true)
}

// TestVaultAway: without the vault nothing can be sealed, so nothing is taken.
func TestVaultAway(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.register(t)
	records := len(r.read(t).records)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	gone := *r
	gone.ctx = ctx
	for _, name := range []string{"msg_text.json", "account_alerts.json"} {
		require.Equal(t, http.StatusServiceUnavailable, gone.post(samples(t)[name]).Code)
	}
	require.Len(t, r.read(t).records, records)
}
