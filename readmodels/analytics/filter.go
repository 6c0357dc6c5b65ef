package analytics

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"daybook/events/id"
)

// Filter says which figures.
//
// A slot of 15 minutes belongs to the range in which it begins: From and To count as if they were rounded up to the next
// quarter of an hour, and ranges that adjoin count everything once. The first and the last bucket hold what of them is in
// the range.
type Filter struct {
	Account  id.Account
	From, To time.Time // To is not in the range; zero is without limit
	Bucket   string    // ByHour or ByDay
	By       []string  // any of ByDevice, ByCategory, ByMarket, each at most once, in any order
}

// The buckets: hours and days of the account's time zone.
const (
	ByHour = "hour"
	ByDay  = "day"
)

// The dimensions.
const (
	ByDevice   = "device"
	ByCategory = "category"
	ByMarket   = "market"
)

// FilterError says what a filter asks that there is not.
type FilterError struct {
	Field   string // "bucket" or "by"
	Problem string
}

func (e *FilterError) Error() string { return e.Field + ": " + e.Problem }

func (f Filter) check() error {
	if startOf[f.Bucket] == nil {
		return &FilterError{"bucket", fmt.Sprintf("%q is none of %s", f.Bucket, strings.Join(slices.Sorted(maps.Keys(startOf)), ", "))}
	}
	var known []string
	for _, d := range dimensions {
		known = append(known, d.name)
	}
	for i, name := range f.By {
		switch {
		case !slices.Contains(known, name):
			return &FilterError{"by", fmt.Sprintf("%q is none of %s", name, strings.Join(known, ", "))}
		case slices.Contains(f.By[:i], name):
			return &FilterError{"by", fmt.Sprintf("%q is named twice", name)}
		}
	}
	return nil
}

// dimensions are what buckets can be parted by: the columns for it, and what stands there without it.
var dimensions = []struct{ name, columns, without string }{
	{ByDevice, "coalesce(d.name, '') AS device_name, f.device_id", "'' AS device_name, '00000000-0000-0000-0000-000000000000'::uuid AS device_id"},
	{ByCategory, "f.category", "'' AS category"},
	{ByMarket, "f.market", "'' AS market"},
}

// statement sums the slots of $2, each into the bucket that begins at its $3.
func (f Filter) statement() string {
	var columns strings.Builder
	for _, d := range dimensions {
		if slices.Contains(f.By, d.name) {
			columns.WriteString(d.columns + ", ")
		} else {
			columns.WriteString(d.without + ", ")
		}
	}
	return `
		SELECT b.start, ` + columns.String() + `
		       sum(f.received)::bigint AS received, sum(f.sent)::bigint AS sent, sum(f.delivered)::bigint AS delivered,
		       sum(f.read)::bigint AS read, sum(f.failed)::bigint AS failed, sum(f.answers)::bigint AS answers,
		       sum(f.answer_seconds)::bigint AS answer_seconds
		FROM unnest($2::timestamptz[], $3::timestamptz[]) AS b (slot, start)
		JOIN $schema.figures f ON f.account_id = $1 AND f.slot = b.slot
		LEFT JOIN $schema.devices d ON d.device_id = f.device_id
		GROUP BY 1, 2, 3, 4, 5
		ORDER BY 1, 2, 3, 4, 5`
}

// startOf tells when the bucket begins that a slot, in the account's time zone, is in.
var startOf = map[string]func(time.Time) time.Time{ByHour: startOfHour, ByDay: startOfDay}

// startOfHour is on the hour, or where the clock was changed within it.
func startOfHour(slot time.Time) time.Time {
	start := slot.Add(-time.Duration(slot.Minute()) * time.Minute)
	if changed, _ := slot.ZoneBounds(); start.Before(changed) {
		return changed
	}
	return start
}

// startOfDay is the first slot of the day. Where the clock changes at midnight, the day begins at one, or has two
// midnights.
func startOfDay(slot time.Time) time.Time {
	year, month, day := slot.Date()
	start := time.Date(year, month, day, 0, 0, 0, 0, slot.Location()).Add(-3 * time.Hour)
	for start.Day() != day {
		start = start.Add(Slot)
	}
	return start
}
