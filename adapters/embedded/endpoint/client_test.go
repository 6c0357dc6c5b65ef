package endpoint_test

import (
	"io"
	"strings"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded/endpoint"
)

func note(text string) esdb.EventData {
	return esdb.EventData{
		EventID: uuid.New(), EventType: "Noted", ContentType: esdb.ContentTypeJson,
		Data: []byte(`{ "text" : "` + text + `" }`), Metadata: []byte("any bytes \xff"),
	}
}

func requireCode(t testing.TB, code esdb.ErrorCode, err error) {
	t.Helper()
	var failure *esdb.Error
	require.ErrorAs(t, err, &failure)
	require.Equal(t, code, failure.Code(), failure)
}

func TestOfficialClientAppends(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	client := r.client("esdb", "")
	one, two := note("one"), note("two")
	two.ContentType = esdb.ContentTypeBinary
	appended, err := client.AppendToStream(t.Context(), "naïve/stream 🙂", esdb.AppendToStreamOptions{ExpectedRevision: esdb.NoStream{}}, one, two)
	require.NoError(t, err)

	stored := r.stored("naïve/stream 🙂")
	require.Len(t, stored, 2)
	for i, want := range []esdb.EventData{one, two} {
		require.Equal(t, want.EventID, stored[i].ID.UUID)
		require.Equal(t, want.EventType, stored[i].Type)
		require.Equal(t, want.Data, stored[i].Data)
		require.Equal(t, want.Metadata, stored[i].Metadata)
		require.Equal(t, want.ContentType == esdb.ContentTypeBinary, stored[i].Binary)
	}
	position := uint64(stored[1].Position)
	want := &esdb.WriteResult{NextExpectedVersion: 1, CommitPosition: position, PreparePosition: position}
	require.Equal(t, want, appended)

	repeated, err := client.AppendToStream(t.Context(), "naïve/stream 🙂", esdb.AppendToStreamOptions{ExpectedRevision: esdb.NoStream{}}, one, two)
	require.NoError(t, err)
	require.Equal(t, want, repeated, "a repeat is told where it landed")
	require.Len(t, r.stored("naïve/stream 🙂"), 2)

	_, err = client.AppendToStream(t.Context(), "naïve/stream 🙂", esdb.AppendToStreamOptions{ExpectedRevision: esdb.Revision(0)}, note("late"))
	requireCode(t, esdb.ErrorCodeWrongExpectedVersion, err)
	require.ErrorContains(t, err, "expecting '0' but got '1'")
	_, err = client.AppendToStream(t.Context(), "none", esdb.AppendToStreamOptions{ExpectedRevision: esdb.StreamExists{}}, note("early"))
	requireCode(t, esdb.ErrorCodeWrongExpectedVersion, err)
	require.ErrorContains(t, err, "expecting 'stream_exists' but got 'no_stream'")
}

func TestOfficialClientIsToldThatAnAppendIsTooLarge(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	client := r.client("esdb", "")
	large := note(strings.Repeat("x", 3<<20))
	_, err := client.AppendToStream(t.Context(), "large", esdb.AppendToStreamOptions{}, large)
	requireCode(t, esdb.ErrorCodeUnknown, err)
	require.ErrorContains(t, err, "Maximum Append Size of 1048576 Exceeded")
	many := make([]esdb.EventData, 64)
	for i := range many {
		many[i] = note(strings.Repeat("x", 100_000))
	}
	_, err = client.AppendToStream(t.Context(), "large", esdb.AppendToStreamOptions{}, many...)
	requireCode(t, esdb.ErrorCodeUnknown, err)
	require.ErrorContains(t, err, "Maximum Append Size of 1048576 Exceeded",
		"the client learns why, although it was not done sending")
	require.Empty(t, r.stored("large"))
}

func TestOfficialClientDeletesAndTombstones(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	client := r.client("esdb", "")
	for _, stream := range []string{"hidden", "gone 🙂"} {
		_, err := client.AppendToStream(t.Context(), stream, esdb.AppendToStreamOptions{}, note("one"))
		require.NoError(t, err)
	}

	_, err := client.DeleteStream(t.Context(), "hidden", esdb.DeleteStreamOptions{ExpectedRevision: esdb.Revision(7)})
	require.ErrorContains(t, err, "Expected version: 7, Actual version: 0")
	deleted, err := client.DeleteStream(t.Context(), "hidden", esdb.DeleteStreamOptions{ExpectedRevision: esdb.Revision(0)})
	require.NoError(t, err)
	metadata := r.stored("$$hidden")
	require.Equal(t, uint64(metadata[0].Position), deleted.Position.Commit)
	require.Equal(t, uint64(metadata[0].Position), deleted.Position.Prepare)
	requireNotFound(t, client, "hidden")
	again, err := client.AppendToStream(t.Context(), "hidden", esdb.AppendToStreamOptions{ExpectedRevision: esdb.NoStream{}}, note("two"))
	require.NoError(t, err)
	require.Equal(t, uint64(1), again.NextExpectedVersion, "it goes on where it was")

	tombstoned, err := client.TombstoneStream(t.Context(), "gone 🙂", esdb.TombstoneStreamOptions{ExpectedRevision: esdb.Revision(0)})
	require.NoError(t, err)
	records := r.stored("gone 🙂")
	require.Equal(t, uint64(records[1].Position), tombstoned.Position.Commit)
	_, err = client.AppendToStream(t.Context(), "gone 🙂", esdb.AppendToStreamOptions{}, note("never"))
	requireCode(t, esdb.ErrorCodeStreamDeleted, err)
	_, err = client.DeleteStream(t.Context(), "gone 🙂", esdb.DeleteStreamOptions{ExpectedRevision: esdb.Any{}})
	requireCode(t, esdb.ErrorCodeStreamDeleted, err)
	_, err = client.TombstoneStream(t.Context(), "gone 🙂", esdb.TombstoneStreamOptions{ExpectedRevision: esdb.Any{}})
	requireCode(t, esdb.ErrorCodeStreamDeleted, err)
}

func requireNotFound(t testing.TB, client *esdb.Client, stream string) {
	t.Helper()
	read, err := client.ReadStream(t.Context(), stream, esdb.ReadStreamOptions{}, 1)
	require.NoError(t, err)
	defer read.Close()
	_, err = read.Recv()
	requireCode(t, esdb.ErrorCodeResourceNotFound, err)
}

func TestOfficialClientSetsMetadata(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	client := r.client("esdb", "")
	for _, most := range []uint64{5, 7} {
		var metadata esdb.StreamMetadata
		metadata.SetMaxCount(most)
		metadata.AddCustomProperty("ours", "kept")
		_, err := client.SetStreamMetadata(t.Context(), "limited", esdb.AppendToStreamOptions{}, metadata)
		require.NoError(t, err)
		got, err := client.GetStreamMetadata(t.Context(), "limited", esdb.ReadStreamOptions{})
		require.NoError(t, err)
		require.Equal(t, most, *got.MaxCount())
		require.Equal(t, "kept", got.CustomProperty("ours"))
	}
}

func TestOfficialClientDiscovers(t *testing.T) {
	t.Parallel()
	for name, advertise := range map[string]bool{"what it has dialled": false, "what is advertised": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			front := serve(t, nil)
			back := front
			if advertise {
				back = serve(t, func(config *endpoint.Config) { config.Advertise = front.address })
			}
			client := back.client("esdb+discover", "")
			_, err := client.AppendToStream(t.Context(), "found", esdb.AppendToStreamOptions{}, note("here"))
			require.NoError(t, err)
			require.Len(t, front.stored("found"), 1)
		})
	}
}

func TestOfficialClientCreatesGroups(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	client := r.client("esdb", "")
	options := esdb.PersistentStreamSubscriptionOptions{}
	require.NoError(t, client.CreatePersistentSubscription(t.Context(), "work", "group", options))
	requireCode(t, esdb.ErrorCodeResourceAlreadyExists, client.CreatePersistentSubscription(t.Context(), "work", "group", options))
	all := esdb.PersistentAllSubscriptionOptions{StartFrom: esdb.Start{}, Filter: esdb.ExcludeSystemEventsFilter()}
	require.NoError(t, client.CreatePersistentSubscriptionToAll(t.Context(), "group", all))

	lists := r.stored("$persistentSubscriptionConfig")
	require.Len(t, lists, 2)
	require.Equal(t, "$PersistentConfig", lists[1].Type)
	require.Contains(t, string(lists[1].Data), `"stream":"work","group":"group"`)
	require.Contains(t, string(lists[1].Data), `"stream":"$all","group":"group"`)
}

func TestOnlyThoseWhoMayAreLetIn(t *testing.T) {
	t.Parallel()
	r := serveTLS(t, nil)
	require.NoError(t, r.server.Boot(t.Context()))
	write := func(client *esdb.Client, stream string) error {
		_, err := client.AppendToStream(t.Context(), stream, esdb.AppendToStreamOptions{}, note("one"))
		return err
	}
	administrator, operator := r.client("esdb", "admin:secret@"), r.client("esdb", "ops:other@")
	require.NoError(t, write(administrator, "orders"))
	require.NoError(t, write(administrator, "$settings"))
	require.NoError(t, write(operator, "orders"))
	require.NoError(t, write(operator, "$$orders"), "the metadata of a stream is as open as the stream")
	requireCode(t, esdb.ErrorCodeAccessDenied, write(operator, "$settings"))
	requireCode(t, esdb.ErrorCodeAccessDenied, write(operator, "$$$settings"))
	requireCode(t, esdb.ErrorCodeAccessDenied, write(r.client("esdb", ""), "orders"))
	requireCode(t, esdb.ErrorCodeUnauthenticated, write(r.client("esdb", "admin:wrong@"), "orders"))
	requireCode(t, esdb.ErrorCodeUnauthenticated, write(r.client("esdb", "nobody:secret@"), "orders"))

	override := esdb.AppendToStreamOptions{Authenticated: &esdb.Credentials{Login: "admin", Password: "secret"}}
	_, err := operator.AppendToStream(t.Context(), "$settings", override, note("two"))
	require.NoError(t, err)
	_, err = operator.DeleteStream(t.Context(), "$settings", esdb.DeleteStreamOptions{ExpectedRevision: esdb.Any{}})
	requireCode(t, esdb.ErrorCodeAccessDenied, err)
	_, err = operator.TombstoneStream(t.Context(), "$settings", esdb.TombstoneStreamOptions{ExpectedRevision: esdb.Any{}})
	requireCode(t, esdb.ErrorCodeAccessDenied, err)
	err = operator.CreatePersistentSubscriptionToAll(t.Context(), "group", esdb.PersistentAllSubscriptionOptions{})
	requireCode(t, esdb.ErrorCodeAccessDenied, err)
	require.NoError(t, operator.CreatePersistentSubscription(t.Context(), "orders", "group", esdb.PersistentStreamSubscriptionOptions{}))
	require.Contains(t, string(r.stored("$persistentSubscriptionConfig")[0].Data), `"updatedBy":"ops"`)
	require.Len(t, r.stored("$settings"), 2)
}

func TestReadOnlyEndpointsTakeNothing(t *testing.T) {
	t.Parallel()
	r := serve(t, func(config *endpoint.Config) { config.ReadOnly = true })
	before, err := r.store.Head(t.Context())
	require.NoError(t, err)
	require.NoError(t, r.server.Boot(t.Context()))
	client := r.client("esdb", "")
	many := make([]esdb.EventData, 100)
	for i := range many {
		many[i] = note(strings.Repeat("x", 1000))
	}
	_, err = client.AppendToStream(t.Context(), "orders", esdb.AppendToStreamOptions{}, many...)
	requireCode(t, esdb.ErrorCodeAccessDenied, err)
	_, err = client.DeleteStream(t.Context(), "daybook-store", esdb.DeleteStreamOptions{ExpectedRevision: esdb.Any{}})
	requireCode(t, esdb.ErrorCodeAccessDenied, err)
	_, err = client.TombstoneStream(t.Context(), "daybook-store", esdb.TombstoneStreamOptions{ExpectedRevision: esdb.Any{}})
	requireCode(t, esdb.ErrorCodeAccessDenied, err)
	err = client.CreatePersistentSubscription(t.Context(), "orders", "group", esdb.PersistentStreamSubscriptionOptions{})
	requireCode(t, esdb.ErrorCodeAccessDenied, err)
	after, err := r.store.Head(t.Context())
	require.NoError(t, err)
	require.Equal(t, before, after)
}

func TestBootWritesTheUsersOnce(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	require.NoError(t, r.server.Boot(t.Context()))
	head, err := r.store.Head(t.Context())
	require.NoError(t, err)
	require.NoError(t, r.server.Boot(t.Context()))
	again, err := r.store.Head(t.Context())
	require.NoError(t, err)
	require.Equal(t, head, again)

	read, err := r.client("esdb", "").ReadStream(t.Context(), "$users", esdb.ReadStreamOptions{}, 10)
	require.NoError(t, err)
	defer read.Close()
	for _, user := range []string{"admin", "ops"} {
		event, err := read.Recv()
		require.NoError(t, err)
		require.Equal(t, "$User", event.Event.EventType)
		require.Equal(t, user, string(event.Event.Data))
		require.Equal(t, "application/octet-stream", event.Event.ContentType)
		require.Equal(t, "$UserCreated", r.stored("$user-" + user)[0].Type)
		require.Equal(t, "$metadata", r.stored("$$$user-" + user)[0].Type)
	}
	_, err = read.Recv()
	require.ErrorIs(t, err, io.EOF)
}

// TestBootLeavesWhatIsThere: whoever may write these streams must not be able to keep the server from starting.
func TestBootLeavesWhatIsThere(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	client := r.client("esdb", "")
	_, err := client.AppendToStream(t.Context(), "$user-admin", esdb.AppendToStreamOptions{}, note("other"))
	require.NoError(t, err)
	_, err = client.TombstoneStream(t.Context(), "$users", esdb.TombstoneStreamOptions{ExpectedRevision: esdb.Any{}})
	require.NoError(t, err)
	require.NoError(t, r.server.Boot(t.Context()))
	require.Len(t, r.stored("$user-admin"), 1)
	require.Len(t, r.stored("$user-ops"), 1)
	_, found, err := r.store.ReadLast(t.Context(), "$$$user-admin")
	require.NoError(t, err)
	require.True(t, found)
}
