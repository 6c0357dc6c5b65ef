package projections

import "time"

// Progress is how far the replay of a build has come.
//
// The pace is the average since the build began, also over the time in which no process worked on it: it is the same
// whoever asks and however often, and falls while nothing is done. What is left is what is recorded now, at that pace; the
// secondary indexes, which are made after the last event, come on top.
type Progress struct {
	Done        float64  `json:"done"`                   // events seen ÷ events that the head follower has seen, 0 to 1; 1 only at the head
	Rate        float64  `json:"rate"`                   // events a second
	SecondsLeft *float64 `json:"seconds_left,omitempty"` // nil while the pace is not known
}

// progress compares the events that were seen with those that are still to come.
func progress(seen, lag int64, took time.Duration) *Progress {
	p := &Progress{Done: 1}
	if all := seen + lag; all > 0 {
		p.Done = float64(seen) / float64(all)
	}
	if took > 0 {
		p.Rate = float64(seen) / took.Seconds()
	}
	switch {
	case lag == 0:
		p.SecondsLeft = new(0.0)
	case p.Rate > 0:
		p.SecondsLeft = new(float64(lag) / p.Rate)
	}
	return p
}
