package main

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write generated documents")

// TestConfigurationReferenceIsTrue compares the reference with the struct that the binary reads.
func TestConfigurationReferenceIsTrue(t *testing.T) {
	const path = "../../docs/reference/configuration.md"
	var want strings.Builder
	want.WriteString("# Configuration\n\nEverything is set in the environment. `daybook config` prints what is in force; secrets are never printed.\n\n" +
		"| variable | default | meaning |\n|---|---|---|\n")
	for i := range reflect.TypeFor[Config]().NumField() {
		tag := reflect.TypeFor[Config]().Field(i).Tag
		byDefault := tag.Get("envDefault")
		if byDefault != "" {
			byDefault = "`" + byDefault + "`"
		}
		fmt.Fprintf(&want, "| `%s` | %s | %s |\n", tag.Get("env"), byDefault, tag.Get("help"))
	}
	requireGenerated(t, path, want.String())
}

// requireGenerated writes the document when asked to, and compares it line by line: a document is too long to be shown.
func requireGenerated(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(want), 0o600))
	}
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	got, lines := strings.Split(string(text), "\n"), strings.Split(want, "\n")
	for i := range min(len(got), len(lines)) {
		require.Equal(t, lines[i], got[i], "run make generate")
	}
	require.Len(t, got, len(lines), "run make generate")
}

func TestConfigNamesEverySettingThatCannotWork(t *testing.T) {
	bad := Config{
		Listen: "8080", StoreListen: "nowhere", Data: "", EventStore: "esdb://admin:hunter2@",
		DatabaseURL: "postgres://user:hunter2@host:notaport/db", VaultURL: "%%", AdminToken: "two words",
		URL: "foo", LogLevel: "loud", Process: "two\nlines", OTLPEndpoint: "hunter2:4318",
		WhatsAppAppSecrets: []string{"one", ""}, WhatsAppToken: "two words", WhatsAppURL: "foo",
	}
	err := bad.Validate()
	for _, name := range []string{
		"DAYBOOK_LISTEN", "DAYBOOK_STORE_LISTEN", "DAYBOOK_DATA", "DAYBOOK_EVENTSTORE", "DATABASE_URL",
		"DAYBOOK_VAULT_URL", "DAYBOOK_ADMIN_TOKEN", "DAYBOOK_WHATSAPP_APP_SECRET", "DAYBOOK_URL", "DAYBOOK_LOG", "DAYBOOK_PROCESS",
		"OTEL_EXPORTER_OTLP_ENDPOINT", "DAYBOOK_WHATSAPP_TOKEN", "DAYBOOK_WHATSAPP_URL",
	} {
		require.ErrorContains(t, err, name)
	}
	require.NotContains(t, err.Error(), "hunter2")
}

func TestProcessIsNamedAfterTheHost(t *testing.T) {
	t.Setenv("DAYBOOK_PROCESS", "")
	host, err := os.Hostname()
	require.NoError(t, err)
	config, err := LoadConfig()
	require.NoError(t, err)
	require.Equal(t, host, config.Process)
	require.False(t, config.ProjectionConfirm)
	t.Setenv("DAYBOOK_PROCESS", "blue")
	t.Setenv("DAYBOOK_PROJECTION_CONFIRM", "true")
	config, err = LoadConfig()
	require.NoError(t, err)
	require.Equal(t, "blue", config.Process)
	require.True(t, config.ProjectionConfirm)
}

func TestConfigSaysWhatIsWrongWithTheEventStore(t *testing.T) {
	for connection, want := range map[string]string{
		"esdb://host:2113?tlsCaFile=/nope":   "DAYBOOK_EVENTSTORE: connection string: open /nope: no such file or directory",
		"esdb://host:2113?foo=1":             `DAYBOOK_EVENTSTORE: connection string: unknown setting "foo"`,
		"esdb://admin:hunter2?x@host":        "DAYBOOK_EVENTSTORE: connection string: ",
		"http://host:2113":                   "DAYBOOK_EVENTSTORE: connection string: an invalid scheme is specified, expecting esdb://",
		"esdb://host:2113?defaultDeadline=0": "DAYBOOK_EVENTSTORE: connection string: defaultDeadline",
	} {
		config := Config{Listen: "127.0.0.1:1", StoreListen: off, Data: "x", EventStore: connection}
		err := config.Validate()
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "hunter2")
		config.EventStore = ""
		require.NoError(t, config.Validate())
	}
}

func TestConfigIsPrintedWithoutSecrets(t *testing.T) {
	var printed strings.Builder
	config := Config{Listen: "127.0.0.1:1", DatabaseURL: "postgres://hunter2", WhatsAppAppSecrets: []string{"hunter2"}}
	require.NoError(t, config.Print(&printed))
	require.Contains(t, printed.String(), "127.0.0.1:1")
	require.NotContains(t, printed.String(), "hunter2")
	require.Contains(t, printed.String(), "(unset)")
}
