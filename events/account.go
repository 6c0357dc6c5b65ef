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

// AccountRegistered opens an account. The name cannot be changed afterwards (S55), nor can the portfolio: it decides which
// periods the account's messages are charged in.
type AccountRegistered struct {
	AccountID id.Account       `json:"account_id"`
	Name      string           `json:"name"`
	Kind      AccountKind      `json:"kind"`
	Country   string           `json:"country"`  // ISO 3166-1 alpha-2 of the primary location
	Currency  money.Currency   `json:"currency"` // of billing; never converted
	Timezone  string           `json:"timezone"` // IANA; decides which day a charge falls on
	WABAID    string           `json:"waba_id"`  // the platform's billing account
	Numbers   []BusinessNumber `json:"numbers"`
	// PortfolioID is shared by accounts whose messages are counted together for price tiers and limits; zero: the account
	// is a portfolio of its own.
	PortfolioID id.Account `json:"portfolio_id,omitzero"`
	Platform    bool       `json:"platform,omitempty"` // the platform's own account: only it publishes notices (S54)
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

// WABAClaimed says that an account is billed through a WABA, the platform's billing account, in a stream of its own per
// WABA: so what the platform tells of a WABA finds its accounts without a read model. Several accounts may share one.
type WABAClaimed struct {
	AccountID id.Account `json:"account_id"`
	WABAID    string     `json:"waba_id"`
}

// TermsPublished makes versions of terms of service and privacy policy the current ones, for every account: whoever has not
// accepted them can do nothing else first (S51).
type TermsPublished struct {
	TermsVersion   string `json:"terms_version"`
	PrivacyVersion string `json:"privacy_version"`
}

// VerificationRequested asks to confirm that the account is the business that it says it is (S52).
type VerificationRequested struct {
	AccountID id.Account `json:"account_id"`
}

// BusinessVerified confirms the business. Only a verified one shows the badge, whatever its colour (S38).
type BusinessVerified struct {
	AccountID id.Account `json:"account_id"`
	Method    string     `json:"method"` // how it was confirmed, in a word
	Badge     bool       `json:"badge"`  // shown beside the name
}

// VerificationRejected ends a request. Another may follow.
type VerificationRejected struct {
	AccountID id.Account `json:"account_id"`
	Reason    string     `json:"reason"` // a word
}

// VerificationRevoked takes a verification back, and the badge with it.
type VerificationRevoked struct {
	AccountID id.Account `json:"account_id"`
	Reason    string     `json:"reason"` // a word
}

// Feature is a part of Daybook that is opened to accounts one by one (S11, S23, S41).
type Feature string

// The features.
const (
	FeatureCampaigns   Feature = "campaigns"    // one message to many people
	FeatureCommands    Feature = "commands"     // preconfigured commands and automatic replies
	FeatureBetaDevices Feature = "beta_devices" // devices with clients that are not released to everybody
)

// FeatureChanged opens a feature to an account, or closes it.
type FeatureChanged struct {
	AccountID id.Account `json:"account_id"`
	Feature   Feature    `json:"feature"`
	Enabled   bool       `json:"enabled"`
}

// LocalizedReply is a text in one language: the business's own words, which stand in clear.
type LocalizedReply struct {
	Language string `json:"language"` // such as it or pt_BR
	Text     string `json:"text"`
}

// CommandConfigured is a whole command after the change: what a customer may type after a slash, and what is answered (S40).
type CommandConfigured struct {
	AccountID id.Account       `json:"account_id"`
	Command   string           `json:"command"` // without the slash
	Hint      string           `json:"hint"`    // shown beside it while it is typed
	Replies   []LocalizedReply `json:"replies"` // the first is for languages that are not listed
}

// CommandRemoved ends a command.
type CommandRemoved struct {
	AccountID id.Account `json:"account_id"`
	Command   string     `json:"command"`
}

// AutoTrigger is what an automatic reply answers to.
type AutoTrigger string

// The triggers.
const (
	TriggerFirstMessage AutoTrigger = "first_message" // the first message of a conversation
	TriggerAway         AutoTrigger = "away"          // a message while nobody is there
	TriggerWelcome      AutoTrigger = "welcome"       // a customer opens the chat for the first time, and has written nothing
)

// AutoReplyConfigured is a whole automatic reply after the change (S40).
type AutoReplyConfigured struct {
	AccountID id.Account       `json:"account_id"`
	Trigger   AutoTrigger      `json:"trigger"`
	Replies   []LocalizedReply `json:"replies"` // the first is for languages that are not listed
}

// AutoReplyRemoved ends an automatic reply.
type AutoReplyRemoved struct {
	AccountID id.Account  `json:"account_id"`
	Trigger   AutoTrigger `json:"trigger"`
}

// PlatformNoticePublished is a notice of general interest to all businesses, from the platform's own account (S54).
type PlatformNoticePublished struct {
	AccountID id.Account       `json:"account_id"`
	NoticeID  id.Message       `json:"notice_id"`
	Locales   []LocalizedReply `json:"locales"` // the first is for languages that are not listed
}

func (AccountRegistered) isEvent()       {}
func (TermsAccepted) isEvent()           {}
func (ProfileUpdated) isEvent()          {}
func (ProfilePhotoChanged) isEvent()     {}
func (PremiumSubscribed) isEvent()       {}
func (PremiumCancelled) isEvent()        {}
func (NumberClaimed) isEvent()           {}
func (WABAClaimed) isEvent()             {}
func (TermsPublished) isEvent()          {}
func (VerificationRequested) isEvent()   {}
func (BusinessVerified) isEvent()        {}
func (VerificationRejected) isEvent()    {}
func (VerificationRevoked) isEvent()     {}
func (FeatureChanged) isEvent()          {}
func (CommandConfigured) isEvent()       {}
func (CommandRemoved) isEvent()          {}
func (AutoReplyConfigured) isEvent()     {}
func (AutoReplyRemoved) isEvent()        {}
func (PlatformNoticePublished) isEvent() {}
