package web

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"daybook/adapters/web/api"
	"daybook/events"
	"daybook/projections"
)

// Past is what can be seen of how read models were.
type Past interface {
	PositionAt(ctx context.Context, t time.Time) (events.Position, error)
	View(ctx context.Context, name string, at events.Position, table string) (*projections.View, error)
}

// asOfNote is what whoever reads the past must know.
const asOfNote = "made by today's projector from the events of then; what has been erased since stays erased"

func (s *server) registerPast(a huma.API) {
	schema := a.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[api.AsOfRows](), true, "")
	endpoint(s, a, operator, huma.Operation{
		Method: http.MethodPost, Path: "/projections/{name}/as-of", OperationID: "readProjectionAsOf", Tags: []string{"Operations"},
		Summary: "Read a read model as it stood",
		Description: "Projects the log up to a position, or to the last event that had been recorded at an instant, beside what is " +
			"read, and removes that afterwards: it lists the tables or, with a table, answers with all its rows. Who reads rows is " +
			"recorded first, as ProjectionReadAsOf. It takes as long as projecting that much of the log.",
		Responses: map[string]*huma.Response{"200": {
			Description: "OK", Content: map[string]*huma.MediaType{
				"application/json": {Schema: schema}, "text/csv": {Schema: &huma.Schema{Type: huma.TypeString}},
			},
			Headers: map[string]*huma.Param{api.AsOfHeader: {
				Description: "Of an answer in CSV: what an answer in JSON begins with.", Schema: &huma.Schema{Type: huma.TypeString},
			}},
		}},
		Errors: []int{http.StatusNotFound, http.StatusConflict}, Middlewares: huma.Middlewares{unhurried},
	}, s.asOf)
}

// asOf answers while the view is open. The context of the request closes it, too, whatever becomes of the answer.
func (s *server) asOf(ctx context.Context, in *api.AsOfQuery) (*huma.StreamResponse, error) {
	if in.Format != "" && in.Table == "" {
		return nil, invalid("TableRequired", "query.table", "required with format: the list of tables has no other form")
	}
	position, asked, err := s.moment(ctx, in.At)
	if err != nil {
		return nil, err
	}
	view, err := s.Projections.View(ctx, in.Name, position, in.Table)
	if err != nil {
		return nil, err
	}
	p := past{view, asOfAnswer(view, position, asked, in.Table)}
	if in.Table != "" {
		if err = s.recordRead(ctx, p.head); err != nil {
			view.Close()
			return nil, err
		}
	}
	return &huma.StreamResponse{Body: func(out huma.Context) {
		defer view.Close()
		if err := p.write(ctx, out, in.Format); err != nil {
			s.Log.WarnContext(ctx, "an answer broke off", "projection", in.Name, "table", in.Table, "error", err)
			panic(http.ErrAbortHandler) // half an answer must not be taken for a whole one
		}
	}}, nil
}

// moment reads a position, or the instant that stands for one.
func (s *server) moment(ctx context.Context, text string) (position events.Position, asked *time.Time, err error) {
	if strings.Trim(text, "0123456789") == "" {
		position, err = s.reached(ctx, text)
		return position, nil, err
	}
	t, err := s.passed(text)
	if err != nil {
		return 0, nil, err
	}
	position, err = s.Projections.PositionAt(ctx, t)
	return position, new(t.UTC()), err
}

const asOfMoment = "query.at"

// reached reads a position of which it is known what is there.
func (s *server) reached(ctx context.Context, text string) (events.Position, error) {
	number, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, invalid("ValidationFailed", asOfMoment, "expected a position below 2^64")
	}
	head, err := s.Store.Head(ctx)
	if err != nil {
		return 0, fmt.Errorf("reading the head of the store: %w", err)
	}
	if events.Position(number) > head {
		return 0, invalid("PositionUnknown", asOfMoment, fmt.Sprintf("the store does not go that far: its last position is %d", head))
	}
	return events.Position(number), nil
}

// passed reads an instant that has passed: what is recorded by a later one is not known yet.
func (s *server) passed(text string) (time.Time, error) {
	if _, err := time.Parse(time.RFC3339Nano, text); err != nil {
		return time.Time{}, invalid("ValidationFailed", asOfMoment,
			"expected a position, or an RFC 3339 instant such as 2026-10-05T10:42:07Z; in a query, the + of an offset is written %2B")
	}
	t, err := instant(asOfMoment, text)
	if now := s.Now(); err == nil && t.After(now) {
		err = invalid("InstantInFuture", asOfMoment, "expected an instant that has passed; it is now "+now.UTC().Format(time.RFC3339))
	}
	return t, err
}

func asOfAnswer(v *projections.View, position events.Position, asked *time.Time, table string) api.AsOf {
	head := api.AsOf{
		Name: v.Projection, Version: v.Version, Position: position, AskedTime: asked, Events: v.Events,
		Parked: v.Parked, Skipped: v.Skipped, Note: asOfNote, Tables: make([]api.TableRows, len(v.Tables)), Table: table,
	}
	for i, t := range v.Tables {
		head.Tables[i] = api.TableRows(t)
	}
	if l := v.Last; l != nil {
		head.LastEvent = &api.AsOfEvent{
			Position: l.Position, Stream: l.Stream, Revision: l.Revision, Type: l.Type, RecordedAt: l.RecordedAt.UTC(),
		}
	}
	return head
}

// recordRead tells the audit trail who reads what.
func (s *server) recordRead(ctx context.Context, head api.AsOf) error {
	read := events.ProjectionReadAsOf{Projection: head.Name, Version: head.Version, Table: head.Table}
	if l := head.LastEvent; l != nil {
		read.After = &events.Ref{Stream: l.Stream, Revision: l.Revision}
	}
	for _, t := range head.Tables {
		if t.Table == head.Table {
			read.Rows = t.Rows
		}
	}
	_, err := s.Commands.ReadProjectionAsOf(ctx, metaOf(ctx), read)
	return err
}

// past is an answer that is not written yet.
type past struct {
	view *projections.View
	head api.AsOf
}

// write writes the answer as it is read, a piece at a time.
func (p past) write(ctx context.Context, out huma.Context, format string) error {
	head, err := json.Marshal(p.head)
	if err != nil {
		return err
	}
	const piece = 32 << 10
	w := bufio.NewWriterSize(out.BodyWriter(), piece)
	switch {
	case format == "csv":
		out.SetHeader("Content-Type", "text/csv; charset=utf-8; header=present")
		out.SetHeader(api.AsOfHeader, string(head))
		err = p.view.CSV(ctx, p.head.Table, w)
	case p.head.Table != "":
		out.SetHeader("Content-Type", "application/json")
		err = p.writeRows(ctx, w, head)
	default:
		out.SetHeader("Content-Type", "application/json")
		_, err = w.Write(append(head, '\n'))
	}
	if err != nil {
		return err
	}
	return w.Flush()
}

// writeRows adds the rows to the object that is the head, a line each.
func (p past) writeRows(ctx context.Context, w io.Writer, head []byte) error {
	if _, err := fmt.Fprintf(w, `%s,"rows":[`, bytes.TrimSuffix(head, []byte("}"))); err != nil {
		return err
	}
	between := "\n"
	err := p.view.JSON(ctx, p.head.Table, func(row json.RawMessage) error {
		_, err := fmt.Fprintf(w, "%s%s", between, row)
		between = ",\n"
		return err
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(w, "\n]}\n")
	return err
}
