package eventstoredb

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"daybook/events"
	"daybook/events/id"
)

// ErrClosed says that the store was closed.
var ErrClosed = errors.New("event store is closed")

// UnavailableError says that no server could be reached, or none gave an answer, for as long as a call is tried.
type UnavailableError struct {
	Doing   string // what was tried
	Unknown bool   // an append was on its way: whether it was written is not known
	Cause   error  // of the last attempt
}

func (e *UnavailableError) Error() string {
	if e.Unknown {
		return fmt.Sprintf("%s: it is not known whether it was written: %v", e.Doing, e.Cause)
	}
	return fmt.Sprintf("%s: the event store is unavailable: %v", e.Doing, e.Cause)
}

// Unwrap returns what went wrong in the last attempt.
func (e *UnavailableError) Unwrap() error { return e.Cause }

// Is makes it an events.ErrUnavailable.
func (*UnavailableError) Is(target error) bool { return target == events.ErrUnavailable }

// DeletedError says that a stream is tombstoned, or soft-deleted where StreamExists was expected. Nothing was written.
type DeletedError struct{ Stream string }

func (e *DeletedError) Error() string { return fmt.Sprintf("stream %s is deleted", e.Stream) }

// TooLargeError says that one append exceeds the server's limit. Nothing was written.
type TooLargeError struct {
	Stream string
	Size   int // bytes, counted as data, metadata and twice the type name of each event
	Limit  int // bytes; 0 if the server did not tell
}

func (e *TooLargeError) Error() string {
	if e.Limit == 0 {
		return fmt.Sprintf("append to %s is %d bytes, more than the server takes", e.Stream, e.Size)
	}
	return fmt.Sprintf("append to %s is %d bytes, more than the server's limit of %d", e.Stream, e.Size, e.Limit)
}

// HiddenError says that the events of an append are there already, and that the server does not say at which position:
// they have been deleted or truncated since.
type HiddenError struct {
	Stream   string
	Revision uint64 // of the last one
}

func (e *HiddenError) Error() string {
	return fmt.Sprintf("append to %s was made before, up to revision %d, and the server shows it no more", e.Stream, e.Revision)
}

// InvalidError says that a call can never be taken, whatever the stream holds. Nothing was written.
type InvalidError struct {
	Stream string
	Reason string
}

func (e *InvalidError) Error() string { return fmt.Sprintf("stream %q: %s", e.Stream, e.Reason) }

// AccessError says that the server does not know the user, or does not let it do this.
type AccessError struct {
	Doing string // what was tried
	Cause error
}

func (e *AccessError) Error() string { return fmt.Sprintf("%s: access denied: %v", e.Doing, e.Cause) }

// Unwrap returns what the server said.
func (e *AccessError) Unwrap() error { return e.Cause }

// IdentityError says that another store answers at the address than the one that was opened: a position of the one means
// nothing in the other. Got is zero if it has no identity at all.
type IdentityError struct{ Want, Got id.Store }

func (e *IdentityError) Error() string {
	if e.Got.IsZero() {
		return fmt.Sprintf("an event store without identity answers where %s was opened", e.Want)
	}
	return fmt.Sprintf("event store %s answers where %s was opened", e.Got, e.Want)
}

// Is makes it an events.ErrAnotherStore.
func (*IdentityError) Is(target error) bool { return target == events.ErrAnotherStore }

// ended says why a context is done.
func ended(ctx context.Context) error {
	if cause := context.Cause(ctx); errors.Is(cause, ErrClosed) {
		return cause
	}
	return ctx.Err()
}

// decided recognises what is found out here about an append.
func decided(err error) bool {
	switch err.(type) { //nolint:errorlint // they are not wrapped yet
	case *events.WrongRevisionError, *DeletedError, *HiddenError:
		return true
	default:
		return false
	}
}

func hasCode(err error, code esdb.ErrorCode) bool {
	e, ok := errors.AsType[*esdb.Error](err)
	return ok && e.Code() == code
}

// transient reports whether another attempt may fare better. What the server has decided stays decided; everything that
// is not known to be such a decision (proxies and dying connections say many things) may pass.
func transient(err error) bool {
	if _, other := errors.AsType[*IdentityError](err); other {
		return false
	}
	if _, foreign := errors.AsType[*foreignError](err); foreign {
		return false
	}
	if e, ok := errors.AsType[*esdb.Error](err); ok {
		switch e.Code() {
		case esdb.ErrorCodeNotLeader:
			return true
		case esdb.ErrorCodeWrongExpectedVersion, esdb.ErrorCodeStreamDeleted:
			return false
		default:
		}
	}
	switch status.Code(err) {
	case codes.InvalidArgument, codes.PermissionDenied, codes.Unauthenticated, codes.FailedPrecondition,
		codes.AlreadyExists, codes.OutOfRange, codes.Unimplemented:
		return false
	default:
		return true
	}
}

// explain gives an error that is not transient its type.
func explain(doing, stream string, err error) error {
	switch code := status.Code(err); {
	case hasCode(err, esdb.ErrorCodeStreamDeleted):
		return &DeletedError{Stream: stream}
	case code == codes.PermissionDenied || code == codes.Unauthenticated:
		return &AccessError{Doing: doing, Cause: err}
	case code == codes.InvalidArgument:
		return &InvalidError{Stream: stream, Reason: reason(err)}
	default:
		return fmt.Errorf("%s: %w", doing, err)
	}
}

// reason returns what the server said, without what gRPC and the client put around it.
func reason(err error) string {
	if e, ok := errors.AsType[interface {
		error
		GRPCStatus() *status.Status
	}](err); ok {
		return e.GRPCStatus().Message()
	}
	return err.Error()
}

// actualRevision reads where the stream is from the text of a refusal: the official client tells it nowhere else.
func actualRevision(err error) (events.Expected, error) {
	_, text, _ := strings.Cut(err.Error(), "but got '")
	text, _, found := strings.Cut(text, "'")
	if text == "no_stream" {
		return events.NoStream, nil
	}
	revision, bad := strconv.ParseInt(text, 10, 64)
	if !found || bad != nil || revision < 0 {
		return 0, fmt.Errorf("reading the revision that conflicts: %w", err)
	}
	return events.Expected(revision), nil
}

// sizeLimit finds the limit in what a server says of an append that is too large: the official client drops the
// trailers maximum-append-size and maximum-append-event-size.
var sizeLimit = regexp.MustCompile(`(?i)append(?: event)? size\D*(\d+)`)

// serverLimit is EventStoreDB's limit of one append unless it is configured: without a word about sizes, a larger one
// that is refused was too large.
const serverLimit = 1 << 20

// tooLarge recognises the refusal of an append for its size.
func tooLarge(stream string, size int, err error) (*TooLargeError, bool) {
	switch status.Code(err) {
	case codes.InvalidArgument:
		if told := sizeLimit.FindStringSubmatch(reason(err)); told != nil {
			limit, _ := strconv.Atoi(told[1])
			return &TooLargeError{Stream: stream, Size: size, Limit: limit}, true
		}
		return &TooLargeError{Stream: stream, Size: size}, size > serverLimit
	case codes.ResourceExhausted: // more than gRPC takes as one message; also said of connections that are too busy
		return &TooLargeError{Stream: stream, Size: size}, size > serverLimit
	default:
		return nil, false
	}
}
