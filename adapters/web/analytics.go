package web

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"daybook/adapters/web/api"
	"daybook/events"
	"daybook/readmodels/analytics"
)

type figuresInput struct {
	api.Waiting
	api.OfAccount

	From   string   `query:"from" format:"date-time" doc:"Only messages written at this instant or later (RFC 3339), by the quarter of an hour." example:"2026-09-30T22:00:00Z"`
	To     string   `query:"to" format:"date-time" doc:"Only messages written before this instant (RFC 3339), by the quarter of an hour." example:"2026-10-31T23:00:00Z"`
	Bucket string   `query:"bucket" enum:"hour,day" default:"day" doc:"How long a bucket is. By the hour, from is required, and the range is at most 92 days."`
	By     []string `query:"by" enum:"device,category,market" uniqueItems:"true" doc:"Part every bucket by these, separated by commas." example:"device,category"`
}

type figuresOutput struct {
	api.Positions

	Body api.MessageFigures
}

// maxByHour bounds the answer: a day has 24 times as many hours.
const maxByHour = 92 * 24 * time.Hour

func (s *server) registerAnalytics(a huma.API) {
	endpoint(s, a, permit(events.RoleOwner, events.RoleBilling, events.RoleCompliance, events.RoleAuditor), huma.Operation{
		Method: http.MethodGet, Path: "/analytics/messages", OperationID: "messageFigures", Tags: []string{"Analytics"},
		Summary: "Count messages",
		Description: "How many messages an account received and sent, how many of those were delivered, read or failed, and how " +
			"fast customers were answered: by hour or day of the account's time zone, and by device, category and market. All " +
			"that becomes of a message counts when it was written.",
		Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, s.messageFigures)
}

func (s *server) messageFigures(ctx context.Context, in *figuresInput) (*figuresOutput, error) {
	filter, err := in.filter(s.Now())
	if err != nil {
		return nil, err
	}
	if err = s.mustExist(ctx, in.Account); err != nil {
		return nil, err
	}
	read, err := s.caughtUp(ctx, in.WaitFor, fromAnalytics)
	if err != nil {
		return nil, err
	}
	rows, err := analytics.Messages(ctx, s.Database, read.of(analyticsProjection), filter)
	if err != nil {
		return nil, err
	}
	answer := api.MessageFigures{
		AccountID: in.Account, Bucket: in.Bucket, Figures: make([]api.Figures, 0, len(rows)), Positions: read.positions(),
	}
	for _, row := range rows {
		answer.Figures = append(answer.Figures, figures(row))
	}
	return &figuresOutput{header(answer.Positions), answer}, nil
}

// filter checks what the schema cannot.
func (in *figuresInput) filter(now time.Time) (f analytics.Filter, err error) {
	f = analytics.Filter{Account: in.Account, Bucket: in.Bucket, By: in.By}
	if f.From, f.To, err = interval(in.From, in.To); err != nil || f.Bucket != analytics.ByHour {
		return f, err
	}
	until := f.To
	if until.IsZero() {
		until = now
	}
	if until.Sub(f.From) > maxByHour { // so a range without beginning, too
		return f, invalid("RangeTooLong", "query.from", fmt.Sprintf("by the hour, expected an instant at most %d days before the end", maxByHour/(24*time.Hour)))
	}
	return f, nil
}

func figures(row analytics.Row) api.Figures {
	answer := api.Figures{
		Start: row.Start, Category: row.Category, Market: row.Market,
		Received: row.Received, Sent: row.Sent, Delivered: row.Delivered, Read: row.Read, Failed: row.Failed,
		Answers: row.Answers, AnswerSeconds: row.AnswerSeconds,
	}
	if !row.DeviceID.IsZero() {
		answer.Device = &api.FigureDevice{ID: row.DeviceID, Name: row.DeviceName}
	}
	return answer
}
