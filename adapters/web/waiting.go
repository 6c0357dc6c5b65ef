package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"daybook/adapters/web/api"
	"daybook/commands/policies"
	"daybook/events"
	"daybook/events/id"
	"daybook/projections"
)

var errWaitedEnough = errors.New("waited long enough")

// sources are what an answer is read from: the projections whose rows it shows, and the policies that record what these
// rows are made from.
type sources struct{ policies, projections []string }

// What queries read. Whether a message is there does not depend on what it cost.
var (
	fromAudit     = sources{projections: []string{auditProjection}}
	fromRouting   = sources{projections: []string{routingProjection}}
	fromMessages  = sources{projections: []string{messagesProjection}}
	fromCharges   = sources{policies: []string{policies.RatingName}, projections: []string{messagesProjection}}
	fromLedger    = sources{policies: []string{policies.RatingName}, projections: []string{ledgerProjection}}
	fromAnalytics = sources{projections: []string{analyticsProjection}}
)

// caughtUp waits until the sources have read what the caller asks for, and says where the projections are. Read the
// positions before the rows: then they are never ahead of what the rows show.
func (s *server) caughtUp(ctx context.Context, waitFor string, from sources) ([]api.ProjectionPosition, error) {
	target, err := s.target(ctx, waitFor)
	if err != nil {
		return nil, err
	}
	if err := s.await(ctx, target, from); err != nil {
		return nil, err
	}
	status, err := s.Projections.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading projection positions: %w", err)
	}
	return s.positions(ctx, status, from.projections)
}

// positions says where the builds are that are read here. That is the live one or, where it is of a version that this
// process does not know, one before.
func (s *server) positions(ctx context.Context, status []projections.Status, names []string) (read []api.ProjectionPosition, err error) {
	for _, name := range names {
		mine := func(p projections.Status) bool { return p.Name == name && p.Live() }
		if !slices.ContainsFunc(status, mine) {
			schema, err := s.Projections.Live(ctx, name)
			if err != nil {
				return nil, err
			}
			mine = func(p projections.Status) bool { return p.Schema == schema }
		}
		if i := slices.IndexFunc(status, mine); i >= 0 {
			read = append(read, api.ProjectionPosition{Projection: name, Position: status[i].Position})
		}
	}
	return read, nil
}

// target reads wait_for. A position from another store means nothing here, and one beyond the head would never come.
func (s *server) target(ctx context.Context, waitFor string) (events.Position, error) {
	if waitFor == "" {
		return events.Start, nil
	}
	digits, store, named := strings.Cut(waitFor, "@")
	number, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return 0, invalid("ValidationFailed", "query.wait_for", "expected a position below 2^64")
	}
	if named {
		storeID, err := id.Parse[id.Store](store)
		if err != nil {
			return 0, invalid("ValidationFailed", "query.wait_for", "expected a store id after the @")
		}
		if storeID != s.StoreID {
			return 0, api.NewProblem(http.StatusConflict, "StoreMismatch", "the token comes from another store, and its position means nothing in this one",
				api.FieldError{Location: "query.wait_for", Message: "token of another store"})
		}
	}
	target := events.Position(number)
	head, err := s.Store.Head(ctx)
	if err != nil {
		return 0, fmt.Errorf("reading the head of the store: %w", err)
	}
	if target > head {
		return 0, invalid("PositionUnknown", "query.wait_for", "the store does not go that far")
	}
	return target, nil
}

// await waits, bounded, until the sources have read the position. What a policy records because of it comes later: what
// follows waits for that too.
func (s *server) await(ctx context.Context, target events.Position, from sources) error {
	if target == events.Start {
		return nil
	}
	bounded, cancel := context.WithTimeoutCause(ctx, s.Wait, errWaitedEnough)
	defer cancel()
	for _, name := range from.policies {
		recorded, err := s.Policies.WaitFor(bounded, name, target)
		if err != nil {
			return waited(bounded, err, "policy "+name, target)
		}
		target = max(target, recorded)
	}
	for _, name := range from.projections {
		if _, err := s.Projections.Live(ctx, name); err != nil {
			return err // there is nothing to wait for
		}
		if err := s.Projections.WaitFor(bounded, name, target); err != nil {
			return waited(bounded, err, "projection "+name, target)
		}
	}
	return nil
}

// waited words why a wait ended early.
func waited(bounded context.Context, err error, whom string, target events.Position) error {
	if errors.Is(context.Cause(bounded), errWaitedEnough) {
		return api.NewProblem(http.StatusServiceUnavailable, "NotCaughtUp",
			fmt.Sprintf("the %s has not read position %d yet: try again", whom, target))
	}
	return fmt.Errorf("waiting for the %s: %w", whom, err)
}

// header words the positions as one header.
func header(read []api.ProjectionPosition) api.Positions {
	parts := make([]string, 0, len(read))
	for _, p := range read {
		parts = append(parts, fmt.Sprintf("%s=%d", p.Projection, p.Position))
	}
	return api.Positions{Read: strings.Join(parts, ", ")}
}

// recorded answers a command.
func (s *server) recorded(position events.Position) api.Recorded {
	return api.Recorded{Position: position, Token: fmt.Sprintf("%d@%s", position, s.StoreID)}
}
