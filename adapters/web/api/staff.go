package api

import "daybook/events/id"

// SendStaffMessage is a message from one device of the account to another.
type SendStaffMessage struct {
	DeviceID   id.Device `json:"device_id" format:"uuid" doc:"The linked device on which it was written."`
	ToDeviceID id.Device `json:"to_device_id" format:"uuid" doc:"The linked device that it is for."`
	Text       string    `json:"text" minLength:"1" maxLength:"4096" doc:"The text. It is sealed before anything is stored." example:"Can you take table 4?"`
}

// StaffMessageSent is where a staff message was recorded.
type StaffMessageSent struct {
	Recorded

	ID id.Message `json:"id" format:"uuid"`
}
