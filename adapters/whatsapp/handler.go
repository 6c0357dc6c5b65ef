package whatsapp

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"
)

// BodyMaxDefault is the largest delivery that the platform sends.
const BodyMaxDefault = 3 << 20

// Handler serves GET and POST /webhooks/whatsapp.
//
// GET is the platform's handshake. POST is a delivery: 200 when all of it is durable, 401 when it is not the
// platform's, 413 when it is too large, 400 when it is not JSON, 503 when something of it is not durable yet: the
// platform repeats it then. Errors are problem documents.
type Handler struct {
	Ingester    *Ingester
	Secrets     []string // app secrets, any of which may sign; none refuses every delivery
	VerifyToken string   // of the handshake; empty refuses every handshake
	BodyMax     int64    // bytes; 0 is BodyMaxDefault
	Log         *slog.Logger
	Observe     func(Answer) // called after every answer to a POST, if set
}

// Answer is what a delivery came to, for counters. It holds nothing of the delivery but its size.
type Answer struct {
	Status int
	Code   string // of the problem; empty when there was none
	Bytes  int    // read of the body
	Result Result
	Took   time.Duration
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet:
		h.handshake(w, r)
	case http.MethodPost:
		h.receive(w, r)
	default:
		w.Header().Set("Allow", "GET, POST")
		problem{Status: http.StatusMethodNotAllowed, Code: "MethodNotAllowed", Detail: "use GET or POST"}.write(w)
	}
}

// handshake proves to the platform that this address is ours.
func (h *Handler) handshake(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	given, want := sha256.Sum256([]byte(q.Get("hub.verify_token"))), sha256.Sum256([]byte(h.VerifyToken))
	matches := subtle.ConstantTimeCompare(given[:], want[:]) == 1
	if !matches || h.VerifyToken == "" || q.Get("hub.mode") != "subscribe" || q.Get("hub.challenge") == "" {
		problem{Status: http.StatusForbidden, Code: "VerifyTokenMismatch",
			Detail: "hub.mode must be subscribe, hub.challenge set, and hub.verify_token the configured one"}.write(w)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff") // the challenge is the caller's text
	_, _ = io.WriteString(w, q.Get("hub.challenge"))    // the peer may be gone; nothing is owed to it then
}

// receive takes a delivery and answers for it.
func (h *Handler) receive(w http.ResponseWriter, r *http.Request) {
	started := h.Ingester.Now()
	answer := Answer{Status: http.StatusOK}
	body, refused := h.read(w, r)
	answer.Bytes = len(body)
	if refused == nil {
		answer.Result, refused = h.ingest(r.Context(), body)
	}
	if refused != nil {
		answer.Status, answer.Code = refused.Status, refused.Code
		refused.write(w)
	} else {
		w.WriteHeader(http.StatusOK)
	}
	answer.Took = h.Ingester.Now().Sub(started)
	h.Log.Debug("webhook", "status", answer.Status, "code", answer.Code, "bytes", answer.Bytes, "took", answer.Took,
		"updates", answer.Result.Updates, "placed", answer.Result.Placed, "quarantined", answer.Result.Quarantined)
	if h.Observe != nil {
		h.Observe(answer)
	}
}

// read returns the body when the platform signed it. A delivery without a signature is refused unread, and of any
// other at most the limit is read.
func (h *Handler) read(w http.ResponseWriter, r *http.Request) ([]byte, *problem) {
	unsigned := &problem{Status: http.StatusUnauthorized, Code: "SignatureInvalid",
		Detail: SignatureHeader + " must be sha256= and the HMAC of the body under the app secret"}
	header := r.Header.Get(SignatureHeader)
	if _, ok := parseSignature(header); !ok {
		return nil, unsigned
	}
	limit := h.BodyMax
	if limit <= 0 {
		limit = BodyMaxDefault
	}
	tooLarge := &problem{Status: http.StatusRequestEntityTooLarge, Code: "BodyTooLarge",
		Detail: fmt.Sprintf("the body must not exceed %d bytes", limit)}
	if r.ContentLength > limit {
		return nil, tooLarge
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return body, tooLarge
	}
	if err != nil {
		return body, &problem{Status: http.StatusBadRequest, Code: "BodyUnreadable", Detail: "the body ended early"}
	}
	if !Verify(h.Secrets, header, body) {
		return body, unsigned
	}
	return body, nil
}

func (h *Handler) ingest(ctx context.Context, body []byte) (Result, *problem) {
	result, err := h.Ingester.Ingest(ctx, body)
	if malformed, ok := errors.AsType[*MalformedError](err); ok {
		return result, &problem{Status: http.StatusBadRequest, Code: "MalformedJSON", Detail: malformed.Error(), Offset: &malformed.Offset}
	}
	if err != nil {
		h.Log.Error("webhook delivery is not durable yet", "error", err)
		return result, &problem{Status: http.StatusServiceUnavailable, Code: "NotDurable",
			Detail: "not everything in the delivery is durable; send it again"}
	}
	return result, nil
}
