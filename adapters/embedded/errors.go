package embedded

import (
	"errors"
	"fmt"
)

// ErrClosed says that the store was closed. An append that returns it was not written.
var ErrClosed = errors.New("event store is closed")

// ErrFailed says that a commit failed, in this append or an earlier one, so that what the disk holds is no longer known.
// The store stays readable up to the last acknowledged append and takes no more. Opening it again settles the question:
// an append that got this error is then either there in full or not there at all.
var ErrFailed = errors.New("event store takes no more appends")

// InUseError says that another process (or another Store in this one) has the directory open.
type InUseError struct {
	Dir   string
	Cause error
}

func (e *InUseError) Error() string {
	return fmt.Sprintf("event store %s is already open in another process: %v", e.Dir, e.Cause)
}

// Unwrap returns what the lock said.
func (e *InUseError) Unwrap() error { return e.Cause }

// FormatError says that a directory holds something this binary cannot read.
type FormatError struct {
	Dir   string
	Found string // the format's name as stored; empty if the directory is no event store at all
}

func (e *FormatError) Error() string {
	if e.Found == "" {
		return fmt.Sprintf("%s holds a database that is not an event store", e.Dir)
	}
	return fmt.Sprintf("event store %s has format %q; this binary reads %q", e.Dir, e.Found, storeFormat)
}

// TooLargeError says that one append exceeds the limit. Nothing was written.
type TooLargeError struct {
	Stream      string
	Size, Limit int  // bytes, counted as data, metadata and twice the type name of each event
	Stored      bool // no: as what the log and its index hold of each event, the stream's name twice among it
}

func (e *TooLargeError) Error() string {
	if e.Stored {
		return fmt.Sprintf("append to %s is %d bytes as it is stored, more than the limit of %d", e.Stream, e.Size, e.Limit)
	}
	return fmt.Sprintf("append to %s is %d bytes, more than the limit of %d", e.Stream, e.Size, e.Limit)
}

// DeletedError says that a stream is tombstoned, or soft-deleted where StreamExists was expected. Nothing was written.
type DeletedError struct{ Stream string }

func (e *DeletedError) Error() string { return fmt.Sprintf("stream %s is deleted", e.Stream) }

// InvalidError says that an append or a delete can never be taken, whatever the stream holds. Nothing was written.
type InvalidError struct {
	Stream string
	Reason string
}

func (e *InvalidError) Error() string { return fmt.Sprintf("writing to %q: %s", e.Stream, e.Reason) }
