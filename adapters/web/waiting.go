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
	fromTemplates = sources{projections: []string{templatesProjection}}
	fromCustomers = sources{projections: []string{customersProjection}}
	// What a campaign was charged follows from what was rated, and is condensed.
	fromCampaigns = sources{
		policies:    []string{policies.RatingName, policies.CampaignChargesName, policies.CampaignOutcomesName},
		projections: []string{campaignsProjection},
	}
)

// reading is where the rows of an answer are read, and how far these are, if not further.
type reading []projections.Readable

// of is the schema in which a projection's rows are read: one of the sources.
func (r reading) of(projection string) string {
	return r[slices.IndexFunc(r, func(p projections.Readable) bool { return p.Projection == projection })].Schema
}

// positions words it for an answer.
func (r reading) positions() []api.ProjectionPosition {
	list := make([]api.ProjectionPosition, 0, len(r))
	for _, p := range r {
		list = append(list, api.ProjectionPosition{Projection: p.Projection, Position: p.Position})
	}
	return list
}

// caughtUp waits until the sources have read what the caller asks for, and says where the rows are to be read then.
func (s *server) caughtUp(ctx context.Context, waitFor string, from sources) (reading, error) {
	target, err := s.target(ctx, waitFor)
	if err != nil {
		return nil, err
	}
	return s.await(ctx, target, from)
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
func (s *server) await(ctx context.Context, target events.Position, from sources) (read reading, err error) {
	bounded, cancel := context.WithTimeoutCause(ctx, s.Wait, errWaitedEnough)
	defer cancel()
	if target == events.Start {
		bounded, from.policies = ctx, nil // nobody waits
	}
	for _, name := range from.policies {
		recorded, err := s.Policies.WaitFor(bounded, name, target)
		if err != nil {
			return nil, waited(bounded, err, "policy "+name, target)
		}
		target = max(target, recorded)
	}
	for _, name := range from.projections {
		r, err := s.Projections.Read(bounded, name, target)
		if err != nil {
			return nil, waited(bounded, err, "projection "+name, target)
		}
		read = append(read, r)
	}
	return read, nil
}

// waited words why a wait ended early, with what holds it up as far as that is known. That may be an event of any account, so
// only the operator is told.
func waited(bounded context.Context, err error, whom string, target events.Position) error {
	if !errors.Is(context.Cause(bounded), errWaitedEnough) {
		return fmt.Errorf("waiting for the %s: %w", whom, err)
	}
	detail := fmt.Sprintf("the %s has not read position %d yet: ", whom, target)
	var trouble error
	if late, ok := errors.AsType[*projections.WaitError](err); ok {
		trouble = late.Trouble
	} else if late, ok := errors.AsType[*policies.WaitError](err); ok {
		trouble = late.Trouble
	}
	if trouble != nil && callerOf(bounded).operator {
		return api.NewProblem(http.StatusServiceUnavailable, "NotCaughtUp", detail+"it is held up: "+trouble.Error())
	}
	return api.NewProblem(http.StatusServiceUnavailable, "NotCaughtUp", detail+"try again")
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
