package endpoint

import (
	"context"
	"encoding/binary"
	"net"
	"strconv"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

type gossipService struct {
	gossip.UnimplementedGossipServer

	server *Server
}

// Read describes a cluster of one, which leads.
func (g gossipService) Read(ctx context.Context, _ *shared.Empty) (*gossip.ClusterInfo, error) {
	store := g.server.store.ID().Bytes()
	return &gossip.ClusterInfo{Members: []*gossip.MemberInfo{{
		InstanceId: &shared.UUID{Value: &shared.UUID_Structured_{Structured: &shared.UUID_Structured{
			MostSignificantBits:  int64(binary.BigEndian.Uint64(store[:8])),
			LeastSignificantBits: int64(binary.BigEndian.Uint64(store[8:])),
		}}},
		TimeStamp:    g.server.cfg.Now().UnixNano() / 100,
		State:        gossip.MemberInfo_Leader,
		IsAlive:      true,
		HttpEndPoint: g.server.reachable(ctx),
	}}}, nil
}

// reachable is where the client finds this server: it connects there next, so what it has dialled is best.
func (s *Server) reachable(ctx context.Context) *gossip.EndPoint {
	if s.advertise != nil {
		return s.advertise
	}
	local := &gossip.EndPoint{}
	if caller, ok := peer.FromContext(ctx); ok && caller.LocalAddr != nil {
		if address, err := parseEndPoint(caller.LocalAddr.String()); err == nil {
			local = address
		}
	}
	for _, dialled := range metadata.ValueFromIncomingContext(ctx, ":authority") {
		if address, err := parseEndPoint(dialled); err == nil {
			return address
		}
		if address, err := parseEndPoint(net.JoinHostPort(dialled, strconv.Itoa(int(local.GetPort())))); err == nil {
			return address
		}
	}
	return local
}
