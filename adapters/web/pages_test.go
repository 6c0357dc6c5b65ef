package web_test

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/web/client"
	"daybook/events"
	"daybook/events/id"
)

// page gets a page with the session and checks what every page owes: it is whole, and loads or runs nothing but our
// style sheet.
func (s *system) page(cookie, path string, status int) string {
	s.t.Helper()
	a := s.raw(http.MethodGet, path, "", "Cookie", cookie)
	require.Equal(s.t, status, a.StatusCode, "%s", a.body)
	require.Equal(s.t, "text/html; charset=utf-8", a.Header.Get("Content-Type"))
	html := string(a.body)
	require.True(s.t, strings.HasSuffix(strings.TrimSpace(html), "</html>"))
	for _, forbidden := range []string{"<script", "style=", "onclick", "http://", "https://", "ZgotmplZ"} {
		require.NotContains(s.t, html, forbidden)
	}
	balanced(s.t, html)
	return html
}

// balanced checks that every element is closed.
func balanced(t *testing.T, html string) {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(html))
	decoder.Strict, decoder.AutoClose, decoder.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			require.NoError(t, err)
		}
	}
}

func TestStrangersAreToldHowToSignIn(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, path := range []string{"/", "/?account=x", "/messages/" + id.New[id.Message]().String()} {
		html := s.page("", path, http.StatusUnauthorized)
		require.Contains(t, html, "sign-in link")
		require.NotContains(t, html, "<table")
		require.NotContains(t, html, "Sign out")
	}
}

func TestTheTrailIsReadable(t *testing.T) {
	t.Parallel()
	s := start(t)
	cookie := s.signedIn()
	require.Contains(t, s.page(cookie, "/?type=DeviceLinked", http.StatusOK), "No event matches the filter.")
	account := s.account()
	device := s.device(account, `<b>"Mario"</b>`)
	chat := s.hello(account)
	sent, err := s.SendMessage(t.Context(), account, text(device, "ciao"))
	require.NoError(t, err)
	_, err = s.AuditEntries(t.Context(), client.AuditFilter{}, client.WaitFor(sent.Position))
	require.NoError(t, err)

	html := s.page(cookie, "/?conversation="+chat.String(), http.StatusOK)
	for _, wanted := range []string{
		"<b>ConversationStarted</b>", "<b>MessageQueued</b>", "api:admin", `href="/messages/` + sent.ID.String() + `"`, "<b>audit</b> running",
		"conversation …", "&lt;b&gt;",
	} {
		require.Contains(t, html, wanted)
	}
	require.NotContains(t, html, "<b>AccountRegistered</b>")
	require.NotContains(t, html, `<b>"Mario"`)
	require.Contains(t, s.page(cookie, "/?from=2026-01-01T00:00&to=2026-01-01T00:00", http.StatusUnprocessableEntity), "after from")
	empty := s.page(cookie, "/?account=&conversation=&type=&from=&to=", http.StatusOK) // as browsers send the form
	require.Contains(t, empty, "<b>AccountRegistered</b>")
	require.Contains(t, s.page(cookie, "/?account=somebody", http.StatusUnprocessableEntity), "query.account")
	require.Contains(t, s.page(cookie, "/?after=-1", http.StatusUnprocessableEntity), "query.after")
}

func TestTheTrailHasPages(t *testing.T) {
	t.Parallel()
	s := start(t)
	cookie := s.signedIn()
	account := s.account()
	device := s.device(account, "iPhone")
	var last events.Position
	for i := range 60 {
		renamed, err := s.RenameDevice(t.Context(), account, device, "iPhone "+strings.Repeat("I", i%40+1))
		require.NoError(t, err)
		last = renamed.Position
	}
	_, err := s.AuditEntries(t.Context(), client.AuditFilter{}, client.WaitFor(last))
	require.NoError(t, err)
	first := s.page(cookie, "/?type=DeviceRenamed", http.StatusOK)
	require.Equal(t, 50, strings.Count(first, "<b>DeviceRenamed</b>"))
	_, rest, found := strings.Cut(first, `<p class="next"><a href="`)
	require.True(t, found)
	next, _, _ := strings.Cut(rest, `"`)
	second := s.page(cookie, strings.ReplaceAll(next, "&amp;", "&"), http.StatusOK)
	require.Equal(t, 10, strings.Count(second, "<b>DeviceRenamed</b>"))
	require.NotContains(t, second, "Next page")
}

func TestMessageInfoForPeople(t *testing.T) {
	t.Parallel()
	s := start(t)
	cookie := s.signedIn()
	account := s.account()
	device := s.device(account, "iPhone Mario")
	s.hello(account)
	sent, err := s.SendMessage(t.Context(), account, text(device, "ciao"))
	require.NoError(t, err)
	_, err = s.AcceptMessage(t.Context(), account, sent.ID, "wamid.12345678")
	require.NoError(t, err)
	s.told(account, sent.ID, "wamid.12345678", events.StatusRead, time.Date(2026, 10, 5, 10, 43, 0, 0, time.UTC))
	_, err = s.UnlinkDevice(t.Context(), account, device)
	require.NoError(t, err)
	head, err := s.store.Head(t.Context())
	require.NoError(t, err)
	_, err = s.MessageInfo(t.Context(), sent.ID, client.WaitFor(head))
	require.NoError(t, err)

	html := s.page(cookie, "/messages/"+sent.ID.String(), http.StatusOK)
	for _, wanted := range []string{"iPhone Mario", "unlinked", "5 Oct 2026 10:43:00", "(implied)", `class="badge">read<`, "not told"} {
		require.Contains(t, html, wanted)
	}
	require.Contains(t, s.page(cookie, "/messages/"+id.New[id.Message]().String(), http.StatusNotFound), "MessageUnknown")
	require.Contains(t, s.page(cookie, "/messages/x", http.StatusUnprocessableEntity), "path.id")
}

func TestTheStyleSheetIsOurs(t *testing.T) {
	t.Parallel()
	a := start(t).raw(http.MethodGet, "/style.css", "")
	require.Equal(t, http.StatusOK, a.StatusCode)
	require.Contains(t, a.Header.Get("Content-Type"), "text/css")
	require.Contains(t, string(a.body), "prefers-color-scheme: dark")
	require.NotContains(t, string(a.body), "url(")
}
