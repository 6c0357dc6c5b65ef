package sim

import "time"

// limits are the platform's rates: of a number within any second, and of a number to one person.
type limits struct {
	most      int
	burst     int
	every     time.Duration
	numbers   map[string][]time.Time // of the last second
	spreadTil map[[2]string]time.Time
}

func newLimits(most, burst int, every time.Duration) limits {
	return limits{most, burst, every, map[string][]time.Time{}, map[[2]string]time.Time{}}
}

// take lets a message through, or returns the code that refuses it.
func (l *limits) take(number, to string, now time.Time) int {
	recent := l.numbers[number]
	for len(recent) > 0 && now.Sub(recent[0]) >= time.Second {
		recent = recent[1:]
	}
	l.numbers[number] = recent
	if len(recent) >= l.most {
		return 130429
	}
	pair := [2]string{number, to}
	until := l.spreadTil[pair]
	if until.Before(now) {
		until = now
	}
	if until.Sub(now) > time.Duration(l.burst-1)*l.every {
		return 131056
	}
	l.spreadTil[pair] = until.Add(l.every)
	l.numbers[number] = append(recent, now)
	return 0
}
