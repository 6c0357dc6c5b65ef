package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"daybook/adapters/web/api"
	"daybook/commands/policies"
	"daybook/events"
	"daybook/projections"
)

type projectionsOutput struct {
	api.Positions

	Body api.Projections
}

func (s *server) registerOperations(a huma.API) {
	endpoint(s, a, operator, huma.Operation{
		Method: http.MethodGet, Path: "/projections", OperationID: "listProjections", Tags: []string{"Operations"},
		Summary: "List the projections and policies",
		Description: "Each build of each projection: its phase, state, position and lag, in events and in seconds, who works on " +
			"it, and how far it is while it is being made; and each policy's state, position and lag, with its shards.",
		Errors: []int{http.StatusConflict},
	}, s.listProjections)
	endpoint(s, a, operator, huma.Operation{
		Method: http.MethodPost, Path: "/sign-in-links", OperationID: "createSignInLink", Tags: []string{"Operations"},
		DefaultStatus: http.StatusCreated, Summary: "Make a sign-in link",
		Description: "A link for a browser, good for one use within 15 minutes. The first one is printed when the server starts.",
	}, s.createSignInLink)
}

func (s *server) listProjections(ctx context.Context, in *api.Waiting) (*projectionsOutput, error) {
	before, err := s.projections(ctx)
	if err != nil {
		return nil, err
	}
	var all sources
	for _, p := range before.Policies {
		all.policies = append(all.policies, p.Name)
	}
	for _, p := range before.Projections {
		if canBeRead(p) && !slices.Contains(all.projections, p.Name) {
			all.projections = append(all.projections, p.Name)
		}
	}
	read, err := s.caughtUp(ctx, in.WaitFor, all)
	if err != nil {
		return nil, err
	}
	answer, err := s.projections(ctx)
	if err != nil {
		return nil, err
	}
	return &projectionsOutput{header(read.positions()), answer}, nil
}

// projections tells how every projection and policy stands.
func (s *server) projections(ctx context.Context) (api.Projections, error) {
	status, err := s.Projections.Status(ctx)
	if err != nil {
		return api.Projections{}, fmt.Errorf("reading the state of the projections: %w", err)
	}
	atWork, err := s.Policies.Status(ctx)
	if err != nil {
		return api.Projections{}, fmt.Errorf("reading the state of the policies: %w", err)
	}
	head, err := s.Store.Head(ctx)
	if err != nil {
		return api.Projections{}, fmt.Errorf("reading the head of the store: %w", err)
	}
	answer := api.Projections{
		Projections: make([]api.ProjectionStatus, 0, len(status)), Policies: make([]api.PolicyStatus, 0, len(atWork)),
		Head: head, StoreID: s.StoreID,
	}
	for _, p := range status {
		answer.Projections = append(answer.Projections, projectionStatus(p))
	}
	for _, p := range atWork {
		answer.Policies = append(answer.Policies, policyStatus(p))
	}
	return answer, nil
}

func projectionStatus(p projections.Status) api.ProjectionStatus {
	status := api.ProjectionStatus{
		Name: p.Name, Version: p.Version, Build: p.Build, Schema: p.Schema, Phase: string(p.Phase), Live: p.Live(),
		State: string(p.State), Reason: p.Error, Holder: p.Holder, Here: p.Here,
		Position: p.Position, Events: p.Events, LagEvents: p.Lag.Events, LagAtLeast: p.Lag.AtLeast, LagSeconds: p.Lag.Seconds,
		UpdatedAt: p.UpdatedAt.UTC(),
	}
	status.Drift, status.Audit, status.Parked = driftOf(p.Drift), p.Audit, (*api.ParkedCounts)(p.Parked)
	status.Since = utc(p.Since)
	if p.Event != nil {
		status.Event = &api.StandingEvent{Stream: p.Event.Stream, Revision: p.Event.Revision, Type: p.Event.Type}
	}
	if p.Progress != nil {
		status.Progress, status.Rate, status.ETASeconds = &p.Progress.Done, &p.Progress.Rate, p.Progress.SecondsLeft
	}
	return status
}

// canBeRead tells whether a build can be read, if only by those who do not know the live one's version.
func canBeRead(p api.ProjectionStatus) bool {
	return p.Phase == string(projections.PhaseLive) || p.Phase == string(projections.PhaseRetired)
}

func policyStatus(p policies.Status) api.PolicyStatus {
	status := api.PolicyStatus{
		Name: p.Policy, State: string(p.State), Reason: p.Error, Position: p.Position,
		Shards: make([]api.ShardStatus, 0, len(p.Shards)),
	}
	if p.Lag != nil {
		status.LagEvents, status.LagAtLeast, status.LagSeconds = p.Lag.Events, p.Lag.AtLeast, p.Lag.Seconds
	}
	for _, shard := range p.Shards {
		status.Shards = append(status.Shards, api.ShardStatus{
			Shard: shard.Shard, Holder: shard.Holder, Here: shard.Here, Position: shard.Position, Reason: shard.Error,
		})
	}
	return status
}

func (s *server) createSignInLink(_ context.Context, _ *struct{}) (*body[api.SignInLink], error) {
	token, until, err := s.links.mint(s.Now())
	if err != nil {
		return nil, api.NewProblem(http.StatusServiceUnavailable, "TooManyLinks", err.Error()+"; use one or wait until they are void")
	}
	return &body[api.SignInLink]{api.SignInLink{Path: "/sign-in?token=" + token, ExpiresAt: until.UTC()}}, nil
}

// healthy says that the process answers.
func (s *server) healthy(w http.ResponseWriter, _ *http.Request) {
	s.writeJSON(w, http.StatusOK, map[string]string{"status": "up"})
}

// readiness is the answer of /readyz. Causes are in the log: the address is open to everybody.
type readiness struct {
	Ready         bool                   `json:"ready"`
	Store         string                 `json:"store"`                    // "ready", "unreachable" or "another store"
	HiddenStreams int64                  `json:"hidden_streams,omitempty"` // somebody has hidden or deleted events; the log names them
	Postgres      string                 `json:"postgres"`                 // "ready" or "unreachable"
	Projections   []api.ProjectionStatus `json:"projections"`
	Policies      []api.PolicyStatus     `json:"policies"`
}

// ready says whether the parts that an answer needs are there. Hidden streams do not count: what is recorded from now on
// is worth as much as before.
func (s *server) ready(w http.ResponseWriter, r *http.Request) {
	state := readiness{HiddenStreams: s.HiddenStreams()}
	var checks sync.WaitGroup
	checks.Go(func() { state.Store = s.storeState(r.Context()) })
	checks.Go(func() { state.Postgres = s.postgresState(r.Context()) })
	checks.Wait()
	if state.Store == reachable && state.Postgres == reachable {
		state.Ready = s.atWork(r.Context(), &state)
	}
	status := http.StatusOK
	if !state.Ready {
		status = http.StatusServiceUnavailable
	}
	s.writeJSON(w, status, state)
}

// storeState and postgresState have a deadline each: one that is slow to say no must not make the other look lost.
func (s *server) storeState(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	_, err := s.Store.Head(ctx)
	if err == nil {
		return reachable
	}
	s.Log.WarnContext(ctx, "not ready: store", "error", err)
	if errors.Is(err, events.ErrAnotherStore) {
		return anotherStore
	}
	return unreachable
}

func (s *server) postgresState(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if err := s.Database.Ping(ctx); err != nil {
		s.Log.WarnContext(ctx, "not ready: postgres", "error", err)
		return unreachable
	}
	return reachable
}

// atWork reports whether every read model can be read, and every projection that is read and every policy is at work. One
// that retries is: what it has done stays true. So is one whose work other processes do.
func (s *server) atWork(ctx context.Context, state *readiness) bool {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	list, err := s.projections(ctx)
	if err != nil {
		s.Log.WarnContext(ctx, "not ready: projections and policies", "error", err)
		return false
	}
	ready := true
	can := map[string]bool{}
	for i, p := range list.Projections {
		can[p.Name] = can[p.Name] || canBeRead(p)
		shown := &list.Projections[i]
		shown.Reason, shown.Audit, shown.Event, shown.Holder = "", "", nil, ""
		if p.Live && p.State == string(projections.StateStopped) {
			s.Log.WarnContext(ctx, "not ready: projection stopped", "projection", p.Name, "reason", p.Reason)
			ready = false
		}
	}
	for name, ok := range can {
		if !ok {
			s.Log.WarnContext(ctx, "not ready: no build of the projection can be read yet", "projection", name)
			ready = false
		}
	}
	for i, p := range list.Policies {
		list.Policies[i].Reason, list.Policies[i].Shards = "", nil
		if p.State == string(policies.StateStopped) {
			s.Log.WarnContext(ctx, "not ready: policy stopped", "policy", p.Name, "reason", p.Reason)
			ready = false
		}
	}
	state.Projections, state.Policies = list.Projections, list.Policies
	return ready && len(list.Projections) > 0
}

const (
	reachable    = "ready"
	unreachable  = "unreachable"
	anotherStore = "another store" // answers in the place of ours
)

func (s *server) writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		s.Log.Debug("answering", "error", err)
	}
}
