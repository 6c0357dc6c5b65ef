package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/web/api"
	"daybook/events"
	"daybook/events/id"
)

// The conversation that the how-to is about.
const stuck = "6f1c9a52-4a0e-4c7b-9d0f-3f1de0a1b2c3"

// runStuck serves a Daybook in which this conversation has events that cannot be read.
func runStuck(t *testing.T, count int) {
	t.Helper()
	t.Setenv("DAYBOOK_ADMIN_TOKEN", "document-token")
	t.Setenv("DAYBOOK_URL", runServer(t, func(a *app) {
		for range count {
			_, err := a.store.Append(t.Context(), "conversation-"+stuck, events.Any, []events.Proposed{
				{ID: id.New[id.Event](), Type: "MessageAccepted", Data: []byte("no JSON"), Metadata: []byte("{}"), Binary: true},
			})
			require.NoError(t, err)
		}
	}))
}

// say runs a verb whose words are quoted as in a shell, and returns what it says.
func say(t *testing.T, shown string) (string, error) {
	t.Helper()
	var words []string
	for _, word := range regexp.MustCompile(`'[^']*'|\S+`).FindAllString(shown, -1) {
		words = append(words, strings.Trim(word, "'"))
	}
	require.Equal(t, "bin/daybook", words[0])
	var said strings.Builder
	verb := root()
	verb.SetArgs(words[1:])
	verb.SetOut(&said)
	verb.SetErr(&said)
	err := verb.ExecuteContext(t.Context())
	return said.String(), err
}

// parkedSays waits until the list is as wanted.
func parkedSays(t *testing.T, wanted string) {
	t.Helper()
	comesToSay(t, "parked messages", wanted)
}

// comesToSay waits until a verb of projections says what is wanted.
func comesToSay(t *testing.T, arguments, wanted string) {
	t.Helper()
	said, pattern := "", regexp.MustCompile(wanted)
	require.Eventually(t, func() bool {
		var err error
		said, err = say(t, "bin/daybook projection "+arguments)
		require.NoError(t, err)
		return pattern.MatchString(said)
	}, 30*time.Second, 20*time.Millisecond, "%s\n%s", wanted, &said)
}

func TestParkedEventsAreDealtWithFromTheCommandLine(t *testing.T) {
	runStuck(t, 2)
	run := func(arguments, want string) {
		said, err := say(t, "bin/daybook projection "+arguments)
		require.NoError(t, err, said)
		require.Regexp(t, want, said)
	}
	refused := func(arguments, want string) {
		_, err := say(t, "bin/daybook projection "+arguments)
		require.ErrorContains(t, err, want)
	}
	const event = "conversation-" + stuck
	parkedSays(t, `^BUILD +KEY +EVENTS +FIRST +TRIES +CAUSE\nmessages_v4 +`+stuck+` +2 +`+event+`@0 MessageAccepted +1 +\S.*\n\nmessages_v4: 1.* conversations parked\n$`)
	run("ls", `\nmessages +messages_v4 +live .* 2 events, 1 keys +`)
	comesToSay(t, "ls", `\naudit +audit_v1 +live .* 0\.0 s {10,}`)
	run("status messages", `\nmessages_v4 +live +running +0 +2 events, 1 keys .*\n\nmessages_v4 has parked events: daybook projection parked messages\n$`)
	require.Contains(t, scrape(t, os.Getenv("DAYBOOK_URL")), `daybook_projection_parked_events{projection="messages"} 2`)
	run("retry messages "+stuck, `^messages_v4 tries again: see daybook projection parked messages\n$`)
	parkedSays(t, `@0 MessageAccepted +2 `)
	refused("retry messages nobody", `OutOfOrder: projection messages_v4: nothing is parked there under "nobody"`)
	refused("retry messages --build messages_v1", "BuildUnknown: body.schema: expected a build of the projection: messages_v4")
	refused("retry", "accepts between 1 and 2 arg(s), received 0")
	refused("parked nobody", "ProjectionUnknown: there is no projection of this name")

	skip := "skip messages " + stuck
	refused(skip, `required flag(s) "event", "reason" not set`)
	refused(skip+" --event "+event+"@0", `required flag(s) "reason" not set`)
	refused(skip+" --reason because", `required flag(s) "event" not set`)
	refused(skip+" --reason because --event "+event, "expected STREAM@REVISION")
	refused(skip+" --reason because --event "+event+"@x", "expected STREAM@REVISION")
	refused(skip+" --reason ' ' --event "+event+"@0", "ReasonRequired: reason: required")
	refused(skip+" --reason because --event "+event+"@1", event+"@1 is not what is waited for")
	run(skip+" --build messages_v4 --reason 'told twice' --event "+event+"@0", `^`+event+`@0 is skipped, recorded at position \d+\n$`)
	parkedSays(t, event+`@1 MessageAccepted(.*\n)+\nBUILD +KEY +SKIPPED +AT +REASON\nmessages_v4 +`+stuck+` +`+event+`@0 MessageAccepted +\S+Z +told twice\n$`)
	run("parked audit", `\naudit_v1: parks nothing that this process knows of: it pauses at what fails\n$`)
}

// TestParkedEventsAreDealtWithAsTheHowToShows runs each verb that it shows, in that order.
func TestParkedEventsAreDealtWithAsTheHowToShows(t *testing.T) {
	runStuck(t, 1)
	parkedSays(t, `@0 MessageAccepted +1 `)
	text, err := os.ReadFile("../../docs/how-to/parked-events.md")
	require.NoError(t, err)
	var all strings.Builder
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		for _, shown := range commandsIn(block[1]) {
			said, err := say(t, shown)
			require.NoError(t, err, "%s: %s", shown, said)
			all.WriteString(said)
		}
	}
	for _, want := range []string{"@0 MessageAccepted", "messages_v4 tries again", "@0 is skipped", "recorded by a test by mistake"} {
		require.Contains(t, all.String(), want)
	}
	parkedSays(t, `messages_v4: 0.* conversations parked\n`)
}

func TestABuildInWhichMoreWaitsGoesLiveWhenItIsTold(t *testing.T) {
	runStuck(t, 1)
	parkedSays(t, `@0 MessageAccepted +1 `)
	verb := func(arguments string) string {
		said, err := say(t, "bin/daybook projection "+arguments)
		require.NoError(t, err, said)
		return said
	}
	require.Contains(t, verb("rebuild messages --wait"), "messages_v4_b2 is ready; ")
	verb("skip messages " + stuck + " --build messages_v4 --reason 'told twice' --event conversation-" + stuck + "@0")
	parkedSays(t, `messages_v4: 0.* conversations parked\n`)
	require.Contains(t, verb("diff messages"), "\npartitions that wait in messages_v4_b2 only: \""+stuck+"\"\n")
	_, err := say(t, "bin/daybook projection go-live messages")
	require.ErrorContains(t, err, "OutOfOrder: projection messages: partitions wait in build messages_v4_b2 that do not wait in the live one: \""+stuck+"\"")
	require.Equal(t, "messages_v4_b2 is live\n", verb("go-live messages --with-parked"))
}

// What a try leaves behind when all that waited was skipped, and causes of more than a line.
func TestParkedEventsArePrintedInLines(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	require.NoError(t, printParked(&out, api.ParkedEvents{Builds: []api.ParkedBuild{
		{Schema: "messages_v4", Blast: &api.Blast{Text: "1 of 2 conversations"}, Parked: []api.ParkedPartition{{Key: "k", Tries: 3, Cause: "a\n\tb"}}},
	}}))
	require.Equal(t, `BUILD        KEY  EVENTS  FIRST  TRIES  CAUSE
messages_v4  k    0              3      a b

messages_v4: 1 of 2 conversations parked
`, out.String())
}
