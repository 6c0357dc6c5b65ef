package pricing

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"daybook/domain"
)

// maxNamed bounds how many bad lines an error names one by one.
const maxNamed = 1_000

// FileError says which lines of a file of rate cards are bad. To a caller who knows only rejections it is one:
// RateCardInvalid, or RateConflict when the lines contradict cards that are recorded.
type FileError struct {
	Conflict bool
	Lines    []LineError // in order of the file, 1,000 at most
	More     int         // bad lines beyond those
}

// LineError is one broken rule.
type LineError struct {
	Line   int    // where it begins, from 1; 0 for the file as a whole
	Field  string // the column; empty when it is the line as a whole
	Detail string // the rule
}

// String puts the line, field and rule into one sentence.
func (l LineError) String() string {
	switch {
	case l.Line == 0:
		return "the file: " + l.Detail
	case l.Field == "":
		return fmt.Sprintf("line %d: %s", l.Line, l.Detail)
	}
	return fmt.Sprintf("line %d, %s: %s", l.Line, l.Field, l.Detail)
}

// Add names one more line, or counts it when 1,000 are named.
func (e *FileError) Add(added ...LineError) {
	for _, l := range added {
		if len(e.Lines) == maxNamed {
			e.More++
			continue
		}
		e.Lines = append(e.Lines, l)
	}
}

// Err puts the lines in order and returns the error; nil when no line is bad.
func (e *FileError) Err() error {
	if len(e.Lines) == 0 {
		return nil
	}
	slices.SortStableFunc(e.Lines, func(a, b LineError) int { return cmp.Compare(a.Line, b.Line) })
	return e
}

func (e *FileError) Error() string { return e.rejection().Error() }

// Unwrap shows the error as a *domain.Rejection.
func (e *FileError) Unwrap() error { return e.rejection() }

func (e *FileError) rejection() *domain.Rejection {
	r := &domain.Rejection{Kind: domain.Invalid, Code: "RateCardInvalid"}
	if e.Conflict {
		r.Kind, r.Code = domain.Conflict, "RateConflict"
	}
	lines := make([]string, len(e.Lines))
	for i, l := range e.Lines {
		lines[i] = l.String()
	}
	r.Detail = strings.Join(lines, "\n")
	if e.More > 0 {
		r.Detail += fmt.Sprintf("\nand %d more", e.More)
	}
	return r
}
