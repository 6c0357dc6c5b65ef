package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"daybook/adapters/web/api"
	"daybook/events/id"
)

// guarded surrounds every request with what none may miss: an id that response, log and events share, the security
// headers, one log line that names the route and never the address or the query, and an answer even to a panic.
func (s *server) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		trace, began := id.New[id.Trace](), time.Now()
		ctx := context.WithValue(r.Context(), traceKey{}, trace)
		r = r.WithContext(ctx)
		secure(w.Header())
		w.Header().Set("Daybook-Correlation", trace.String())
		answer := &answer{ResponseWriter: w}
		defer func() {
			if p := recover(); p != nil {
				s.panicked(ctx, answer, r, p)
			}
			s.Log.LogAttrs(ctx, slog.LevelDebug, "request", slog.String("method", r.Method), slog.String("route", r.Pattern),
				slog.Int("status", answer.status), slog.Duration("took", time.Since(began)), slog.String("correlation", trace.String()))
		}()
		next.ServeHTTP(answer, r)
	})
}

// secure sets the headers that tell a browser to trust nothing but our own style sheet and forms.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// panicked answers 500, unless the answer has begun: then the connection is cut, so that half an answer is not taken
// for a whole one. A panic's value may hold anything, so only its type is logged.
func (s *server) panicked(ctx context.Context, w *answer, r *http.Request, value any) {
	if err, ok := value.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(http.ErrAbortHandler)
	}
	s.Log.LogAttrs(ctx, slog.LevelError, "panic", slog.String("type", fmt.Sprintf("%T", value)),
		slog.String("correlation", traceOf(ctx).String()), slog.String("stack", string(debug.Stack())))
	if w.status != 0 {
		panic(http.ErrAbortHandler)
	}
	s.refuse(w, r, api.NewProblem(http.StatusInternalServerError, "Internal", internalDetail))
}

// refuse writes a problem document from outside the API's library.
func (s *server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := s.problem(r.Context(), err)
	w.Header().Set("Content-Type", p.ContentType(""))
	w.Header().Del("Content-Length")
	w.WriteHeader(p.Status)
	if r.Method == http.MethodHead {
		return
	}
	if err := json.NewEncoder(w).Encode(p); err != nil {
		s.Log.DebugContext(r.Context(), "answering", "error", err)
	}
}

// routed answers with a problem document where the mux would say 404 or 405 in plain text.
func (s *server) routed(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		verdict := &verdict{header: http.Header{}}
		handler.ServeHTTP(verdict, r)
		if allow := verdict.header.Get("Allow"); verdict.status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", allow)
			s.refuse(w, r, api.NewProblem(http.StatusMethodNotAllowed, "MethodNotAllowed", "this address takes "+allow))
			return
		}
		s.refuse(w, r, api.NewProblem(http.StatusNotFound, "NotFound", "there is nothing at this address"))
	})
}

// verdict keeps status and headers of an answer that is not sent.
type verdict struct {
	header http.Header
	status int
}

func (v *verdict) Header() http.Header         { return v.header }
func (v *verdict) Write(b []byte) (int, error) { return len(b), nil }
func (v *verdict) WriteHeader(status int)      { v.status = status }

// answer remembers the status that was sent.
type answer struct {
	http.ResponseWriter

	status int
}

// WriteHeader remembers and passes on.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write implies 200.
func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

type traceKey struct{}

func traceOf(ctx context.Context) id.Trace {
	trace, _ := ctx.Value(traceKey{}).(id.Trace)
	return trace
}
