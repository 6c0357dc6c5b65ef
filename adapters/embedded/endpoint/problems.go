package endpoint

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"daybook/adapters/embedded"
)

// Values of the trailer "exception", by which clients know what went wrong.
const (
	accessDenied        = "access-denied"
	streamDeleted       = "stream-deleted"
	wrongVersion        = "wrong-expected-version"
	appendTooLarge      = "maximum-append-size-exceeded"
	missingMetadata     = "missing-required-metadata-property"
	subscriptionExists  = "persistent-subscription-exists"
	subscriptionRefused = "persistent-subscription-failed"
)

// problemError is a failed call as the client gets it: a status, and trailers that say more.
type problemError struct {
	status   *status.Status
	trailers metadata.MD
}

// maxText is the longest text of a status or a trailer, in bytes: it may quote what a client has sent, and travels in a header.
const maxText = 2048

// problem makes the error of a call. exception may be empty; trailers are names and values in turn. Values may hold
// anything: what is not printable ASCII is percent-encoded, and what is longer than any name may be is cut.
func problem(code codes.Code, exception, text string, trailers ...string) error {
	text = cut(text)
	p := &problemError{status: status.New(code, text), trailers: metadata.MD{}}
	if exception != "" {
		p.trailers.Set("exception", exception)
	}
	for i := 0; i+1 < len(trailers); i += 2 {
		p.trailers.Set(trailers[i], escape(cut(trailers[i+1])))
	}
	return p
}

// cut shortens a text that is too long.
func cut(text string) string {
	if len(text) <= maxText {
		return text
	}
	return strings.ToValidUTF8(text[:maxText], "") + "…"
}

func (p *problemError) Error() string { return p.status.Message() }

// GRPCStatus is how gRPC finds the status of an error.
func (p *problemError) GRPCStatus() *status.Status { return p.status }

// invalid says that a request makes no sense, whatever the store holds.
func invalid(format string, arguments ...any) error {
	return problem(codes.InvalidArgument, "", fmt.Sprintf(format, arguments...))
}

func denied(text string) error { return problem(codes.PermissionDenied, accessDenied, text) }

// deleted says that a stream is tombstoned. Clients crash without the stream's name.
func deleted(stream string) error {
	return problem(codes.FailedPrecondition, streamDeleted,
		fmt.Sprintf("Event stream '%s' is deleted.", stream), "stream-name", stream)
}

// answer turns what went wrong in a call that writes into what the client gets, and tells the log what is our fault.
func (s *Server) answer(err error, doing, stream string) error {
	p := storeProblem(err)
	if status.Code(p) == codes.Internal && !errors.Is(p, err) {
		s.log.Error("call of a client failed", "doing", doing, "stream", stream, "error", err)
	}
	return p
}

// storeProblem turns an error of the store into one for the client. What has a status already keeps it.
func storeProblem(err error) error {
	if _, ok := status.FromError(err); ok {
		return err
	}
	if gone, ok := errors.AsType[*embedded.DeletedError](err); ok {
		return deleted(gone.Stream)
	}
	if large, ok := errors.AsType[*embedded.TooLargeError](err); ok {
		return tooLarge(large.Limit)
	}
	if bad, ok := errors.AsType[*embedded.InvalidError](err); ok {
		return invalid("%s", bad.Error())
	}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return status.FromContextError(err).Err()
	case errors.Is(err, embedded.ErrClosed):
		return problem(codes.Unavailable, "", "the event store is closed")
	case errors.Is(err, embedded.ErrFailed):
		return problem(codes.Aborted, "", "the event store takes no more appends; whether this one was written is not known")
	}
	return problem(codes.Internal, "", "the event store cannot be used; its log says why")
}

func tooLarge(limit int) error {
	return problem(codes.InvalidArgument, appendTooLarge,
		fmt.Sprintf("Maximum Append Size of %d Exceeded.", limit), "maximum-append-size", strconv.Itoa(limit))
}

// missingProperty says that an event has no type or no content type.
func missingProperty() error {
	return problem(codes.InvalidArgument, missingMetadata,
		"Required Metadata Property 'type' or 'content-type' is missing", "required-metadata-properties", "type,content-type")
}

// escape percent-encodes whatever is not printable ASCII, and the percent sign.
func escape(value string) string {
	var b strings.Builder
	for i := range len(value) {
		if c := value[i]; c < 0x20 || c > 0x7e || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
