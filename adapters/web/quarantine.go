package web

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"daybook/adapters/web/api"
	"daybook/events"
	"daybook/events/id"
	"daybook/readmodels/routing"
)

type quarantineInput struct {
	api.Waiting
	api.Paged

	Open bool `query:"open" doc:"Only items that have not found their place yet."`
}

type quarantineOutput struct {
	api.Positions

	Body api.QuarantineEntries
}

type redriveInput struct {
	ID id.Quarantine `path:"id" format:"uuid" doc:"The item."`
}

func (s *server) registerQuarantine(a huma.API) {
	endpoint(s, a, operator, huma.Operation{
		Method: http.MethodGet, Path: "/quarantine", OperationID: "listQuarantine", Tags: []string{"Quarantine"},
		Summary: "List quarantined updates",
		Description: "Webhook updates that found no place, such as the status of a message that is not bound yet, oldest " +
			"first. Each is kept whole, sealed, and can be driven again.",
		Errors: []int{http.StatusConflict},
	}, s.listQuarantine)
	endpoint(s, a, operator, huma.Operation{
		Method: http.MethodPost, Path: "/quarantine/{id}/redrive", OperationID: "redrive", Tags: []string{"Quarantine"},
		Summary: "Drive an update again",
		Description: "Tries once more to record the update where it belongs. An update that found its place already stays " +
			"there, and the answer says where; one that still has none is refused.",
		Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, s.redrive)
}

func (s *server) listQuarantine(ctx context.Context, in *quarantineInput) (*quarantineOutput, error) {
	read, err := s.caughtUp(ctx, in.WaitFor, fromRouting)
	if err != nil {
		return nil, err
	}
	filter := routing.Filter{OpenOnly: in.Open, After: uint64(in.After), Limit: in.Limit}
	page, err := routing.Quarantined(ctx, s.Database, read.of(routingProjection), filter)
	if err != nil {
		return nil, err
	}
	answer := api.QuarantineEntries{Entries: make([]api.QuarantineEntry, 0, len(page.Items)), Next: next(page.Next), Positions: read.positions()}
	for _, item := range page.Items {
		answer.Entries = append(answer.Entries, quarantineEntry(item))
	}
	return &quarantineOutput{header(answer.Positions), answer}, nil
}

func (s *server) redrive(ctx context.Context, in *redriveInput) (*body[api.Redriven], error) {
	stream, position, err := s.Redriver.Redrive(ctx, metaOf(ctx), in.ID)
	if err != nil {
		return nil, err
	}
	return &body[api.Redriven]{api.Redriven{ID: in.ID, Stream: stream, Recorded: s.recorded(position)}}, nil
}

func quarantineEntry(item routing.Item) api.QuarantineEntry {
	entry := api.QuarantineEntry{
		ID: item.ID, Position: events.Position(item.Position), Reason: events.QuarantineReason(item.Reason), Detail: item.Detail,
		Field: item.Field, Kind: item.Kind, WABAID: item.WABAID, PhoneNumberID: item.PhoneNumberID,
		ReceivedAt: item.ReceivedAt.UTC(), RedrivenAt: utc(item.RedrivenAt),
	}
	if item.LandedStream != nil {
		entry.Stream = *item.LandedStream
	}
	return entry
}
