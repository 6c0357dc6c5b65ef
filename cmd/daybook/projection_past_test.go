package main

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/web/api"
	"daybook/events"
	"daybook/events/id"
)

// runOnce runs a verb and returns what it prints and what it says beside.
func runOnce(t *testing.T, arguments ...string) (out, beside string, err error) {
	t.Helper()
	var printed, said strings.Builder
	verb := root()
	verb.SetArgs(arguments)
	verb.SetOut(&printed)
	verb.SetErr(&said)
	err = verb.ExecuteContext(t.Context())
	return printed.String(), said.String(), err
}

// runWithDevice serves a Daybook in which a device was linked, and returns an instant after that.
func runWithDevice(t *testing.T) (later string) {
	t.Helper()
	t.Setenv("DAYBOOK_ADMIN_TOKEN", "document-token")
	t.Setenv("DAYBOOK_URL", runServer(t, func(a *app) {
		at := time.Now()
		proposed, err := events.Encode(id.New[id.Event](), events.DeviceLinked{
			DeviceID: id.New[id.Device](), Name: "iPhone \"Mario\"", Kind: "smartphone", Platform: "ios",
		}, events.Envelope{Account: id.New[id.Account](), OccurredAt: at, RecordedAt: at})
		require.NoError(t, err)
		_, err = a.store.Append(t.Context(), "devices-1", events.Any, []events.Proposed{proposed})
		require.NoError(t, err)
	}))
	return time.Now().UTC().Format(time.RFC3339Nano)
}

func TestThePastIsReadFromTheCommandLine(t *testing.T) {
	now := runWithDevice(t)
	asOf := func(arguments string) (out, beside string) {
		out, beside, err := runOnce(t, append([]string{"projection", "as-of"}, strings.Fields(arguments)...)...)
		require.NoError(t, err, beside)
		return out, beside
	}
	const after = `as of position \d+: after DeviceLinked at devices-1@0, recorded \S+Z\nmade by today's projector from the events of then; what has been erased since stays erased\n`
	listed, _ := asOf("messages --at " + now)
	require.Regexp(t, `^messages, version 4, `+after+`\nTABLE +ROWS\ndevices +1\nmessages +0\nrecipients +0\n$`, listed)

	position := regexp.MustCompile(`position (\d+)`).FindStringSubmatch(listed)[1]
	rows, said := asOf("messages --table devices --at " + position)
	require.Regexp(t, `^messages, version 4, table devices, `+after+`$`, said)
	require.Regexp(t, `^device_id,account_id,name,kind,platform,linked_at,unlinked_at\n[^,]+,[^,]+,"iPhone ""Mario""",smartphone,ios,[^\n]+\n$`, rows)

	object, said := asOf("messages --format json --table devices --at " + position)
	require.Empty(t, said)
	var answer api.AsOfRows
	require.NoError(t, json.Unmarshal([]byte(object), &answer))
	require.Equal(t, `iPhone "Mario"`, answer.Rows[0]["name"])
	before, _ := asOf("messages --at 1970-01-01T00:00:00Z")
	require.Contains(t, before, "as of position 0: before the first event\n")

	for arguments, want := range map[string]string{
		"messages":                     `required flag(s) "at" not set`,
		"--at 1":                       "accepts 1 arg(s), received 0",
		"messages --at 1 --format csv": "--format needs --table",
		"messages --at 1 --table devices --format xml": "expected csv or json",
		"messages --at 1 --table entries":              "TableUnknown: query.table: expected a table of the projection: devices, messages, recipients",
		"messages --at 999999":                         "PositionUnknown: query.at: the store does not go that far",
		"messages --at yesterday":                      "query.at: expected a position, or an RFC 3339 instant",
		"messages --at 2999-01-01T00:00:00Z":           "InstantInFuture: query.at: expected an instant that has passed",
		"nobody --at 1":                                "ProjectionUnknown: there is no projection of this name",
	} {
		_, _, err := runOnce(t, append([]string{"projection", "as-of"}, strings.Fields(arguments)...)...)
		require.ErrorContains(t, err, want)
	}
}

// TestThePastSaysWhatIsNotInIt above the rows.
func TestThePastSaysWhatIsNotInIt(t *testing.T) {
	t.Parallel()
	past := api.AsOf{Name: "messages", Version: 3, Position: 7, Parked: 2, Skipped: 1, Note: "a note"}
	require.Equal(t, `messages, version 3, as of position 7: before the first event
not in it: what waits under 2 keys, and 1 events that were skipped: see daybook projection parked messages
a note`, asOfLines(past))
}

// TestThePastIsSeenAsTheHowToShows runs each verb that it shows, in that order, at an instant of its own.
func TestThePastIsSeenAsTheHowToShows(t *testing.T) {
	now := runWithDevice(t)
	text, err := os.ReadFile("../../docs/how-to/look-back.md")
	require.NoError(t, err)
	var all strings.Builder
	tried := 0
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		for _, shown := range commandsIn(block[1]) {
			words := strings.Fields(regexp.MustCompile(` > \S+$`).ReplaceAllString(shown, ""))
			require.Equal(t, "bin/daybook", words[0])
			if i := slices.Index(words, "--at"); i > 0 {
				words[i+1] = now
			}
			out, beside, err := runOnce(t, words[1:]...)
			require.NoError(t, err, "%s: %s", shown, beside)
			all.WriteString(out)
			tried++
		}
	}
	require.Equal(t, 4, tried)
	for _, want := range []string{"TABLE", `iPhone ""Mario""`, `"name":"iPhone \"Mario\""`} {
		require.Contains(t, all.String(), want)
	}
	require.Eventually(t, func() bool {
		out, _, err := runOnce(t, "audit", "ls", "--type", "ProjectionReadAsOf")
		return err == nil && strings.Count(out, "access-system-") == 2
	}, 30*time.Second, 20*time.Millisecond)
}
