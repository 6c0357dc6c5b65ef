package endpoint_test

import (
	"encoding/base64"
	"strconv"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/projections"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"daybook/adapters/embedded/endpoint"
)

func TestWhatIsNotThereIsUnimplemented(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	batch, err := streams.NewStreamsClient(r.dial()).BatchAppend(t.Context())
	require.NoError(t, err)
	_, err = batch.Recv()
	require.Equal(t, codes.Unimplemented, status.Code(err))
	_, err = projections.NewProjectionsClient(r.dial()).Create(t.Context(), &projections.CreateReq{})
	require.Equal(t, codes.Unimplemented, status.Code(err))
}

// TestClientsFindOutWhatWorks: by calls that need no credentials, in a form that the Go client takes.
func TestClientsFindOutWhatWorks(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]*rig{"insecure": serve(t, nil), "TLS": serveTLS(t, nil)} {
		features, err := serverfeatures.NewServerFeaturesClient(r.dial()).GetSupportedMethods(t.Context(), &shared.Empty{})
		require.NoError(t, err, name)
		require.Regexp(t, `^\d+\.\d+\.\d+$`, features.GetEventStoreServerVersion())
		offered := map[string][]string{}
		for _, method := range features.GetMethods() {
			offered[method.GetServiceName()+"/"+method.GetMethodName()] = method.GetFeatures()
		}
		require.Equal(t, []string{"position", "events"}, offered["event_store.client.streams.streams/read"])
		require.Contains(t, offered, "event_store.client.streams.streams/append")
		require.NotContains(t, offered, "event_store.client.streams.streams/batchappend")

		cluster, err := gossip.NewGossipClient(r.dial()).Read(t.Context(), &shared.Empty{})
		require.NoError(t, err, name)
		require.Len(t, cluster.GetMembers(), 1)
		member := cluster.GetMembers()[0]
		require.Equal(t, gossip.MemberInfo_Leader, member.GetState())
		require.True(t, member.GetIsAlive())
		require.Equal(t, r.address, member.GetHttpEndPoint().GetAddress()+":"+strconv.Itoa(int(member.GetHttpEndPoint().GetPort())))
	}
}

// TestWrongCredentialsAreRefusedEverywhere, also where none are needed.
func TestWrongCredentialsAreRefusedEverywhere(t *testing.T) {
	t.Parallel()
	r := serveTLS(t, nil)
	for _, header := range []string{
		"Basic " + base64.StdEncoding.EncodeToString([]byte("admin:wrong")),
		"Basic " + base64.StdEncoding.EncodeToString([]byte("nobody:")),
		"Basic " + base64.StdEncoding.EncodeToString([]byte("admin")),
		"Basic !", "Basic", "Bearer secret", "",
	} {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", header)
		var trailers metadata.MD
		_, err := serverfeatures.NewServerFeaturesClient(r.dial()).GetSupportedMethods(ctx, &shared.Empty{}, grpc.Trailer(&trailers))
		require.Equal(t, codes.Unauthenticated, status.Code(err), header)
		require.Empty(t, trailers.Get("exception"))
		call, err := streams.NewStreamsClient(r.dial()).Append(ctx)
		require.NoError(t, err)
		_, err = call.CloseAndRecv()
		require.Equal(t, codes.Unauthenticated, status.Code(err), header)
	}
	twice := metadata.Pairs("authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("ops:other")), "authorization", "Basic !")
	_, err := gossip.NewGossipClient(r.dial()).Read(metadata.NewOutgoingContext(t.Context(), twice), &shared.Empty{})
	require.Equal(t, codes.Unauthenticated, status.Code(err))
	right := "basic " + base64.StdEncoding.EncodeToString([]byte("ops:other"))
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", right)
	_, err = gossip.NewGossipClient(r.dial()).Read(ctx, &shared.Empty{})
	require.NoError(t, err)
}

func TestInsecureEndpointsAskNobody(t *testing.T) {
	t.Parallel()
	r := serve(t, func(config *endpoint.Config) { config.Users = map[string]string{"admin": "secret"} })
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Basic nonsense")
	call, err := streams.NewStreamsClient(r.dial()).Append(ctx)
	require.NoError(t, err)
	require.NoError(t, call.Send(to("$settings")))
	require.NoError(t, call.Send(event(nil)))
	_, err = call.CloseAndRecv()
	require.NoError(t, err)
}

func TestConfigurationIsChecked(t *testing.T) {
	t.Parallel()
	store := serve(t, nil).store
	certificate, _ := selfSigned(t)
	for name, config := range map[string]endpoint.Config{
		"Store":               {},
		"TLS without Users":   {Store: store, TLS: tlsConfig(certificate)},
		"Advertise":           {Store: store, Advertise: "host"},
		"is not host:port":    {Store: store, Advertise: "host:http"},
		`":2113" is not`:      {Store: store, Advertise: ":2113"},
		`"host:70000" is not`: {Store: store, Advertise: "host:70000"},
	} {
		_, err := endpoint.New(config)
		require.ErrorContains(t, err, name)
	}
}
