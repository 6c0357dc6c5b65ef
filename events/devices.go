package events

import "daybook/events/id"

// DeviceKind is what a device is (S4); only smartphones have a limit of their own.
type DeviceKind string

// The kinds of device.
const (
	Smartphone DeviceKind = "smartphone"
	Tablet     DeviceKind = "tablet"
	Computer   DeviceKind = "computer"
)

// DeviceLinked adds a device to the account's registry. Device ids are never used again.
type DeviceLinked struct {
	AccountID id.Account `json:"account_id"`
	DeviceID  id.Device  `json:"device_id"`
	Kind      DeviceKind `json:"kind"`
	Platform  string     `json:"platform"` // "ios", "android", "macos", "windows", "web", …
	Name      string     `json:"name"`
}

// DeviceRenamed gives a linked device another name (S5). Messages keep the name they were sent under.
type DeviceRenamed struct {
	AccountID    id.Account `json:"account_id"`
	DeviceID     id.Device  `json:"device_id"`
	Name         string     `json:"name"`
	PreviousName string     `json:"previous_name"`
}

// UnlinkReason is why a device left the registry.
type UnlinkReason string

// Reasons for unlinking.
const (
	UnlinkedByOwner      UnlinkReason = "owner"
	UnlinkedByInactivity UnlinkReason = "inactivity"
	UnlinkedByOffboard   UnlinkReason = "offboarded"
)

// DeviceUnlinked removes a device. Its name becomes free; its id does not.
type DeviceUnlinked struct {
	AccountID id.Account   `json:"account_id"`
	DeviceID  id.Device    `json:"device_id"`
	Reason    UnlinkReason `json:"reason"`
}

func (DeviceLinked) isEvent()   {}
func (DeviceRenamed) isEvent()  {}
func (DeviceUnlinked) isEvent() {}
