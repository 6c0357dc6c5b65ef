package timers

import (
	"time"

	"daybook/events/id"
)

// TimerRow is a row of timers.
type TimerRow struct {
	TimerID     id.Timer    `db:"timer_id,key"`
	AccountID   *id.Account `db:"account_id"`
	Kind        *string     `db:"kind"`
	Due         *time.Time  `db:"due"`
	Stream      *string     `db:"stream"`
	Subject     *string     `db:"subject"`
	FiredAt     *time.Time  `db:"fired_at"`
	CancelledAt *time.Time  `db:"cancelled_at"`
}
