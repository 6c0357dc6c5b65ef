package quarantine_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/domain"
	"daybook/domain/quarantine"
	"daybook/domain/scenario"
	"daybook/events"
	"daybook/events/id"
)

func TestUpdateIsKeptOnceAndRedrivenOnce(t *testing.T) {
	t.Parallel()
	item := id.Derive[id.Quarantine]("test", "item")
	now := time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	update := events.UpdateQuarantined{QuarantineID: item, Reason: events.UnknownNumber, Kind: "message", ReceivedAt: now}
	keep := func(s quarantine.State) ([]events.Event, error) { return s.Keep(update) }
	redrive := func(s quarantine.State) ([]events.Event, error) { return s.MarkRedriven(item, "conversation-1", now) }

	start := scenario.New(quarantine.Evolve)
	require.Equal(t, domain.NotFound, start.When(redrive).Rejected(t, "QuarantineUnknown").Kind)
	kept := start.When(keep).Then(t, update)
	kept.When(keep).Then(t)
	closed := kept.When(redrive).Then(t, events.UpdateRedriven{QuarantineID: item, Stream: "conversation-1", RedrivenAt: now})
	closed.When(redrive).Then(t)
	closed.When(keep).Then(t)
}
