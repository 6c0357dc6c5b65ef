package endpoint

import (
	"encoding/binary"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

// TestEventsAreReadAsTheStubsWouldReadThem draws events in every form that clients send.
func TestEventsAreReadAsTheStubsWouldReadThem(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		id := uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		sent := &streams.AppendReq_ProposedMessage{
			Id: rapid.SampledFrom([]*shared.UUID{
				{Value: &shared.UUID_String_{String_: id.String()}},
				{Value: &shared.UUID_Structured_{Structured: &shared.UUID_Structured{
					MostSignificantBits:  int64(binary.BigEndian.Uint64(id[:8])),
					LeastSignificantBits: int64(binary.BigEndian.Uint64(id[8:])),
				}}},
			}).Draw(t, "form"),
			Metadata: map[string]string{
				"type":         rapid.String().Draw(t, "type"),
				"content-type": rapid.SampledFrom([]string{contentJSON, contentBinary, "text/plain"}).Draw(t, "content type"),
			},
			CustomMetadata: rapid.SliceOf(rapid.Byte()).Draw(t, "metadata"),
			Data:           rapid.SliceOf(rapid.Byte()).Draw(t, "data"),
		}
		wire, err := proto.Marshal(&streams.AppendReq{Content: &streams.AppendReq_ProposedMessage_{ProposedMessage: sent}})
		require.NoError(t, err)
		_, byHand := readEvent(wire)
		require.Equal(t, id != uuid.Nil && sent.GetMetadata()["type"] != "", byHand, "only what is refused goes the long way")
		requireSameReading(t, wire)
	})
}

// FuzzReadEvent: what is read by hand is what the generated code reads, whatever the bytes are.
func FuzzReadEvent(f *testing.F) {
	for _, message := range []*streams.AppendReq_ProposedMessage{
		{},
		{Id: &shared.UUID{Value: &shared.UUID_Structured_{Structured: &shared.UUID_Structured{}}}, Metadata: map[string]string{"type": "a", "content-type": "b"}},
		{Id: &shared.UUID{Value: &shared.UUID_String_{String_: uuid.NewString()}}, Metadata: map[string]string{"type": "a", "content-type": "b"}},
		{Id: &shared.UUID{Value: &shared.UUID_Structured_{Structured: &shared.UUID_Structured{MostSignificantBits: -1}}},
			Metadata: map[string]string{"type": "a", "content-type": contentJSON, "other": "c"}, CustomMetadata: []byte("d"), Data: []byte("e")},
		{Id: &shared.UUID{Value: &shared.UUID_Structured_{Structured: &shared.UUID_Structured{LeastSignificantBits: 1}}},
			Metadata: map[string]string{"type": "a", "content-type": contentJSON}, CustomMetadata: []byte("d"), Data: []byte("e")},
	} {
		wire, err := proto.Marshal(&streams.AppendReq{Content: &streams.AppendReq_ProposedMessage_{ProposedMessage: message}})
		require.NoError(f, err)
		f.Add(wire)
	}
	half := func(number protowire.Number) []byte { // of an id
		b := protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), 1)
		b = append(appendPrefix(nil, uuidStructured, len(b)), b...)
		return append(appendPrefix(nil, proposedID, len(b)), b...)
	}
	merged := append(half(uuidMost), half(uuidLeast)...)
	merged = append(merged, entry("type", "a")...)
	merged = append(merged, entry("content-type", "b")...)
	f.Add(append(appendPrefix(nil, appendProposed, len(merged)), merged...))
	f.Fuzz(func(t *testing.T, wire []byte) { requireSameReading(t, wire) })
}

// entry is an entry of an event's metadata.
func entry(key, value string) []byte {
	b := appendText(appendText(nil, mapKey, key), mapValue, value)
	return append(appendPrefix(nil, proposedMetadata, len(b)), b...)
}

func requireSameReading(t require.TestingT, wire []byte) {
	got, byHand := readEvent(wire)
	if !byHand {
		return
	}
	var sent streams.AppendReq
	require.NoError(t, proto.Unmarshal(wire, &sent))
	want, err := proposedEvent(sent.GetProposedMessage())
	require.NoError(t, err)
	require.Equal(t, want.ID, got.ID)
	require.Equal(t, want.Type, got.Type)
	require.Equal(t, want.Binary, got.Binary)
	require.Equal(t, string(want.Data), string(got.Data))
	require.Equal(t, string(want.Metadata), string(got.Metadata))
}
