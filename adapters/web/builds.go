package web

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"daybook/adapters/web/api"
	"daybook/projections"
)

// Builds is what operators do to the builds of read models.
type Builds interface {
	Rebuild(ctx context.Context, name string) (schema string, err error)
	GoLive(ctx context.Context, name string, options ...projections.GoLiveOption) error
	GoBack(ctx context.Context, name string) error
	Abort(ctx context.Context, name string) (schema string, err error)
	Diff(ctx context.Context, name string) (projections.Diff, error)
	Verify(ctx context.Context, name string, options projections.VerifyOptions) (projections.Verdict, error)
}

// ofProjection is an operation on one projection.
func ofProjection(method, path, id, summary, description string, status int) huma.Operation {
	return huma.Operation{
		Method: method, Path: "/projections/{name}" + path, OperationID: id, Tags: []string{"Operations"}, DefaultStatus: status,
		Summary: summary, Description: description, Errors: []int{http.StatusNotFound, http.StatusConflict},
	}
}

// A rebuild is a resource: POST begins it, DELETE gives it up.
func (s *server) registerBuilds(a huma.API) {
	endpoint(s, a, operator, ofProjection(http.MethodPost, "/rebuild", "rebuildProjection", "Build a read model again",
		"Begins a new build beside the one that is read, from the beginning of the log, and answers at once. The list of "+
			"projections says how far it is. One rebuild of a projection is under way at a time.", http.StatusAccepted), s.rebuild)
	endpoint(s, a, operator, ofProjection(http.MethodDelete, "/rebuild", "abortRebuild", "Give a rebuild up",
		"Removes the build that is being made, or is ready and was never read.", http.StatusOK), s.abortRebuild)
	long := func(op huma.Operation) huma.Operation {
		op.Middlewares = huma.Middlewares{unhurried}
		return op
	}
	endpoint(s, a, operator, long(ofProjection(http.MethodGet, "/diff", "diffProjection", "Compare the new build with the one that is read",
		"Compares all rows of the build that is ready with those of the live one, both as of the same position. It is for the "+
			"process that works on the build, and takes as long as reading both.", http.StatusOK)), s.diffBuilds)
	endpoint(s, a, operator, long(ofProjection(http.MethodPost, "/verify", "verifyProjection", "Compare a read model with the log",
		"Projects the log anew, beside the live build, and compares all rows, or a sample of them. Lag 0 does not prove that "+
			"what is there is right; this does. The list of projections keeps what was found.", http.StatusOK)), s.verify)
	endpoint(s, a, operator, ofProjection(http.MethodPost, "/go-live", "putBuildLive", "Let the new build be read",
		"Puts the build that is ready in the place of the one that is read, once it has read as far. The one before is kept up "+
			"for a while. It is refused while partitions wait in the new build that do not wait in the other one.", http.StatusOK), s.goLive)
	endpoint(s, a, operator, ofProjection(http.MethodPost, "/go-back", "putBuildBack", "Let the build before be read again",
		"Puts the build back that was read before, as long as it is kept.", http.StatusOK), s.goBack)
}

func (s *server) rebuild(ctx context.Context, in *api.ProjectionNamed) (*body[api.ProjectionBuild], error) {
	schema, err := s.Projections.Rebuild(ctx, in.Name)
	return &body[api.ProjectionBuild]{api.ProjectionBuild{Name: in.Name, Schema: schema}}, err
}

func (s *server) abortRebuild(ctx context.Context, in *api.ProjectionNamed) (*body[api.ProjectionBuild], error) {
	schema, err := s.Projections.Abort(ctx, in.Name)
	return &body[api.ProjectionBuild]{api.ProjectionBuild{Name: in.Name, Schema: schema}}, err
}

func (s *server) diffBuilds(ctx context.Context, in *api.ProjectionNamed) (*body[api.ProjectionDiff], error) {
	d, err := s.Projections.Diff(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	c := d.Comparison
	answer := api.ProjectionDiff{
		Live: c.A, Ready: c.B, Position: d.Position, Equal: c.Equal(), Tables: make([]api.TableDiff, len(c.Tables)),
		Parked: d.Parked, Text: d.String(),
	}
	for i, t := range c.Tables {
		answer.Tables[i] = api.TableDiff{
			Table: t.Table, Equal: t.Rows.Equal, Changed: t.Rows.Changed, OnlyLive: t.Rows.OnlyA, OnlyReady: t.Rows.OnlyB,
		}
	}
	return &body[api.ProjectionDiff]{answer}, nil
}

func (s *server) verify(ctx context.Context, in *api.VerifyProjection) (*body[api.ProjectionVerdict], error) {
	seed := rand.Uint64() //nolint:gosec // chooses a sample, guards nothing
	v, err := s.Projections.Verify(ctx, in.Name, projections.VerifyOptions{Sample: in.Sample, Seed: seed})
	if err != nil {
		return nil, err
	}
	return &body[api.ProjectionVerdict]{api.ProjectionVerdict{
		Name: v.Projection, Schema: v.Schema, Clean: v.Clean(), Drift: *driftOf(new(v.Summary())), Text: v.String(),
	}}, nil
}

func driftOf(d *projections.Drift) *api.Drift {
	if d == nil {
		return nil
	}
	out := &api.Drift{
		Rows: d.Rows, Tables: make([]api.TableDrift, len(d.Tables)), Compared: d.Compared, Complete: d.Complete, Position: d.Position,
		Checked: make([]api.TableCheck, len(d.Checked)),
	}
	if !d.Unknown() {
		out.CheckedAt = new(d.CheckedAt.UTC())
	}
	for i, t := range d.Tables {
		out.Tables[i] = api.TableDrift{Table: t.Table, Rows: t.Rows, Text: t.String()}
		for _, o := range t.Objects {
			out.Tables[i].Objects = append(out.Tables[i].Objects, api.ObjectDrift{Kind: string(o.Kind), Name: o.Name, Live: o.Live, Due: o.Due})
		}
	}
	for i, c := range d.Checked {
		out.Checked[i] = api.TableCheck{Table: c.Table, How: string(c.How), Rows: c.Rows, Position: c.Position, CheckedAt: c.CheckedAt}
	}
	return out
}

func (s *server) goLive(ctx context.Context, in *api.GoLive) (*body[api.ProjectionBuild], error) {
	options := []projections.GoLiveOption{projections.OnlyBuild(in.Schema)}
	if in.WithParked {
		options = append(options, projections.WithParked())
	}
	return s.nowLive(ctx, in.Name, s.Projections.GoLive(ctx, in.Name, options...))
}

func (s *server) goBack(ctx context.Context, in *api.ProjectionNamed) (*body[api.ProjectionBuild], error) {
	return s.nowLive(ctx, in.Name, s.Projections.GoBack(ctx, in.Name))
}

// nowLive answers with the build that is read after an exchange.
func (s *server) nowLive(ctx context.Context, name string, err error) (*body[api.ProjectionBuild], error) {
	if err != nil {
		return nil, err
	}
	schema, err := s.Projections.Live(ctx, name)
	return &body[api.ProjectionBuild]{api.ProjectionBuild{Name: name, Schema: schema}}, err
}

// unready words that no build of a read model can be read yet, and how far the one is that is being made.
func (s *server) unready(ctx context.Context, err *projections.UnreadyError) *api.Problem {
	if err.Absent {
		return api.NewProblem(http.StatusServiceUnavailable, "NotReady", err.Error())
	}
	p := api.NewProblem(http.StatusServiceUnavailable, "NotReady", "the read model "+err.Projection+" is being built and cannot be read yet")
	list, failed := s.Projections.Status(ctx)
	if failed != nil {
		s.Log.WarnContext(ctx, "reading how far a read model is", "projection", err.Projection, "error", failed)
	}
	for _, b := range slices.Backward(list) { // the newest version comes last
		switch {
		case b.Name != err.Projection:
			continue
		case b.Phase == projections.PhaseReady:
			p.Detail += fmt.Sprintf(": %s is ready and waits to go live", b.Schema)
			return p
		case b.Progress != nil:
			p.Detail += fmt.Sprintf(": %s has read %d of %d events", b.Schema, b.Events, b.Events+b.Lag.Events)
			if left := b.Progress.SecondsLeft; left != nil {
				p.Detail += fmt.Sprintf(", about %s are left", wholeSeconds(*left))
				p.RetryAfter = min(wholeSeconds(*left), maxRetryAfter)
			}
			return p
		}
	}
	return p
}

// maxRetryAfter bounds how long a caller is sent away: the pace may improve.
const maxRetryAfter = time.Minute

// wholeSeconds rounds up. What takes longer than years is said to take years.
func wholeSeconds(seconds float64) time.Duration {
	const years = 1e8
	return time.Duration(math.Ceil(min(seconds, years))) * time.Second
}
