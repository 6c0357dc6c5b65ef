// Package scenario tests an aggregate by what it does, never by its fields: given events, when a decision is made, then
// these events or this rejection.
//
//	scenario.New(devices.Evolve).
//		Given(linked("iPhone Mario")).
//		When(func(s devices.State) ([]events.Event, error) { return s.Rename(device, "iPhone Luigi") }).
//		Then(t, renamed("iPhone Luigi"))
package scenario

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"daybook/domain"
	"daybook/events"
)

// Scenario is an aggregate and its past.
type Scenario[S any] struct {
	evolve func(S, events.Event) S
	past   []events.Event
}

// New starts a scenario with no past.
func New[S any](evolve func(S, events.Event) S) Scenario[S] { return Scenario[S]{evolve: evolve} }

// Given adds to the past.
func (s Scenario[S]) Given(past ...events.Event) Scenario[S] {
	s.past = append(s.past[:len(s.past):len(s.past)], past...)
	return s
}

// When folds the past and makes a decision on it.
func (s Scenario[S]) When(decide func(S) ([]events.Event, error)) Decided[S] {
	var state S
	for _, event := range s.past {
		state = s.evolve(state, event)
	}
	decided, err := decide(state)
	return Decided[S]{s, decided, err}
}

// Decided is what came of a decision.
type Decided[S any] struct {
	before  Scenario[S]
	decided []events.Event
	err     error
}

// Then demands exactly these events, in this order; none means that the decision changes nothing and is no error. It
// returns the scenario with what was decided as part of its past.
func (d Decided[S]) Then(t testing.TB, want ...events.Event) Scenario[S] {
	t.Helper()
	if d.err != nil {
		t.Fatalf("rejected: %v\nwanted:\n%s", d.err, render(want))
	}
	if got, wanted := render(d.decided), render(want); got != wanted {
		t.Fatalf("decided other events (- wanted, + decided):\n%s", diff(wanted, got))
	}
	return d.before.Given(d.decided...)
}

// Rejected demands a rejection with this code, and that nothing was decided beside it.
func (d Decided[S]) Rejected(t testing.TB, code string) *domain.Rejection {
	t.Helper()
	var rejection *domain.Rejection
	switch {
	case d.err == nil:
		t.Fatalf("wanted rejection %s, decided:\n%s", code, render(d.decided))
	case !errors.As(d.err, &rejection):
		t.Fatalf("wanted rejection %s, got error: %v", code, d.err)
	case rejection.Code != code:
		t.Fatalf("wanted rejection %s, got %s", code, rejection)
	case len(d.decided) > 0:
		t.Fatalf("rejected as %s, and yet decided:\n%s", code, render(d.decided))
	}
	return rejection
}

// render writes events as they would be stored, one line per field: two events are the same when their bytes are.
func render(list []events.Event) string {
	if len(list) == 0 {
		return "(nothing)"
	}
	var b strings.Builder
	for _, event := range list {
		data, err := json.MarshalIndent(event, "", "  ")
		if err != nil {
			data = fmt.Appendf(nil, "%+v (%v)", event, err)
		}
		fmt.Fprintf(&b, "%T %s\n", event, data)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// diff marks the lines that only one side has, along a longest common subsequence.
func diff(wanted, got string) string {
	a, b := strings.Split(wanted, "\n"), strings.Split(got, "\n")
	common := make([][]int, len(a)+1) // common[i][j]: lines in common from a[i] and b[j] on
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var lines []string
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			lines = append(lines, "  "+a[i])
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			lines = append(lines, "- "+a[i])
			i++
		default:
			lines = append(lines, "+ "+b[j])
			j++
		}
	}
	return strings.Join(lines, "\n")
}
