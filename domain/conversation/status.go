package conversation

import (
	"slices"

	"daybook/events"
)

// The statuses' slots in a receipt.
const (
	slotSent = iota
	slotDelivered
	slotRead
	slotPlayed
	slotFailed
	slots
)

var statuses = [slots]events.Status{
	slotSent: events.StatusSent, slotDelivered: events.StatusDelivered, slotRead: events.StatusRead,
	slotPlayed: events.StatusPlayed, slotFailed: events.StatusFailed,
}

// slot is a status's place in the table, or -1 when the word is not in it.
func slot(status events.Status) int { return slices.Index(statuses[:], status) }

// slotSet is some of the slots.
type slotSet uint8

func (s slotSet) has(n int) bool { return s&(1<<n) != 0 }

func (s slotSet) with(n int) slotSet { return s | 1<<n }
