package endpoint

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/persistent"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/keepalive"

	"daybook/adapters/embedded"
)

// Config says what is served, to whom, and how.
type Config struct {
	Store     *embedded.Store
	Logger    *slog.Logger      // nil: silent
	TLS       *tls.Config       // nil: insecure (HTTP/2 without TLS), and everybody may do everything
	Users     map[string]string // user → password; wanted with TLS, unused without
	Advertise string            // host:port that gossip tells clients; empty: what the client has dialled
	ReadOnly  bool              // whatever writes is refused as access-denied
	Now       func() time.Time  // nil: time.Now
}

// Server is an endpoint of one store. It is safe for concurrent use.
type Server struct {
	cfg   Config
	store *embedded.Store
	log   *slog.Logger
	users users
	grpc  *grpc.Server

	encodings encodings     // what subscriptions have in common
	ending    chan struct{} // closed when Shutdown begins: calls that would go on for ever end
	endOnce   sync.Once
	turns     chan struct{}    // filled by the appends that arrive at the moment
	advertise *gossip.EndPoint // nil: what the client has dialled
}

// Limits of what a client may send. EventStoreDB takes messages up to 16 MiB less 10,000 bytes; an append that exceeds
// the store's own limit has to arrive before it can be told so.
const (
	maxMessageBytes = 16<<20 - 10_000
	maxStreams      = 1 << 12 // calls at once on one connection, so many subscriptions too
	handshake       = 20 * time.Second

	// What a call may send before anybody takes it. One message may be larger: its window grows when it is waited for.
	streamWindow     = 1 << 16
	connectionWindow = 1 << 20
)

// New prepares an endpoint. It opens nothing; Serve does.
func New(cfg Config) (*Server, error) {
	if cfg.Store == nil {
		return nil, errors.New("endpoint: Store is missing")
	}
	if cfg.TLS != nil && len(cfg.Users) == 0 {
		return nil, errors.New("endpoint: TLS without Users would let nobody in")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{cfg: cfg, store: cfg.Store, log: cfg.Logger, ending: make(chan struct{}), turns: make(chan struct{}, maxArriving)}
	if cfg.Advertise != "" {
		address, err := parseEndPoint(cfg.Advertise)
		if err != nil {
			return nil, fmt.Errorf("endpoint: Advertise: %w", err)
		}
		s.advertise = address
	}
	if cfg.TLS != nil {
		s.users = newUsers(cfg.Users)
	}
	s.grpc = grpc.NewServer(s.options()...)
	serverfeatures.RegisterServerFeaturesServer(s.grpc, featuresService{})
	gossip.RegisterGossipServer(s.grpc, gossipService{server: s})
	streams.RegisterStreamsServer(s.grpc, streamService{server: s})
	persistent.RegisterPersistentSubscriptionsServer(s.grpc, persistentService{server: s})
	return s, nil
}

func (s *Server) options() []grpc.ServerOption {
	options := []grpc.ServerOption{
		// Both official clients ping every 10 s, also without a call: gRPC's default would hang up on them.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 10 * time.Second, Timeout: 10 * time.Second}),
		grpc.MaxRecvMsgSize(maxMessageBytes),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.StaticStreamWindowSize(streamWindow),
		grpc.StaticConnWindowSize(connectionWindow),
		grpc.InTapHandle(cuttable),
		grpc.ConnectionTimeout(handshake),
		grpc.WaitForHandlers(true),
		grpc.ForceServerCodecV2(appendCodec{codec{encoding.GetCodecV2(proto.Name)}}),
		grpc.UnaryInterceptor(s.unary),
		grpc.StreamInterceptor(s.stream),
	}
	if s.cfg.TLS != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(s.cfg.TLS)))
	}
	return options
}

// Serve answers clients on a listener, which it closes, until Shutdown; then it returns nil. It may be called for
// several listeners.
func (s *Server) Serve(l net.Listener) error {
	if err := s.grpc.Serve(l); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serving %s: %w", l.Addr(), err)
	}
	return nil
}

// Shutdown takes no more calls, ends subscriptions with CANCELLED, and lets all other calls finish until ctx ends; then
// it cuts them off. When it returns, no goroutine of the endpoint is left. The store stays open.
func (s *Server) Shutdown(ctx context.Context) {
	s.endOnce.Do(func() { close(s.ending) })
	stop := context.AfterFunc(ctx, s.grpc.Stop)
	defer stop()
	s.grpc.GracefulStop()
}

// parseEndPoint reads host:port.
func parseEndPoint(address string) (*gossip.EndPoint, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 || host == "" {
		return nil, fmt.Errorf("%q is not host:port", address)
	}
	return &gossip.EndPoint{Address: host, Port: uint32(number)}, nil
}
