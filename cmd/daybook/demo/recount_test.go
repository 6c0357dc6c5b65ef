package demo

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/domain/pricing"
)

func at(t *testing.T, text string) time.Time {
	t.Helper()
	c, err := newCalendar()
	require.NoError(t, err)
	moment, err := time.ParseInLocation(monthDay, text, c.zone)
	require.NoError(t, err)
	return moment
}

// letterOf makes a letter that was delivered at once.
func letterOf(t *testing.T, category, to string, delivered string) *letter {
	t.Helper()
	l := &letter{to: invent(to, 1), category: category, at: at(t, delivered)}
	l.tellings = []telling{{l.at, []status{{"sent", l.at}, {"delivered", l.at}}}}
	return l
}

func recounted(t *testing.T, letters ...*letter) []costs {
	t.Helper()
	c, err := newCalendar()
	require.NoError(t, err)
	priced, err := recount([]byte(pricing.ReferenceCards), letters, c.zone)
	require.NoError(t, err)
	var all []costs
	for _, l := range letters {
		if cost, delivered := priced[l]; delivered {
			cost.at = time.Time{}
			all = append(all, cost)
		}
	}
	return all
}

// The recount is held against prices that were looked up by hand.
func TestTheRecountReadsThePriceList(t *testing.T) {
	t.Parallel()
	const before, after = "2026-09-30 23:59:59", "2026-10-01 00:00:00"
	paid := func(market string, micros int64) costs {
		return costs{market: market, class: "billable", basis: "regular", micros: micros}
	}
	for name, c := range map[string]struct {
		letter *letter
		want   costs
	}{
		"Mexico before the change":         {letterOf(t, marketing, mexican, before), paid("Mexico", 30_500)},
		"Mexico after it":                  {letterOf(t, marketing, mexican, after), paid("Mexico", 39_700)},
		"Kazakhstan before it was listed":  {letterOf(t, utility, kazakh, before), paid("Other", 7_700)},
		"Kazakhstan since":                 {letterOf(t, utility, kazakh, after), paid("Kazakhstan", 18_000)},
		"a Jamaican number":                {letterOf(t, utility, jamaican, before), paid("Rest of Latin America", 11_300)},
		"a Canadian number":                {letterOf(t, authentication, canadian, after), paid("North America", 3_400)},
		"a hidden number":                  {letterOf(t, marketing, hidden, after), paid("Italy", 79_500)},
		"a free answer before the change":  {letterOf(t, service, italian, before), costs{market: "Italy", class: "free", basis: "free_csw"}},
		"an answer in the allowance since": {letterOf(t, service, italian, after), costs{market: "Italy", class: "allowance", basis: "allowance"}},
	} {
		require.Equal(t, []costs{c.want}, recounted(t, c.letter), name)
	}

	inWindow := letterOf(t, utility, british, before)
	inWindow.open = true
	require.Equal(t, []costs{{market: "United Kingdom", class: "free", basis: "free_csw"}}, recounted(t, inWindow))
	charged := letterOf(t, utility, british, after)
	charged.open = true
	require.Equal(t, []costs{paid("United Kingdom", 22_000)}, recounted(t, charged))
	fromAd := letterOf(t, marketing, british, after)
	fromAd.adFree = true
	require.Equal(t, []costs{{market: "United Kingdom", class: "free", basis: "free_fep"}}, recounted(t, fromAd))

	lost := &letter{to: invent(italian, 1), category: utility, at: at(t, after)}
	require.Empty(t, recounted(t, lost.meet(failed, nil)), "what was never delivered costs nothing")
	skipped := &letter{to: invent(italian, 1), category: utility, at: at(t, before)}
	require.Equal(t, []costs{paid("Italy", 30_000)}, recounted(t, skipped.meet(readAtOnce, nil)), "who reads a message has it")

	many := make([]*letter, freeServiceMessages+1)
	for i := range many {
		many[i] = letterOf(t, service, italian, after)
	}
	all := recounted(t, many...)
	require.Equal(t, "allowance", all[freeServiceMessages-1].class)
	require.Equal(t, paid("Italy", 30_000), all[freeServiceMessages])
}

// A recount that cannot fail proves nothing: whatever is off by one message or one millionth is named.
func TestTheRecountNoticesWhatIsOff(t *testing.T) {
	t.Parallel()
	c, err := newCalendar()
	require.NoError(t, err)
	letters := func() []*letter {
		question := question{from: invent(italian, 1), at: at(t, "2026-09-20 10:00:00")}
		answer := letterOf(t, service, italian, "2026-09-20 10:05:00")
		answer.answers, answer.waited = true, answer.at.Sub(question.at)
		return []*letter{answer, letterOf(t, utility, italian, "2026-09-30 23:59:59"), letterOf(t, marketing, mexican, "2026-09-30 23:59:59")}
	}
	balances := func(letters []*letter) map[balance]int64 {
		priced, err := recount([]byte(pricing.ReferenceCards), letters, c.zone)
		require.NoError(t, err)
		return post(priced, nil, true)
	}
	figures := func(letters []*letter) map[row]figure { return countFigures(tally{letters: letters}, c.changes) }
	played := letters()
	require.NoError(t, differences(balances(played), balances(letters()), balance.String))
	require.NoError(t, differences(figures(played), figures(letters()), row.String))

	for name, m := range map[string]struct {
		mutate func([]*letter) []*letter
		want   []string
	}{
		"one message less": {
			func(l []*letter) []*letter { return l[:2] },
			[]string{
				"cost:messages:marketing:mexico USD: recounted 0, booked 30500", "usage:world MSG.marketing: recounted 0, booked -1",
				"marketing in September: recounted",
			},
		},
		"delivered a second later": {
			func(l []*letter) []*letter {
				l[2].tellings[0].statuses[1].at = c.changes
				return l
			},
			[]string{"cost:messages:marketing:mexico USD: recounted 39700, booked 30500", "provider:whatsapp:payable USD: recounted -69700, booked -60500"},
		},
		"within the window": {
			func(l []*letter) []*letter {
				l[1].open = true
				return l
			},
			[]string{"usage:messages:utility:italy:free MSG.utility: recounted 1, booked 0", "cost:messages:utility:italy USD: recounted 0, booked 30000"},
		},
		"a second longer to answer": {
			func(l []*letter) []*letter {
				l[0].waited += time.Second
				return l
			},
			[]string{"service in September: recounted"},
		},
		"written a second later": {
			func(l []*letter) []*letter {
				l[1].at = c.changes
				return l
			},
			[]string{"utility in September: recounted", "utility in October: recounted"},
		},
		"another category": {
			func(l []*letter) []*letter {
				l[1].category = authentication
				return l
			},
			[]string{"usage:messages:utility:italy:billable MSG.utility: recounted 0, booked 1", "authentication in September: recounted"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mutated := m.mutate(letters())
			wrong := errorText(differences(balances(mutated), balances(played), balance.String)) +
				errorText(differences(figures(mutated), figures(played), row.String))
			for _, want := range m.want {
				require.Contains(t, wrong, want)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error() + "\n"
}

// While no rate card is known, what costs something waits, and what is free does not.
func TestTheRecountKnowsWhatWaits(t *testing.T) {
	t.Parallel()
	c, err := newCalendar()
	require.NoError(t, err)
	answer, notice := letterOf(t, service, italian, "2026-09-16 10:00:00"), letterOf(t, utility, italian, "2026-09-16 10:00:00")
	answer.unpriced, notice.unpriced = true, true
	priced, err := recount([]byte(pricing.ReferenceCards), []*letter{answer, notice}, c.zone)
	require.NoError(t, err)
	require.Equal(t, map[balance]int64{
		{"usage:messages:service:unresolved:free", "MSG.service"}: 1, {"usage:world", "MSG.service"}: -1,
		{"usage:pending:utility", "MSG.utility"}: 1, {"usage:world", "MSG.utility"}: -1,
	}, post(priced, nil, false))
}

func TestTheSameSeedPlansTheSameMonth(t *testing.T) {
	t.Parallel()
	c, err := newCalendar()
	require.NoError(t, err)
	one, other := makePlan(c, 4, 5), makePlan(c, 4, 5)
	require.Len(t, other.acts, len(one.acts))
	for i := range one.acts {
		require.Equal(t, one.acts[i].at, other.acts[i].at)
		require.False(t, i > 0 && one.acts[i].at.Before(one.acts[i-1].at), "acts are in order of time")
	}
}

func TestTheClockNeverGoesBack(t *testing.T) {
	t.Parallel()
	var clock Clock
	future := time.Now().AddDate(1, 0, 0)
	clock.advance(future)
	clock.advance(future.Add(-time.Hour))
	require.Equal(t, future, clock.Now())
	clock.run()
	require.False(t, clock.Now().Before(future))
	clock.advance(future.AddDate(-3, 0, 0))
	clock.run()
	require.False(t, clock.Now().After(time.Now()), "it is the real time")
}
