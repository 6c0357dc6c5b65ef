package web_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/adapters/web"
)

// document is as much of the OpenAPI document as tests need.
type document struct {
	OpenAPI string `json:"openapi"`
	Paths   map[string]map[string]struct {
		OperationID string         `json:"operationId"` //nolint:tagliatelle // OpenAPI's spelling
		Summary     string         `json:"summary"`
		Description string         `json:"description"`
		Tags        []string       `json:"tags"`
		Responses   map[string]any `json:"responses"`
	} `json:"paths"`
	Components struct {
		Schemas map[string]any `json:"schemas"`
	} `json:"components"`
}

func (s *system) document() document {
	s.t.Helper()
	a := s.raw(http.MethodGet, "/openapi.json", "")
	require.Equal(s.t, http.StatusOK, a.StatusCode)
	var d document
	require.NoError(s.t, json.Unmarshal(a.body, &d))
	return d
}

var parameter = regexp.MustCompile(`\{\w+\}`)

// TestEveryRouteIsClosedByDefault walks every registered route: without the token, or with a wrong one, none answers.
func TestEveryRouteIsClosedByDefault(t *testing.T) {
	t.Parallel()
	s := start(t)
	seen := 0
	for path, operations := range s.document().Paths {
		if strings.HasPrefix(path, byLink) { // needs no token: TestOnlyALinkOpensTheCustomersSide
			seen += len(operations)
			continue
		}
		address := "/api/v1" + parameter.ReplaceAllString(path, "00000000-0000-4000-8000-000000000000")
		for method := range operations {
			seen++
			for _, authorization := range []string{"", "Bearer", "Bearer ", "Bearer wrong", "Bearer " + token + "x", "Basic " + token, token, "Bearer dbk1." + token} {
				a := s.raw(strings.ToUpper(method), address, "", "Authorization", authorization)
				require.Equal(t, http.StatusUnauthorized, a.StatusCode, "%s %s with %q", method, address, authorization)
				require.Equal(t, "Unauthorized", a.problem(t).Code)
				require.Contains(t, a.Header.Get("WWW-Authenticate"), "Bearer")
			}
			a := s.call(strings.ToUpper(method), address, "")
			require.NotEqual(t, http.StatusUnauthorized, a.StatusCode, "%s %s", method, address)
			require.NotEqual(t, http.StatusInternalServerError, a.StatusCode, "%s %s: %s", method, address, a.body)
		}
	}
	require.Equal(t, 74, seen, "routes in the document")
	require.Equal(t, http.StatusUnauthorized, s.raw(http.MethodGet, "/api/v1/nothing", "").StatusCode)
	require.Equal(t, http.StatusUnauthorized, s.raw(http.MethodGet, "/api/v1/", "").StatusCode)
}

func TestWithoutAConfiguredTokenNobodyGetsIn(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *web.Config) { c.AdminToken = "" })
	for _, authorization := range []string{"", "Bearer", "Bearer "} {
		require.Equal(t, http.StatusUnauthorized, s.raw(http.MethodGet, "/api/v1/projections", "", "Authorization", authorization).StatusCode)
	}
}

func TestTheDocumentDescribesEveryOperation(t *testing.T) {
	t.Parallel()
	d := start(t).document()
	require.Equal(t, "3.1.0", d.OpenAPI)
	answers := map[string][]string{
		"registerAccount":    {"201", "400", "409", "413", "415", "422"},
		"importRateCards":    {"200", "201", "400", "409", "413", "415", "422"},
		"listLedgerEntries":  {"200", "404", "409", "422"},
		"listLedgerBalances": {"200", "404", "409", "422"},
		"messageFigures":     {"200", "404", "409", "422"},
	}
	for path, operations := range d.Paths {
		for method, o := range operations {
			require.NotEmpty(t, o.OperationID, "%s %s", method, path)
			require.NotEmpty(t, o.Summary, o.OperationID)
			require.Regexp(t, `.\. It is for the (operator .*|customer, by the link)\.$`, o.Description, o.OperationID)
			require.Len(t, o.Tags, 1, o.OperationID)
			for _, status := range []string{"401", "403", "500", "503"} {
				require.Contains(t, o.Responses, status, o.OperationID)
			}
			for _, status := range answers[o.OperationID] {
				require.Contains(t, o.Responses, status, o.OperationID)
			}
		}
	}
	require.Contains(t, d.Components.Schemas, "Problem")
	require.NotContains(t, d.Components.Schemas, "ErrorModel")
}

func TestSecurityHeadersAreOnEveryAnswer(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, path := range []string{"/", "/healthz", "/openapi.json", "/api/v1/projections", "/nothing", "/style.css", "/webhooks/whatsapp"} {
		h := s.raw(http.MethodGet, path, "").Header
		require.Contains(t, h.Get("Content-Security-Policy"), "default-src 'none'", path)
		require.Contains(t, h.Get("Content-Security-Policy"), "frame-ancestors 'none'", path)
		require.NotContains(t, h.Get("Content-Security-Policy"), "unsafe", path)
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), path)
		require.Equal(t, "no-referrer", h.Get("Referrer-Policy"), path)
		require.Empty(t, h.Get("Strict-Transport-Security"), path)
	}
}

// signedIn follows the sign-in link and returns the session cookie.
func (s *system) signedIn() string {
	s.t.Helper()
	a := s.raw(http.MethodGet, "/sign-in?token="+signIn, "")
	require.Equal(s.t, http.StatusSeeOther, a.StatusCode)
	require.Equal(s.t, "/", a.Header.Get("Location"))
	cookies := a.Cookies()
	require.Len(s.t, cookies, 1)
	require.True(s.t, cookies[0].HttpOnly)
	require.Equal(s.t, http.SameSiteStrictMode, cookies[0].SameSite)
	return cookies[0].Name + "=" + cookies[0].Value
}

func TestASignInLinkIsGoodForOneUse(t *testing.T) {
	t.Parallel()
	s := start(t)
	require.Equal(t, http.StatusUnauthorized, s.raw(http.MethodHead, "/sign-in?token="+signIn, "").StatusCode, "looking uses nothing up")
	require.Equal(t, http.StatusUnauthorized, s.raw(http.MethodGet, "/sign-in?token=wrong", "").StatusCode)
	require.Equal(t, http.StatusUnauthorized, s.raw(http.MethodGet, "/sign-in", "").StatusCode)
	cookie := s.signedIn()
	again := s.raw(http.MethodGet, "/sign-in?token="+signIn, "")
	require.Equal(t, http.StatusUnauthorized, again.StatusCode)
	require.Contains(t, string(again.body), "does not count any more")
	require.Equal(t, http.StatusOK, s.raw(http.MethodGet, "/", "", "Cookie", cookie).StatusCode)

	link, err := s.SignInLink(t.Context())
	require.NoError(t, err)
	require.Equal(t, http.StatusSeeOther, s.raw(http.MethodGet, link.Path, "").StatusCode)
	require.Equal(t, http.StatusUnauthorized, s.raw(http.MethodGet, link.Path, "").StatusCode)
	require.Contains(t, s.log.String(), `route="GET /sign-in"`)
	require.NotContains(t, s.log.String(), signIn)
}

func TestOpenSignInLinksAreFew(t *testing.T) {
	t.Parallel()
	s := start(t)
	for {
		a := s.call(http.MethodPost, "/api/v1/sign-in-links", "")
		if a.StatusCode != http.StatusOK && a.StatusCode != http.StatusCreated {
			require.Equal(t, "TooManyLinks", a.problem(t).Code)
			break
		}
	}
	require.Equal(t, http.StatusSeeOther, s.raw(http.MethodGet, "/sign-in?token="+signIn, "").StatusCode, "the open ones stay good")
}

func TestASessionReadsAndWritesOnlyFromOurPages(t *testing.T) {
	t.Parallel()
	s := start(t)
	cookie := s.signedIn()
	require.Equal(t, http.StatusOK, s.raw(http.MethodGet, "/api/v1/projections", "", "Cookie", cookie).StatusCode)
	body := changed(t, rossi, "name", "Rossi")
	foreign := s.raw(http.MethodPost, "/api/v1/accounts", body, "Cookie", cookie, "Sec-Fetch-Site", "cross-site")
	require.Equal(t, http.StatusForbidden, foreign.StatusCode)
	require.Equal(t, "CrossOrigin", foreign.problem(t).Code)
	s.description().lists(t, http.MethodPost, "/accounts", http.StatusForbidden)
	foreign = s.raw(http.MethodPost, "/api/v1/accounts", body, "Cookie", cookie, "Origin", "https://evil.example")
	require.Equal(t, http.StatusForbidden, foreign.StatusCode)
	own := s.raw(http.MethodPost, "/api/v1/accounts", body, "Cookie", cookie, "Sec-Fetch-Site", "same-origin")
	require.Equal(t, http.StatusCreated, own.StatusCode, "%s", own.body)

	require.Equal(t, http.StatusForbidden, s.raw(http.MethodPost, "/sign-out", "", "Cookie", cookie, "Sec-Fetch-Site", "cross-site").StatusCode)
	require.Equal(t, http.StatusSeeOther, s.raw(http.MethodPost, "/sign-out", "", "Cookie", cookie, "Sec-Fetch-Site", "same-origin").StatusCode)
	require.Equal(t, http.StatusUnauthorized, s.raw(http.MethodGet, "/api/v1/projections", "", "Cookie", cookie).StatusCode)
}

func TestAMadeUpSessionIsNone(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, value := range []string{"", "x", url.QueryEscape(signIn)} {
		require.Equal(t, http.StatusUnauthorized, s.raw(http.MethodGet, "/api/v1/projections", "", "Cookie", "daybook_session="+value).StatusCode)
	}
}
