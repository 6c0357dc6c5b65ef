package events_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/events"
	"daybook/events/id"
)

func TestEnvelopeRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		moment := rapid.Custom(func(t *rapid.T) time.Time {
			return time.UnixMicro(rapid.Int64Range(0, 4e15).Draw(t, "µs")).UTC()
		})
		want := events.Envelope{
			Version:     rapid.IntRange(1, 9).Draw(t, "version"),
			Account:     of[id.Account](rapid.Uint64Range(0, 9).Draw(t, "account")),
			OccurredAt:  moment.Draw(t, "occurred"),
			RecordedAt:  moment.Draw(t, "recorded"),
			Actor:       events.Actor(rapid.String().Draw(t, "actor")),
			Source:      rapid.String().Draw(t, "source"),
			Correlation: of[id.Trace](rapid.Uint64Range(0, 9).Draw(t, "correlation")),
			Causation:   rapid.String().Draw(t, "causation"),
			Command:     of[id.Command](rapid.Uint64Range(0, 9).Draw(t, "command")),
			Digest:      rapid.String().Draw(t, "digest"),
		}
		metadata, err := events.EncodeEnvelope(want)
		require.NoError(t, err)
		got, err := events.DecodeEnvelope(metadata)
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

func TestAnEnvelopeWithoutAccountSaysNothingAboutIt(t *testing.T) {
	t.Parallel()
	metadata, err := events.EncodeEnvelope(events.Envelope{Version: 1, Actor: "system:store", Source: "cli"})
	require.NoError(t, err)
	require.JSONEq(t, `{"version":1,"occurred_at":"0001-01-01T00:00:00Z","recorded_at":"0001-01-01T00:00:00Z",
		"actor":"system:store","source":"cli"}`, string(metadata))
}

func TestForeignMetadataIsNoEnvelope(t *testing.T) {
	t.Parallel()
	for _, metadata := range []string{
		``, `null`, `{}`, `[]`, `"text"`, `{"version":0}`, `{"version":"1"}`, `{"$correlationId":"order-17"}`,
		`{"causedBy":"legacy","version":-1}`, "\x00\x01\x02", `{"version":1,"occurred_at":"yesterday"}`, `{"version":1}x`,
	} {
		got, err := events.DecodeEnvelope([]byte(metadata))
		require.Error(t, err, "%q", metadata)
		require.Zero(t, got, "%q", metadata)
	}
}

func TestEncodeFillsInTheVersionAndKeepsTheRest(t *testing.T) {
	t.Parallel()
	proposed, err := events.Encode(of[id.Event](5), events.StoreCreated{StoreID: of[id.Store](6)}, events.Envelope{Version: 99})
	require.NoError(t, err)
	require.Equal(t, of[id.Event](5), proposed.ID)
	require.Equal(t, events.NameOf[events.StoreCreated](), proposed.Type)
	require.False(t, proposed.Binary)
	got, err := events.DecodeEnvelope(proposed.Metadata)
	require.NoError(t, err)
	require.Equal(t, 1, got.Version)
}

func TestWhatIsNotKnownIsLeftOut(t *testing.T) {
	t.Parallel()
	const nobody, never = `"00000000-0000-0000-0000-000000000000"`, `"0001-01-01T00:00:00Z"`
	for _, c := range []struct {
		event events.Event
		data  string
	}{
		{events.MessageReceived{}, `{"conversation_id":` + nobody + `,"message_id":` + nobody + `,"customer_id":` + nobody +
			`,"wamid_hash":"","kind":"","sent_at":` + never + `,"window_until":` + never + `}`},
		{events.MessageQueued{}, `{"conversation_id":` + nobody + `,"message_id":` + nobody + `,"customer_id":` + nobody +
			`,"device_id":` + nobody + `,"device_name":"","registry_revision":0,"kind":"","category":"","queued_at":` + never + `}`},
		{events.MessageFailed{StatusFact: events.StatusFact{Pricing: &events.Pricing{}, Origin: &events.Origin{}}},
			`{"conversation_id":` + nobody + `,"message_id":` + nobody + `,"recipient_id":` + nobody + `,"fact_id":` + nobody +
				`,"at":` + never + `,"pricing":{},"origin":{}}`},
	} {
		proposed, err := events.Encode(id.Event{}, c.event, events.Envelope{})
		require.NoError(t, err)
		require.Equal(t, c.data, string(proposed.Data))
	}
}

func TestEncodeRefusesWhatIsNotInTheCatalogue(t *testing.T) {
	t.Parallel()
	for _, event := range []events.Event{nil, &events.StoreCreated{}, foreign{}} {
		_, err := events.Encode(of[id.Event](5), event, events.Envelope{})
		require.ErrorIs(t, err, events.ErrUnknownType, "%T", event)
	}
	_, err := events.Decode("ParcelLost", 1, json.RawMessage(`{}`))
	require.ErrorIs(t, err, events.ErrUnknownType)
}

// foreign passes for an event by embedding one; the catalogue is not fooled.
type foreign struct{ events.StoreCreated }

func TestNamesAreACopy(t *testing.T) {
	t.Parallel()
	events.Names()[0] = "Overwritten"
	require.Equal(t, "StoreCreated", events.Names()[0])
}

func TestExpectationsSayWhatTheyExpect(t *testing.T) {
	t.Parallel()
	for expected, text := range map[events.Expected]string{
		events.NoStream:               "no stream",
		events.Any:                    "any",
		events.StreamExists:           "stream exists",
		events.Exactly(0):             "revision 0",
		events.Exactly(17):            "revision 17",
		events.Exactly(math.MaxInt64): "revision 9223372036854775807",
	} {
		require.Equal(t, text, expected.String())
	}
	err := &events.WrongRevisionError{Stream: "account-7", Expected: events.NoStream, Actual: events.Exactly(3)}
	require.EqualError(t, err, "stream account-7 is at revision 3, expected no stream")
}

func TestPositionsStartBeforeEveryRecord(t *testing.T) {
	t.Parallel()
	require.Less(t, events.Start, events.Position(1))
	text, err := json.Marshal(events.Position(math.MaxUint64))
	require.NoError(t, err)
	require.Equal(t, "18446744073709551615", string(text))
}
