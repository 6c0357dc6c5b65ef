package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"daybook/adapters/web/api"
	"daybook/commands"
	"daybook/events"
	"daybook/projections"
)

// Parking is what operators see of, and do to, events that wait because their projection could not take them.
type Parking interface {
	Parked(ctx context.Context, name string) ([]projections.Parked, error)
	Skipped(ctx context.Context, name string) ([]projections.Skipped, error)
	Blast(ctx context.Context, schema string) (projections.Blast, error)
	Retry(ctx context.Context, schema, key string) error
	Skip(ctx context.Context, schema, key string, event projections.Place, reason string) error
}

type (
	parkedInput struct {
		api.ProjectionNamed
		api.Waiting
	}
	parkedOutput struct {
		api.Positions

		Body api.ParkedEvents
	}
	retryInput struct {
		api.ProjectionNamed

		Body *api.RetryParked
	}
	skipInput struct {
		api.Idempotent
		api.ProjectionNamed

		Body api.SkipParked
	}
)

func (s *server) registerParked(a huma.API) {
	endpoint(s, a, operator, ofProjection(http.MethodGet, "/parked", "listParked", "List what waits of a projection",
		"Of every build: the partitions that wait because one of their events failed, why, and how much of the build that is; "+
			"and the events that were skipped.", http.StatusOK), s.listParked)
	endpoint(s, a, operator, ofProjection(http.MethodPost, "/parked/retry", "retryParked", "Try again what waits",
		"Asks for another try, and answers at once. What came of it is in the list: who is through is not there any more. "+
			"Whatever waits is tried by itself when a process takes the build over.", http.StatusAccepted), s.retryParked)
	command(s, a, operator, ofProjection(http.MethodPost, "/parked/skip", "skipParked", "Leave an event out",
		"Lets a partition go on without the event that it waits for. First this is recorded, with the reason, as "+
			"ProjectionEventSkipped; then the event is left out of this build for good, and of the builds of its version "+
			"that are begun from then on. A new version meets it again.", http.StatusOK), s.skipParked)
}

func (s *server) listParked(ctx context.Context, in *parkedInput) (*parkedOutput, error) {
	builds, err := s.buildsOf(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	var from sources
	if slices.ContainsFunc(builds, func(b projections.Status) bool { return canBeRead(projectionStatus(b)) }) {
		from.projections = []string{in.Name}
	}
	read, err := s.caughtUp(ctx, in.WaitFor, from)
	if err != nil {
		return nil, err
	}
	answer, err := s.parkedIn(ctx, in.Name, builds)
	return &parkedOutput{header(read.positions()), answer}, err
}

// buildsOf are the builds of a projection that this process knows.
func (s *server) buildsOf(ctx context.Context, name string) (builds []projections.Status, err error) {
	status, err := s.Projections.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the state of the projections: %w", err)
	}
	for _, b := range status {
		if b.Name == name {
			builds = append(builds, b)
		}
	}
	if len(builds) == 0 {
		return nil, &projections.UnknownError{Projection: name}
	}
	return builds, nil
}

// parkedIn sorts what waits and what was skipped by builds. Those of versions that this process does not know come last.
func (s *server) parkedIn(ctx context.Context, name string, builds []projections.Status) (answer api.ParkedEvents, err error) {
	parked, err := s.Projections.Parked(ctx, name)
	if err != nil {
		return answer, err
	}
	skipped, err := s.Projections.Skipped(ctx, name)
	if err != nil {
		return answer, err
	}
	answer.Builds = make([]api.ParkedBuild, 0, len(builds))
	build := func(schema string) *api.ParkedBuild {
		i := slices.IndexFunc(answer.Builds, func(b api.ParkedBuild) bool { return b.Schema == schema })
		if i < 0 {
			i = len(answer.Builds)
			answer.Builds = append(answer.Builds, api.ParkedBuild{Schema: schema, Parked: []api.ParkedPartition{}, Skipped: []api.SkippedEvent{}})
		}
		return &answer.Builds[i]
	}
	for _, b := range builds {
		if build(b.Schema).Blast, err = s.blast(ctx, b.Schema); err != nil {
			return answer, err
		}
	}
	for _, p := range parked {
		b := build(p.Schema)
		b.Parked = append(b.Parked, parkedPartition(p))
	}
	for _, k := range skipped {
		b := build(k.Schema)
		b.Skipped = append(b.Skipped, api.SkippedEvent{
			Key: k.Key, Event: api.EventPlace(k.Event), Type: k.Type, SkippedAt: k.SkippedAt.UTC(), Reason: k.Reason,
		})
	}
	return answer, nil
}

// blast is how much of a build waits; nil for one that parks nothing.
func (s *server) blast(ctx context.Context, schema string) (*api.Blast, error) {
	b, err := s.Projections.Blast(ctx, schema)
	if _, none := errors.AsType[*projections.OrderError](err); none {
		return nil, nil //nolint:nilnil // nothing is an answer here
	}
	if err != nil {
		return nil, err
	}
	return &api.Blast{Text: b.String(), Parked: b.Parked, Total: b.Total, Of: b.Of}, nil
}

func parkedPartition(p projections.Parked) api.ParkedPartition {
	out := api.ParkedPartition{
		Key: p.Key, Cause: p.Cause, ParkedAt: p.ParkedAt.UTC(), Tries: p.Tries, TriedAt: p.TriedAt.UTC(), Wanted: p.Wanted,
		Events: p.Events, Type: p.Type,
	}
	if p.Events > 0 {
		out.First = &api.EventPlace{Stream: p.First.Stream, Revision: p.First.Revision}
	}
	return out
}

// buildNamed is the build that a request is about: the one that is read, when it names none.
func (s *server) buildNamed(ctx context.Context, name, schema string) (string, error) {
	builds, err := s.buildsOf(ctx, name)
	if err != nil {
		return "", err
	}
	if schema == "" {
		return s.Projections.Live(ctx, name)
	}
	known := make([]string, 0, len(builds))
	for _, b := range builds {
		known = append(known, b.Schema)
	}
	if !slices.Contains(known, schema) {
		return "", invalid("BuildUnknown", "body.schema", "expected a build of the projection: "+strings.Join(known, ", "))
	}
	return schema, nil
}

func (s *server) retryParked(ctx context.Context, in *retryInput) (*body[api.ProjectionBuild], error) {
	var asked api.RetryParked
	if in.Body != nil {
		asked = *in.Body
	}
	schema, err := s.buildNamed(ctx, in.Name, asked.Schema)
	if err != nil {
		return nil, err
	}
	err = s.Projections.Retry(ctx, schema, asked.Key)
	return &body[api.ProjectionBuild]{api.ProjectionBuild{Name: in.Name, Schema: schema}}, err
}

// skipParked records who skips what and why before it is skipped. Whatever ends between the two leaves a record too many,
// never one too few; the same command again then makes it true.
func (s *server) skipParked(ctx context.Context, meta commands.Meta, in *skipInput) (*body[api.Recorded], error) {
	schema, err := s.buildNamed(ctx, in.Name, in.Body.Schema)
	if err != nil {
		return nil, err
	}
	place := projections.Place(in.Body.EventPlace)
	skipped := events.ProjectionEventSkipped{
		Projection: in.Name, Schema: schema, Key: in.Body.Key, Stream: place.Stream, Revision: place.Revision, Reason: in.Body.Reason,
	}
	parked, err := s.Projections.Parked(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(parked, func(p projections.Parked) bool {
		return p.Schema == schema && p.Key == skipped.Key && p.Events > 0 && p.First == place
	})
	if i < 0 {
		return s.skippedBefore(ctx, meta, skipped)
	}
	skipped.EventType = parked[i].Type
	position, err := s.Commands.SkipProjectionEvent(ctx, meta, skipped)
	if err != nil {
		return nil, err
	}
	return s.answer(position, s.Projections.Skip(ctx, schema, skipped.Key, place, skipped.Reason))
}

// skippedBefore answers for an event that nothing waits for: what the command was told before, if this is a repeat.
func (s *server) skippedBefore(ctx context.Context, meta commands.Meta, skipped events.ProjectionEventSkipped) (*body[api.Recorded], error) {
	list, err := s.Projections.Skipped(ctx, skipped.Projection)
	if err != nil {
		return nil, err
	}
	for _, k := range list {
		if k.Schema != skipped.Schema || k.Key != skipped.Key || k.Event != (projections.Place{Stream: skipped.Stream, Revision: skipped.Revision}) {
			continue
		}
		skipped.EventType = k.Type
		if position, found, err := s.Commands.SkippedBefore(ctx, meta, skipped, k.SkippedAt); err != nil || found {
			return s.answer(position, err)
		}
	}
	return nil, &projections.OrderError{Projection: skipped.Schema, Problem: fmt.Sprintf("%s@%d is not what is waited for under %q",
		skipped.Stream, skipped.Revision, skipped.Key)}
}
