package endpoint_test

import (
	"slices"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/stretchr/testify/require"

	"daybook/events"
	"daybook/events/id"
)

func TestLinksAreResolved(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	targets := l.write("target@home", 3)
	l.describe("target@home", `{"$tb":1}`)
	l.write("deleted", 1)
	l.delete("deleted")
	l.write("gone", 1)
	l.tombstone("gone")
	links := l.append("links",
		linkTo("2@target@home"), linkTo("0@target@home"), linkTo("3@target@home"), linkTo("0@missing"), linkTo("0@deleted"),
		linkTo("0@gone"), linkTo("nonsense"), linkTo("0@links"), noted("plain"))

	require.Equal(t, links, l.ids(of("links", start)), "as they are")
	records := l.records()
	want := []string{targets[2].String(), "", "", "", "", "", links[6].String(), links[0].String(), links[8].String()}
	for _, request := range []*streams.ReadReq{of("links", start, resolving), log(start, onStream(1, "links"), resolving)} {
		replies, err := l.read(request)
		require.NoError(t, err)
		requireResolved(t, records, links, want, replies)
	}
}

// requireResolved checks replies to a read of links: what is empty in want cannot be read, and links that are no links
// and plain events are not accompanied by themselves.
func requireResolved(t *testing.T, records []events.Record, links []id.Event, want []string, replies []*streams.ReadResp) {
	t.Helper()
	require.Len(t, replies, len(want))
	for i, reply := range replies {
		event := reply.GetEvent()
		if want[i] == "" {
			require.Nil(t, event.GetEvent())
		} else {
			require.Equal(t, want[i], eventID(t, reply).String())
		}
		require.Equal(t, want[i] == links[i].String(), event.GetLink() == nil)
		at := slices.IndexFunc(records, func(r events.Record) bool { return r.ID == links[i] })
		require.Equal(t, uint64(records[at].Position), event.GetCommitPosition(), "the position is the link's")
	}
}

// TestLinksLeadNobodyWhereTheyMayNotGo: who may not read a stream does not get it by way of a link either.
func TestLinksLeadNobodyWhereTheyMayNotGo(t *testing.T) {
	t.Parallel()
	r := serveTLS(t, nil)
	l := &lab{rig: r}
	secret := l.write("$secret", 1)[0]
	l.append("links", linkTo("0@$secret"))
	for user, want := range map[string]bool{"admin:secret@": true, "ops:other@": false} {
		read, err := r.client("esdb", user).ReadStream(t.Context(), "links", esdb.ReadStreamOptions{ResolveLinkTos: true}, 1)
		require.NoError(t, err)
		got, err := read.Recv()
		require.NoError(t, err)
		require.NotNil(t, got.Link)
		require.Equal(t, want, got.Event != nil && got.Event.EventID == secret.UUID)
	}
	read, err := r.client("esdb", "ops:other@").ReadAll(t.Context(), esdb.ReadAllOptions{}, 1)
	require.NoError(t, err)
	_, err = read.Recv()
	known, _ := esdb.FromError(err)
	require.Equal(t, esdb.ErrorCodeAccessDenied, known.Code(), "the log holds system streams")
}
