package graph_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/commands/policies"
	"daybook/events"
	"daybook/events/id"
)

// sentBody sends a message to a platform that takes everything, and returns what it was given.
func sentBody(t *testing.T, vault safe, m policies.Outgoing) string {
	t.Helper()
	var body string
	c := platform(t, vault, func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		body = string(raw)
		if r.Method != http.MethodPost || r.URL.Path != "/v24.0/900555000111222/messages" || r.Header.Get("Authorization") != "Bearer token" {
			t.Errorf("%s %s with %q", r.Method, r.URL.Path, r.Header.Get("Authorization"))
		}
		fmt.Fprintf(w, `{"messaging_product":"whatsapp","messages":[{"id":%q,"message_status":"accepted"}]}`, wamid)
	})
	_, err := c.Send(t.Context(), m)
	require.NoError(t, err)
	return body
}

func TestEachKindOfMessageHasThePlatformsForm(t *testing.T) {
	t.Parallel()
	vault := newSafe(t)
	const it = `{"versions":[
		{"language":"it","text":"Pronto","links":[{"title":"Traccia","url":"https://a.example/1"}]},
		{"language":"en","text":"Ready","image":"https://a.example/i.jpg"},
		{"language":"de","text":"Fertig","links":[{"title":"Eins","url":"https://a.example/1"},{"title":"Zwei","url":"https://a.example/2"}]}]}`
	for name, c := range map[string]struct {
		kind, content, locale string
		template              *events.Template
		want                  string
	}{
		"text":                    {"text", `{"body":"Ciao"}`, "", nil, `"type":"text","text":{"body":"Ciao","preview_url":false}`},
		"template":                {"template", "", "", &events.Template{Name: "ready", Language: "it"}, `"type":"template","template":{"name":"ready","language":{"code":"it"}}`},
		"template with places":    {"template", `{"parameters":["Ada"]}`, "", &events.Template{Name: "ready", Language: "it"}, `"type":"template","template":{"name":"ready","language":{"code":"it"},"components":[{"type":"body","parameters":[{"type":"text","text":"Ada"}]}]}`},
		"template by components":  {"template", `{"components":[{"type":"header","parameters":[]}]}`, "", &events.Template{Name: "ready", Language: "it"}, `"type":"template","template":{"name":"ready","language":{"code":"it"},"components":[{"type":"header","parameters":[]}]}`},
		"image by link":           {"image", `{"link":"https://a.example/i.jpg","caption":"Ecco"}`, "", nil, `"type":"image","image":{"link":"https://a.example/i.jpg","caption":"Ecco"}`},
		"image by id":             {"image", `{"id":"77"}`, "", nil, `"type":"image","image":{"id":"77"}`},
		"interactive":             {"interactive", `{"type":"list","body":{"text":"?"}}`, "", nil, `"type":"interactive","interactive":{"type":"list","body":{"text":"?"}}`},
		"structured with a link":  {"structured", it, "it", nil, `"type":"interactive","interactive":{"type":"cta_url","body":{"text":"Pronto"},"action":{"name":"cta_url","parameters":{"display_text":"Traccia","url":"https://a.example/1"}}}`},
		"structured with image":   {"structured", it, "en", nil, `"type":"image","image":{"link":"https://a.example/i.jpg","caption":"Ready"}`},
		"structured with links":   {"structured", it, "de", nil, `"type":"text","text":{"body":"Fertig\nEins: https://a.example/1\nZwei: https://a.example/2","preview_url":true}`},
		"structured, not in that": {"structured", it, "fr", nil, `"type":"interactive","interactive":{"type":"cta_url","body":{"text":"Pronto"},"action":{"name":"cta_url","parameters":{"display_text":"Traccia","url":"https://a.example/1"}}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := outgoing(vault, c.kind, number, c.content)
			m.Template, m.Locale = c.template, c.locale
			require.JSONEq(t, `{"messaging_product":"whatsapp","recipient_type":"individual","to":"+393331234567",
				"biz_opaque_callback_data":"db1:03000000-0000-0000-0000-000000000000:01000000-0000-0000-0000-000000000000",`+c.want+`}`,
				sentBody(t, vault, m))
		})
	}
}

func TestAPersonWithoutANumberIsReachedByUserID(t *testing.T) {
	t.Parallel()
	vault := newSafe(t)
	var request map[string]any
	require.NoError(t, json.Unmarshal([]byte(sentBody(t, vault, outgoing(vault, "text", "IT.9a8b", `{"body":"Ciao"}`))), &request))
	require.Equal(t, "IT.9a8b", request["recipient"])
	require.NotContains(t, request, "to")
}

func TestThePlatformsIDComesBackHashedAndSealed(t *testing.T) {
	t.Parallel()
	vault := newSafe(t)
	for status, held := range map[string]string{`"accepted"`: "", `"paused"`: "paused", `"held_for_quality_assessment"`: "held_for_quality_assessment"} {
		c := platform(t, vault, answering(http.StatusOK, `{"messages":[{"id":"`+wamid+`","message_status":`+status+`}]}`))
		taken, err := c.Send(t.Context(), text(vault))
		require.NoError(t, err)
		require.Equal(t, held, taken.Held)
		require.Equal(t, vault.WamidHash(wamid), taken.WamidHash)
		opened, err := vault.key.Open(taken.Wamid, id.Of[id.Fact](text(vault).Message), "wamid")
		require.NoError(t, err)
		require.Equal(t, wamid, string(opened))
	}
}

// TestEveryErrorOfThePlatformMeansWhatTheTableSays goes row by row through the platform's codes.
func TestEveryErrorOfThePlatformMeansWhatTheTableSays(t *testing.T) {
	t.Parallel()
	vault := newSafe(t)
	send := func(status, code int) error {
		c := platform(t, vault, answering(status, fmt.Sprintf(
			`{"error":{"code":%d,"message":"(#%d) %s","error_data":{"details":"to %s"}}}`, code, code, secret, number)))
		_, err := c.Send(t.Context(), text(vault))
		require.Error(t, err)
		require.NotContains(t, err.Error(), number)
		require.NotContains(t, err.Error(), secret)
		return err
	}
	for code, after := range map[int]time.Duration{
		4: time.Minute, 80007: time.Minute, 130429: time.Second, 131056: 6 * time.Second, 131016: 10 * time.Second, 131000: 10 * time.Second,
		131057: 5 * time.Minute, 133016: 10 * time.Minute, 190: 5 * time.Minute,
	} {
		for _, status := range []int{http.StatusBadRequest, http.StatusTooManyRequests, http.StatusInternalServerError} {
			require.Equal(t, policies.RefusedError{Code: code, Retry: true, After: after}, refused(t, send(status, code)))
		}
	}
	for _, code := range []int{
		131026, 131047, 131050, 131049, 131048, 131042, 131031, 368, 130497, 130472, 132000, 132001, 132005, 132007, 132012, 132015, 132016,
		131051, 131052, 131053,
	} {
		for _, status := range []int{http.StatusBadRequest, http.StatusInternalServerError} {
			require.Equal(t, policies.RefusedError{Code: code}, refused(t, send(status, code)))
		}
	}
	require.Equal(t, policies.RefusedError{Code: 424242}, refused(t, send(http.StatusBadRequest, 424242)), "our fault, whatever it is")
	require.Equal(t, policies.RefusedError{Code: 0}, refused(t, send(http.StatusUnauthorized, 0)))
	for _, code := range []int{1, 2, 424242} {
		unknown(t, send(http.StatusInternalServerError, code))
	}
}

// unknown requires an error by which nobody knows whether the message was sent.
func unknown(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	_, is := errors.AsType[*policies.RefusedError](err)
	require.Falsef(t, is, "%v says that it was not sent", err)
	for _, personal := range []string{number, secret, wamid} {
		require.NotContains(t, err.Error(), personal)
	}
}

func TestWhatLeavesItOpenIsUnknown(t *testing.T) {
	t.Parallel()
	vault := newSafe(t)
	hang := func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then the server sees that the client has left
		<-r.Context().Done()
	}
	for name, answer := range map[string]http.HandlerFunc{
		"a success without an id":   answering(http.StatusOK, `{"messages":[]}`),
		"a success with two":        answering(http.StatusOK, `{"messages":[{"id":"a"},{"id":"b"}]}`),
		"a success that is no JSON": answering(http.StatusOK, `<html>`+number),
		"an id that cannot be":      answering(http.StatusOK, `{"messages":[{"id":"a b"}]}`),
		"a server error":            answering(http.StatusBadGateway, `<html>`+number),
		"a client error not theirs": answering(http.StatusForbidden, `denied for `+number),
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		},
		"no answer":                   hang,
		"a connection that is closed": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"an answer that breaks off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte(`{"messages":[{"id":"` + wamid))
			panic(http.ErrAbortHandler)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls := make(chan struct{}, 8)
			c := platform(t, vault, func(w http.ResponseWriter, r *http.Request) {
				calls <- struct{}{}
				answer(w, r)
			})
			ctx := t.Context()
			if name == "no answer" {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 50*time.Millisecond)
				defer cancel()
			}
			_, err := c.Send(ctx, text(vault))
			unknown(t, err)
			require.Len(t, calls, 1, "never given twice")
		})
	}
}

func TestWhatNeverGotThereIsNotSent(t *testing.T) {
	t.Parallel()
	vault := newSafe(t)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	_, err = client(t, vault, "http://"+listener.Addr().String()).Send(t.Context(), text(vault))
	require.True(t, refused(t, err).Retry, "nobody listens")
	require.Zero(t, refused(t, err).Code)

	never := func(http.ResponseWriter, *http.Request) { t.Error("the platform was called") }
	vault.away = errors.New("no connection to the vault")
	_, err = platform(t, vault, never).Send(t.Context(), text(vault))
	require.True(t, refused(t, err).Retry, "the vault is away")

	vault.away = errErased
	_, err = platform(t, vault, never).Send(t.Context(), text(vault))
	require.Equal(t, policies.RefusedError{Rejection: policies.RejectionErased}, refused(t, err))

	vault.away = nil
	for kind, content := range map[string]string{
		"text": `{"body":""}`, "image": `{}`, "interactive": `[]`, "structured": `{"default":"it","locales":{}}`, "template": ``, "video": `{}`,
	} {
		_, err = platform(t, vault, never).Send(t.Context(), outgoing(vault, kind, number, content))
		require.Equal(t, policies.RefusedError{Rejection: policies.RejectionContent}, refused(t, err), kind)
	}
	for _, field := range []string{"to", "content"} {
		m := text(vault)
		if field == "to" {
			m.To = m.Content
		} else {
			m.Content = m.To
		}
		_, err = platform(t, vault, never).Send(t.Context(), m)
		require.Equal(t, policies.RefusedError{Rejection: policies.RejectionContent}, refused(t, err), field)
	}
}

func TestALongAnswerIsNotReadToItsEnd(t *testing.T) {
	t.Parallel()
	vault := newSafe(t)
	_, err := platform(t, vault, answering(http.StatusOK, strings.Repeat(" ", 1<<20)+`{"messages":[{"id":"a"}]}`)).Send(t.Context(), text(vault))
	unknown(t, err)
}
