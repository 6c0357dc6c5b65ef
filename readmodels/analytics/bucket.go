package analytics

import "time"

// periods cuts the time between from and to wherever the clocks of the zone are changed, and tells how far they are
// ahead of UTC in between. Postgres is told this, and not asked: its list of time zones is the machine's. Ours is the
// binary's, by which also the days of charges are counted.
func periods(zone *time.Location, from, to time.Time) (begin, until []time.Time, ahead []time.Duration) {
	for from.Before(to) {
		_, seconds := from.In(zone).Zone()
		_, end := from.In(zone).ZoneBounds()
		if end.IsZero() || end.After(to) {
			end = to
		}
		begin, until, ahead = append(begin, from), append(until, end), append(ahead, time.Duration(seconds)*time.Second)
		from = end
	}
	return begin, until, ahead
}

// buckets says which slots have a bucket in common, in SQL, and when the bucket begins that a slot is in, which is in
// the account's time zone. An hour ends where the clocks are changed; a day goes on.
var buckets = map[string]struct {
	slots string
	start func(slot time.Time) time.Time
}{
	ByHour: {"clock.begin, date_trunc('hour', f.slot AT TIME ZONE 'UTC' + clock.ahead)", startOfHour},
	ByDay:  {"date_trunc('day', f.slot AT TIME ZONE 'UTC' + clock.ahead)", startOfDay},
}

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
