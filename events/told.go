package events

import (
	"time"

	"daybook/events/id"
)

// ToldFact is what all facts have in common that the platform tells of an account or of a template. They come in any
// order and more than once: which word holds is decided by ToldAt, never by when it arrived.
type ToldFact struct {
	AccountID id.Account `json:"account_id"`
	FactID    id.Fact    `json:"fact_id"` // the same however often the platform tells it
	ToldAt    time.Time  `json:"told_at"` // by the platform's clock; when it gives no time, when it was received
	Raw       Sealed     `json:"raw"`     // path "raw": the update as it was told, whole
}

// Told returns what the fact has in common with all that the platform tells.
func (f ToldFact) Told() ToldFact { return f }

// ToldEvent is a fact of an account or of a template as the platform tells it.
type ToldEvent interface {
	Event
	Told() ToldFact
}

// MessagingLimitChanged says how many customers may be written to first, outside their service windows, in 24 hours.
type MessagingLimitChanged struct {
	ToldFact

	Limit int64 `json:"limit"` // 0: unlimited
}

// NumberQualityChanged is a change of what the platform thinks of a number, or lets it send. Words are the platform's.
type NumberQualityChanged struct {
	ToldFact

	PhoneNumberID string `json:"phone_number_id"`
	Event         string `json:"event"`             // such as FLAGGED or THROUGHPUT_UPGRADE
	Quality       string `json:"quality,omitempty"` // GREEN, YELLOW, RED, when it is told
	PerSecond     int    `json:"per_second,omitempty"`
}

// NumberNameDecided is the platform's decision on the name that a number shows. The account's name stays what it is.
type NumberNameDecided struct {
	ToldFact

	PhoneNumberID string `json:"phone_number_id"`
	Decision      string `json:"decision"` // APPROVED, DEFERRED, PENDING, REJECTED
	Reason        string `json:"reason,omitempty"`
}

// AccountRestricted is one thing that the account may not do until an instant.
type AccountRestricted struct {
	ToldFact

	Kind  string     `json:"kind"` // the platform's word
	Until *time.Time `json:"until,omitempty"`
}

// SuspensionReason is why an account may send nothing. Each comes and goes by itself.
type SuspensionReason string

// The reasons.
const (
	SuspendedDisabled   SuspensionReason = "disabled"   // banned by the platform
	SuspendedDeleted    SuspensionReason = "deleted"    // the WABA is gone
	SuspendedOffboarded SuspensionReason = "offboarded" // the business app has dropped us
	SuspendedByOperator SuspensionReason = "operator"   // whoever runs this installation
)

// AccountSuspended stops all sending. The operator's is told by nobody: it has no raw update.
type AccountSuspended struct {
	ToldFact

	Reason SuspensionReason `json:"reason"`
}

// AccountReinstated ends one reason to be suspended.
type AccountReinstated struct {
	ToldFact

	Reason SuspensionReason `json:"reason"`
}

// PlatformTold is what the platform told and nothing follows from: alerts, reviews, partners, violations, errors of a
// number. Each has a stream of its own: there may be many, and no decision reads them.
type PlatformTold struct {
	ToldFact

	Field         string `json:"field"`            // the webhook's field
	Event         string `json:"event,omitempty"`  // the platform's word for it, when it has one
	Detail        string `json:"detail,omitempty"` // another word of the platform's, such as the kind of a violation
	PhoneNumberID string `json:"phone_number_id,omitempty"`
	Codes         []int  `json:"codes,omitempty"` // of errors
}

// AuthInternationalPriceSet says from when on authentication messages abroad are charged at the international rate.
type AuthInternationalPriceSet struct {
	ToldFact

	From       time.Time     `json:"from"`
	Exceptions []CountryFrom `json:"exceptions,omitempty"` // countries where it is from another instant on
}

// CountryFrom is an instant from which something holds in a country.
type CountryFrom struct {
	Country string    `json:"country"` // ISO 3166-1 alpha-2
	From    time.Time `json:"from"`
}

// PrimaryLocationChanged says where the platform takes the business to be at home.
type PrimaryLocationChanged struct {
	ToldFact

	Country string `json:"country"` // ISO 3166-1 alpha-2
}

// VolumeTierTold is the platform's count of what was charged: evidence against ours. Its ToldAt is when the tier was
// reached; of the same tier told twice, the smallest counts.
type VolumeTierTold struct {
	ToldFact

	Category Category `json:"category"`
	Market   string   `json:"market"` // as the platform writes it
	Month    string   `json:"month"`  // yyyy-mm
	Lower    int64    `json:"lower"`  // first message of the tier
	Upper    int64    `json:"upper"`  // last one; 0: without end
}

func (MessagingLimitChanged) isEvent()     {}
func (NumberQualityChanged) isEvent()      {}
func (NumberNameDecided) isEvent()         {}
func (AccountRestricted) isEvent()         {}
func (AccountSuspended) isEvent()          {}
func (AccountReinstated) isEvent()         {}
func (PlatformTold) isEvent()              {}
func (AuthInternationalPriceSet) isEvent() {}
func (PrimaryLocationChanged) isEvent()    {}
func (VolumeTierTold) isEvent()            {}
