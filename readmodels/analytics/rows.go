package analytics

import (
	"time"

	"daybook/events/id"
)

// Slot is the length of the stretches of time that figures are kept for.
const Slot = 15 * time.Minute

// FigureRow is a row of figures.
type FigureRow struct {
	AccountID     id.Account `db:"account_id,key"`
	Slot          time.Time  `db:"slot,key"`
	DeviceID      id.Device  `db:"device_id,key"`
	Category      string     `db:"category,key"`
	Market        string     `db:"market,key"`
	Received      int64      `db:"received"`
	Sent          int64      `db:"sent"`
	Delivered     int64      `db:"delivered"`
	Read          int64      `db:"read"`
	Failed        int64      `db:"failed"`
	Answers       int64      `db:"answers"`
	AnswerSeconds int64      `db:"answer_seconds"`
}

// AccountRow is a row of accounts.
type AccountRow struct {
	AccountID id.Account `db:"account_id,key"`
	Timezone  *string    `db:"timezone"`
}

// DeviceRow is a row of devices: a device by the name it has now.
type DeviceRow struct {
	DeviceID id.Device `db:"device_id,key"`
	Name     *string   `db:"name"`
}
