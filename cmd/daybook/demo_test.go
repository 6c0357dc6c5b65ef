package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/adapters/web/api"
	"daybook/cmd/daybook/demo"
)

func demoConfig(t *testing.T) Config {
	t.Helper()
	config := testConfig(t)
	config.WhatsAppAppSecrets = []string{"demo-test-secret"}
	return config
}

// TestDemoAddsUp plays a short demo. The demo holds the book against its own count and fails when they differ.
func TestDemoAddsUp(t *testing.T) {
	var out, log bytes.Buffer
	require.NoError(t, playDemo(t.Context(), demoConfig(t), 2, &out, &log), &out)
	for _, want := range []string{
		"deliveries wait for a price", "line 3, rate:", "line 5, category:", "line 6, effective_from:", "the same file again: nothing new",
		"written on  iPhone Mario (called iPhone Banco now)", "0.0300 USD under policy P3: utility, Italy, card of 2026-10-01",
		"delivered 23:59:59  0.0305 USD under policy P2: marketing, Mexico, card of 2026-07-01",
		"delivered 00:00:00  0.0397 USD under policy P3: marketing, Mexico, card of 2026-10-01",
		"Everything adds up.",
	} {
		require.Contains(t, out.String(), want)
	}
	require.NotContains(t, out.String(), "WRONG")
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	named := regexp.MustCompile(`--account (\S+)`).FindSubmatch(readme)
	require.NotNil(t, named)
	require.Contains(t, out.String(), "account "+string(named[1]), "the business that README.md shows")
	require.Empty(t, log.String(), "a demo that goes well warns of nothing")
}

// TestDemoNoticesWhatDoesNotAddUp plays it against a server that, once the month is over, says one thing too much in
// each of its answers: the demo must name them all.
func TestDemoNoticesWhatDoesNotAddUp(t *testing.T) {
	var out bytes.Buffer
	clock := &demo.Clock{}
	a, err := open(t.Context(), demoConfig(t), clock.Now, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.dispose()) })
	samples, err := samples()
	require.NoError(t, err)
	err = a.during(t.Context(), func(base string) error {
		liar := lie(t, base)
		defer liar.Close()
		stage := a.stage(liar.URL, clock, &out, io.Discard)
		stage.PerDay = 1
		return demo.Play(t.Context(), stage, samples)
	})
	for _, want := range []string{
		"MessageRead: played ",                       // a fact
		"regular Mexico, booked 39701 ",              // a price
		"provider:whatsapp:payable USD: recounted -", // a balance
		"USD: recounted 0, booked -",                 // a fact without one of its postings
		"cost:messages:marketing:",                   // and the account
		"authentication in September: recounted {",   // a figure
	} {
		require.ErrorContains(t, err, want, &out)
	}
	require.Contains(t, out.String(), "WRONG")
}

// lie serves what the server at base says, but for one lie an answer once a device was renamed, which ends the month.
func lie(t *testing.T, base string) *httptest.Server {
	t.Helper()
	target, err := url.Parse(base)
	require.NoError(t, err)
	var over atomic.Bool
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(r *http.Response) error {
			if r.Request.Method == http.MethodPatch {
				over.Store(true)
			}
			if !over.Load() || r.Request.Method != http.MethodGet {
				return nil
			}
			switch path := r.Request.URL.Path; {
			case strings.HasSuffix(path, "/ledger/balances"):
				return tamper(r, func(b *api.LedgerBalances) {
					for _, balance := range b.Balances {
						if balance.LedgerAccount == "provider:whatsapp:payable" {
							*balance.Micros--
						}
					}
				})
			case strings.HasSuffix(path, "/analytics/messages"):
				return tamper(r, func(f *api.MessageFigures) {
					for i := range f.Figures {
						f.Figures[i].Delivered++
					}
				})
			case strings.HasSuffix(path, "/info"):
				return tamper(r, func(m *api.MessageInfo) {
					for _, recipient := range m.Recipients {
						if c := recipient.Charge; c != nil && c.Micros != nil && *c.Micros == 39_700 {
							*c.Micros++
						}
					}
				})
			case strings.HasSuffix(path, "/ledger/entries"):
				return tamper(r, func(e *api.LedgerEntries) {
					cost := slices.IndexFunc(e.Entries, func(e api.LedgerEntry) bool { return strings.HasPrefix(e.LedgerAccount, "cost:") })
					e.Entries = slices.Delete(e.Entries, cost, cost+1)
				})
			case strings.HasSuffix(path, "/audit/entries"):
				return tamper(r, func(e *api.AuditEntries) {
					for i := range e.Entries {
						if e.Entries[i].Type == "MessageRead" {
							e.Entries[i].Type = "MessagePlayed"
							return
						}
					}
				})
			}
			return nil
		},
	}
	return httptest.NewServer(proxy)
}

func tamper[T any](r *http.Response, change func(*T)) error {
	var answer T
	if err := json.NewDecoder(r.Body).Decode(&answer); err != nil {
		return err
	}
	change(&answer)
	text, err := json.Marshal(answer)
	r.Body = io.NopCloser(bytes.NewReader(text))
	r.ContentLength = int64(len(text))
	r.Header.Set("Content-Length", strconv.Itoa(len(text)))
	return err
}
