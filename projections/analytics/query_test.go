package analytics_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/events"
	"daybook/events/id"
	"daybook/projections/analytics"
	"daybook/projections/projectiontest"
	figures "daybook/readmodels/analytics"
)

// at reads "2026-10-25T00:30Z".
func at(t *testing.T, text string) time.Time {
	t.Helper()
	parsed, err := time.Parse("2006-01-02T15:04Z07:00", text)
	require.NoError(t, err)
	return parsed
}

// asking is an account in a time zone whose customers wrote at these times.
func asking(t *testing.T, timezone string, times ...string) *projectiontest.Scenario {
	t.Helper()
	s := projectiontest.For(t, analytics.Define).Given("account-"+account.String(), registered(timezone))
	for _, text := range times {
		s.Given(streamOf, received(at(t, text)))
	}
	return s
}

func messages(t *testing.T, s *projectiontest.Scenario, f figures.Filter) []figures.Row {
	t.Helper()
	s.Settle()
	if f.Account.IsZero() {
		f.Account = account
	}
	rows, err := figures.Messages(t.Context(), s.Pool(), s.Schema(), f)
	require.NoError(t, err)
	return rows
}

// starts is each bucket's begin, as the account's clocks show it, and what was received in it.
func starts(t *testing.T, rows []figures.Row) map[string]int64 {
	t.Helper()
	out := map[string]int64{}
	for i, row := range rows {
		out[row.Start.Format("2006-01-02T15:04Z07:00")] = row.Received
		require.True(t, i == 0 || rows[i-1].Start.Before(row.Start), "in order, and a bucket is one row")
	}
	return out
}

func TestTheDayOnWhichSummerEndsHas25Hours(t *testing.T) {
	t.Parallel()
	s := asking(t, "Europe/Rome",
		"2026-10-24T21:59Z", // Saturday, 23:59
		"2026-10-24T22:00Z", // Sunday, 00:00
		"2026-10-25T00:10Z", // 02:10, summer
		"2026-10-25T01:10Z", // 02:10 again, winter
		"2026-10-25T22:59Z", // 23:59
		"2026-10-25T23:00Z") // Monday
	require.Equal(t, map[string]int64{
		"2026-10-24T00:00+02:00": 1, "2026-10-25T00:00+02:00": 4, "2026-10-26T00:00+01:00": 1,
	}, starts(t, messages(t, s, figures.Filter{Bucket: figures.ByDay})))
	require.Equal(t, map[string]int64{
		"2026-10-24T23:00+02:00": 1, "2026-10-25T00:00+02:00": 1, "2026-10-25T02:00+02:00": 1, "2026-10-25T02:00+01:00": 1,
		"2026-10-25T23:00+01:00": 1, "2026-10-26T00:00+01:00": 1,
	}, starts(t, messages(t, s, figures.Filter{Bucket: figures.ByHour})), "the hour that comes twice is two")
}

func TestTheDayOnWhichSummerBeginsHas23Hours(t *testing.T) {
	t.Parallel()
	s := asking(t, "Europe/Rome", "2026-03-28T23:00Z", "2026-03-29T00:59Z", "2026-03-29T01:00Z", "2026-03-29T21:59Z", "2026-03-29T22:00Z")
	require.Equal(t, map[string]int64{"2026-03-29T00:00+01:00": 4, "2026-03-30T00:00+02:00": 1},
		starts(t, messages(t, s, figures.Filter{Bucket: figures.ByDay})))
	require.Equal(t, map[string]int64{
		"2026-03-29T00:00+01:00": 1, "2026-03-29T01:00+01:00": 1, "2026-03-29T03:00+02:00": 1, "2026-03-29T23:00+02:00": 1,
		"2026-03-30T00:00+02:00": 1,
	}, starts(t, messages(t, s, figures.Filter{Bucket: figures.ByHour})))
}

func TestTimeZonesThatAreNoWholeHours(t *testing.T) {
	t.Parallel()
	for timezone, c := range map[string]struct {
		times []string
		days  map[string]int64
		hours map[string]int64
	}{
		"Asia/Kolkata": {
			[]string{"2026-10-05T18:29Z", "2026-10-05T18:30Z", "2026-10-05T19:29Z", "2026-10-05T19:30Z"},
			map[string]int64{"2026-10-05T00:00+05:30": 1, "2026-10-06T00:00+05:30": 3},
			map[string]int64{"2026-10-05T23:00+05:30": 1, "2026-10-06T00:00+05:30": 2, "2026-10-06T01:00+05:30": 1},
		},
		"Asia/Kathmandu": {
			[]string{"2026-10-05T18:14Z", "2026-10-05T18:15Z"},
			map[string]int64{"2026-10-05T00:00+05:45": 1, "2026-10-06T00:00+05:45": 1},
			map[string]int64{"2026-10-05T23:00+05:45": 1, "2026-10-06T00:00+05:45": 1},
		},
		// Summer begins at midnight: the day begins at one.
		"America/Santiago": {
			[]string{"2026-09-06T03:59Z", "2026-09-06T04:00Z", "2026-09-07T02:59Z"},
			map[string]int64{"2026-09-05T00:00-04:00": 1, "2026-09-06T01:00-03:00": 2},
			map[string]int64{"2026-09-05T23:00-04:00": 1, "2026-09-06T01:00-03:00": 1, "2026-09-06T23:00-03:00": 1},
		},
		// Summer ends at one: the day has two midnights, and begins at the first.
		"America/Havana": {
			[]string{"2026-11-01T03:59Z", "2026-11-01T04:10Z", "2026-11-01T05:10Z", "2026-11-02T04:59Z", "2026-11-02T05:00Z"},
			map[string]int64{"2026-10-31T00:00-04:00": 1, "2026-11-01T00:00-04:00": 3, "2026-11-02T00:00-05:00": 1},
			map[string]int64{
				"2026-10-31T23:00-04:00": 1, "2026-11-01T00:00-04:00": 1, "2026-11-01T00:00-05:00": 1, "2026-11-01T23:00-05:00": 1,
				"2026-11-02T00:00-05:00": 1,
			},
		},
		"Asia/Amman": {
			[]string{"2021-10-28T20:59Z", "2021-10-28T21:10Z", "2021-10-28T22:10Z", "2021-10-29T21:59Z"},
			map[string]int64{"2021-10-28T00:00+03:00": 1, "2021-10-29T00:00+03:00": 3},
			map[string]int64{
				"2021-10-28T23:00+03:00": 1, "2021-10-29T00:00+03:00": 1, "2021-10-29T00:00+02:00": 1, "2021-10-29T23:00+02:00": 1,
			},
		},
		// Summer is half an hour.
		"Australia/Lord_Howe": {
			[]string{"2026-04-04T14:10Z", "2026-04-04T14:40Z", "2026-04-04T15:10Z", "2026-04-04T15:40Z"},
			map[string]int64{"2026-04-05T00:00+11:00": 4},
			map[string]int64{"2026-04-05T01:00+11:00": 2, "2026-04-05T01:30+10:30": 1, "2026-04-05T02:00+10:30": 1},
		},
	} {
		t.Run(timezone, func(t *testing.T) {
			t.Parallel()
			s := asking(t, timezone, c.times...)
			require.Equal(t, c.days, starts(t, messages(t, s, figures.Filter{Bucket: figures.ByDay})))
			require.Equal(t, c.hours, starts(t, messages(t, s, figures.Filter{Bucket: figures.ByHour})))
		})
	}
}

func TestRangesThatAdjoinCountEverythingOnce(t *testing.T) {
	t.Parallel()
	s := asking(t, "UTC", "2026-10-05T10:00Z", "2026-10-05T10:14Z", "2026-10-05T10:15Z", "2026-10-05T10:59Z")
	hour := func(from, to string) int64 {
		f := figures.Filter{Bucket: figures.ByHour}
		if from != "" {
			f.From = at(t, from)
		}
		if to != "" {
			f.To = at(t, to)
		}
		return starts(t, messages(t, s, f))["2026-10-05T10:00Z"]
	}
	require.EqualValues(t, 4, hour("", ""))
	require.EqualValues(t, 2, hour("2026-10-05T10:00Z", "2026-10-05T10:15Z"))
	require.EqualValues(t, 2, hour("2026-10-05T10:15Z", "2026-10-05T11:00Z"))
	for _, cut := range []string{"2026-10-05T10:01Z", "2026-10-05T10:14Z", "2026-10-05T10:15Z"} {
		require.EqualValues(t, 2, hour("", cut), cut)
		require.EqualValues(t, 2, hour(cut, ""), cut)
	}
	require.Zero(t, hour("2026-10-05T11:00Z", "2026-10-05T10:00Z"))
}

func TestPartsOfABucket(t *testing.T) {
	t.Parallel()
	of := func(device id.Device, category events.Category, market string) events.Event {
		f := first(anna)
		f.Sending.DeviceID, f.Sending.Category, f.Sending.Market = device, category, market
		return events.MessageDelivered{StatusFact: f}
	}
	s := asking(t, "Europe/Rome", "2026-10-05T08:40Z").
		Given(devicesOf, linked(phone, "iPhone Mario"), linked(tablet, "Tablet")).
		Given(streamOf, of(phone, events.Utility, "Italy"), of(tablet, events.Utility, "Italy"), of(tablet, events.Marketing, "Italy"),
			of(phone, events.Utility, ""))
	parts := func(by ...string) (out []string) {
		rows := messages(t, s, figures.Filter{Bucket: figures.ByHour, By: by})
		for _, r := range rows {
			require.Equal(t, "2026-10-05T10:00+02:00", r.Start.Format("2006-01-02T15:04Z07:00"))
			out = append(out, r.DeviceName+"|"+r.Category+"|"+r.Market+"|"+string('0'+rune(r.Received))+string('0'+rune(r.Delivered)))
		}
		return out
	}
	require.Equal(t, []string{"|||14"}, parts())
	require.Equal(t, []string{"|||10", "Tablet|||02", "iPhone Mario|||02"}, parts(figures.ByDevice))
	require.Equal(t, []string{"|||10", "|marketing||01", "|utility||03"}, parts(figures.ByCategory))
	require.Equal(t, []string{"|||11", "||Italy|03"}, parts(figures.ByMarket))
	require.Equal(t, []string{
		"|||10", "Tablet|marketing|Italy|01", "Tablet|utility|Italy|01", "iPhone Mario|utility||01", "iPhone Mario|utility|Italy|01",
	}, parts(figures.ByMarket, figures.ByDevice, figures.ByCategory))

	s.Given(devicesOf, events.DeviceRenamed{AccountID: account, DeviceID: phone, Name: "Front desk"})
	rows := messages(t, s, figures.Filter{Bucket: figures.ByHour, By: []string{figures.ByDevice}})
	require.Equal(t, []id.Device{{}, phone, tablet}, []id.Device{rows[0].DeviceID, rows[1].DeviceID, rows[2].DeviceID})
	require.Equal(t, "Front desk", rows[1].DeviceName)
}

func TestAnAccountSeesItsOwnFigures(t *testing.T) {
	t.Parallel()
	other := id.Derive[id.Account]("other")
	s := asking(t, "Europe/Rome", "2026-10-05T08:40Z").
		Given("account-"+other.String(), events.AccountRegistered{AccountID: other, Timezone: "UTC", Currency: "USD"}).
		Under(events.Envelope{Account: other, Actor: "test:given", Source: "test"}).
		Given("conversation-bruno", received(at(t, "2026-10-05T08:41Z")), received(at(t, "2026-10-05T08:42Z")))
	require.Equal(t, map[string]int64{"2026-10-05T10:00+02:00": 1}, starts(t, messages(t, s, figures.Filter{Bucket: figures.ByHour})))
	require.Equal(t, map[string]int64{"2026-10-05T08:00Z": 2},
		starts(t, messages(t, s, figures.Filter{Account: other, Bucket: figures.ByHour})))
	require.Empty(t, messages(t, s, figures.Filter{Account: id.Derive[id.Account]("nobody"), Bucket: figures.ByHour}))
	s.Then("SELECT timezone FROM accounts ORDER BY 1", "Europe/Rome", "UTC")
}

func TestFiltersForWhatThereIsNot(t *testing.T) {
	t.Parallel()
	for problem, f := range map[string]figures.Filter{
		`bucket: "" is none of day, hour`:                        {},
		`bucket: "week" is none of day, hour`:                    {Bucket: "week"},
		`by: "customer" is none of device, category, market`:     {Bucket: figures.ByDay, By: []string{"market", "customer"}},
		`by: "market" is named twice`:                            {Bucket: figures.ByDay, By: []string{"market", "market"}},
		`by: "f.market; --" is none of device, category, market`: {Bucket: figures.ByDay, By: []string{"f.market; --"}},
	} {
		_, err := figures.Messages(t.Context(), nil, "analytics_v1", f)
		var filterError *figures.FilterError
		require.ErrorAs(t, err, &filterError)
		require.EqualError(t, err, problem)
	}
}
