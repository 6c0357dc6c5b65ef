package main

import (
	"iter"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/caarlos0/env/v11"
	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// TestComposeProfiles loads docker-compose.yml, validated against the specification, as both of its users do.
func TestComposeProfiles(t *testing.T) {
	t.Parallel()
	single := []string{"daybook", "eventstore", "postgres"}
	cluster := []string{"certificates", "daybook-cluster", "node1", "node2", "node3", "postgres-cluster"}
	require.Equal(t, single, compose(t, nil).ServiceNames())
	require.Equal(t, slices.Sorted(slices.Values(slices.Concat(single, cluster))), compose(t, nil, "cluster").ServiceNames())

	// The set that is started on its own by naming its Daybook needs nothing of the other.
	for name, services := range map[string][]string{"daybook": single, "daybook-cluster": cluster} {
		started, err := compose(t, nil, "cluster").WithSelectedServices([]string{name})
		require.NoError(t, err)
		require.Equal(t, services, started.ServiceNames())
	}
}

// TestComposeServices holds every service to what makes a start repeatable and safe on a laptop.
func TestComposeServices(t *testing.T) {
	t.Parallel()
	project := compose(t, nil, "cluster")
	taken := map[int]string{}
	for name, service := range project.Services {
		if service.Build == nil {
			require.Regexp(t, pinned, service.Image, name)
		}
		require.Empty(t, service.ContainerName, "%s: two projects could not run beside one another", name)
		require.Equal(t, once(service), service.HealthCheck == nil, "%s must say when it is healthy", name)
		for needed, dependency := range service.DependsOn {
			want := types.ServiceConditionHealthy
			if once(project.Services[needed]) {
				want = types.ServiceConditionCompletedSuccessfully
			}
			require.Equal(t, want, dependency.Condition, "%s needs %s", name, needed)
		}
		for _, port := range service.Ports {
			require.Equal(t, "127.0.0.1", port.HostIP, name)
			for number := range portRange(t, port.Published) {
				require.Emptyf(t, taken[number], "%s publishes port %d too", name, number)
				taken[number] = name
			}
		}
	}
	require.Len(t, taken, 10+1+10+3)
}

// TestComposeLetsDaybookRunTwice wants ports to choose from and the choice of others.
func TestComposeLetsDaybookRunTwice(t *testing.T) {
	t.Parallel()
	ports := map[string]string{
		"EVENTSTORE_PORT": "3113", "DAYBOOK_PORTS": "9000-9001", "DAYBOOK_CLUSTER_PORTS": "9002",
		"EVENTSTORE_NODE1_PORT": "3121", "EVENTSTORE_NODE2_PORT": "3122", "EVENTSTORE_NODE3_PORT": "3123",
	}
	var published []string
	for _, service := range compose(t, ports, "cluster").Services {
		for _, port := range service.Ports {
			published = append(published, port.Published)
		}
	}
	require.ElementsMatch(t, slices.Collect(maps.Values(ports)), published)
	byDefault := compose(t, nil).Services["daybook"].Ports[0].Published
	require.Greater(t, len(slices.Collect(portRange(t, byDefault))), 1, "--scale daybook=2 needs a port for each")
}

// TestComposeConfiguresDaybook reads the settings as the binary does.
func TestComposeConfiguresDaybook(t *testing.T) {
	t.Parallel()
	var known []string
	for i := range reflect.TypeFor[Config]().NumField() {
		known = append(known, reflect.TypeFor[Config]().Field(i).Tag.Get("env"))
	}
	given := map[string]string{"DAYBOOK_ADMIN_TOKEN": "a-token", "DAYBOOK_WHATSAPP_APP_SECRET": "a,b", "POSTGRES_PASSWORD": "pg-secret"}
	project := compose(t, given, "cluster")
	for _, name := range []string{"daybook", "daybook-cluster"} {
		service := project.Services[name]
		for variable := range service.Environment {
			require.Contains(t, known, variable, name)
		}
		config, err := env.ParseAsWithOptions[Config](env.Options{Environment: environment(service)})
		require.NoError(t, err)
		require.Equal(t, "a-token", config.AdminToken, "what is set where compose runs is passed on")
		require.Equal(t, []string{"a", "b"}, config.WhatsAppAppSecrets)

		connection, err := esdb.ParseConnectionString(withoutFiles(config.EventStore))
		require.NoError(t, err)
		for _, host := range hosts(connection) {
			require.Contains(t, service.DependsOn, host, "%s starts before its event store is there", name)
		}
		postgres, err := pgx.ParseConfig(config.DatabaseURL)
		require.NoError(t, err)
		require.Contains(t, service.DependsOn, postgres.Host, "%s starts before its database is there", name)
		server := environment(project.Services[postgres.Host])
		require.Equal(t, server["POSTGRES_USER"], postgres.User)
		require.Equal(t, server["POSTGRES_PASSWORD"], postgres.Password)
		require.Equal(t, server["POSTGRES_DB"], postgres.Database)
		require.Equal(t, "pg-secret", postgres.Password)

		config.EventStore = "" // its certificate is in the container only
		require.NoError(t, config.Validate())
		require.Equal(t, config.Data, service.Volumes[0].Target, "%s would lose its keys", name)
	}
}

// TestComposePassesOnNothingUnset: a secret that is set and empty is another one than none.
func TestComposePassesOnNothingUnset(t *testing.T) {
	t.Parallel()
	settings := environment(compose(t, nil).Services["daybook"])
	require.NotContains(t, settings, "DAYBOOK_ADMIN_TOKEN")
	require.NotContains(t, settings, "DAYBOOK_WHATSAPP_APP_SECRET")
}

// TestComposeCluster checks what the nodes say of one another, and that the passwords are those that Daybook uses.
func TestComposeCluster(t *testing.T) {
	t.Parallel()
	project := compose(t, map[string]string{"EVENTSTORE_ADMIN_PASSWORD": "es-secret"}, "cluster")
	nodes := []string{"node1", "node2", "node3"}
	connection, err := esdb.ParseConnectionString(withoutFiles(environment(project.Services["daybook-cluster"])["DAYBOOK_EVENTSTORE"]))
	require.NoError(t, err)
	require.Equal(t, nodes, hosts(connection))
	require.False(t, connection.DisableTLS)
	require.False(t, connection.SkipCertificateVerification)
	for _, name := range nodes {
		settings := environment(project.Services[name])
		require.NotContains(t, settings, "EVENTSTORE_INSECURE")
		require.Equal(t, strconv.Itoa(len(nodes)), settings["EVENTSTORE_CLUSTER_SIZE"])
		require.Equal(t, name, settings["EVENTSTORE_NODE_HOST_ADVERTISE_AS"])
		require.Equal(t, name, settings["EVENTSTORE_REPLICATION_HOST_ADVERTISE_AS"])
		require.Equal(t, "/certificates/"+name+"/node.crt", settings["EVENTSTORE_CERTIFICATE_FILE"])
		require.Equal(t, "/certificates/"+name+"/node.key", settings["EVENTSTORE_CERTIFICATE_PRIVATE_KEY_FILE"])
		require.Equal(t, connection.Password, settings["EVENTSTORE_DEFAULT_ADMIN_PASSWORD"])
		var seeds []string
		for seed := range strings.SplitSeq(settings["EVENTSTORE_GOSSIP_SEED"], ",") {
			seeds = append(seeds, strings.TrimSuffix(seed, ":2113"))
		}
		require.ElementsMatch(t, nodes, append(seeds, name))
	}
	require.Equal(t, "es-secret", connection.Password)
}

// TestComposeTakesTheLargestWebhook: EventStoreDB's own limit of an append is lower than what a webhook may need.
func TestComposeTakesTheLargestWebhook(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"eventstore", "node1", "node2", "node3"} {
		settings := environment(compose(t, nil, "cluster").Services[name])
		require.Equal(t, strconv.Itoa(maxAppendBytes), settings["EVENTSTORE_MAX_APPEND_SIZE"])
	}
}

// TestComposeBuildsDaybook: the image is built from every folder that the binary needs, with the Go that it wants.
func TestComposeBuildsDaybook(t *testing.T) {
	t.Parallel()
	file := compose(t, nil).Services["daybook"].Build.DockerfileInline
	var copied []string
	for _, line := range regexp.MustCompile(`(?m)^COPY (\w+) (\w+)$`).FindAllStringSubmatch(file, -1) {
		require.DirExists(t, filepath.Join("../..", line[1]))
		require.Equal(t, line[1], line[2])
		copied = append(copied, line[1])
	}
	var needed []string
	packages, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	for line := range strings.Lines(string(packages)) {
		if path, ours := strings.CutPrefix(strings.TrimSpace(line), "daybook/"); ours {
			needed = append(needed, strings.Split(path, "/")[0])
		}
	}
	slices.Sort(needed)
	require.Equal(t, slices.Compact(needed), copied)

	images := regexp.MustCompile(`(?m)^FROM (\S+)`).FindAllStringSubmatch(file, -1)
	require.Len(t, images, 2)
	for _, image := range images {
		require.Regexp(t, pinned, image[1])
	}
	module, err := os.ReadFile("../../go.mod")
	require.NoError(t, err)
	wanted := regexp.MustCompile(`(?m)^go (\S+)$`).FindStringSubmatch(string(module))[1]
	require.Equal(t, "golang:"+wanted, images[0][1], "go.mod and the image must agree")
}

// TestComposeMakesCertificatesOnce runs what makes them, again and again, with tools that note how they were called. Two
// times it ends between two files, as if it were killed: the next start makes that folder anew, and no other.
func TestComposeMakesCertificatesOnce(t *testing.T) {
	t.Parallel()
	service := compose(t, nil, "cluster").Services["certificates"]
	folder, tools := t.TempDir(), t.TempDir()
	note := "#!/bin/sh\necho \"$(basename $0) $*\" >> " + tools + "/calls\n"
	makes := note + `case "$*" in create-ca*) file=ca;; *) file=node;; esac
while [ "$1" != -out ]; do shift; done
mkdir $2 && touch $2/$file.crt
test -e "$(dirname $0)/failed-$file" || { touch "$(dirname $0)/failed-$file"; exit 1; }
touch $2/$file.key`
	for name, script := range map[string]string{"es-gencert-cli": makes, "chown": note, "chmod": note} {
		require.NoError(t, os.WriteFile(filepath.Join(tools, name), []byte(script), 0o700))
	}
	calls := func(works bool) []string {
		arguments := slices.Concat(service.Entrypoint[1:], service.Command)
		command := exec.CommandContext(t.Context(), service.Entrypoint[0], arguments...)
		command.Dir, command.Env = folder, []string{"PATH=" + tools + ":" + os.Getenv("PATH")}
		output, err := command.CombinedOutput()
		require.Equalf(t, works, err == nil, "%s", output)
		noted, err := os.ReadFile(filepath.Join(tools, "calls"))
		require.NoError(t, err)
		return strings.Split(strings.TrimSpace(string(noted)), "\n")
	}
	calls(false)
	calls(false)
	first := calls(true)
	require.FileExists(t, filepath.Join(folder, "ca", "ca.key"))
	require.Len(t, first, 2+4+3*2, "one authority and one node twice; owner and mode of each node")
	require.Equal(t, []string{"es-gencert-cli create-ca -out new", "es-gencert-cli create-ca -out new"}, first[:2])
	for _, node := range []string{"node1", "node2", "node3"} {
		require.Contains(t, first, "es-gencert-cli create-node -ca-certificate ca/ca.crt -ca-key ca/ca.key -out new"+
			" -dns-names "+node+",localhost -ip-addresses 127.0.0.1 -days 1825")
		require.FileExists(t, filepath.Join(folder, node, "node.key"))
	}
	require.Contains(t, first, "chown -R 1000:1000 new")
	require.Equal(t, first, calls(true), "another start keeps the certificates")
	require.NoDirExists(t, filepath.Join(folder, "new"))
}

// pinned is an image with a version that says more than a major one.
var pinned = regexp.MustCompile(`^[\w./-]+:\d+\.\d+(\.\d+)?(-[\w.-]+)?$`)

// compose loads docker-compose.yml with the given variables of the environment and profiles.
func compose(t *testing.T, variables map[string]string, profiles ...string) *types.Project {
	t.Helper()
	var set []string
	for name, value := range variables {
		set = append(set, name+"="+value)
	}
	options, err := cli.NewProjectOptions([]string{"../../docker-compose.yml"}, cli.WithEnv(set), cli.WithProfiles(profiles))
	require.NoError(t, err)
	project, err := options.LoadProject(t.Context())
	require.NoError(t, err)
	return project
}

// once says that a service ends by itself.
func once(service types.ServiceConfig) bool { return service.Restart == types.RestartPolicyNo }

// environment is what a service's process sees.
func environment(service types.ServiceConfig) map[string]string {
	set := map[string]string{}
	for name, value := range service.Environment {
		if value != nil {
			set[name] = *value
		}
	}
	return set
}

// withoutFiles drops the certificate from a connection string: the file is in the container only.
func withoutFiles(connection string) string {
	return regexp.MustCompile(`&?tlsCaFile=[^&]*`).ReplaceAllString(connection, "")
}

func hosts(connection *esdb.Configuration) []string {
	if connection.Address != "" {
		return []string{strings.TrimSuffix(connection.Address, ":2113")}
	}
	var found []string
	for _, seed := range connection.GossipSeeds {
		found = append(found, seed.Host)
	}
	return found
}

// portRange yields the numbers of "8080" or "8080-8089".
func portRange(t *testing.T, published string) iter.Seq[int] {
	t.Helper()
	first, last, ranged := strings.Cut(published, "-")
	if !ranged {
		last = first
	}
	from, err := strconv.Atoi(first)
	require.NoError(t, err)
	to, err := strconv.Atoi(last)
	require.NoError(t, err)
	return func(yield func(int) bool) {
		for number := from; number <= to && yield(number); number++ {
		}
	}
}
