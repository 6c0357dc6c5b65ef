package projections

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/events"
	"daybook/events/id"
)

func TestEveryEnvelopeIsReadInOnePass(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ascii := rapid.StringMatching(`[a-z0-9:._/ -]{0,12}`)
		at := rapid.Int64Range(0, 1<<33).Draw(t, "at")
		want := events.Envelope{
			Version: rapid.IntRange(1, 99).Draw(t, "version"), OccurredAt: time.Unix(at, at%1e9).UTC(),
			RecordedAt: time.Unix(at+1, 0).In(time.FixedZone("", 3600*rapid.IntRange(-12, 12).Draw(t, "zone"))),
			Actor:      events.Actor(ascii.Draw(t, "actor")), Source: ascii.Draw(t, "source"),
			Causation: ascii.Draw(t, "causation"), Digest: ascii.Draw(t, "digest"),
		}
		if rapid.Bool().Draw(t, "ids") {
			want.Account, want.Command, want.Correlation = id.New[id.Account](), id.New[id.Command](), id.New[id.Trace]()
		}
		metadata, err := events.EncodeEnvelope(want)
		require.NoError(t, err)
		var got events.Envelope
		require.True(t, readEnvelope(&got, string(metadata)), "%s", metadata)
		same(t, metadata)
	})
}

// same compares with the decoder of the published language.
func same(t require.TestingT, metadata []byte) {
	want, wantErr := events.DecodeEnvelope(metadata)
	got, err := decodeEnvelope(metadata)
	require.Equal(t, wantErr == nil, err == nil, "%q: %v", metadata, err)
	if err == nil {
		require.True(t, want.OccurredAt.Equal(got.OccurredAt) && want.RecordedAt.Equal(got.RecordedAt))
		want.OccurredAt, want.RecordedAt, got.OccurredAt, got.RecordedAt = time.Time{}, time.Time{}, time.Time{}, time.Time{}
		require.Equal(t, want, got, "%q", metadata)
	}
}

func FuzzEnvelope(f *testing.F) {
	metadata, err := events.EncodeEnvelope(events.Envelope{
		Version: 1, Account: id.New[id.Account](), Actor: "platform:whatsapp", Source: "webhook", Causation: "c", Digest: "d",
	})
	require.NoError(f, err)
	for _, seed := range []string{
		string(metadata), "", "{}", "null", `{"version":01}`, `{"version":1e2}`, `{"version":-1}`, `{"version":1,}`, `{"version":1}}`, `{"version":0}`,
		`{"version":1,"Version":1}`, `{"version":1,"actor":null}`, `{"version":1,"actor":"\u0041"}`, `{"version":1,"actor":"é"}`, "{\"actor\":\"\xff\"}", "{\"actor\":\"\t\"}",
		`{"version":1,"account":""}`, `{"account":"{6ba7b810-9dad-11d1-80b4-00c04fd430c8}"}`, `{"version":1,"occurred_at":"2026-01-01T00:00:00Z"}`,
		`{"version":1,"occurred_at":"2026-1-01T00:00:00Z"}`, `{"version":1,"occurred_at":"2026-01-01T00:00:00+25:00"}`, `{"version":1,"source":"a","source":"b"}`, `{"version":1,"x":"y"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, metadata []byte) { same(t, metadata) })
}
