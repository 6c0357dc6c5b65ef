package conversation

import (
	"slices"

	"daybook/events"
)

// statuses in the order of their slots in a receipt.
var statuses = [...]events.Status{
	events.StatusSent, events.StatusDelivered, events.StatusRead, events.StatusPlayed, events.StatusFailed,
}

// slot is a status's place in the table, or -1 when the word is not in it.
func slot(status events.Status) int { return slices.Index(statuses[:], status) }
