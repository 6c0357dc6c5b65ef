package eventstoredb

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"daybook/events"
)

// Whatever a connection string is, it is an error that says so, or a way to connect.
func FuzzConnectionStrings(f *testing.F) {
	for _, seed := range []string{
		"esdb://localhost:2113?tls=false", "esdb+discover://admin:changeit@cluster.dns", "esdb://a:1,b:2,c:3?nodePreference=leader",
		"esdb://host?defaultDeadline=1&gossipTimeout=1&keepAliveInterval=-1", "esdb://user:pa%2Fss@host", "esdb://,?=&", "", "?", "%",
	} {
		f.Add(seed)
	}
	log := slog.New(slog.DiscardHandler)
	f.Fuzz(func(t *testing.T, connection string) {
		if strings.Contains(strings.ToLower(connection), "file") {
			return // the names of files that are read
		}
		config, err := configure(connection, log)
		if err != nil {
			require.ErrorContains(t, err, "connection string: ")
			return
		}
		require.Positive(t, *config.DefaultDeadline)
		require.Positive(t, config.GossipTimeout)
		require.True(t, config.Address != "" || len(config.GossipSeeds) > 0)
	})
}

// Refusals are read from their text: it may say anything.
func FuzzRefusals(f *testing.F) {
	f.Add("wrong expected version: expecting 'no_stream' but got '3'")
	f.Add("wrong expected version: expecting '-2' but got 'no_stream'")
	f.Add("Maximum Append Size of 1048576 Exceeded.")
	f.Add("Event with Id: x, Size: 7, exceeds Maximum Append Event Size of 1048576.")
	f.Add("append size 99999999999999999999 but got '-1'")
	f.Fuzz(func(t *testing.T, text string) {
		if actual, err := actualRevision(errors.New(text)); err == nil {
			require.GreaterOrEqual(t, actual, events.NoStream)
		}
		if large, ok := tooLarge("stream", 1, status.Error(codes.InvalidArgument, text)); ok {
			require.GreaterOrEqual(t, large.Limit, 0)
		}
	})
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]events.Expected{
		"expecting 'no_stream' but got '3'": 3, "expecting '7' but got 'no_stream'": events.NoStream,
	} {
		actual, err := actualRevision(errors.New(text))
		require.NoError(t, err)
		require.Equal(t, want, actual)
	}
	for _, text := range []string{"", "but got '", "but got '3", "but got ''", "but got '-1'", "but got 'x'"} {
		_, err := actualRevision(errors.New(text))
		require.ErrorContains(t, err, "reading the revision that conflicts")
	}
	for text, limit := range map[string]int{
		"Maximum Append Size of 1048576 Exceeded.":                                     1 << 20,
		"Event with Id: 7, Size: 9000, exceeds Maximum Append Event Size of 8000.":     8000,
		"request is larger than it may be, which is for an append with a size of 7777": 0,
	} {
		large, ok := tooLarge("stream", 2<<20, status.Error(codes.InvalidArgument, text))
		require.True(t, ok)
		require.Equal(t, TooLargeError{Stream: "stream", Size: 2 << 20, Limit: limit}, *large)
	}
	_, ok := tooLarge("stream", 100, status.Error(codes.InvalidArgument, "'x' is not a valid name"))
	require.False(t, ok)
}
