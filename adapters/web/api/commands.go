package api

import (
	"daybook/events"
	"daybook/events/id"
)

// Recorded says where a command's facts stand in the book. A repeated command reports the same place.
type Recorded struct {
	Position events.Position `json:"position" doc:"Position of the last fact in the store." example:"4711"`
	Token    string          `json:"token"    doc:"The position together with the store it is valid in. Give it to wait_for." example:"4711@0192d3a4-7c5e-7b7e-9f51-3a1c5f2f7a10"`
}

// Number is one business number of an account.
type Number struct {
	PhoneNumberID      string `json:"phone_number_id"      doc:"The platform's id of the number, in digits." example:"106540352242922"`
	DisplayPhoneNumber string `json:"display_phone_number" doc:"The number itself, in digits with the calling code first." example:"390655550100"`
}

// RegisterAccount opens an account.
type RegisterAccount struct {
	Name      string   `json:"name"     doc:"Display name, 3 to 25 characters. It cannot be changed afterwards." example:"Ferramenta Rossi"`
	Kind      string   `json:"kind"     doc:"The offering: app (the free app) or enterprise (the API)." example:"app"`
	Country   string   `json:"country"  doc:"ISO 3166-1 alpha-2 code of the primary location." example:"IT"`
	Currency  string   `json:"currency" doc:"ISO 4217 code of billing." example:"EUR"`
	Timezone  string   `json:"timezone" doc:"IANA time zone that decides which day a charge falls on." example:"Europe/Rome"`
	WABAID    string   `json:"waba_id"  doc:"The platform's billing account, in digits." example:"102290129340398"`
	Numbers   []Number `json:"numbers"  nullable:"false" maxItems:"100" doc:"The business numbers. The first is the sender when a message names none."`
	Portfolio string   `json:"portfolio,omitempty" doc:"A word of your choice that accounts of this installation share whose messages are counted together for price tiers and limits. It cannot be changed afterwards." example:"rossi-group"`
	Platform  bool     `json:"platform,omitempty"  doc:"The platform's own account: the only one that publishes notices."`
}

// AccountRegistered answers RegisterAccount.
type AccountRegistered struct {
	Recorded

	ID id.Account `json:"id" format:"uuid" doc:"The account."`
}

// AcceptTerms records consent to the terms of service and the privacy policy.
type AcceptTerms struct {
	TermsVersion   string `json:"terms_version"   doc:"Version of the terms of service." example:"2026-01"`
	PrivacyVersion string `json:"privacy_version" doc:"Version of the privacy policy." example:"2026-01"`
}

// Profile is the whole public profile; what is left out becomes empty.
type Profile struct {
	Website     string `json:"website,omitempty"     doc:"Web address, http or https." example:"https://ferramenta-rossi.example"`
	Address     string `json:"address,omitempty"     doc:"Street address."`
	Email       string `json:"email,omitempty"       doc:"Address for customers."`
	Description string `json:"description,omitempty" doc:"What the business does."`
}

// LinkDevice adds a device to the account.
type LinkDevice struct {
	Kind     string `json:"kind"     doc:"What the device is: smartphone, tablet or computer. A standard account has at most one smartphone." example:"smartphone"`
	Platform string `json:"platform" doc:"The operating system or client." example:"ios"`
	Name     string `json:"name"     doc:"What people call it: 1 to 50 characters, unique among the linked devices." example:"iPhone Mario"`
}

// DeviceLinked answers LinkDevice.
type DeviceLinked struct {
	Recorded

	ID id.Device `json:"id" format:"uuid" doc:"The device."`
}

// RenameDevice gives a device another name. Messages keep the name they were sent under.
type RenameDevice struct {
	Name string `json:"name" doc:"The new name: 1 to 50 characters, unique among the linked devices." example:"iPhone banco"`
}
