package client_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/adapters/web/client"
	"daybook/events/id"
)

// TestWhatIsNoProblemDocumentBecomesAnErrorWithItsStatus covers what stands between client and server.
func TestWhatIsNoProblemDocumentBecomesAnErrorWithItsStatus(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		contentType, body string
		status            int
		want              string
	}{
		"a proxy's page":     {"text/html", "<h1>Bad gateway</h1>", http.StatusBadGateway, "502 Bad Gateway"},
		"half a problem":     {"application/problem+json", `{"code":`, http.StatusConflict, "409 Conflict"},
		"no JSON at all":     {"application/json", "hello", http.StatusOK, "reading the answer"},
		"an unread redirect": {"text/html", "", http.StatusNotModified, "304 Not Modified"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", c.contentType)
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}))
			t.Cleanup(server.Close)
			_, err := client.New(server.URL+"/", "t").MessageInfo(t.Context(), id.New[id.Message]())
			require.ErrorContains(t, err, c.want)
			require.False(t, client.IsProblem(err, ""))
		})
	}
}

func TestProblemsAreErrors(t *testing.T) {
	t.Parallel()
	var seen http.Header
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header.Clone()
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusConflict)
		_, _ = w.Write([]byte(`{"code":"DeviceLimitReached","status":409,"detail":"too many"}`))
	}))
	t.Cleanup(server.Close)
	_, err := client.New(server.URL, "secret").SubscribePremium(t.Context(), id.New[id.Account](), client.Key("k"))
	require.True(t, client.IsProblem(err, "DeviceLimitReached"))
	var problem *client.Problem
	require.ErrorAs(t, err, &problem)
	require.Equal(t, http.StatusConflict, problem.Status)
	require.EqualError(t, err, "DeviceLimitReached: too many")
	require.Equal(t, "Bearer secret", seen.Get("Authorization"))
	require.Equal(t, "k", seen.Get("Idempotency-Key"))
}
