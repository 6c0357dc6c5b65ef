package routing_test

import (
	"cmp"
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/events"
	"daybook/events/id"
	"daybook/projections/projectiontest"
	"daybook/projections/routing"
	routes "daybook/readmodels/routing"
)

var (
	customer     = id.Derive[id.Customer]("anna")
	conversation = id.Derive[id.Conversation]("conversation")
	noon         = time.Date(2026, 10, 5, 12, 0, 0, 0, time.UTC)
)

func accepted(hash events.WamidHash) events.Event {
	return events.MessageAccepted{
		ConversationID: conversation, MessageID: messageOf(hash), CustomerID: customer, PhoneNumberID: "900555000111222",
		WamidHash: hash, AcceptedAt: noon,
	}
}

func messageOf(hash events.WamidHash) id.Message { return id.Derive[id.Message](string(hash)) }

func item(name string) id.Quarantine { return id.Derive[id.Quarantine](name) }

// keep gives a quarantined update, in a stream of its own.
func keep(s *projectiontest.Scenario, name string, e events.UpdateQuarantined) *projectiontest.Scenario {
	e.QuarantineID, e.Field, e.ReceivedAt = item(name), cmp.Or(e.Field, "messages"), noon
	return s.Given("quarantine-"+e.QuarantineID.String(), e)
}

func redriven(name string) events.Event {
	return events.UpdateRedriven{QuarantineID: item(name), Stream: "conversation-1", RedrivenAt: noon.Add(time.Hour)}
}

func status(number string, reason events.QuarantineReason, hash events.WamidHash) events.UpdateQuarantined {
	return events.UpdateQuarantined{Reason: reason, Kind: "status", PhoneNumberID: number, WamidHash: hash}
}

func message(number string, reason events.QuarantineReason) events.UpdateQuarantined {
	return events.UpdateQuarantined{Reason: reason, Kind: "message", PhoneNumberID: number, WamidHash: "w1:its own"}
}

func claimed(number string) events.Event {
	return events.NumberClaimed{AccountID: projectiontest.Account, PhoneNumberID: number}
}

func billed(waba string) events.Event {
	return events.WABAClaimed{AccountID: projectiontest.Account, WABAID: waba}
}

// change is a change of an account, kept for a reason.
func change(field string, reason events.QuarantineReason) events.UpdateQuarantined {
	return events.UpdateQuarantined{Reason: reason, Kind: "value", Field: field, WABAID: "900"}
}

var registered = events.AccountRegistered{AccountID: projectiontest.Account}

func TestConformance(t *testing.T) {
	t.Parallel()
	projectiontest.Conformance(t, routing.Define, func(s *projectiontest.Scenario) {
		s.Given("number-1", claimed("1")).Given("waba-900", billed("900")).Given("account-1", registered)
		keep(s, "late", status("1", events.UnknownMessage, "w1:a"))
		s.Given("conversation-1", accepted("w1:a"), accepted("w1:b"), accepted("w1:a"))
		keep(s, "early", message("2", events.UnknownNumber))
		s.Given("quarantine-"+item("late").String(), redriven("late"))
		keep(s, "odd", events.UpdateQuarantined{Reason: events.UnknownField, Kind: "value"})
	})
}

func TestAPlatformIDLeadsToItsMessage(t *testing.T) {
	t.Parallel()
	s := projectiontest.For(t, routing.Define).Given("conversation-1", accepted("w1:a"), accepted("w1:b"))
	s.Settle()
	found, err := routes.Lookup(t.Context(), s.Pool(), s.Schema(), []events.WamidHash{"w1:a", "w1:none", "w1:b", "w1:a"})
	require.NoError(t, err)
	route := func(hash events.WamidHash) routes.Route {
		return routes.Route{
			Account: projectiontest.Account, Conversation: conversation, Message: messageOf(hash), Recipient: customer,
			PhoneNumberID: "900555000111222",
		}
	}
	require.Equal(t, map[events.WamidHash]routes.Route{"w1:a": route("w1:a"), "w1:b": route("w1:b")}, found)

	found, err = routes.Lookup(t.Context(), s.Pool(), s.Schema(), []events.WamidHash{})
	require.NoError(t, err)
	require.Empty(t, found)
}

// A platform that tells one id for several messages does not move what the id was first told for.
func TestTheFirstBindingCountsForEver(t *testing.T) {
	t.Parallel()
	bound := func(message string) events.Event {
		return events.MessageAccepted{ConversationID: conversation, MessageID: id.Derive[id.Message](message), WamidHash: "w1:a"}
	}
	s := projectiontest.For(t, routing.Define)
	for _, message := range []string{"first", "second", "third", "first", "second"} {
		s.Given("conversation-"+message, bound(message))
		s.Settle()
		found, err := routes.Lookup(t.Context(), s.Pool(), s.Schema(), []events.WamidHash{"w1:a"})
		require.NoError(t, err)
		require.Equal(t, id.Derive[id.Message]("first"), found["w1:a"].Message)
	}
	keep(s, "kept", status("1", events.UnknownMessage, "w1:a"))
	require.Len(t, ready(t, s), 1, "one item is ready once, whatever it waits for")
}

func TestANumberBelongsToWhoClaimedItLast(t *testing.T) {
	t.Parallel()
	heir := id.Derive[id.Account]("heir")
	projectiontest.For(t, routing.Define).
		Given("number-1", claimed("1")).
		Given("number-2", claimed("2"), events.NumberClaimed{AccountID: heir, PhoneNumberID: "2"}).
		Then("SELECT phone_number_id, account_id FROM numbers ORDER BY 1",
			"1 | "+projectiontest.Account.String(), "2 | "+heir.String())
}

func TestAnItemSaysWhatWasKeptAndWhereItLanded(t *testing.T) {
	t.Parallel()
	s := keep(projectiontest.For(t, routing.Define), "kept", events.UpdateQuarantined{
		Reason: events.UnknownMessage, Detail: "statuses[0].id: no message is bound to it", Kind: "status", WABAID: "900",
		PhoneNumberID: "1", WamidHash: "w1:a", Body: "sealed body",
	})
	position := uint64(s.Position())
	want := routes.Item{
		ID: item("kept"), Position: position, Reason: "unknown_message", Detail: "statuses[0].id: no message is bound to it",
		Field: "messages", Kind: "status", WABAID: "900", PhoneNumberID: "1", WamidHash: "w1:a", ReceivedAt: noon,
	}
	require.Equal(t, []routes.Item{want}, page(t, s, routes.Filter{}).Items)

	s.Given("quarantine-"+item("kept").String(), redriven("kept"))
	want.RedrivenAt, want.LandedStream = new(noon.Add(time.Hour)), new("conversation-1")
	require.Equal(t, []routes.Item{want}, page(t, s, routes.Filter{}).Items)
	require.Empty(t, page(t, s, routes.Filter{OpenOnly: true}).Items)
}

// Walking the pages, whatever their size, gives each item once, in the order of quarantining.
func TestPagesShowEveryItemOnce(t *testing.T) {
	t.Parallel()
	s := projectiontest.For(t, routing.Define)
	var all, open []id.Quarantine
	for i := range 25 {
		name := strconv.Itoa(i)
		keep(s, name, message("1", events.UnknownNumber))
		all = append(all, item(name))
		if i%3 == 0 {
			s.Given("quarantine-"+item(name).String(), redriven(name))
		} else {
			open = append(open, item(name))
		}
	}
	s.Settle()
	rapid.Check(t, func(rt *rapid.T) {
		f := routes.Filter{OpenOnly: rapid.Bool().Draw(rt, "open only"), Limit: rapid.IntRange(1, 30).Draw(rt, "limit")}
		want, got := all, []id.Quarantine{}
		if f.OpenOnly {
			want = open
		}
		for {
			found := page(rt, s, f)
			for _, each := range found.Items {
				got = append(got, each.ID)
			}
			if found.Next == 0 {
				break
			}
			require.Len(rt, found.Items, f.Limit, "only the last page may be short")
			f.After = found.Next
		}
		require.Equal(rt, want, got)
	})
}

func TestReadyAreThoseWhoseCauseHasGoneAway(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kept  events.UpdateQuarantined
		then  []events.Event
		ready bool
	}{
		"its message is bound":                 {status("1", events.UnknownMessage, "w1:a"), []events.Event{accepted("w1:a")}, true},
		"another message is bound":             {status("1", events.UnknownMessage, "w1:a"), []events.Event{accepted("w1:b")}, false},
		"its number is claimed":                {message("2", events.UnknownNumber), []events.Event{claimed("2"), registered}, true},
		"its number is claimed too early":      {message("2", events.UnknownNumber), []events.Event{claimed("2")}, false},
		"another account is registered":        {message("2", events.UnknownNumber), []events.Event{claimed("2"), events.AccountRegistered{AccountID: id.Derive[id.Account]("other")}}, false},
		"registered before the claim":          {message("2", events.UnknownNumber), []events.Event{registered, claimed("2")}, true},
		"another number is claimed":            {message("2", events.UnknownNumber), []events.Event{claimed("3"), registered}, false},
		"whole value, number claimed":          {events.UpdateQuarantined{Reason: events.UnknownNumber, Kind: "value", PhoneNumberID: "2"}, []events.Event{claimed("2"), registered}, true},
		"a status needs its message too":       {status("2", events.UnknownNumber, "w1:a"), []events.Event{claimed("2"), registered}, false},
		"a status needs its number too":        {status("2", events.UnknownNumber, "w1:a"), []events.Event{accepted("w1:a")}, false},
		"a known number does not bind":         {status("2", events.UnknownMessage, "w1:a"), []events.Event{claimed("2"), registered}, false},
		"its WABA is claimed":                  {change("account_update", events.UnknownAccount), []events.Event{billed("900"), registered}, true},
		"its WABA is claimed too early":        {change("account_update", events.UnknownAccount), []events.Event{billed("900")}, false},
		"another WABA is claimed":              {change("account_update", events.UnknownAccount), []events.Event{billed("901"), registered}, false},
		"its field is handled now":             {change("account_update", events.UnknownField), []events.Event{billed("900"), registered}, true},
		"its field is handled, for nobody yet": {change("account_update", events.UnknownField), []events.Event{billed("900")}, false},
		"its field is still not handled":       {change("flows", events.UnknownField), []events.Event{billed("900"), registered}, false},
		"nothing cures what is not used":       {change("group_lifecycle_update", events.NotUsed), []events.Event{billed("900"), registered}, false},
		"nothing cures an unknown field":       {events.UpdateQuarantined{Reason: events.UnknownField, PhoneNumberID: "2", WamidHash: "w1:a"}, []events.Event{accepted("w1:a")}, false},
		"nothing cures an unknown shape":       {message("2", events.UnknownShape), []events.Event{claimed("2"), registered}, false},
		"nothing cures an unknown status":      {status("2", events.UnknownStatus, "w1:a"), []events.Event{accepted("w1:a")}, false},
		"an item without a number never waits": {message("", events.UnknownNumber), []events.Event{claimed("2"), registered}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			late := keep(projectiontest.For(t, routing.Define), "kept", c.kept).Given("cause", c.then...)
			early := keep(projectiontest.For(t, routing.Define).Given("cause", c.then...), "kept", c.kept)
			for order, s := range map[string]*projectiontest.Scenario{"kept first": late, "cause first": early} {
				require.Equal(t, c.ready, len(ready(t, s)) == 1, order)
				s.Given("quarantine-"+item("kept").String(), redriven("kept"))
				require.Empty(t, ready(t, s), "re-driven items are done")
			}
		})
	}
}

func TestAStatusWithoutItsNumberIsReadyWhenBothAreKnown(t *testing.T) {
	t.Parallel()
	s := keep(projectiontest.For(t, routing.Define), "kept", status("2", events.UnknownNumber, "w1:a")).
		Given("number-2", claimed("2")).Given("account-1", registered).Given("conversation-1", accepted("w1:a"))
	require.Len(t, ready(t, s), 1)
}

// Walking on from item to item gives each ready one once, oldest first, in whatever order the rows lie on disk.
func TestReadyItemsComeOldestFirstPageByPage(t *testing.T) {
	t.Parallel()
	s := projectiontest.For(t, routing.Define)
	var want []id.Quarantine
	for i := range 20 {
		name, hash := strconv.Itoa(i), events.WamidHash("w1:"+strconv.Itoa(i))
		keep(s, name, status("1", events.UnknownMessage, hash))
		if i%4 != 0 {
			s.Given("conversation-1", accepted(hash))
			want = append(want, item(name))
		}
	}
	s.Settle()
	tx := shuffled(t, s)
	for _, limit := range []int{1, 4, 15, 100} {
		var got []id.Quarantine
		for after := uint64(0); ; {
			items, err := routes.Ready(t.Context(), tx, s.Schema(), nil, after, limit)
			require.NoError(t, err)
			if len(items) == 0 {
				break
			}
			for _, each := range items {
				got = append(got, each.ID)
			}
			require.Greater(t, items[0].Position, after)
			after = items[len(items)-1].Position
		}
		require.Equal(t, want, got)
	}
	all, err := routes.Quarantined(t.Context(), tx, s.Schema(), routes.Filter{})
	require.NoError(t, err)
	for i, each := range all.Items {
		require.Equal(t, item(strconv.Itoa(i)), each.ID)
	}
}

// shuffled rewrites the quarantine's rows in reverse and looks at them without indexes, which would sort them by chance.
func shuffled(t *testing.T, s *projectiontest.Scenario) pgx.Tx {
	t.Helper()
	tx, err := s.Pool().Begin(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, tx.Rollback(context.Background())) })
	table := pgx.Identifier{s.Schema(), "quarantine"}.Sanitize()
	for _, statement := range []string{
		"CREATE TEMP TABLE reversed ON COMMIT DROP AS SELECT * FROM " + table + " ORDER BY position DESC",
		"DELETE FROM " + table,
		"INSERT INTO " + table + " SELECT * FROM reversed",
		"SET LOCAL enable_indexscan = off",
		"SET LOCAL enable_bitmapscan = off",
	} {
		_, err = tx.Exec(t.Context(), statement)
		require.NoError(t, err)
	}
	return tx
}

func page(t require.TestingT, s *projectiontest.Scenario, f routes.Filter) routes.Page {
	s.Settle()
	found, err := routes.Quarantined(context.Background(), s.Pool(), s.Schema(), f)
	require.NoError(t, err)
	for i := range found.Items {
		utc(&found.Items[i].ReceivedAt)
		utc(found.Items[i].RedrivenAt)
	}
	return found
}

// utc makes times comparable: Postgres gives them in the connection's zone.
func utc(at *time.Time) {
	if at != nil {
		*at = at.UTC()
	}
}

func ready(t *testing.T, s *projectiontest.Scenario) []routes.Item {
	t.Helper()
	s.Settle()
	items, err := routes.Ready(t.Context(), s.Pool(), s.Schema(), []string{"account_update"}, 0, 10)
	require.NoError(t, err)
	return items
}
