package commands_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/commands"
	"daybook/domain"
	"daybook/events"
	"daybook/events/id"
)

func TestASkippedEventStandsInTheBooksOfItsAccount(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	late := time.Date(2026, 10, 2, 1, 0, 0, 0, time.FixedZone("", 2*60*60)) // it is still 1 October in UTC
	h := commands.New(store, at(late))
	f := openFirm(t, h)
	_, err := store.Append(t.Context(), "foreign", events.Any, []events.Proposed{{ID: id.New[id.Event](), Type: "MessageAccepted", Data: []byte("{}")}})
	require.NoError(t, err)

	skip := events.ProjectionEventSkipped{
		Projection: "messages", Schema: "messages_v3", Key: "k", Stream: "account-" + f.account.String(), EventType: "AccountRegistered",
		Reason: strings.Repeat("é", 500),
	}
	position, err := h.SkipProjectionEvent(t.Context(), command("skip"), skip)
	require.NoError(t, err)
	again, err := h.SkipProjectionEvent(t.Context(), command("skip"), skip)
	require.NoError(t, err)
	require.Equal(t, position, again)
	stream := "access-" + f.account.String() + "-2026-10-01"
	all := read(t, store, stream)
	require.Len(t, all, 1, "a repeat is the same event")
	require.Equal(t, skip, all[0].event)
	require.Equal(t, f.account, all[0].envelope.Account)
	require.Equal(t, late.UTC(), all[0].envelope.RecordedAt)

	found, ok, err := h.SkippedBefore(t.Context(), command("skip"), skip, late)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, position, found)
	for _, other := range []commands.Meta{api, command("another")} {
		_, ok, err = h.SkippedBefore(t.Context(), other, skip, late)
		require.NoError(t, err)
		require.False(t, ok)
	}

	for _, place := range []events.Ref{{Stream: "foreign"}, {Stream: "foreign", Revision: 7}, {Stream: "nowhere"}} { // they name no account
		skip.Stream, skip.Revision = place.Stream, place.Revision
		_, err = h.SkipProjectionEvent(t.Context(), api, skip)
		require.NoError(t, err)
	}
	require.Len(t, read(t, store, "access-system-2026-10-01"), 3)
}

func TestReadingThePastStandsInTheBooksOfTheInstallation(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	h := commands.New(store, at(noon))
	reads := []events.ProjectionReadAsOf{
		{Projection: "messages", Version: 3, Table: "messages", Rows: 2, After: &events.Ref{Stream: "s", Revision: 4}},
		{Projection: "messages", Version: 3, Table: "messages"}, // before all events
	}
	for _, read := range reads {
		_, err := h.ReadProjectionAsOf(t.Context(), api, read)
		require.NoError(t, err)
	}
	all := read(t, store, "access-system-"+noon.UTC().Format(events.DateFormat))
	require.Len(t, all, 2)
	for i := range reads {
		require.Equal(t, reads[i], all[i].event)
		require.Equal(t, api.Actor, all[i].envelope.Actor)
		require.True(t, all[i].envelope.Account.IsZero())
	}
}

func TestASkipNeedsAReasonOfOneLine(t *testing.T) {
	t.Parallel()
	h := commands.New(openStore(t), at(noon))
	for reason, code := range map[string]string{
		"": "ReasonRequired", "  ": "ReasonRequired", strings.Repeat("é", 501): "ReasonLength", "a\x00b": "ReasonInvalid",
		"a\nb": "ReasonInvalid", "\xff": "ReasonInvalid",
	} {
		_, err := h.SkipProjectionEvent(t.Context(), api, events.ProjectionEventSkipped{Stream: "s", Reason: reason})
		rejected(t, err, domain.Invalid, code)
		_, _, err = h.SkippedBefore(t.Context(), command("skip"), events.ProjectionEventSkipped{Stream: "s", Reason: reason}, noon)
		rejected(t, err, domain.Invalid, code)
	}
}
