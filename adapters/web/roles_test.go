package web_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
	"daybook/events"
	"daybook/events/id"
)

// With -update, what is written down of who may use which route is written anew. Read the difference.
var update = flag.Bool("update", false, "write "+matrixFile)

const (
	matrixFile = "testdata/roles.txt"
	nobody     = "00000000-0000-4000-8000-000000000000"
)

// route is an operation of the document.
type route struct {
	operation, method, path string
	parameters              []string // of the query
}

func (s *system) routes() (routes []route) {
	s.t.Helper()
	d := decoded[struct {
		Paths map[string]map[string]struct {
			OperationID string                      `json:"operationId"` //nolint:tagliatelle // OpenAPI's spelling
			Parameters  []struct{ Name, In string } `json:"parameters"`
		} `json:"paths"`
	}](s.t, s.raw(http.MethodGet, "/openapi.json", ""))
	for path, operations := range d.Paths {
		for method, o := range operations {
			r := route{operation: o.OperationID, method: strings.ToUpper(method), path: path}
			for _, p := range o.Parameters {
				if p.In == "query" {
					r.parameters = append(r.parameters, p.Name)
				}
			}
			routes = append(routes, r)
		}
	}
	slices.SortFunc(routes, func(a, b route) int { return strings.Compare(a.path+" "+a.method, b.path+" "+b.method) })
	require.NotEmpty(s.t, routes)
	return routes
}

// ofAccount tells whether the route names an account.
func (r route) ofAccount() bool {
	return strings.HasPrefix(r.path, "/accounts/{id}") || slices.Contains(r.parameters, "account")
}

// address fills in the account, and nobody's ids for the rest.
func (r route) address(account string) string {
	path := strings.Replace(r.path, "/accounts/{id}", "/accounts/"+account, 1)
	path = "/api/v1" + parameter.ReplaceAllString(path, nobody)
	if slices.Contains(r.parameters, "account") {
		path += "?account=" + account
	}
	return path
}

// TestEveryRoutePermitsItsRolesOnly asks every route with a key of every role. Who is let in stands in the file, so a
// new route, or another answer, is a change of the file that somebody reads.
func TestEveryRoutePermitsItsRolesOnly(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	staff := map[events.Role]person{}
	for _, role := range events.Roles() { // owner first
		staff[role] = s.hire(account, string(role), string(role))
	}
	var table strings.Builder
	for _, r := range s.routes() {
		if strings.HasPrefix(r.path, byLink) {
			fmt.Fprintf(&table, "%s %s: customer\n", r.method, r.path)
			continue
		}
		fmt.Fprintf(&table, "%s %s: operator", r.method, r.path)
		for _, role := range events.Roles() {
			if s.permits(r, account, staff[role]) {
				fmt.Fprintf(&table, " %s", role)
			}
		}
		fmt.Fprintln(&table)
	}
	if *update {
		require.NoError(t, os.WriteFile(matrixFile, []byte(table.String()), 0o600))
	}
	want, err := os.ReadFile(matrixFile)
	require.NoError(t, err)
	require.Equal(t, string(want), table.String(), "%s: who may use which route", matrixFile)
}

// permits tells whether somebody is let in.
func (s *system) permits(r route, account id.Account, p person) bool {
	s.t.Helper()
	a := s.as(p, r.method, r.address(account.String()), "")
	require.NotEqual(s.t, http.StatusUnauthorized, a.StatusCode, "%s: %s", r.operation, a.body)
	require.Less(s.t, a.StatusCode, http.StatusInternalServerError, "%s: %s", r.operation, a.body)
	if a.StatusCode != http.StatusForbidden {
		return true
	}
	require.Equal(s.t, "Forbidden", a.problem(s.t).Code)
	return false
}

// bodies are good ones, for the routes that want one. A body is read before it is known whose account it is for.
func bodies() map[string]string {
	return map[string]string{
		"acceptTerms":        `{"terms_version":"1","privacy_version":"1"}`,
		"updateProfile":      `{}`,
		"linkDevice":         `{"kind":"tablet","platform":"x","name":"y"}`,
		"renameDevice":       `{"name":"y"}`,
		"sendMessage":        `{"device_id":"` + nobody + `","to":"+393331234567","type":"text","text":"x"}`,
		"recordConsent":      `{"customer":"+393331234567","category":"marketing","wanted":true,"source":"form"}`,
		"issueCustomerLink":  `{"customer":"+393331234567"}`,
		"addUser":            `{"name":"x","roles":["agent"]}`,
		"changeRoles":        `{"roles":["agent"]}`,
		"changePhoto":        `{"media_sha256":""}`,
		"configureCommand":   `{"command":"menu","replies":[{"language":"it","text":"x"}]}`,
		"configureAutoReply": `{"replies":[{"language":"it","text":"x"}]}`,
		"publishNotice":      `{"locales":[{"language":"it","text":"x"}]}`,
		"submitTemplate":     `{"name":"x","language":"it","category":"utility","components":[]}`,
		"draftCampaign":      `{"name":"x","template":"x","category":"marketing","locales":["it"]}`,
		"redraftCampaign":    `{"name":"x","template":"x","category":"marketing","locales":["it"]}`,
		"setAudience":        `{"recipients":["+393331234567"]}`,
		"scheduleCampaign":   `{"starts_at":"2099-01-01T09:00","device_id":"` + nobody + `"}`,
		"setBudget":          `{"limit":"1.00","currency":"USD"}`,
		"sendStaffMessage":   `{"device_id":"` + nobody + `","to_device_id":"` + nobody + `","text":"x"}`,
		"issueKey":           `{"label":"x","scopes":["agent"],"expires_at":"` + tomorrow().UTC().Format(time.RFC3339) + `"}`,
	}
}

// TestAnotherAccountsThingsAreNotThere asks every route for things of another account, with a key of every role: the answer
// is the same as for things that there never were.
func TestAnotherAccountsThingsAreNotThere(t *testing.T) {
	t.Parallel()
	s := start(t)
	mine := s.account()
	owner := s.hire(mine, "Rossi", "owner", "agent", "compliance", "billing", "developer", "auditor")
	theirs, stranger := s.another()
	asked := 0
	for _, r := range s.routes() {
		if strings.HasPrefix(r.path, byLink) { // TestOnlyALinkOpensTheCustomersSide
			continue
		}
		foreign := s.as(owner, r.method, r.address(theirs.String()), bodies()[r.operation])
		unknown := s.as(owner, r.method, r.address(nobody), bodies()[r.operation])
		if foreign.StatusCode == http.StatusForbidden { // for the operator, whatever the account
			require.Equal(t, http.StatusForbidden, unknown.StatusCode, r.operation)
			continue
		}
		if !r.ofAccount() {
			require.Equal(t, "messageInfo", r.operation, "a route without an account finds out whose its things are: test that, then name it here")
			continue
		}
		asked++
		require.Equal(t, "AccountUnknown", foreign.problem(t).Code, "%s: %s", r.operation, foreign.body)
		require.Equal(t, http.StatusNotFound, foreign.StatusCode)
		require.Equal(t, anonymous(t, unknown, nobody), anonymous(t, foreign, theirs.String()), r.operation)
	}
	require.Greater(t, asked, 15)
	users, err := stranger.Users(t.Context(), theirs)
	require.NoError(t, err)
	require.Len(t, users.Users, 1, "nothing was changed")
}

// anonymous is a refusal without what names the request and what was asked for.
func anonymous(t *testing.T, a answer, asked string) string {
	t.Helper()
	p := a.problem(t)
	p.Instance = ""
	text, err := json.Marshal(p)
	require.NoError(t, err)
	return strings.ReplaceAll(string(text), asked, "asked for")
}

// TestIDsOfAnotherAccountAreNotThere asks within the own account for things of another.
func TestIDsOfAnotherAccountAreNotThere(t *testing.T) {
	t.Parallel()
	s := start(t)
	theirs := s.account()
	device := s.device(theirs, "iPhone Mario")
	chat := s.hello(theirs)
	sent, err := s.SendMessage(t.Context(), theirs, text(device, "ciao"))
	require.NoError(t, err)
	victim := s.hire(theirs, "Rossi", "owner")
	mine, owner := s.another()
	last, err := s.UpdateProfile(t.Context(), theirs, api.Profile{Description: "Viti"})
	require.NoError(t, err)

	base := "/api/v1/accounts/" + mine.String()
	for _, c := range []struct{ method, path, theirs, body, code string }{
		{"GET", "/api/v1/messages/ID/info?wait_for=" + last.Token, sent.ID.String(), "", "MessageUnknown"},
		{"PATCH", base + "/devices/ID", device.String(), `{"name":"y"}`, "DeviceUnknown"},
		{"DELETE", base + "/devices/ID", device.String(), "", "DeviceUnknown"},
		{"POST", base + "/messages", device.String(), `{"device_id":"ID","to":"+393331234567","type":"text","text":"x"}`, "DeviceNotLinked"},
		{"PUT", base + "/users/ID/roles", victim.id.String(), bodies()["changeRoles"], "UserUnknown"},
		{"DELETE", base + "/users/ID", victim.id.String(), "", "UserUnknown"},
		{"POST", base + "/users/ID/keys", victim.id.String(), bodies()["issueKey"], "UserUnknown"},
		{"DELETE", base + "/keys/ID", victim.key.String(), "", "KeyUnknown"},
	} {
		ask := func(thing string) answer {
			return s.as(owner, c.method, strings.Replace(c.path, "ID", thing, 1), strings.Replace(c.body, "ID", thing, 1))
		}
		foreign, unknown := ask(c.theirs), ask(nobody)
		require.Equal(t, c.code, foreign.problem(t).Code, "%s %s", c.method, c.path)
		require.Equal(t, anonymous(t, unknown, nobody), anonymous(t, foreign, c.theirs), "%s %s", c.method, c.path)
	}

	trail, err := owner.AuditEntries(t.Context(), client.AuditFilter{Conversation: chat}, client.WaitForToken(last.Token))
	require.NoError(t, err)
	require.Empty(t, trail.Entries)
	trail, err = owner.AuditEntries(t.Context(), client.AuditFilter{})
	require.NoError(t, err)
	require.NotEmpty(t, trail.Entries)
	for _, e := range trail.Entries {
		require.Equal(t, mine, *e.AccountID, "%s: an account's trail is what a key reads that names none", e.Type)
	}
	_, err = victim.Users(t.Context(), theirs)
	require.NoError(t, err, "nothing was changed")
}
