package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
	"daybook/domain/pricing"
	"daybook/events"
)

const ratesHeader = "market,iso2,calling_prefix,category,currency,rate,effective_from,source\n"

// file is a rate card file of these lines.
func file(lines ...string) []byte { return []byte(ratesHeader + strings.Join(lines, "\n") + "\n") }

const italyUtility = "Italy,IT,39,utility,EUR,0.0248,2026-07-01,test"

func TestRateCardsAreImportedOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	const path = "/api/v1/rate-cards"
	first := s.call(http.MethodPost, path, pricing.ReferenceCards, "Content-Type", "text/csv; charset=UTF-8")
	require.Equal(t, http.StatusCreated, first.StatusCode, "%s", first.body)
	imported := decoded[api.ImportedRateCards](t, first)
	require.Len(t, imported.FileSHA256, 64)
	require.Equal(t, fmt.Sprintf("%d@%s", imported.Position, s.store.ID()), imported.Token)
	var euro []api.RateCard
	for _, c := range imported.Cards {
		require.True(t, c.New)
		require.Equal(t, "ratecards-"+string(c.Currency), c.Stream)
		if c.Currency == "EUR" {
			euro = append(euro, c)
		}
	}
	require.Len(t, imported.Cards, 9)
	require.Equal(t, []api.RateCard{{
		Ref: api.Ref{Stream: "ratecards-EUR"}, Currency: "EUR", EffectiveFrom: "2026-07-01", Markets: euro[0].Markets, Rates: 123, New: true,
	}}, euro)
	head, err := s.store.Head(t.Context())
	require.NoError(t, err)
	require.Equal(t, imported.Position, head)

	again := s.call(http.MethodPost, path, pricing.ReferenceCards, "Content-Type", "text/csv")
	require.Equal(t, http.StatusOK, again.StatusCode, "%s", again.body)
	known := decoded[api.ImportedRateCards](t, again)
	require.Equal(t, imported.FileSHA256, known.FileSHA256)
	for i, c := range known.Cards {
		require.False(t, c.New)
		require.Equal(t, imported.Cards[i].Ref, c.Ref)
	}
	after, err := s.store.Head(t.Context())
	require.NoError(t, err)
	require.Equal(t, head, after, "nothing new is recorded")
}

// TestARateCardFileCountsWholeOrNotAtAll names every bad line, and records none of the good ones.
func TestARateCardFileCountsWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	s := start(t)
	bad := file(italyUtility, "Spain,ES,34,utility,EUR,free,2026-07-01,test", "France,FR,33,utility,EUR,0.03,soon,test", "Malta,MT,356,gossip,EUR,0.03,2026-07-01,test")
	p := s.call(http.MethodPost, "/api/v1/rate-cards", string(bad), "Content-Type", "text/csv").problem(t)
	require.Equal(t, http.StatusUnprocessableEntity, p.Status)
	require.Equal(t, "RateCardInvalid", p.Code)
	var places []string
	for _, e := range p.Errors {
		require.NotEmpty(t, e.Detail)
		places = append(places, fmt.Sprintf("%d %s", e.Line, e.Field))
	}
	require.Equal(t, []string{"3 rate", "4 effective_from", "5 category"}, places)
	require.Contains(t, p.Detail, "line 3, rate: ")
	require.Contains(t, p.Detail, "(and 2 more)")
	require.Empty(t, s.cards(), "the good line neither")

	_, err := s.ImportRateCards(t.Context(), file(italyUtility))
	require.NoError(t, err)
	_, err = s.ImportRateCards(t.Context(), file("Spain,ES,34,utility,EUR,0.0200,2026-07-01,test", strings.Replace(italyUtility, "0.0248", "0.0249", 1)))
	var conflict *client.Problem
	require.ErrorAs(t, err, &conflict)
	require.Equal(t, http.StatusConflict, conflict.Status)
	require.Equal(t, "RateConflict", conflict.Code)
	require.Len(t, conflict.Errors, 1)
	require.Equal(t, []any{3, "rate"}, []any{conflict.Errors[0].Line, conflict.Errors[0].Field})
	require.Len(t, s.cards(), 1, "a published rate is never edited")
}

// cards lists the recorded cards.
func (s *system) cards() (found []events.Record) {
	s.t.Helper()
	for record, err := range s.store.ReadAll(s.t.Context(), events.Start) {
		require.NoError(s.t, err)
		if record.Type == "RateCardImported" {
			found = append(found, record)
		}
	}
	return found
}

func TestRateCardFilesThatAreNone(t *testing.T) {
	t.Parallel()
	s := start(t)
	described := s.description()
	huge := ratesHeader + strings.Repeat("x", pricing.MaxFileBytes)
	for name, c := range map[string]struct {
		contentType, body string
		status            int
		code              string
	}{
		"JSON":            {"application/json", `{"market":"Italy"}`, 415, "UnsupportedMediaType"},
		"a form":          {"application/x-www-form-urlencoded", ratesHeader + italyUtility, 415, "UnsupportedMediaType"},
		"another charset": {"text/csv; charset=utf-16", ratesHeader + italyUtility, 415, "UnsupportedMediaType"},
		"no media type":   {"text/", ratesHeader + italyUtility, 415, "UnsupportedMediaType"},
		"nothing":         {"text/csv", "", 400, "BodyMissing"},
		"no rates":        {"text/csv", ratesHeader, 422, "RateCardInvalid"},
		"no header":       {"text/csv", italyUtility, 422, "RateCardInvalid"},
		"too large":       {"text/csv", huge, 413, "BodyTooLarge"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := s.call(http.MethodPost, "/api/v1/rate-cards", c.body, "Content-Type", c.contentType).problem(t)
			require.Equal(t, []any{c.status, c.code}, []any{p.Status, p.Code}, p.Detail)
			described.lists(t, http.MethodPost, "/rate-cards", p.Status)
		})
	}
	p := s.call(http.MethodPost, "/api/v1/rate-cards", huge, "Content-Type", "text/csv").problem(t)
	require.Contains(t, p.Detail, strconv.Itoa(pricing.MaxFileBytes))
}

func TestAnImportUnderAKey(t *testing.T) {
	t.Parallel()
	s := start(t)
	first, err := s.ImportRateCards(t.Context(), file(italyUtility), client.Key("july"))
	require.NoError(t, err)
	again, err := s.ImportRateCards(t.Context(), file(italyUtility), client.Key("july"))
	require.NoError(t, err)
	require.Equal(t, first.Token, again.Token)
	_, err = s.ImportRateCards(t.Context(), file("Spain,ES,34,utility,EUR,0.0200,2026-07-01,test"), client.Key("july"))
	require.True(t, client.IsProblem(err, "IdempotencyKeyReused"), err)
}

// TestTheExampleInTheDocumentIsAFile imports what the document shows.
func TestTheExampleInTheDocumentIsAFile(t *testing.T) {
	t.Parallel()
	s := start(t)
	var document struct {
		Paths map[string]map[string]struct {
			RequestBody struct {
				Content map[string]struct {
					Example string `json:"example"`
				} `json:"content"`
			} `json:"requestBody"` //nolint:tagliatelle // OpenAPI's spelling
		} `json:"paths"`
	}
	require.NoError(t, json.Unmarshal(s.raw(http.MethodGet, "/openapi.json", "").body, &document))
	example := document.Paths["/rate-cards"]["post"].RequestBody.Content["text/csv"].Example
	imported, err := s.ImportRateCards(t.Context(), []byte(example))
	require.NoError(t, err)
	require.Equal(t, 1, imported.Cards[0].Rates)
}
