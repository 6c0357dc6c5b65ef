package eventstoredb_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// node is a member of a cluster whose data is at a server: it passes calls on, and can be told to do something else.
type node struct {
	streams.UnimplementedStreamsServer
	serverfeatures.UnimplementedServerFeaturesServer

	address string
	streams streams.StreamsClient
	appends atomic.Int64 // calls, from 1
	stale   atomic.Int64 // calls that a follower has taken

	whole  func(call streams.Streams_AppendServer) error // instead of everything else of an append
	before func(n int64, call grpc.ServerStream) error   // instead of append n; nil goes on
	after  func(n int64) error                           // instead of the answer to append n
	read   func(request *streams.ReadReq, call streams.Streams_ReadServer) (answered bool, err error)
	leader func() *node             // as gossip tells
	rename func(name []byte) []byte // of streams, on the way to the server; nil: as they are
}

// join starts a node in front of a server; configure may change it before.
func join(t *testing.T, server *server, configure func(*node)) *node {
	t.Helper()
	listener := listen(t, "127.0.0.1:0")
	connection, err := grpc.NewClient(server.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	n := &node{address: listener.Addr().String(), streams: streams.NewStreamsClient(connection)}
	configure(n)
	front := grpc.NewServer()
	streams.RegisterStreamsServer(front, n)
	serverfeatures.RegisterServerFeaturesServer(front, n)
	gossip.RegisterGossipServer(front, gossips{node: n})
	served := make(chan error, 1)
	go func() { served <- front.Serve(listener) }()
	t.Cleanup(func() {
		front.Stop()
		require.NoError(t, <-served)
		require.NoError(t, connection.Close())
	})
	return n
}

// reconnect waits until the node has found its server again.
func (n *node) reconnect(ctx context.Context) error {
	request := &streams.ReadReq{Options: &streams.ReadReq_Options{
		StreamOption: &streams.ReadReq_Options_All{All: &streams.ReadReq_Options_AllOptions{
			AllOption: &streams.ReadReq_Options_AllOptions_Start{Start: &shared.Empty{}},
		}},
		CountOption:  &streams.ReadReq_Options_Count{Count: 1},
		FilterOption: &streams.ReadReq_Options_NoFilter{NoFilter: &shared.Empty{}},
		UuidOption: &streams.ReadReq_Options_UUIDOption{
			Content: &streams.ReadReq_Options_UUIDOption_Structured{Structured: &shared.Empty{}},
		},
	}}
	call, err := n.streams.Read(ctx, request, grpc.WaitForReady(true))
	for err == nil {
		_, err = call.Recv()
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func (n *node) GetSupportedMethods(context.Context, *shared.Empty) (*serverfeatures.SupportedMethods, error) {
	return &serverfeatures.SupportedMethods{EventStoreServerVersion: "24.10.0"}, nil
}

func (n *node) Append(call streams.Streams_AppendServer) error {
	nth := n.appends.Add(1)
	if n.whole != nil {
		return n.whole(call)
	}
	if n.before != nil {
		if err := n.before(nth, call); err != nil {
			return err
		}
	}
	onward, err := n.streams.Append(call.Context())
	if err != nil {
		return err
	}
	for {
		request, err := call.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if options := request.GetOptions(); options != nil && n.rename != nil {
			options.StreamIdentifier.StreamName = n.rename(options.GetStreamIdentifier().GetStreamName())
		}
		if onward.Send(request) != nil {
			break
		}
	}
	response, err := onward.CloseAndRecv()
	call.SetTrailer(onward.Trailer())
	if err != nil {
		return err
	}
	if n.after != nil {
		if err := n.after(nth); err != nil {
			return err
		}
	}
	return call.SendAndClose(response)
}

func (n *node) Read(request *streams.ReadReq, call streams.Streams_ReadServer) error {
	if n.read != nil {
		if answered, err := n.read(request, call); answered || err != nil {
			return err
		}
	}
	if options := request.GetOptions().GetStream(); options != nil && n.rename != nil {
		options.StreamIdentifier.StreamName = n.rename(options.GetStreamIdentifier().GetStreamName())
	}
	onward, err := n.streams.Read(call.Context(), request)
	if err != nil { // the server is away
		return err
	}
	for err == nil {
		var response *streams.ReadResp
		if response, err = onward.Recv(); err == nil {
			err = call.Send(response)
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	call.SetTrailer(onward.Trailer())
	return err
}

type gossips struct {
	gossip.UnimplementedGossipServer

	node *node
}

func (g gossips) Read(context.Context, *shared.Empty) (*gossip.ClusterInfo, error) {
	host, port, err := net.SplitHostPort(g.node.leader().address)
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseUint(port, 10, 32)
	return &gossip.ClusterInfo{Members: []*gossip.MemberInfo{{
		State: gossip.MemberInfo_Leader, IsAlive: true,
		HttpEndPoint: &gossip.EndPoint{Address: host, Port: uint32(number)},
	}}}, err
}

// notLeader is what a follower answers that knows who is leading.
func notLeader(call grpc.ServerStream, leader *node) error {
	host, port, _ := net.SplitHostPort(leader.address)
	call.SetTrailer(metadata.Pairs(
		"exception", "not-leader", "leader-endpoint-host", host, "leader-endpoint-port", port))
	return status.Error(codes.NotFound, "Leader info available")
}
