package endpoint_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded/endpoint"
	"daybook/events"
	"daybook/events/id"
)

// TestOfficialSuite has the official client's own tests of streams judge the endpoint. They run from a temporary copy of
// its module in which the parts that start containers name running endpoints instead, each a new one: the suite counts on
// that. What is skipped wants data of EventStoreDB's own or a cluster.
func TestOfficialSuite(t *testing.T) {
	t.Parallel()
	if os.Getenv("DAYBOOK_TEST_LONG") != "1" {
		return
	}
	suite := buildOfficialSuite(t)

	t.Run("Insecure", func(t *testing.T) {
		t.Parallel()
		results := suite.run(t, "TestStreams", "ESDB_EMPTY="+boot(t, nil).address)
		results.require(t, 13, 9)
	})
	// The rest of what is insecure wants a stream of 6,000 events, to which one test appends revision 6000.
	t.Run("Populated", func(t *testing.T) {
		t.Parallel()
		populated := boot(t, nil)
		populate(t, populated)
		results := suite.run(t,
			"TestStreams/SubscriptionTests/(streamSub|connectionClosing|subscriptionAllWith|subscriptionToStream)|"+
				"TestExpectations/ReadAllTests/readAllEventsWithCredentialsOverride",
			"ESDB_EMPTY="+boot(t, nil).address, "ESDB_POPULATED="+populated.address)
		results.require(t, 5, 0)
	})
	t.Run("TLS", func(t *testing.T) {
		t.Parallel()
		secured := boot(t, func(config *endpoint.Config) {
			config.TLS = suite.certify(t)
			config.Users = map[string]string{"admin": "changeit", "ops": "changeit"}
		})
		_, port, err := net.SplitHostPort(secured.address)
		require.NoError(t, err)
		results := suite.run(t, "TestStreams", "ESDB_EMPTY=localhost:"+port, "EVENTSTORE_INSECURE=false")
		results.require(t, 24, 7)
	})
}

// boot is a rig as "store serve" starts it.
func boot(t *testing.T, change func(*endpoint.Config)) *rig {
	t.Helper()
	r := serve(t, change)
	require.NoError(t, r.server.Boot(t.Context()))
	return r
}

func populate(t *testing.T, r *rig) {
	t.Helper()
	proposed := make([]events.Proposed, 6000)
	for i := range proposed {
		proposed[i] = events.Proposed{ID: id.New[id.Event](), Type: "eventType", Data: fmt.Appendf(nil, `{"n":%d}`, i)}
	}
	for batch := range slices.Chunk(proposed, 1000) {
		_, err := r.store.Append(t.Context(), "dataset20M-0", events.Any, batch)
		require.NoError(t, err)
	}
}

// officialSuite is a copy of the client's module with its tests built.
type officialSuite struct{ module, program string }

const officialModule = "github.com/EventStore/EventStore-Client-Go/v4"

func buildOfficialSuite(t *testing.T) officialSuite {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", officialModule)
	found, err := list.Output()
	require.NoError(t, err)
	s := officialSuite{module: filepath.Join(t.TempDir(), "module")}
	s.program = filepath.Join(s.module, "esdb.test")
	require.NoError(t, os.CopyFS(s.module, os.DirFS(strings.TrimSpace(string(found)))))
	patchOfficialSuite(t, filepath.Join(s.module, "esdb", "containers_test.go"))
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", s.program, "./esdb")
	build.Dir = s.module
	output, err := build.CombinedOutput()
	require.NoError(t, err, string(output))
	return s
}

// patchOfficialSuite replaces the functions that start containers, and the import that only they need.
func patchOfficialSuite(t *testing.T, path string) {
	t.Helper()
	source, err := os.ReadFile(path)
	require.NoError(t, err)
	replacements := map[string]string{
		"getDatabase": `func getDatabase(t *testing.T, config EventStoreDockerConfig, req testcontainers.ContainerRequest) *Container {
			if req.Env["EVENTSTORE_MEM_DB"] == "false" {
				return &Container{Endpoint: os.Getenv("ESDB_POPULATED")}
			}
			return &Container{Endpoint: os.Getenv("ESDB_EMPTY")}
		}`,
		"Close": `func (container *Container) Close() {}`,
		"CreatePopulatedDatabase": `func CreatePopulatedDatabase(t *testing.T) (*Container, *esdb.Client) {
			if os.Getenv("ESDB_POPULATED") == "" {
				return nil, nil
			}
			return createDatabase(t, true)
		}`,
		`"github.com/docker/go-connections/nat"`: "",
	}
	positions := token.NewFileSet()
	file, err := parser.ParseFile(positions, path, source, parser.SkipObjectResolution)
	require.NoError(t, err)
	patched := string(source)
	ast.Inspect(file, func(node ast.Node) bool {
		name := ""
		switch node := node.(type) {
		case *ast.FuncDecl:
			name = node.Name.Name
		case *ast.ImportSpec:
			name = node.Path.Value
		}
		if replacement, ok := replacements[name]; ok {
			delete(replacements, name)
			from, to := positions.Position(node.Pos()).Offset, positions.Position(node.End()).Offset
			patched = strings.Replace(patched, string(source[from:to]), replacement, 1)
		}
		return true
	})
	require.Empty(t, slices.Collect(maps.Keys(replacements)), "the suite has changed")
	require.NoError(t, os.Remove(path)) // copied read-only
	require.NoError(t, os.WriteFile(path, []byte(patched), 0o600))
}

// run runs some of the tests and returns what became of the leafs.
func (s officialSuite) run(t *testing.T, pattern string, environment ...string) officialResults {
	t.Helper()
	run := exec.CommandContext(t.Context(), s.program, "-test.v", "-test.timeout=5m", "-test.run="+pattern)
	run.Dir = filepath.Join(s.module, "esdb")
	run.Env = append(os.Environ(), environment...)
	output, err := run.CombinedOutput()
	results := officialResults{output: string(output), err: err, names: map[string][]string{}}
	found := regexp.MustCompile(`(?m)^ *--- (PASS|FAIL|SKIP): (\S+)`).FindAllStringSubmatch(results.output, -1)
	for _, result := range found {
		isParent := func(other []string) bool { return strings.HasPrefix(other[2], result[2]+"/") }
		if !slices.ContainsFunc(found, isParent) {
			results.names[result[1]] = append(results.names[result[1]], result[2])
		}
	}
	return results
}

type officialResults struct {
	names  map[string][]string // by PASS, FAIL, SKIP
	output string
	err    error
}

func (r officialResults) require(t *testing.T, passed, skipped int) {
	t.Helper()
	require.NoError(t, r.err, r.output)
	require.Empty(t, r.names["FAIL"], r.output)
	require.Len(t, r.names["PASS"], passed, r.names)
	require.Len(t, r.names["SKIP"], skipped, r.names)
}

// certify makes the certificates where the suite looks for them: of an authority, of a node that it signed, and of an
// authority that signed nothing.
func (s officialSuite) certify(t *testing.T) *tls.Config {
	t.Helper()
	authority := newAuthority(t)
	node := authority.issue(t, "localhost")
	for name, certificate := range map[string]signed{
		"ca/ca": authority, "node/node": node, "untrusted-ca/ca": newAuthority(t),
	} {
		path := filepath.Join(s.module, "certs", name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path+".crt", certificate.pem(), 0o600))
		key, err := x509.MarshalECPrivateKey(certificate.key)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path+".key", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: key}), 0o600))
	}
	return tlsConfig(tls.Certificate{Certificate: [][]byte{node.Raw}, PrivateKey: node.key})
}

// signed is a certificate with its key.
type signed struct {
	*x509.Certificate

	key *ecdsa.PrivateKey
}

func (c signed) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

func newAuthority(t *testing.T) signed {
	t.Helper()
	return signed{}.issue(t, "")
}

// issue makes a certificate of a host, or without one of an authority, signed by c or, if c is none, by itself.
func (c signed) issue(t *testing.T, host string) signed {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: serial, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: host == "", BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if host == "" {
		template.KeyUsage |= x509.KeyUsageCertSign
	} else {
		template.DNSNames = []string{host}
	}
	parent, signer := c.Certificate, c.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return signed{certificate, key}
}
