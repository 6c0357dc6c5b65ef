package endpoint_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"daybook/adapters/embedded"
	"daybook/adapters/embedded/endpoint"
	"daybook/events"
)

// rig is an endpoint on a loopback port over a store in memory. It ends with the test.
type rig struct {
	testing.TB

	store   *embedded.Store
	server  *endpoint.Server
	address string
	trusted *x509.CertPool // nil: insecure
}

// serve starts a rig. change may be nil.
func serve(t testing.TB, change func(*endpoint.Config), opts ...embedded.Option) *rig {
	t.Helper()
	store, err := embedded.Open(t.TempDir(), append([]embedded.Option{embedded.InMemory()}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return serveStore(t, store, change)
}

// serveStore starts a rig over a store.
func serveStore(t testing.TB, store *embedded.Store, change func(*endpoint.Config)) *rig {
	t.Helper()
	r := &rig{TB: t, store: store}
	config := endpoint.Config{Store: store}
	if change != nil {
		change(&config)
	}
	var err error
	r.server, err = endpoint.New(config)
	require.NoError(t, err)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r.address = listener.Addr().String()
	served := make(chan error, 1)
	go func() { served <- r.server.Serve(listener) }()
	t.Cleanup(func() {
		shutdown(t, r)
		require.NoError(t, <-served)
	})
	return r
}

// shutdown ends the endpoint; what does not finish in time is cut off.
func shutdown(t testing.TB, r *rig) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	r.server.Shutdown(ctx)
	require.NoError(t, ctx.Err(), "the endpoint had to cut off calls")
}

// serveTLS is serve with TLS, the two users, and passwords of their own.
func serveTLS(t testing.TB, change func(*endpoint.Config)) *rig {
	t.Helper()
	certificate, trusted := selfSigned(t)
	r := serve(t, func(config *endpoint.Config) {
		config.TLS = tlsConfig(certificate)
		config.Users = map[string]string{"admin": "secret", "ops": "other"}
		if change != nil {
			change(config)
		}
	})
	r.trusted = trusted
	return r
}

func tlsConfig(certificate tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
}

func selfSigned(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// dial connects stubs. The connection is closed when the test ends.
func (r *rig) dial(opts ...grpc.DialOption) *grpc.ClientConn {
	r.Helper()
	secure := insecure.NewCredentials()
	if r.trusted != nil {
		secure = credentials.NewTLS(&tls.Config{RootCAs: r.trusted, MinVersion: tls.VersionTLS12})
	}
	connection, err := grpc.NewClient(r.address, append(opts, grpc.WithTransportCredentials(secure))...)
	require.NoError(r, err)
	r.Cleanup(func() { _ = connection.Close() }) // it may be closed already
	return connection
}

// client is the official client, for a connection string without the scheme's separator and host: "esdb", "user:pw@".
func (r *rig) client(scheme, userinfo string) *esdb.Client {
	r.Helper()
	config, err := esdb.ParseConnectionString(scheme + "://" + userinfo + r.address)
	require.NoError(r, err)
	config.DisableTLS = r.trusted == nil
	config.RootCAs = r.trusted
	config.Logger = nil
	client, err := esdb.NewClient(config)
	require.NoError(r, err)
	r.Cleanup(func() { require.NoError(r, client.Close()) })
	return client
}

// stored returns what the store holds of a stream, whatever is hidden.
func (r *rig) stored(stream string) (all []events.Record) {
	r.Helper()
	for record, err := range r.store.ReadStream(r.Context(), stream, 0) {
		require.NoError(r, err)
		all = append(all, record)
	}
	return all
}

func structured(id uuid.UUID) *shared.UUID {
	return &shared.UUID{Value: &shared.UUID_Structured_{Structured: &shared.UUID_Structured{
		MostSignificantBits:  int64(binary.BigEndian.Uint64(id[:8])),
		LeastSignificantBits: int64(binary.BigEndian.Uint64(id[8:])),
	}}}
}

func textual(id uuid.UUID) *shared.UUID {
	return &shared.UUID{Value: &shared.UUID_String_{String_: id.String()}}
}

func named(stream string) *shared.StreamIdentifier {
	return &shared.StreamIdentifier{StreamName: []byte(stream)}
}
