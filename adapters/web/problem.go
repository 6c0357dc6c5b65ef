package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5/pgconn"

	"daybook/adapters/web/api"
	"daybook/commands"
	"daybook/domain"
	"daybook/domain/pricing"
	"daybook/events"
	"daybook/projections"
)

// problem is the single exit for errors: whatever went wrong becomes the document that the caller may see. What is
// nobody's fault but ours is logged, and the caller gets the id to ask for it by.
func (s *server) problem(ctx context.Context, err error) *api.Problem {
	p := refusal(err)
	if unready, ok := errors.AsType[*projections.UnreadyError](err); ok {
		p = s.unready(ctx, unready)
	}
	trace := traceOf(ctx)
	if p == nil {
		s.Log.LogAttrs(ctx, slog.LevelError, "internal error", slog.String("correlation", trace.String()), slog.Any("error", err))
		p = api.NewProblem(http.StatusInternalServerError, "Internal", internalDetail)
	} else if p.Code == databaseUnreachable || p.Code == storeUnreachable {
		s.Log.LogAttrs(ctx, slog.LevelWarn, "unreachable", slog.String("code", p.Code), slog.String("correlation", trace.String()), slog.Any("error", err))
	}
	if trace.IsZero() {
		return p
	}
	occurrence := *p
	occurrence.Instance = "urn:uuid:" + trace.String()
	return &occurrence
}

const internalDetail = "something went wrong inside; the server's log has it under this instance"

// refusal words an error that the caller can do something about, or returns nil.
func refusal(err error) *api.Problem {
	if p, ok := errors.AsType[*api.Problem](err); ok {
		return p
	}
	if file, ok := errors.AsType[*pricing.FileError](err); ok {
		return badFile(file)
	}
	if r, ok := errors.AsType[*domain.Rejection](err); ok {
		return rejection(r)
	}
	if model, ok := errors.AsType[*huma.ErrorModel](err); ok {
		return malformed(model)
	}
	if _, ok := errors.AsType[*commands.CommandReusedError](err); ok {
		return api.NewProblem(http.StatusUnprocessableEntity, "IdempotencyKeyReused",
			"the key came before with another request; a new request needs a new key",
			api.FieldError{Location: "header.Idempotency-Key", Message: "used before with another request"})
	}
	if order, ok := errors.AsType[*projections.OrderError](err); ok {
		return api.NewProblem(http.StatusConflict, "OutOfOrder", order.Error())
	}
	if _, ok := errors.AsType[*projections.UnknownError](err); ok {
		return api.NewProblem(http.StatusNotFound, "ProjectionUnknown", "there is no projection of this name")
	}
	if table, ok := errors.AsType[*projections.UnknownTableError](err); ok {
		return invalid("TableUnknown", "query.table", "expected a table of the projection: "+strings.Join(table.Known, ", "))
	}
	if _, ok := errors.AsType[*events.WrongRevisionError](err); ok {
		return api.NewProblem(http.StatusServiceUnavailable, "Busy", "too many writers on one stream; nothing was recorded: try again")
	}
	if errors.Is(err, events.ErrUnavailable) || errors.Is(err, events.ErrAnotherStore) {
		return api.NewProblem(http.StatusServiceUnavailable, storeUnreachable,
			"the event store cannot be reached, and whether a command took effect may not be known: try again; a command, with the same Idempotency-Key")
	}
	if isUnreachable(err) {
		return api.NewProblem(http.StatusServiceUnavailable, databaseUnreachable,
			"a database that this needs cannot be reached: try again; a command, with the same Idempotency-Key")
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return api.NewProblem(http.StatusServiceUnavailable, "Interrupted", "the request ended before its answer; whether it took effect is not known: repeat it with the same Idempotency-Key")
	}
	return nil
}

const (
	databaseUnreachable = "DatabaseUnreachable"
	storeUnreachable    = "StoreUnreachable"
)

// isUnreachable reports whether a database could not be reached, went away, or is not taking anybody in. The codes are
// those of PostgreSQL, appendix A: class 08, connection exceptions; class 57P, an operator's intervention; and too many
// connections.
func isUnreachable(err error) bool {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		return strings.HasPrefix(refused.Code, "08") || strings.HasPrefix(refused.Code, "57P") || refused.Code == "53300"
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return true
	}
	return errors.Is(err, pgconn.ErrConnClosed) || errors.Is(err, io.ErrUnexpectedEOF)
}

// rejection words a decision against a command.
func rejection(r *domain.Rejection) *api.Problem {
	status := http.StatusConflict
	switch r.Kind {
	case domain.Conflict:
	case domain.Invalid:
		status = http.StatusUnprocessableEntity
	case domain.NotFound:
		status = http.StatusNotFound
	case domain.Forbidden:
		status = http.StatusForbidden
	}
	if r.Field == "" {
		return api.NewProblem(status, r.Code, r.Detail)
	}
	return api.NewProblem(status, r.Code, r.Detail, api.FieldError{Location: "body." + r.Field, Message: r.Detail})
}

// badFile words what is wrong with a file of rate cards, line by line.
func badFile(file *pricing.FileError) *api.Problem {
	fields := make([]api.FieldError, len(file.Lines))
	for i, l := range file.Lines {
		fields[i] = api.FieldError{Line: l.Line, Field: l.Field, Detail: l.Detail}
	}
	status, code := http.StatusUnprocessableEntity, "RateCardInvalid"
	if file.Conflict {
		status, code = http.StatusConflict, "RateConflict"
	}
	return api.NewProblem(status, code, summary(fields, file.More), fields...)
}

// summary is the first fault, and how many more there are beyond it and the listed ones.
func summary(fields []api.FieldError, unlisted int) string {
	if len(fields) == 0 {
		return ""
	}
	text := fields[0].String()
	if more := len(fields) - 1 + unlisted; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}

// invalid refuses one field of a request.
func invalid(code, location, message string) *api.Problem {
	return api.NewProblem(http.StatusUnprocessableEntity, code, location+": "+message, api.FieldError{Location: location, Message: message})
}

// malformed words what the HTTP library refused before any handler ran. Its values are dropped: they may be personal.
func malformed(model *huma.ErrorModel) *api.Problem {
	var fields []api.FieldError
	for _, e := range model.Errors {
		if e != nil {
			fields = append(fields, fieldError(e))
		}
	}
	code, detail := "ValidationFailed", model.Detail
	switch model.Status {
	case http.StatusBadRequest:
		code = "MalformedJSON"
		if len(fields) == 0 {
			code = "BodyMissing"
		}
	case http.StatusRequestEntityTooLarge:
		code = "BodyTooLarge"
	case http.StatusRequestTimeout:
		code = "RequestTimeout"
	case http.StatusUnsupportedMediaType:
		code, detail = "UnsupportedMediaType", "the body must be application/json"
	case http.StatusNotAcceptable:
		code = "NotAcceptable"
	case http.StatusForbidden:
		code = forbidden
	case http.StatusUnprocessableEntity:
	default:
		return nil
	}
	if len(fields) > 0 && model.Status != http.StatusUnsupportedMediaType {
		detail = summary(fields, 0)
	}
	return api.NewProblem(model.Status, code, detail, fields...)
}

// fieldError names the field itself where the library names the object that lacks it.
func fieldError(e *huma.ErrorDetail) api.FieldError {
	field := api.FieldError{Location: e.Location, Message: e.Message}
	if rest, ok := strings.CutPrefix(e.Message, "expected required property "); ok {
		if name, ok := strings.CutSuffix(rest, " to be present"); ok {
			field.Location += "." + name
			field.Message = "required"
		}
	}
	if e.Location == "body.text" && strings.Contains(e.Message, "matched none") {
		field.Message = "expected a string, or an object with a string body"
	}
	return field
}
