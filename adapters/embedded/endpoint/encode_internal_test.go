package endpoint

import (
	"encoding/binary"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/encoding"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"daybook/events"
	"daybook/events/id"
)

// TestEncodedEventsAreWhatTheStubsWouldSend compares with the generated code, byte by byte.
func TestEncodedEventsAreWhatTheStubsWouldSend(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		event, link := drawRecord(t, "event"), drawRecord(t, "link")
		switch rapid.SampledFrom([]string{"event", "link", "both"}).Draw(t, "what") {
		case "event":
			link = nil
		case "link":
			event = nil
		}
		requireEncoding(t, event, link)
	})
}

// FuzzEncode feeds the encoder bytes that no append of ours would write.
func FuzzEncode(f *testing.F) {
	f.Add([]byte("0123456789abcdef"), "conversation-1", "Noted", []byte(`{"a":1}`), []byte("m"), uint64(7), uint64(99), int64(1), false)
	f.Add(make([]byte, 16), "\x00", "\xff", []byte{}, []byte{}, ^uint64(0), uint64(1), int64(-1), true)
	f.Fuzz(func(t *testing.T, eventID []byte, stream, name string, data, metadata []byte, revision, position uint64, created int64, binary bool) {
		r := &events.Record{
			Stream: "s" + stream, Type: name, Data: data, Metadata: metadata, Revision: revision,
			Position: events.Position(position), Created: time.Unix(0, created), Binary: binary,
		}
		copy(r.ID.UUID[:], eventID)
		requireEncoding(t, r, nil)
		requireEncoding(t, nil, r)
	})
}

func requireEncoding(t require.TestingT, event, link *events.Record) {
	for form := range idForms {
		want, err := proto.MarshalOptions{Deterministic: true}.Marshal(generated(event, link, form))
		require.NoError(t, err)
		sent, err := codec{encoding.GetCodecV2("proto")}.Marshal(encodeEvent(event, link, form))
		require.NoError(t, err)
		got := sent[0].ReadOnlyData()
		require.Equal(t, want, got)
		require.Equal(t, foreseen(len(got)), cap(got), "the size was not foreseen")
	}
}

// foreseen is the capacity that make gives a slice of this size.
func foreseen(size int) int { return cap(make([]byte, 0, size)) }

func generated(event, link *events.Record, form idForm) *streams.ReadResp {
	original := event
	if link != nil {
		original = link
	}
	return &streams.ReadResp{Content: &streams.ReadResp_Event{Event: &streams.ReadResp_ReadEvent{
		Event: generatedRecord(event, form), Link: generatedRecord(link, form),
		Position: &streams.ReadResp_ReadEvent_CommitPosition{CommitPosition: uint64(original.Position)},
	}}}
}

func generatedRecord(r *events.Record, form idForm) *streams.ReadResp_ReadEvent_RecordedEvent {
	if r == nil {
		return nil
	}
	wireID := &shared.UUID{Value: &shared.UUID_Structured_{Structured: &shared.UUID_Structured{
		MostSignificantBits:  int64(binary.BigEndian.Uint64(r.ID.UUID[:8])),
		LeastSignificantBits: int64(binary.BigEndian.Uint64(r.ID.UUID[8:])),
	}}}
	if form == stringIDs {
		wireID = &shared.UUID{Value: &shared.UUID_String_{String_: r.ID.String()}}
	}
	content := "application/json"
	if r.Binary {
		content = "application/octet-stream"
	}
	return &streams.ReadResp_ReadEvent_RecordedEvent{
		Id:               wireID,
		StreamIdentifier: &shared.StreamIdentifier{StreamName: []byte(r.Stream)},
		StreamRevision:   r.Revision,
		PreparePosition:  uint64(r.Position),
		CommitPosition:   uint64(r.Position),
		Metadata: map[string]string{
			"type":         strings.ToValidUTF8(r.Type, "\uFFFD"),
			"created":      strconv.FormatInt(r.Created.UnixNano()/100, 10),
			"content-type": content,
		},
		CustomMetadata: r.Metadata,
		Data:           r.Data,
	}
}

func drawRecord(t *rapid.T, label string) *events.Record {
	return &events.Record{
		Stream:   rapid.StringN(1, -1, 300).Draw(t, label+" stream"),
		Revision: rapid.Uint64().Draw(t, label+" revision"),
		Position: events.Position(rapid.Uint64Range(1, 1<<63-1).Draw(t, label+" position")),
		ID: rapid.OneOf(
			rapid.Custom(func(t *rapid.T) id.Event {
				return id.Event{UUID: uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))}
			}),
			rapid.Just(id.Event{}),
		).Draw(t, label+" id"),
		Type:     rapid.OneOf(rapid.String(), rapid.Just("\xff\xfeBroken")).Draw(t, label+" type"),
		Data:     rapid.SliceOfN(rapid.Byte(), 0, 3000).Draw(t, label+" data"),
		Metadata: rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, label+" metadata"),
		Binary:   rapid.Bool().Draw(t, label+" binary"),
		Created:  time.Unix(0, rapid.Int64().Draw(t, label+" created")),
	}
}
