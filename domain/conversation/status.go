package conversation

import "daybook/events"

// statuses in the order of their slots in a receipt.
var statuses = [...]events.Status{
	events.StatusSent, events.StatusDelivered, events.StatusRead, events.StatusPlayed, events.StatusFailed,
}

// slot is a status's place in the table, or -1 when the word is not in it.
func slot(status events.Status) int {
	for i, s := range statuses {
		if s == status {
			return i
		}
	}
	return -1
}

// Rank orders the statuses: sent 1 < delivered 2 < read 3 < played 4. Failed has no rank of its own, and a word that
// is not a status has none either: both are 0.
func Rank(status events.Status) int {
	if i := slot(status); i >= 0 && status != events.StatusFailed {
		return i + 1
	}
	return 0
}

// Effective returns the status that counts among those recorded for one message and recipient, in whatever order they
// were told: the highest rank; failed counts only while that is below delivered. None recorded gives "".
func Effective(recorded ...events.Status) events.Status {
	var best events.Status
	failed := false
	for _, status := range recorded {
		failed = failed || status == events.StatusFailed
		if Rank(status) > Rank(best) {
			best = status
		}
	}
	if failed && Rank(best) < Rank(events.StatusDelivered) {
		return events.StatusFailed
	}
	return best
}
