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
	if _, known := buckets[f.Bucket]; !known {
		return &FilterError{"bucket", fmt.Sprintf("%q is none of %s", f.Bucket, strings.Join(slices.Sorted(maps.Keys(buckets)), ", "))}
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

// statement sums the slots of each bucket, and gives one of them as its start.
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
		SELECT min(f.slot) AS start, ` + columns.String() + `
		       sum(f.received)::bigint AS received, sum(f.sent)::bigint AS sent, sum(f.delivered)::bigint AS delivered,
		       sum(f.read)::bigint AS read, sum(f.failed)::bigint AS failed, sum(f.answers)::bigint AS answers,
		       sum(f.answer_seconds)::bigint AS answer_seconds
		FROM unnest($2::timestamptz[], $3::timestamptz[], $4::interval[]) AS clock (begin, until, ahead)
		JOIN $schema.figures f ON f.account_id = $1 AND f.slot >= clock.begin AND f.slot < clock.until
		LEFT JOIN $schema.devices d ON d.device_id = f.device_id
		GROUP BY ` + buckets[f.Bucket].slots + `, 2, 3, 4, 5
		ORDER BY ` + buckets[f.Bucket].slots + `, 2, 3, 4, 5`
}
