package audit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/events"
	"daybook/events/id"
	"daybook/projections/audit"
	"daybook/projections/projectiontest"
	trail "daybook/readmodels/audit"
)

var (
	mario   = id.Derive[id.Account]("mario")
	luigi   = id.Derive[id.Account]("luigi")
	anna    = id.Derive[id.Conversation]("anna")
	bruno   = id.Derive[id.Conversation]("bruno")
	morning = time.Date(2026, 10, 5, 8, 0, 0, 0, time.UTC)
)

func under(account id.Account, at time.Time) events.Envelope {
	return events.Envelope{
		Account: account, OccurredAt: at, RecordedAt: at.Add(time.Minute), Actor: "api:admin", Source: "api",
		Correlation: id.Derive[id.Trace]("trace"),
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	projectiontest.Conformance(t, audit.Define, func(s *projectiontest.Scenario) {
		history(s, 20)
		s.GivenRaw("legacy-1", foreign("OrderPlaced", "\x00\x01", "no envelope", true))
	})
}

func TestAnEntryIsTheEventWithItsEnvelope(t *testing.T) {
	t.Parallel()
	s := projectiontest.For(t, audit.Define).
		Under(under(mario, morning)).
		Given("devices-"+mario.String(), events.DeviceLinked{AccountID: mario, Name: "iPhone Mario"}).
		Given("conversation-"+anna.String(), events.ConversationStarted{ConversationID: anna, AccountID: mario}).
		Given("conversation-"+anna.String()+"-2", events.MessageSent{}).
		Given("conversation-nobody", events.MessageSent{}).
		Given("conversation-"+anna.String()+"x", events.MessageSent{})
	s.Then("SELECT stream, revision, type, account_id, conversation_id FROM entries WHERE source = 'api' ORDER BY position",
		fmt.Sprintf("devices-%s | 0 | DeviceLinked | %s | ∅", mario, mario),
		fmt.Sprintf("conversation-%s | 0 | ConversationStarted | %s | %s", anna, mario, anna),
		fmt.Sprintf("conversation-%s-2 | 0 | MessageSent | %s | %s", anna, mario, anna),
		fmt.Sprintf("conversation-nobody | 0 | MessageSent | %s | ∅", mario),
		fmt.Sprintf("conversation-%sx | 0 | MessageSent | %s | ∅", anna, mario))

	page := entries(t, s, trail.Filter{Type: "DeviceLinked"})
	require.Len(t, page.Entries, 1)
	got := page.Entries[0]
	require.Equal(t, morning, got.OccurredAt.UTC())
	require.Equal(t, morning.Add(time.Minute), got.RecordedAt.UTC())
	require.Equal(t, "api:admin", *got.Actor)
	require.Equal(t, id.Derive[id.Trace]("trace"), *got.Correlation)
	linked, err := events.Decode(got.Type, 1, got.JSON())
	require.NoError(t, err)
	require.Equal(t, events.DeviceLinked{AccountID: mario, Name: "iPhone Mario"}, linked)
	envelope, err := events.DecodeEnvelope(got.Metadata)
	require.NoError(t, err)
	require.Equal(t, mario, envelope.Account)
	require.NotZero(t, got.EventID)
}

// What others wrote into the store is part of its history: whatever it is, it has an entry, and nothing stops.
func TestForeignEventsAreEntriesToo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		event events.Proposed
		data  string
	}{
		"binary":                  {foreign("OrderPlaced", "\x00\xff\x01", `{}`, true), `{"base64":"AP8B"}`},
		"JSON, foreign metadata":  {foreign("OrderPlaced", `{"total": 12.50}`, `{"tenant":7}`, false), `{"total": 12.50}`},
		"called JSON, but is not": {foreign("OrderPlaced", `{"total"`, `{"tenant":7}`, false), `{"base64":"eyJ0b3RhbCI="}`},
		"JSON, but broken UTF-8":  {foreign("OrderPlaced", "\"\xff\"", ``, false), `{"base64":"Iv8i"}`},
		"no data, no metadata":    {foreign("OrderPlaced", ``, ``, false), `{"base64":""}`},
		"binary, though it reads": {foreign("OrderPlaced", `{"total":1}`, ``, true), `{"base64":"eyJ0b3RhbCI6MX0="}`},
		"in our envelope":         {foreign("OrderPlaced", `no JSON`, `{"version":99}`, false), `{"base64":"bm8gSlNPTg=="}`},
		"a name Postgres refuses": {foreign("Order\x00Placed", `null`, ``, false), `null`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := projectiontest.For(t, audit.Define).GivenRaw("orders-1", c.event).Under(under(mario, morning)).
				Given("account-"+mario.String(), events.TermsAccepted{AccountID: mario})
			s.Settle()
			got := find(t, entries(t, s, trail.Filter{}), "orders-1")
			require.Equal(t, c.data, string(got.JSON()))
			require.Equal(t, string(c.event.Data), string(got.Data), "byte for byte")
			require.Equal(t, string(c.event.Metadata), string(got.Metadata), "byte for byte")
			require.Equal(t, projectiontest.Epoch, got.OccurredAt.UTC(), "the store's clock, for want of another")
			require.Nil(t, got.RecordedAt)
			require.Nil(t, got.Actor)
			require.Nil(t, got.Source)
			require.Nil(t, got.Correlation)
			require.Nil(t, got.AccountID)
			require.Len(t, entries(t, s, trail.Filter{Account: mario}).Entries, 1, "those behind it are entries as well")
			require.NotEmpty(t, s.Rows("SELECT data FROM readable"))
		})
	}
}

func TestNamesThatPostgresRefusesAppearQuoted(t *testing.T) {
	t.Parallel()
	projectiontest.For(t, audit.Define).
		GivenRaw("orders-1", foreign("Order\x00Placed", `{}`, ``, false)).
		Then("SELECT type FROM entries WHERE stream = 'orders-1'", `"Order\x00Placed"`)
}

func TestPeopleReadTheDataInPsql(t *testing.T) {
	t.Parallel()
	projectiontest.For(t, audit.Define).
		Given("devices-1", events.DeviceLinked{Name: "iPhone Mario"}).
		GivenRaw("orders-1", foreign("OrderPlaced", "\x00\xff", ``, true)).
		Then("SELECT type, CASE type WHEN 'DeviceLinked' THEN data::json->>'name' ELSE data END FROM readable WHERE stream IN ('devices-1', 'orders-1') ORDER BY position",
			"DeviceLinked | iPhone Mario", `OrderPlaced | 00ff`)
}

// Walking the pages of any filter, whatever their size, gives each entry once, in the order of the log.
func TestPagesShowEveryEntryOnce(t *testing.T) {
	t.Parallel()
	s := projectiontest.For(t, audit.Define)
	history(s, 60)
	s.Settle()
	all := entries(t, s, trail.Filter{Limit: 1000})
	require.Zero(t, all.Next)
	require.Greater(t, len(all.Entries), 60)

	rapid.Check(t, func(rt *rapid.T) {
		filter := trail.Filter{
			Account:      rapid.SampledFrom([]id.Account{{}, mario, luigi, id.Derive[id.Account]("nobody")}).Draw(rt, "account"),
			Conversation: rapid.SampledFrom([]id.Conversation{{}, anna, bruno}).Draw(rt, "conversation"),
			Type:         rapid.SampledFrom([]string{"", "MessageSent", "DeviceLinked", "Unheard"}).Draw(rt, "type"),
			From:         rapid.SampledFrom([]time.Time{{}, morning, morning.Add(9 * time.Minute)}).Draw(rt, "from"),
			To:           rapid.SampledFrom([]time.Time{{}, morning.Add(9 * time.Minute), morning.Add(30 * time.Minute)}).Draw(rt, "to"),
			Limit:        rapid.IntRange(1, 70).Draw(rt, "limit"),
		}
		var want, got []trail.Entry
		for _, entry := range all.Entries {
			if matches(filter, entry) {
				want = append(want, entry)
			}
		}
		for {
			page := entries(rt, s, filter)
			got = append(got, page.Entries...)
			require.LessOrEqual(rt, len(page.Entries), filter.Limit)
			if page.Next == 0 {
				break
			}
			require.Len(rt, page.Entries, filter.Limit, "only the last page may be short")
			filter.After = page.Next
		}
		require.Equal(rt, want, got)
	})
}

func TestThePageAfterAFullLastOneDoesNotExist(t *testing.T) {
	t.Parallel()
	s := projectiontest.For(t, audit.Define).Under(under(mario, morning)).
		Given("conversation-"+anna.String(), events.MessageSent{}, events.MessageRead{})
	s.Settle()
	page := entries(t, s, trail.Filter{Account: mario, Limit: 2})
	require.Len(t, page.Entries, 2)
	require.Zero(t, page.Next)
	page = entries(t, s, trail.Filter{Account: mario, Limit: 1})
	require.Equal(t, page.Entries[0].Position, page.Next)
	require.Empty(t, entries(t, s, trail.Filter{After: uint64(s.Position())}).Entries)
}

// history gives n rounds of two accounts and their conversations, one of them carried forward, a minute each.
func history(s *projectiontest.Scenario, n int) {
	for i := range n {
		at := morning.Add(time.Duration(i) * time.Minute)
		switch i % 4 {
		case 0:
			s.Under(under(mario, at)).Given("conversation-"+anna.String(), events.MessageSent{})
		case 1:
			s.Under(under(mario, at)).Given("conversation-"+anna.String()+"-2", events.MessageSent{}, events.MessageRead{})
		case 2:
			s.Under(under(luigi, at)).Given("conversation-"+bruno.String(), events.MessageSent{})
		default:
			s.Under(under(luigi, morning)).Given("devices-"+luigi.String(), events.DeviceLinked{Name: "Tablet " + strconv.Itoa(i)})
		}
	}
}

func matches(f trail.Filter, e trail.Entry) bool {
	return (f.Account.IsZero() || e.AccountID != nil && *e.AccountID == f.Account) &&
		(f.Conversation.IsZero() || e.ConversationID != nil && *e.ConversationID == f.Conversation) &&
		(f.Type == "" || e.Type == f.Type) &&
		(f.From.IsZero() || !e.OccurredAt.Before(f.From)) &&
		(f.To.IsZero() || e.OccurredAt.Before(f.To))
}

func entries(t require.TestingT, s *projectiontest.Scenario, f trail.Filter) trail.Page {
	s.Settle()
	page, err := trail.Entries(context.Background(), s.Pool(), s.Schema(), f)
	require.NoError(t, err)
	for _, entry := range page.Entries {
		require.True(t, json.Valid(entry.JSON()))
	}
	return page
}

func find(t *testing.T, page trail.Page, stream string) trail.Entry {
	t.Helper()
	for _, entry := range page.Entries {
		if entry.Stream == stream {
			return entry
		}
	}
	require.Fail(t, "no entry of stream "+stream)
	return trail.Entry{}
}

func foreign(name, data, metadata string, binary bool) events.Proposed {
	p := events.Proposed{ID: id.Derive[id.Event]("foreign", name, data), Type: name, Binary: binary}
	if data != "" {
		p.Data = []byte(data)
	}
	if metadata != "" {
		p.Metadata = []byte(metadata)
	}
	return p
}
