package events

import (
	"time"

	"daybook/events/id"
	"daybook/events/money"
)

// AccountKind is the offering a business uses.
type AccountKind string

// The two offerings (S33).
const (
	AccountApp        AccountKind = "app"        // the free app of a small business
	AccountEnterprise AccountKind = "enterprise" // the API of a global customer base
)

// BusinessNumber is one sender of an account. PhoneNumberID is the platform's stable id; the display number is the
// business's own and stands in clear.
type BusinessNumber struct {
	PhoneNumberID      string `json:"phone_number_id"`
	DisplayPhoneNumber string `json:"display_phone_number"`
}

// AccountRegistered opens an account. The name cannot be changed afterwards (S55).
type AccountRegistered struct {
	AccountID id.Account       `json:"account_id"`
	Name      string           `json:"name"`
	Kind      AccountKind      `json:"kind"`
	Country   string           `json:"country"`  // ISO 3166-1 alpha-2 of the primary location
	Currency  money.Currency   `json:"currency"` // of billing; never converted
	Timezone  string           `json:"timezone"` // IANA; decides which day a charge falls on
	WABAID    string           `json:"waba_id"`  // the platform's billing account
	Numbers   []BusinessNumber `json:"numbers"`
}

// TermsAccepted records consent to terms of service and privacy policy, by version (S51).
type TermsAccepted struct {
	AccountID      id.Account `json:"account_id"`
	TermsVersion   string     `json:"terms_version"`
	PrivacyVersion string     `json:"privacy_version"`
	AcceptedAt     time.Time  `json:"accepted_at"`
}

// ProfileUpdated is the whole public profile after the change (S58).
type ProfileUpdated struct {
	AccountID   id.Account `json:"account_id"`
	Website     string     `json:"website,omitempty"`
	Address     string     `json:"address,omitempty"`
	Email       string     `json:"email,omitempty"`
	Description string     `json:"description,omitempty"`
}

// ProfilePhotoChanged names the new photo by digest; empty means removed (S57).
type ProfilePhotoChanged struct {
	AccountID   id.Account `json:"account_id"`
	MediaSHA256 string     `json:"media_sha256,omitempty"`
}

// PremiumSubscribed raises the device limits from ValidFrom on (S3, S10).
type PremiumSubscribed struct {
	AccountID id.Account `json:"account_id"`
	ValidFrom time.Time  `json:"valid_from"`
}

// PremiumCancelled returns the account to the standard limits. Nothing is unlinked by it.
type PremiumCancelled struct {
	AccountID   id.Account `json:"account_id"`
	EffectiveAt time.Time  `json:"effective_at"`
}

// NumberClaimed says which account a business number belongs to, in a stream of its own per number: so no two accounts
// can hold one number, and a webhook finds the account without a read model.
type NumberClaimed struct {
	AccountID     id.Account `json:"account_id"`
	PhoneNumberID string     `json:"phone_number_id"`
}

func (AccountRegistered) isEvent()   {}
func (TermsAccepted) isEvent()       {}
func (ProfileUpdated) isEvent()      {}
func (ProfilePhotoChanged) isEvent() {}
func (PremiumSubscribed) isEvent()   {}
func (PremiumCancelled) isEvent()    {}
func (NumberClaimed) isEvent()       {}
