package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"daybook/adapters/embedded"
	"daybook/adapters/embedded/endpoint"
)

// TestComposeCommandsInDocumentsWork tries what the guide does with compose as far as that goes without containers: the
// services are there in the profile that is set, verbs exist with their flags, and what is sent is JSON.
func TestComposeCommandsInDocumentsWork(t *testing.T) {
	t.Parallel()
	var profiles []string
	tried := 0
	for _, block := range regexp.MustCompile("(?s)```bash\n(.*?)```").FindAllStringSubmatch(guide(t), -1) {
		for _, command := range commandsIn(block[1]) {
			words := shellWords(command)
			switch {
			case words[0] == "export":
				for _, set := range words[1:] {
					if profile, ok := strings.CutPrefix(set, "COMPOSE_PROFILES="); ok {
						profiles = append(profiles, profile)
					}
				}
			case words[0] == "docker" && words[1] == "compose":
				tryCompose(t, compose(t, nil, profiles...), words[2:])
				tried++
			default:
				require.Failf(t, "a command that this test does not know", "%s", command)
			}
		}
	}
	require.Equal(t, []string{"cluster"}, profiles)
	require.Greater(t, tried, 8, "the guide shows fewer commands than it did: is the pattern still right?")
}

func tryCompose(t *testing.T, project *types.Project, words []string) {
	t.Helper()
	verb, words := words[0], words[1:]
	for len(words) > 0 && strings.HasPrefix(words[0], "--") {
		require.Contains(t, []string{"--build", "--detach", "--wait"}, words[0])
		words = words[1:]
	}
	switch verb {
	case "up", "logs":
		require.Subset(t, project.ServiceNames(), words)
	case "port":
		require.Contains(t, project.ServiceNames(), words[0])
		require.Equal(t, []string{"8080"}, words[1:])
	case "exec":
		require.Contains(t, project.ServiceNames(), words[0])
		tryInside(t, project, words[1:])
	default:
		require.Fail(t, "a verb that this test does not know", verb)
	}
}

// tryInside tries what runs in a container.
func tryInside(t *testing.T, project *types.Project, words []string) {
	t.Helper()
	line := strings.Join(words, " ")
	if words[0] == "daybook" {
		verb, rest, err := root().Find(words[1:])
		require.NoError(t, err, line)
		require.NoError(t, verb.ParseFlags(rest), line)
		require.True(t, verb.Runnable(), line)
		return
	}
	require.Equal(t, "curl", words[0])
	host := regexp.MustCompile(`https://(\w+):2113/`).FindStringSubmatch(line)[1]
	require.Contains(t, project.ServiceNames(), host)
	require.True(t, json.Valid([]byte(words[len(words)-1])), line)
	require.Equal(t, "--data", words[len(words)-2])
	authority := words[slices.Index(words, "--cacert")+1]
	require.Equal(t, environment(project.Services[host])["EVENTSTORE_TRUSTED_ROOT_CERTIFICATES_PATH"]+"/ca.crt", authority)
}

// TestAccessTemplateProtectsTheTrail reads the access rights of the guide as EventStoreDB does.
func TestAccessTemplateProtectsTheTrail(t *testing.T) {
	t.Parallel()
	text := guide(t)
	settings := regexp.MustCompile(`(?s)%24settings --data '(.*?)'`).FindStringSubmatch(text)
	require.NotNil(t, settings)
	var byDefault map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(settings[1]), &byDefault))
	require.Len(t, byDefault, 2)
	streams, system := accessList(t, byDefault["$userStreamAcl"]), accessList(t, byDefault["$systemStreamAcl"])
	for name, roles := range map[string][]string{
		"read": streams.ReadRoles(), "append": streams.WriteRoles(), "read metadata": streams.MetaReadRoles(),
	} {
		require.Equal(t, []string{"daybook"}, roles, name)
	}
	for name, roles := range map[string][]string{
		"delete": streams.DeleteRoles(), "write metadata": streams.MetaWriteRoles(),
		"read $": system.ReadRoles(), "append $": system.WriteRoles(), "delete $": system.DeleteRoles(),
		"read metadata of $": system.MetaReadRoles(), "write metadata of $": system.MetaWriteRoles(),
	} {
		require.Equal(t, []string{"$admins"}, roles, name)
	}

	log := regexp.MustCompile(`%24all/metadata --data '(.*?)'`).FindStringSubmatch(text)
	require.NotNil(t, log)
	metadata, err := esdb.StreamMetadataFromJson([]byte(log[1]))
	require.NoError(t, err)
	require.Equal(t, []string{"daybook"}, metadata.StreamAcl().ReadRoles())
	require.Empty(t, metadata.StreamAcl().MetaWriteRoles())
	require.Contains(t, text, `"LoginName": "daybook"`)
}

// accessList reads a list as the official client reads that of a stream.
func accessList(t *testing.T, list json.RawMessage) *esdb.Acl {
	t.Helper()
	metadata, err := esdb.StreamMetadataFromJson([]byte(`{"$acl": ` + string(list) + `}`))
	require.NoError(t, err)
	return metadata.StreamAcl()
}

// TestConnectionStringsInDocumentsWork parses each with the official client.
func TestConnectionStringsInDocumentsWork(t *testing.T) {
	t.Parallel()
	found := regexp.MustCompile("[`']((?:esdb|esdb\\+discover)://[^`']+)[`']").FindAllStringSubmatch(guide(t), -1)
	require.Greater(t, len(found), 3)
	for _, connection := range found {
		_, err := esdb.ParseConnectionString(withoutFiles(connection[1]))
		require.NoError(t, err, connection[1])
	}
}

// TestStoreReferenceIsComplete compares what the reference lists with the verbs that there are, and with the calls that
// the endpoint says it answers.
func TestStoreReferenceIsComplete(t *testing.T) {
	t.Parallel()
	text := document(t, "../../docs/reference/store.md")
	verb, _, err := root().Find([]string{"store"})
	require.NoError(t, err)
	var verbs []string
	for _, command := range verb.Commands() {
		verbs = append(verbs, "store "+command.Use)
		paragraph := cells(text, `(?s)(\*\*`+command.Name()+`\*\*.*?\n\n)`)
		if command.Name() == "copy" {
			paragraph = cells(text, `(?s)\n### Copying\n(.*?)\n## `)
		}
		for _, flag := range cells(command.LocalFlags().FlagUsages(), `(?m)^ +(--?[\w-]+)`) {
			if flag != "--store" && flag != "-h" {
				require.Contains(t, strings.Join(paragraph, ""), "`"+flag, command.Name())
			}
		}
	}
	require.ElementsMatch(t, verbs, cells(text, `(?m)^\| .(store [^`+"`"+`]+). \|`))

	var answered []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| `(\\w+)` \\|").FindAllStringSubmatch(text, -1) {
		answered = append(answered, strings.ToLower(row[1]+"."+row[2]))
	}
	require.ElementsMatch(t, advertised(t), answered)
}

// advertised lists the calls that clients are told of, as service.method.
func advertised(t *testing.T) []string {
	t.Helper()
	store, err := embedded.Open("documents", embedded.InMemory(), embedded.Log(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	server, err := endpoint.New(endpoint.Config{Store: store})
	require.NoError(t, err)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	connection, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, connection.Close())
		server.Shutdown(context.Background())
		require.NoError(t, <-ended)
		require.NoError(t, store.Close())
	})
	supported, err := serverfeatures.NewServerFeaturesClient(connection).GetSupportedMethods(t.Context(), &shared.Empty{})
	require.NoError(t, err)
	var calls []string
	for _, method := range supported.GetMethods() {
		service := method.GetServiceName()
		calls = append(calls, service[strings.LastIndex(service, ".")+1:]+"."+method.GetMethodName())
	}
	return calls
}

// cells finds the first group of a pattern everywhere.
func cells(text, pattern string) []string {
	var found []string
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		found = append(found, match[1])
	}
	return found
}

func guide(t *testing.T) string {
	t.Helper()
	return document(t, "../../docs/how-to/eventstoredb.md")
}

func document(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

// shellWords splits a command at white space outside of single quotes, and drops the quotes and continuations.
func shellWords(command string) []string {
	var words []string
	for _, word := range regexp.MustCompile(`(?:'[^']*'|[^\s'])+`).FindAllString(command, -1) {
		if word != `\` {
			words = append(words, strings.ReplaceAll(word, "'", ""))
		}
	}
	return words
}
