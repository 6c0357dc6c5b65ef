package api

import (
	"time"

	"daybook/events/id"
)

// RecordConsent says what a customer wants to receive, through what that was said, and what shows it.
type RecordConsent struct {
	PhoneNumberID string     `json:"phone_number_id,omitempty" maxLength:"64" doc:"The business number that it is about; the account's first when left out." example:"106540352242922"`
	Customer      string     `json:"customer" minLength:"1" maxLength:"160" doc:"The customer: a phone number with its calling code (+39… or 39…), or a business-scoped user id (IT.…). It is sealed before anything is stored." example:"+39 333 123 4567"`
	Category      string     `json:"category" doc:"What it is about: marketing, utility or authentication." example:"marketing"`
	Wanted        bool       `json:"wanted" doc:"Whether the customer wants messages of the category."`
	Source        string     `json:"source" doc:"Through what it was said: form, message, keyword, button, user_preferences, agent or page." example:"form"`
	SaidAt        *time.Time `json:"said_at,omitempty" doc:"When it was said; now when left out. What was said later counts."`
	Evidence      string     `json:"evidence,omitempty" maxLength:"4096" doc:"What shows it: the form, the words, the place. It is sealed before anything is stored." example:"newsletter form in the shop"`
}

// Consent is where a customer's choice was recorded.
type Consent struct {
	Recorded

	Conversation id.Conversation `json:"conversation_id" format:"uuid"`
}
