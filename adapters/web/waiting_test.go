package web_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/web"
	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
	"daybook/events"
	"daybook/events/id"
)

// queries are all addresses that take wait_for.
var queries = []string{
	"/api/v1/audit/entries", "/api/v1/quarantine", "/api/v1/projections", "/api/v1/messages/00000000-0000-4000-8000-000000000000/info",
}

func TestAWriterReadsItsOwnWrite(t *testing.T) {
	t.Parallel()
	s := start(t)
	for i := range 20 {
		number := strconv.Itoa(1000 + i)
		body := rossi
		body.Numbers = []api.Number{{PhoneNumberID: number, DisplayPhoneNumber: number}}
		opened, err := s.RegisterAccount(t.Context(), body)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("%d@%s", opened.Position, s.store.ID()), opened.Token)
		for _, wait := range []client.CallOption{client.WaitFor(opened.Position), client.WaitForToken(opened.Token)} {
			trail, err := s.AuditEntries(t.Context(), client.AuditFilter{Account: opened.ID}, wait)
			require.NoError(t, err)
			require.Equal(t, opened.Position, trail.Entries[len(trail.Entries)-1].Position)
			require.GreaterOrEqual(t, trail.Positions[0].Position, opened.Position)
		}
	}
}

func TestEveryQuerySaysHowFarItsProjectionsAre(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	head, err := s.store.Head(t.Context())
	require.NoError(t, err)
	for _, c := range []struct{ path, projection string }{
		{"/api/v1/audit/entries?", "audit"}, {"/api/v1/quarantine?", "routing"}, {"/api/v1/projections?", "messages"},
		{"/api/v1/ledger/entries?account=" + account.String() + "&", "ledger"},
		{"/api/v1/ledger/balances?account=" + account.String() + "&", "ledger"},
		{"/api/v1/analytics/messages?account=" + account.String() + "&", "analytics"},
	} {
		a := s.call(http.MethodGet, fmt.Sprintf("%swait_for=%d", c.path, head), "")
		require.Equal(t, http.StatusOK, a.StatusCode)
		require.Contains(t, a.Header.Get("Daybook-Projection-Position"), fmt.Sprintf("%s=%d", c.projection, head))
	}
}

func TestATokenOfAnotherStoreIsRefused(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, path := range queries {
		p := s.call(http.MethodGet, path+"?wait_for=1@"+id.New[id.Store]().String(), "").problem(t)
		require.Equal(t, http.StatusConflict, p.Status, path)
		require.Equal(t, "StoreMismatch", p.Code)
	}
}

func TestAPositionBeyondTheHeadIsRefused(t *testing.T) {
	t.Parallel()
	s := start(t)
	head, err := s.store.Head(t.Context())
	require.NoError(t, err)
	for _, path := range queries {
		p := s.call(http.MethodGet, fmt.Sprintf("%s?wait_for=%d", path, head+1), "").problem(t)
		require.Equal(t, http.StatusUnprocessableEntity, p.Status, path)
		require.Equal(t, "PositionUnknown", p.Code)
		require.Equal(t, "query.wait_for", p.Errors[0].Location)
	}
	for _, bad := range []string{"99999999999999999999", "-1", "1@x", "1@", "1.5", "@"} {
		p := s.call(http.MethodGet, queries[0]+"?wait_for="+bad, "").problem(t)
		require.Equal(t, "ValidationFailed", p.Code, bad)
	}
}

func TestAWaitIsBounded(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *web.Config) { c.Wait = 20 * time.Millisecond })
	s.pause()
	opened, err := s.RegisterAccount(t.Context(), rossi)
	require.NoError(t, err)
	for _, path := range queries {
		a := s.call(http.MethodGet, path+"?wait_for="+opened.Token, "")
		require.Equal(t, http.StatusServiceUnavailable, a.StatusCode, "%s: %s", path, a.body)
		require.Equal(t, "NotCaughtUp", a.problem(t).Code)
		require.Equal(t, "1", a.Header.Get("Retry-After"))
	}
	without, err := s.AuditEntries(t.Context(), client.AuditFilter{Account: opened.ID})
	require.NoError(t, err)
	require.Empty(t, without.Entries, "nothing was projected, and nobody waited")

	// A message that is not in the read model is unknown only when everything has been read.
	_, err = s.AcceptMessage(t.Context(), opened.ID, id.New[id.Message](), "wamid.12345678")
	require.True(t, client.IsProblem(err, "NotCaughtUp"), err)
}

// TestAWaitThatIsOverSaysWhatHoldsTheProjectionUp: trying again would not help. Only the operator is told, because the event
// may be of any account.
func TestAWaitThatIsOverSaysWhatHoldsTheProjectionUp(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *web.Config) { c.Wait = 20 * time.Millisecond })
	account := s.account()
	_, stranger := s.another()
	_, err := s.database.Exec(t.Context(), "ALTER TABLE audit_v1.entries ADD CONSTRAINT narrow CHECK (type <> 'DeviceLinked') NOT VALID")
	require.NoError(t, err)
	device := s.device(account, "iPhone Mario")
	require.NotZero(t, device)
	require.Eventually(t, func() bool {
		a := s.call(http.MethodGet, fmt.Sprintf("/api/v1/audit/entries?wait_for=%d", s.head()), "")
		require.Equal(t, http.StatusServiceUnavailable, a.StatusCode, "%s", a.body)
		p := a.problem(t)
		require.Equal(t, "NotCaughtUp", p.Code)
		return strings.Contains(p.Detail, "it is held up: projection audit_v1: DeviceLinked at devices-"+account.String()+"@") &&
			strings.Contains(p.Detail, "narrow")
	}, 30*time.Second, 5*time.Millisecond)
	a := s.as(stranger, http.MethodGet, fmt.Sprintf("/api/v1/audit/entries?wait_for=%d", s.head()), "")
	require.Equal(t, "NotCaughtUp", a.problem(t).Code)
	require.NotContains(t, string(a.body), "held up")
	require.NotContains(t, string(a.body), account.String())
}

func TestPagesMeetWithoutGapOrRepeat(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	device := s.device(account, "iPhone 0")
	var last events.Position
	for i := range 9 {
		renamed, err := s.RenameDevice(t.Context(), account, device, fmt.Sprintf("iPhone %d", i+1))
		require.NoError(t, err)
		last = renamed.Position
	}
	whole, err := s.AuditEntries(t.Context(), client.AuditFilter{}, client.WaitFor(last))
	require.NoError(t, err)
	for _, limit := range []int{1, 2, 5, len(whole.Entries)} {
		var paged []api.AuditEntry
		filter := client.AuditFilter{Limit: limit}
		for {
			page, err := s.AuditEntries(t.Context(), filter)
			require.NoError(t, err)
			require.LessOrEqual(t, len(page.Entries), limit)
			paged = append(paged, page.Entries...)
			if page.Next == nil {
				break
			}
			filter.After = *page.Next
		}
		require.Equal(t, whole.Entries, paged, "pages of %d", limit)
	}
	renamed, err := s.AuditEntries(t.Context(), client.AuditFilter{Type: "DeviceRenamed", Account: account})
	require.NoError(t, err)
	require.Len(t, renamed.Entries, 9)
	fourth := renamed.Entries[3]
	since, err := s.AuditEntries(t.Context(), client.AuditFilter{Type: "DeviceRenamed", From: fourth.OccurredAt})
	require.NoError(t, err)
	until, err := s.AuditEntries(t.Context(), client.AuditFilter{Type: "DeviceRenamed", To: fourth.OccurredAt})
	require.NoError(t, err)
	require.Equal(t, renamed.Entries, append(until.Entries, since.Entries...))
}
