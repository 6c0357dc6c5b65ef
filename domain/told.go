package domain

import (
	"bytes"
	"time"

	"daybook/events"
	"daybook/events/id"
)

// Heard is which word of the platform holds: the one it told last, by its own clock. Words come in any order, so those of
// one second are told apart by their facts: all folds agree. The zero value is no word.
type Heard struct {
	at   time.Time
	fact id.Fact
}

// HeardIn returns when a fact was told.
func HeardIn(e events.ToldEvent) Heard {
	told := e.Told()
	return Heard{told.ToldAt, told.FactID}
}

// After reports whether the word was told after another.
func (h Heard) After(other Heard) bool {
	if h.at.Equal(other.at) {
		return bytes.Compare(h.fact.UUID[:], other.fact.UUID[:]) > 0
	}
	return h.at.After(other.at)
}
