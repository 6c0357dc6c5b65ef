package web

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"daybook/adapters/web/api"
	"daybook/events"
	"daybook/events/id"
	"daybook/readmodels"
	"daybook/readmodels/audit"
)

// readmodel is what the queries of read models run on.
type readmodel = readmodels.Querier

// The projections that queries read.
const (
	auditProjection     = "audit"
	messagesProjection  = "messages"
	routingProjection   = "routing"
	ledgerProjection    = "ledger"
	analyticsProjection = "analytics"
	templatesProjection = "templates"
	campaignsProjection = "campaigns"
	customersProjection = "customers"
)

type auditInput struct {
	api.Waiting
	api.Paged

	Account      id.Account      `query:"account" format:"uuid" doc:"Only entries of this account: the caller's own, when the caller is not the operator."`
	Conversation id.Conversation `query:"conversation" format:"uuid" doc:"Only entries of this conversation."`
	Type         string          `query:"type" doc:"Only events of this type." example:"MessageDelivered"`
	From         string          `query:"from" format:"date-time" doc:"Only what happened at this instant or later (RFC 3339)." example:"2026-10-05T00:00:00Z"`
	To           string          `query:"to" format:"date-time" doc:"Only what happened before this instant (RFC 3339)." example:"2026-10-06T00:00:00Z"`
}

type auditOutput struct {
	api.Positions

	Body api.AuditEntries
}

func (s *server) registerAudit(a huma.API) {
	endpoint(s, a, permitFound(events.RoleOwner, events.RoleCompliance, events.RoleAuditor), huma.Operation{
		Method: http.MethodGet, Path: "/audit/entries", OperationID: "listAuditEntries", Tags: []string{"Audit"},
		Summary: "Read the audit trail",
		Description: "Every event, once, in the order of the store, as it was recorded. The filters are about the world's " +
			"clock; what was told late stands where it was recorded. Personal data is sealed.",
		Errors: []int{http.StatusConflict},
	}, s.listAuditEntries)
}

func (s *server) listAuditEntries(ctx context.Context, in *auditInput) (*auditOutput, error) {
	if c := callerOf(ctx); !c.operator && in.Account.IsZero() {
		in.Account = c.account
	}
	if err := confined(ctx, in.Account); err != nil {
		return nil, err
	}
	filter, err := in.filter()
	if err != nil {
		return nil, err
	}
	page, read, err := s.auditPage(ctx, in.WaitFor, filter)
	if err != nil {
		return nil, err
	}
	answer := api.AuditEntries{Entries: make([]api.AuditEntry, 0, len(page.Entries)), Next: next(page.Next), Positions: read}
	for _, e := range page.Entries {
		answer.Entries = append(answer.Entries, auditEntry(e))
	}
	return &auditOutput{header(answer.Positions), answer}, nil
}

// auditPage reads one page and says how far the trail was.
func (s *server) auditPage(ctx context.Context, waitFor string, filter audit.Filter) (audit.Page, []api.ProjectionPosition, error) {
	read, err := s.caughtUp(ctx, waitFor, fromAudit)
	if err != nil {
		return audit.Page{}, nil, err
	}
	page, err := audit.Entries(ctx, s.Database, read.of(auditProjection), filter)
	return page, read.positions(), err
}

// filter checks what the schema cannot.
func (in *auditInput) filter() (audit.Filter, error) {
	f := audit.Filter{
		Account: in.Account, Conversation: in.Conversation, Type: in.Type, After: uint64(in.After), Limit: in.Limit,
	}
	if in.Type != "" && !slices.Contains(events.Names(), in.Type) {
		return f, invalid("EventTypeUnknown", "query.type", "expected the stored name of an event: "+strings.Join(events.Names(), ", "))
	}
	var err error
	f.From, f.To, err = interval(in.From, in.To)
	return f, err
}

// next is the cursor of the page behind, nil at the end.
func next(after uint64) *events.Position {
	if after == 0 {
		return nil
	}
	return new(events.Position(after))
}

func auditEntry(e audit.Entry) api.AuditEntry {
	return api.AuditEntry{
		Position: events.Position(e.Position), Stream: e.Stream, Revision: e.Revision, Type: e.Type, EventID: e.EventID,
		OccurredAt: e.OccurredAt.UTC(), RecordedAt: utc(e.RecordedAt), Actor: (*events.Actor)(e.Actor), AccountID: e.AccountID, Data: e.JSON(),
	}
}

// utc is the same instant on the clock that answers use.
func utc(at *time.Time) *time.Time {
	if at == nil {
		return nil
	}
	return new(at.UTC())
}
