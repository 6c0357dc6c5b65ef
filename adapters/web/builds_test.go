package web_test

import (
	"context"
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
	"daybook/projections"
)

func (s *system) head() events.Position {
	s.t.Helper()
	head, err := s.store.Head(s.t.Context())
	require.NoError(s.t, err)
	return head
}

// builds lists those of one projection.
func (s *system) builds(name string) (found []api.ProjectionStatus) {
	s.t.Helper()
	list, err := s.Projections(s.t.Context())
	require.NoError(s.t, err)
	for _, p := range list.Projections {
		if p.Name == name {
			found = append(found, p)
		}
	}
	return found
}

// phase waits until a build is in a phase.
func (s *system) phase(name, schema, want string) (found api.ProjectionStatus) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		for _, p := range s.builds(name) {
			if p.Schema == schema && p.Phase == want {
				found = p
				return true
			}
		}
		return false
	}, 30*time.Second, 10*time.Millisecond, "%s does not become %s", schema, want)
	return found
}

func TestAReadModelIsBuiltAgainGoesLiveAndBack(t *testing.T) {
	t.Parallel()
	s := start(t)
	ctx, account := t.Context(), s.account()
	began := s.call(http.MethodPost, "/api/v1/projections/audit/rebuild", "")
	require.Equal(t, http.StatusAccepted, began.StatusCode, "%s", began.body)
	build := decoded[api.ProjectionBuild](t, began)
	require.Equal(t, api.ProjectionBuild{Name: "audit", Schema: "audit_v1_b2"}, build)

	ready := s.phase("audit", build.Schema, "ready")
	require.Equal(t, 2, ready.Build)
	require.False(t, ready.Live)
	require.True(t, ready.Here)
	require.NotEmpty(t, ready.Holder)
	require.Nil(t, ready.Progress, "nothing is left to be done")
	require.Equal(t, "live", s.builds("audit")[0].Phase)

	verdict, err := s.VerifyProjection(ctx, "audit", 0)
	require.NoError(t, err)
	require.Zero(t, verdict.Rows, verdict.Text)
	require.True(t, verdict.Clean)
	require.Equal(t, "log", verdict.Checked[0].How)
	require.NotNil(t, verdict.Checked[0].CheckedAt)
	require.True(t, verdict.Complete)
	require.Positive(t, verdict.Compared)
	require.Equal(t, verdict.Drift, *s.builds("audit")[0].Drift)

	diff, err := s.DiffBuilds(ctx, "audit")
	require.NoError(t, err)
	require.True(t, diff.Equal, diff.Text)
	require.Equal(t, []string{"audit_v1", "audit_v1_b2"}, []string{diff.Live, diff.Ready})
	require.Equal(t, "entries", diff.Tables[0].Table)
	require.Positive(t, diff.Tables[0].Equal)

	_, err = s.GoLive(ctx, "audit", client.OnlyBuild("audit_v1_b9"))
	require.ErrorContains(t, err, "build audit_v1_b9 is not under way any more, but audit_v1_b2 is: compare that one")
	live, err := s.GoLive(ctx, "audit", client.OnlyBuild("audit_v1_b2"))
	require.NoError(t, err)
	require.Equal(t, build, live)
	both := s.builds("audit")
	require.Equal(t, []string{"retired", "live"}, []string{both[0].Phase, both[1].Phase})
	renamed := s.device(account, "iPhone Mario")
	require.NotZero(t, renamed)
	trail, err := s.AuditEntries(ctx, client.AuditFilter{Type: "DeviceLinked"}, client.WaitFor(s.head()))
	require.NoError(t, err)
	require.Len(t, trail.Entries, 1, "the new build is read")
	require.Equal(t, s.head(), trail.Positions[0].Position)

	back, err := s.GoBack(ctx, "audit")
	require.NoError(t, err)
	require.Equal(t, "audit_v1", back.Schema)
	trail, err = s.AuditEntries(ctx, client.AuditFilter{Type: "DeviceLinked"}, client.WaitFor(s.head()))
	require.NoError(t, err)
	require.Len(t, trail.Entries, 1, "the build before was kept up")

	again, err := s.Rebuild(ctx, "audit")
	require.NoError(t, err)
	require.Equal(t, "audit_v1_b4", again.Schema)
	aborted, err := s.AbortRebuild(ctx, "audit")
	require.NoError(t, err)
	require.Equal(t, again, aborted)
	require.Len(t, s.builds("audit"), 2)
}

func TestBuildsAreChangedInOrder(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.pause() // a rebuild does not get on
	described := s.description()
	refused := func(method, path, code, detail string, status int) {
		a := s.call(method, "/api/v1/projections/"+path, "")
		require.Equal(t, status, a.StatusCode, "%s: %s", path, a.body)
		p := a.problem(t)
		require.Equal(t, code, p.Code)
		require.Contains(t, p.Detail, detail)
		described.lists(t, method, "/projections/"+path, status)
	}
	for _, c := range []struct{ method, verb string }{
		{http.MethodPost, "rebuild"}, {http.MethodDelete, "rebuild"}, {http.MethodPost, "go-live"}, {http.MethodPost, "go-back"},
		{http.MethodGet, "diff"}, {http.MethodPost, "verify"},
	} {
		for _, name := range []string{"head", "Kanarienvogel", "a%2Fb"} {
			refused(c.method, name+"/"+c.verb, "ProjectionUnknown", "there is no projection of this name", http.StatusNotFound)
		}
	}
	refused(http.MethodPost, "audit/go-live", "OutOfOrder", "no rebuild is under way", http.StatusConflict)
	refused(http.MethodDelete, "audit/rebuild", "OutOfOrder", "no rebuild is under way", http.StatusConflict)
	refused(http.MethodPost, "audit/go-back", "OutOfOrder", "nothing that was live before is left", http.StatusConflict)
	_, err := s.Rebuild(t.Context(), "audit")
	require.NoError(t, err)
	refused(http.MethodPost, "audit/rebuild", "OutOfOrder", "build audit_v1_b2 is under way", http.StatusConflict)
	refused(http.MethodPost, "audit/go-live", "OutOfOrder", "build audit_v1_b2 is still being made", http.StatusConflict)
	replaying := s.builds("audit")[1]
	require.Zero(t, *replaying.Progress)
	require.Zero(t, *replaying.Rate)
	require.Nil(t, replaying.ETASeconds, "nobody knows at what pace it will be")
	require.Equal(t, http.StatusForbidden, s.raw(http.MethodPost, "/api/v1/projections/audit/go-live", "",
		"Cookie", s.signedIn(), "Sec-Fetch-Site", "cross-site").StatusCode)
}

// TestDriftIsToldTableByTable, also by /readyz: what can be read is read, until somebody decides otherwise.
func TestDriftIsToldTableByTable(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.account()
	_, err := s.Projections(t.Context(), client.WaitFor(s.head()))
	require.NoError(t, err)
	_, err = s.database.Exec(t.Context(), "UPDATE audit_v1.entries SET type = 'Forged'")
	require.NoError(t, err)
	verdict, err := s.VerifyProjection(t.Context(), "audit", 0)
	require.NoError(t, err)
	require.Equal(t, []api.TableDrift{{Table: "entries", Rows: verdict.Rows, Text: fmt.Sprintf("%d rows of entries", verdict.Rows)}}, verdict.Tables)
	require.Greater(t, verdict.Rows, int64(1))
	require.False(t, verdict.Clean)
	ready := s.raw(http.MethodGet, "/readyz", "")
	require.Equal(t, http.StatusOK, ready.StatusCode, "%s", ready.body)
	require.Contains(t, string(ready.body), fmt.Sprintf(`"drift":{"rows":%d,"tables":[{"table":"entries","rows":%[1]d,`, verdict.Rows))
}

// unready is an engine that has nothing to be read yet.
type unready struct {
	web.Projections

	status []projections.Status
}

func (unready) Live(_ context.Context, name string) (string, error) {
	return "", &projections.UnreadyError{Projection: name}
}

func (unready) Read(_ context.Context, name string, _ events.Position) (projections.Readable, error) {
	return projections.Readable{}, &projections.UnreadyError{Projection: name}
}

func (u unready) Status(context.Context) ([]projections.Status, error) { return u.status, nil }

func TestQueriesOfAReadModelThatIsBeingBuiltSayHowFarItIs(t *testing.T) {
	t.Parallel()
	s := start(t)
	account, head := s.account().String(), strconv.FormatUint(uint64(s.head()), 10)
	described := s.description()
	for _, c := range []struct {
		name        string
		build       projections.Status
		said, after string
	}{
		{"replaying", projections.Status{
			Phase: projections.PhaseReplaying, Events: 1200, Lag: projections.Lag{Events: 2800},
			Progress: &projections.Progress{Done: 0.3, Rate: 100, SecondsLeft: new(27.2)},
		}, "_v2 has read 1200 of 4000 events, about 28s are left", "28"},
		{"slow", projections.Status{
			Phase: projections.PhaseReplaying, Events: 1, Lag: projections.Lag{Events: 9000},
			Progress: &projections.Progress{Rate: 1, SecondsLeft: new(9000.0)},
		}, "_v2 has read 1 of 9001 events, about 2h30m0s are left", "60"},
		{"just begun", projections.Status{
			Phase: projections.PhaseReplaying, Lag: projections.Lag{Events: 9000}, Progress: &projections.Progress{},
		}, "_v2 has read 0 of 9000 events", "1"},
		{"ready", projections.Status{Phase: projections.PhaseReady}, "_v2 is ready and waits to go live", "1"},
	} {
		var list []projections.Status
		for _, name := range []string{"audit", "messages", "routing", "ledger", "analytics"} {
			b := c.build
			b.Name, b.Version, b.Schema = name, 2, name+"_v2"
			list = append(list, b)
		}
		s.restart(func(config *web.Config) { config.Projections = unready{s.engine, list} })
		for path, name := range map[string]string{
			"/ledger/entries?account=" + account: "ledger", "/ledger/balances?account=" + account: "ledger",
			"/analytics/messages?account=" + account: "analytics", "/audit/entries?": "audit", "/quarantine?": "routing",
			"/messages/00000000-0000-4000-8000-000000000000/info?": "messages",
		} {
			for _, wait := range []string{"", "&wait_for=" + head} {
				a := s.call(http.MethodGet, "/api/v1"+strings.TrimSuffix(path+wait, "?"), "")
				require.Equal(t, http.StatusServiceUnavailable, a.StatusCode, "%s: %s", path, a.body)
				p := a.problem(t)
				require.Equal(t, "NotReady", p.Code)
				require.Contains(t, p.Detail, "the read model "+name+" is being built and cannot be read yet: "+name+c.said)
				require.Equal(t, c.after, a.Header.Get("Retry-After"))
				described.lists(t, http.MethodGet, strings.TrimSuffix(path, "?"), a.StatusCode)
			}
		}
		listed := s.call(http.MethodGet, "/api/v1/projections?wait_for="+head, "")
		require.Equal(t, http.StatusOK, listed.StatusCode, "%s", listed.body)
		require.Equal(t, http.StatusServiceUnavailable, s.raw(http.MethodGet, "/readyz", "").StatusCode)
		page := s.raw(http.MethodGet, "/", "", "Cookie", s.signedIn())
		require.Equal(t, http.StatusServiceUnavailable, page.StatusCode)
		require.Contains(t, string(page.body), "is being built")
	}
}

// TestAReadModelAnswersAsSoonAsItsBuildIsMade without anybody's doing: the live build is made one that is not made yet.
func TestAReadModelAnswersAsSoonAsItsBuildIsMade(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.account()
	_, err := s.database.Exec(t.Context(), "UPDATE projections SET phase = 'replaying' WHERE name = 'audit'")
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		a := s.call(http.MethodGet, "/api/v1/audit/entries", "")
		if a.StatusCode == http.StatusOK {
			return len(decoded[api.AuditEntries](t, a).Entries) > 0
		}
		p := a.problem(t)
		require.Equal(t, "NotReady", p.Code)
		require.Contains(t, p.Detail, "the read model audit is being built and cannot be read yet")
		return false
	}, 30*time.Second, 20*time.Millisecond)
	require.Equal(t, http.StatusOK, s.raw(http.MethodGet, "/readyz", "").StatusCode)
}

func TestPagesShowBuildsThatAreNotReadYet(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.pause()
	_, err := s.Rebuild(t.Context(), "audit")
	require.NoError(t, err)
	page := string(s.raw(http.MethodGet, "/", "", "Cookie", s.signedIn()).body)
	require.Contains(t, page, "<b>audit</b> stopped")
	require.Contains(t, page, "<b>audit_v1_b2</b> being built, stopped <span>at 0")
	require.Contains(t, page, "0 % done")
}
