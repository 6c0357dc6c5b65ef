package storecopy

import (
	"fmt"
	"strings"
)

// RefusedError says that stores are not in a state to be copied, or used, and why. Nothing was written by it.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return e.Reason }

func refuse(format string, arguments ...any) error {
	return &RefusedError{fmt.Sprintf(format, arguments...)}
}

// OversizedError says that the target does not take one of the events.
type OversizedError struct {
	Stream   string
	Revision uint64
	Size     int // bytes, counted as data, metadata and twice the type
	Cause    error
}

func (e *OversizedError) Error() string {
	return fmt.Sprintf("%s@%d has %d bytes, more than the target takes: raise its limit of one append and run the copy again: %v",
		e.Stream, e.Revision, e.Size, e.Cause)
}

// Unwrap returns the target's refusal.
func (e *OversizedError) Unwrap() error { return e.Cause }

// DifferenceError says that the target does not hold what the source holds.
type DifferenceError struct {
	First   string             // where they first part, and in what
	Streams []StreamDifference // the first ones by name; none when only the order of the log differs
	More    int                // how many there are beyond those

	Finished bool // the copy was, so that nothing is added to it
}

// StreamDifference is a stream that is not the same in both stores.
type StreamDifference struct {
	Stream   string
	From, To Tally
}

func (e *DifferenceError) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "source and target differ: %s", e.First)
	for _, d := range e.Streams {
		fmt.Fprintf(&text, "; %s: %s in the source, %s in the target", d.Stream, d.From, d.To)
	}
	if e.More > 0 {
		fmt.Fprintf(&text, "; and %d more streams", e.More)
	}
	if e.Finished {
		text.WriteString(". They were the same when the copy was finished: copy to another empty store")
	}
	return text.String()
}
