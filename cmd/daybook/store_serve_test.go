package main_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/eventstoredb"
)

// With a certificate there are users, whose passwords are set or the ones that everybody knows.
func TestStoreServeWithTLS(t *testing.T) {
	t.Parallel()
	certificate, key := certify(t)
	reached := func(line string) (string, bool) { return line, strings.HasPrefix(line, "esdb://") }
	server := launch(t, []string{"DAYBOOK_STORE_ADMIN_PASSWORD=secret"}, reached,
		"store", "serve", "--mem", "--listen", "127.0.0.1:0", "--tls-cert", certificate, "--tls-key", key)
	require.Regexp(t, `^esdb://127\.0\.0\.1:\d+\?tls=true$`, server.base)
	with := func(user string) string {
		return strings.Replace(server.base, "esdb://", "esdb://"+user, 1) + "&tlsCaFile=" + certificate
	}
	store, err := eventstoredb.Open(t.Context(), with("admin:secret@"))
	require.NoError(t, err)
	want := store.ID()
	require.NoError(t, store.Close())
	for _, stranger := range []string{"", "admin:changeit@", "nobody:secret@"} {
		_, err = eventstoredb.Open(t.Context(), with(stranger))
		var refused *eventstoredb.AccessError
		require.ErrorAs(t, err, &refused, stranger)
	}
	store, err = eventstoredb.Open(t.Context(), with("ops:changeit@"))
	require.NoError(t, err)
	require.Equal(t, want, store.ID())
	require.NoError(t, store.Close())

	said, err := daybook(t.Context(), t, nil, "store", "copy", "--database", "none", library(t), with("admin:secret@"))
	require.NoError(t, err, said)
	require.Contains(t, said, "copied and compared: 4 events of 2 streams")
	server.stop(t)
	require.Contains(t, server.stderr.String(), "DAYBOOK_STORE_OPS_PASSWORD")
	require.NotContains(t, server.stderr.String(), "DAYBOOK_STORE_ADMIN_PASSWORD")
}

// certify makes a certificate for this machine, which is its own authority.
func certify(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "daybook test"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	encoded, err := x509.MarshalECPrivateKey(private)
	require.NoError(t, err)
	folder := t.TempDir()
	certificate, key = filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	require.NoError(t, os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: encoded}), 0o600))
	return certificate, key
}
