package api

import (
	"encoding/json"
	"time"

	"daybook/events/id"
)

// What customers are shown. Nothing here embeds what others are shown, so that nothing of that reaches a customer: no
// device, sender, user, key, template or campaign, and no cost.

// IssueLink asks for a link for a customer.
type IssueLink struct {
	PhoneNumberID string `json:"phone_number_id,omitempty" maxLength:"64" doc:"The business number that it is about; the account's first when left out." example:"106540352242922"`
	Customer      string `json:"customer" minLength:"1" maxLength:"160" doc:"The customer: a phone number with its calling code (+39… or 39…), or a business-scoped user id (IT.…)." example:"+39 333 123 4567"`
	Days          int    `json:"days,omitempty" minimum:"1" maximum:"365" default:"30" doc:"How many days it counts." example:"30"`
}

// CustomerLink is a link for one customer and one business number.
type CustomerLink struct {
	Token     string    `json:"token"      doc:"What opens the calls for customers. Whoever has it reads the customer's messages: give it to nobody else."`
	Path      string    `json:"path"       doc:"Where they begin on this server." example:"/api/v1/customer/…"`
	ExpiresAt time.Time `json:"expires_at" doc:"When it counts no more."`
}

// ByLink is what every call of a customer takes.
type ByLink struct {
	Token string `path:"token" maxLength:"512" doc:"The link's token."`
}

// ChangeByLink is what every command of a customer takes.
type ChangeByLink struct {
	Idempotent
	ByLink
}

// Identity is the key within the link.
func (c ChangeByLink) Identity() (scope, key string) { return c.Token, c.IdempotencyKey }

// CustomerPage is what a customer chose, and from whom the messages are.
type CustomerPage struct {
	Business   CustomerBusiness `json:"business"`
	Choices    []CustomerChoice `json:"choices"    doc:"What the customer said of each category, if anything. Marketing comes only to those who opted in."`
	Level      string           `json:"level"      doc:"How much is wanted: all, fewer (marketing at most once in seven days), or none (private messages only: nothing but answers within 24 hours)." example:"all"`
	Categories []string         `json:"categories" doc:"Messages of these categories only; empty: of all."`
	Blocked    bool             `json:"blocked"    doc:"Whether the customer blocks the number: then nothing is sent."`
}

// CustomerBusiness is what everybody may know of a business.
type CustomerBusiness struct {
	Name        string `json:"name" example:"Ferramenta Rossi"`
	Number      string `json:"number" doc:"The business number, in digits with the calling code first." example:"390655550100"`
	Badge       bool   `json:"badge" doc:"Whether it is confirmed that the number belongs to this business."`
	PhotoSHA256 string `json:"photo_sha256,omitempty" doc:"SHA-256 of the profile photo."`
	Website     string `json:"website,omitempty"`
	Address     string `json:"address,omitempty"`
	Email       string `json:"email,omitempty"`
	Description string `json:"description,omitempty"`
}

// CustomerChoice is what a customer said of a category last.
type CustomerChoice struct {
	Category string    `json:"category" example:"marketing"`
	Wanted   bool      `json:"wanted"`
	At       time.Time `json:"at"`
}

// Choose says whether a customer wants the messages of a category.
type Choose struct {
	Wanted bool `json:"wanted" doc:"Whether messages of the category are wanted."`
}

// ChooseVolume says how much a customer wants to receive, and of what.
type ChooseVolume struct {
	Level      string   `json:"level" doc:"all, fewer or none." example:"fewer"`
	Categories []string `json:"categories,omitempty" maxItems:"8" doc:"Only messages of these categories: marketing, utility, authentication. All when left out."`
}

// Report says that a message, or the business, is spam.
type Report struct {
	MessageID *id.Message `json:"message_id,omitempty" format:"uuid" doc:"The message; the business as a whole when left out."`
	Reason    string      `json:"reason" doc:"unwanted, too_often, misleading or offensive." example:"unwanted"`
}

// CustomerExport is all messages between a business number and a customer, the oldest first.
type CustomerExport struct {
	Business CustomerBusiness  `json:"business"`
	Messages []CustomerMessage `json:"messages"`
}

// CustomerMessage is a message as the customer may know it.
type CustomerMessage struct {
	ID          id.Message      `json:"id" format:"uuid"`
	Business    bool            `json:"business"  doc:"Whether it is the business's, which cannot be deleted; else it is the customer's."`
	Marketing   bool            `json:"marketing" doc:"Whether it is marketing."`
	Kind        string          `json:"kind" doc:"text, template, image, …" example:"text"`
	At          time.Time       `json:"at" doc:"When the customer sent it, or the platform took it."`
	DeliveredAt *time.Time      `json:"delivered_at,omitempty"`
	ReadAt      *time.Time      `json:"read_at,omitempty"`
	Content     json.RawMessage `json:"content" doc:"What was written, as it was sealed: the text, or what filled the template; the customer's own in the platform's form. Null when nothing was, or when it was erased."`
	Erased      bool            `json:"erased" doc:"Whether the content was erased, and can be read by nobody any more."`
}
