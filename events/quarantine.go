package events

import (
	"time"

	"daybook/events/id"
)

// QuarantineReason is why an update could not be recorded where it belongs.
type QuarantineReason string

// Reasons. An update whose cause goes away can be re-driven.
const (
	UnknownNumber  QuarantineReason = "unknown_number"  // no account claims the business number
	UnknownAccount QuarantineReason = "unknown_account" // no account is billed through the WABA, or none of its has the number
	UnknownMessage QuarantineReason = "unknown_message" // a status of a message whose platform id is not bound yet
	UnknownField   QuarantineReason = "unknown_field"   // a webhook field that nothing handles yet
	NotUsed        QuarantineReason = "not_used"        // a webhook field that is known, and that nothing here needs
	UnknownShape   QuarantineReason = "unknown_shape"   // an update that lacks what its kind needs
	UnknownStatus  QuarantineReason = "unknown_status"  // a status word that is not in the rank table
)

// UpdateQuarantined keeps one webhook update whole. Each update has a stream of its own, so that it is kept once
// however often the platform repeats it.
type UpdateQuarantined struct {
	QuarantineID  id.Quarantine    `json:"quarantine_id"`
	Reason        QuarantineReason `json:"reason"`
	Detail        string           `json:"detail,omitempty"` // names the field and the rule; never personal data
	Field         string           `json:"field"`            // the webhook's field, such as "messages"
	Kind          string           `json:"kind"`             // "message", "status" or "value"
	WABAID        string           `json:"waba_id"`
	PhoneNumberID string           `json:"phone_number_id,omitempty"`
	WamidHash     WamidHash        `json:"wamid_hash,omitempty"`
	ReceivedAt    time.Time        `json:"received_at"`
	Body          Sealed           `json:"body"` // path "body": enough of the envelope to be driven again
}

// UpdateRedriven closes a quarantined update: it was driven again and found its place.
type UpdateRedriven struct {
	QuarantineID id.Quarantine `json:"quarantine_id"`
	Stream       string        `json:"stream"` // where it landed
	RedrivenAt   time.Time     `json:"redriven_at"`
}

func (UpdateQuarantined) isEvent() {}
func (UpdateRedriven) isEvent()    {}
