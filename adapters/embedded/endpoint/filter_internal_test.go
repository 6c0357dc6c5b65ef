package endpoint

import (
	"regexp"
	"strings"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/events"
)

type filterOptions = streams.ReadReq_Options_FilterOptions

func byStream(regex string, prefixes ...string) *filterOptions {
	return withWindow(&filterOptions{Filter: &streams.ReadReq_Options_FilterOptions_StreamIdentifier{
		StreamIdentifier: &streams.ReadReq_Options_FilterOptions_Expression{Regex: regex, Prefix: prefixes},
	}}, 32, 1)
}

func byType(regex string, prefixes ...string) *filterOptions {
	return withWindow(&filterOptions{Filter: &streams.ReadReq_Options_FilterOptions_EventType{
		EventType: &streams.ReadReq_Options_FilterOptions_Expression{Regex: regex, Prefix: prefixes},
	}}, 32, 1)
}

func withWindow(options *filterOptions, window, multiplier uint32) *filterOptions {
	options.Window = &streams.ReadReq_Options_FilterOptions_Max{Max: window}
	options.CheckpointIntervalMultiplier = multiplier
	return options
}

func TestFilterPicks(t *testing.T) {
	t.Parallel()
	r := &events.Record{Stream: "conversation-1", Type: "MessageReceived"}
	system := &events.Record{Stream: "$users", Type: "$User"}
	for name, c := range map[string]struct {
		options       *filterOptions
		want, systems bool
	}{
		"StreamPrefix":              {byStream("", "conversation-"), true, false},
		"SecondOfThePrefixes":       {byStream("", "account-", "conversation-", "z"), true, false},
		"WholeNameAsPrefix":         {byStream("", "conversation-1"), true, false},
		"LongerThanTheName":         {byStream("", "conversation-12"), false, false},
		"PrefixOfAnotherPrefix":     {byStream("", "conv", "conversation-2"), true, false},
		"EmptyPrefix":               {byStream("", ""), true, true},
		"TypePrefix":                {byType("", "Message"), true, false},
		"TypeIsNotTheStream":        {byType("", "conversation"), false, false},
		"RegexIsUnanchored":         {byStream(`tion-\d`), true, false},
		"RegexWithoutSystemStreams": {byStream(`^[^$].*`), true, false},
		"RegexWithoutSystemTypes":   {byType(`^[^\$].*`), true, false},
		"RegexOfSystemStreams":      {byStream(`^\$`), false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := parseFilter(c.options, true)
			require.NoError(t, err)
			require.Equal(t, c.want, f.picks(r))
			require.Equal(t, c.systems, f.picks(system))
		})
	}
	require.True(t, (*filter)(nil).picks(r))
}

func TestFilterPaces(t *testing.T) {
	t.Parallel()
	f, err := parseFilter(withWindow(byType("x"), 10, 3), true)
	require.NoError(t, err)
	require.Equal(t, uint64(30), f.interval)

	options := withWindow(byType("x"), 0, 2)
	options.Window = &streams.ReadReq_Options_FilterOptions_Count{Count: &shared.Empty{}}
	f, err = parseFilter(options, true)
	require.NoError(t, err)
	require.Equal(t, uint64(64), f.interval)

	f, err = parseFilter(withWindow(byType("x"), 1<<32-1, 1<<32-1), true)
	require.NoError(t, err)
	require.Equal(t, uint64(1<<32-1)*(1<<32-1), f.interval)
}

func TestFilterRefuses(t *testing.T) {
	t.Parallel()
	windowless := byType("x")
	windowless.Window = nil
	for name, c := range map[string]struct {
		options *filterOptions
		text    string
	}{
		"Nothing":           {nil, "stream_identifier or event_type"},
		"NoExpression":      {&filterOptions{}, "stream_identifier or event_type"},
		"EmptyExpression":   {byStream(""), "a regex or prefixes"},
		"RegexAndPrefixes":  {byStream("a", "b"), "a regex or prefixes"},
		"BadRegex":          {byType("("), "filter.regex: error parsing regexp: missing closing )"},
		"RegexOutsideRE2":   {byType(`^(?!\$)`), "filter.regex: error parsing regexp: invalid or unsupported Perl syntax"},
		"HugeRegex":         {byType(strings.Repeat("a", maxPattern+1)), "longer than 16384 bytes"},
		"RegexThatExplodes": {byType(`((a{100}){100}){100}`), "filter.regex: error parsing regexp: invalid repeat count"},
		"NoWindow":          {windowless, "filter.window: it has to be max or count"},
		"WindowOfNothing":   {withWindow(byType("x"), 0, 1), "have to be at least 1"},
		"MultiplierZero":    {withWindow(byType("x"), 32, 0), "have to be at least 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parseFilter(c.options, true)
			require.ErrorContains(t, err, c.text)
		})
	}
	_, err := parseFilter(withWindow(byType("x"), 0, 0), false)
	require.NoError(t, err, "bounded reads have no checkpoints")
}

// TestPrefixesPickWhatTheyBegin compares the search in the sorted prefixes with asking each of them.
func TestPrefixesPickWhatTheyBegin(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringOfN(rapid.SampledFrom([]rune("ab$")), 0, 4, -1)
		prefixes := rapid.SliceOfN(word, 1, 6).Draw(t, "prefixes")
		name := word.Draw(t, "name")
		want := false
		for _, prefix := range prefixes {
			want = want || strings.HasPrefix(name, prefix)
		}
		f, err := parseFilter(byStream("", prefixes...), true)
		require.NoError(t, err)
		require.Equal(t, want, f.picks(&events.Record{Stream: name}))
	})
}

func FuzzFilter(f *testing.F) {
	f.Add(`^[^\$].*`, "", "conversation-1")
	f.Add("", "conv", "conversation-1")
	f.Add("(", "x", "")
	f.Fuzz(func(t *testing.T, regex, prefix, name string) {
		var prefixes []string
		if prefix != "" {
			prefixes = []string{prefix}
		}
		parsed, err := parseFilter(byStream(regex, prefixes...), true)
		if err != nil {
			return
		}
		want := strings.HasPrefix(name, prefix)
		if regex != "" {
			want = regexp.MustCompile(regex).MatchString(name)
		}
		require.Equal(t, want, parsed.picks(&events.Record{Stream: name}))
	})
}
