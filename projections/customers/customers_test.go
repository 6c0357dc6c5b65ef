package customers_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/events"
	"daybook/events/id"
	"daybook/projections/customers"
	"daybook/projections/projectiontest"
	list "daybook/readmodels/customers"
)

const number = "106540352242922"

var noon = time.Date(2026, 10, 5, 12, 0, 0, 0, time.UTC)

func who(name string) id.Customer      { return id.Derive[id.Customer](name) }
func chat(name string) id.Conversation { return id.Derive[id.Conversation](name) }

func given(s *projectiontest.Scenario, name string, then ...events.Event) {
	s.Given("conversation-"+chat(name).String(), append([]events.Event{events.ConversationStarted{
		ConversationID: chat(name), AccountID: projectiontest.Account, PhoneNumberID: number, CustomerID: who(name),
	}}, then...)...)
}

func wrote(name string, at time.Time, prefix string) events.Event {
	return events.MessageReceived{
		ConversationID: chat(name), MessageID: id.Derive[id.Message](name), SentAt: at, Dialling: events.Dialling{Prefix: prefix},
		From: "sealed number", Contact: "sealed contact",
	}
}

func got(name string, at time.Time, locale, market string) events.Event {
	return events.MessageQueued{
		ConversationID: chat(name), MessageID: id.Derive[id.Message](name, "out"), QueuedAt: at, Market: market,
		Template: &events.Template{Name: "note", Language: locale}, Dialling: events.Dialling{Prefix: "55"}, To: "sealed to",
	}
}

func wants(name string, wanted bool) events.Event {
	fact := events.ConsentFact{ConversationID: chat(name), Category: events.Marketing}
	if wanted {
		return events.CustomerOptedIn{ConsentFact: fact}
	}
	return events.CustomerOptedOut{ConsentFact: fact}
}

func history(s *projectiontest.Scenario) {
	given(s, "ada", wrote("ada", noon, "39"), wants("ada", true))
	given(s, "bia", got("bia", noon.Add(-time.Hour), "pt_BR", "Brazil"), wants("bia", true), wants("bia", false),
		events.MessageVolumeSet{ConversationID: chat("bia"), Level: events.VolumeFewer})
	given(s, "cleo", wrote("cleo", noon, "39"), wants("cleo", true), events.BusinessBlocked{BlockFact: events.BlockFact{ConversationID: chat("cleo")}})
	given(s, "dan", wants("dan", true)) // nobody knows the number
	given(s, "eve", wrote("eve", noon.Add(-48*time.Hour), "391"),
		events.CustomerOptedIn{ConsentFact: events.ConsentFact{ConversationID: chat("eve"), Category: events.Utility}},
		events.CustomerIdentified{ConversationID: chat("eve"), FactID: id.Derive[id.Fact]("eve"), Name: "sealed name"},
		events.CustomerNumberChanged{ConversationID: chat("eve"), FactID: id.Derive[id.Fact]("eve"), Dialling: events.Dialling{Prefix: "44"}, To: "new number"},
		events.BusinessBlocked{BlockFact: events.BlockFact{ConversationID: chat("eve")}},
		events.BusinessUnblocked{BlockFact: events.BlockFact{ConversationID: chat("eve")}})
}

func TestConformance(t *testing.T) {
	t.Parallel()
	projectiontest.Conformance(t, customers.Define, history)
}

func TestS37_ASegmentIsWhoIsMeant(t *testing.T) {
	t.Parallel()
	s := projectiontest.For(t, customers.Define)
	history(s)
	s.Settle()
	for name, c := range map[string]struct {
		segment list.Segment
		want    []string
	}{
		"everybody who can be reached": {list.Segment{}, []string{"ada", "bia", "eve"}},
		"opted in":                     {list.Segment{OptedIn: true}, []string{"ada"}},
		"by language":                  {list.Segment{Locales: []string{"it", "pt_BR"}}, []string{"bia"}},
		"by market":                    {list.Segment{Markets: []string{"Brazil"}}, []string{"bia"}},
		"by prefix":                    {list.Segment{Prefixes: []string{"3", "44"}}, []string{"ada", "eve"}},
		"by volume":                    {list.Segment{Levels: []string{"all"}}, []string{"ada", "eve"}},
		"of late":                      {list.Segment{ContactedAt: new(noon.Add(-time.Hour))}, []string{"ada", "bia"}},
		"all at once":                  {list.Segment{OptedIn: true, Prefixes: []string{"44"}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var want, found []id.Customer
			for _, name := range c.want {
				want = append(want, who(name))
			}
			slices.SortFunc(want, func(a, b id.Customer) int { return bytes.Compare(a.UUID[:], b.UUID[:]) })
			for customer, err := range list.In(t.Context(), s.Pool(), s.Schema(), projectiontest.Account, number, c.segment) {
				require.NoError(t, err)
				found = append(found, customer.ID)
			}
			require.Equal(t, want, found)
			n, err := list.Count(t.Context(), s.Pool(), s.Schema(), projectiontest.Account, number, c.segment)
			require.NoError(t, err)
			require.EqualValues(t, len(want), n)
		})
	}
	for customer, err := range list.In(t.Context(), s.Pool(), s.Schema(), projectiontest.Account, number, list.Segment{Prefixes: []string{"44"}}) {
		require.NoError(t, err)
		fact := id.Derive[id.Fact]("eve")
		require.Equal(t, list.Customer{
			ID: who("eve"), Prefix: "44", To: "new number", ToFact: fact, ToPath: "to",
			Name: new("sealed name"), NameFact: &fact, NamePath: new("name"),
		}, customer)
	}
	for range list.In(t.Context(), s.Pool(), s.Schema(), projectiontest.Account, "another number", list.Segment{}) {
		require.Fail(t, "customers of one number are not another's")
	}
}
