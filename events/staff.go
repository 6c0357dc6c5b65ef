package events

import (
	"time"

	"daybook/events/id"
)

// StaffMessageSent records a message from one device of an account to another: employees write to one another, and who wrote
// what can be told afterwards as with customers (S9). It never goes to the platform. The content belongs to the fact that has
// the message's id.
type StaffMessageSent struct {
	AccountID        id.Account `json:"account_id"`
	MessageID        id.Message `json:"message_id"`
	DeviceID         id.Device  `json:"device_id"`
	DeviceName       string     `json:"device_name"` // the name at this moment
	ToDeviceID       id.Device  `json:"to_device_id"`
	ToDeviceName     string     `json:"to_device_name"`    // the name at this moment
	RegistryRevision uint64     `json:"registry_revision"` // of devices-{account}, which proves the names
	SentAt           time.Time  `json:"sent_at"`
	Content          Sealed     `json:"content,omitempty"` // path "content": the text
}

func (StaffMessageSent) isEvent() {}
