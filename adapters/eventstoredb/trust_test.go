package eventstoredb_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded/endpoint"
	"daybook/adapters/eventstoredb"
)

// A certificate that is not trusted when a store is opened will not be a little later: nobody waits for that.
func TestCertificatesThatAreNotTrusted(t *testing.T) {
	t.Parallel()
	server := serve(t, func(config *endpoint.Config) {
		config.TLS = &tls.Config{Certificates: []tls.Certificate{certificate(t)}, MinVersion: tls.VersionTLS12}
		config.Users = map[string]string{"admin": "secret", "ops": "other"}
	})
	for _, connection := range []string{"esdb://admin:secret@" + server.address, "esdb://admin:secret@" + server.address + ",127.0.0.1:1"} {
		_, err := eventstoredb.Open(t.Context(), connection, append(quick(), eventstoredb.Patience(24*time.Hour))...)
		require.ErrorContains(t, err, "x509: ")
	}
}

// Who waits for a store gets to know why, once.
func TestTheLogHearsWhyOpeningTakesTime(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ connection, cause string }{
		"nobody listens":        {plain(free(t)), "connection refused"},
		"TLS to a plain server": {"esdb://admin:topsecret@" + serve(t).address, "TLS handshake"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var said bytes.Buffer
			_, err := eventstoredb.Open(t.Context(), test.connection, append(quick(), eventstoredb.Patience(50*time.Millisecond),
				eventstoredb.Log(slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelWarn}))))...)
			_, ok := errors.AsType[*eventstoredb.UnavailableError](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, 1, bytes.Count(said.Bytes(), []byte("\n")), said.String())
			require.Contains(t, said.String(), "trying again")
			require.Contains(t, said.String(), test.cause)
			require.NotContains(t, said.String(), "topsecret")
		})
	}
}
