package api

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"daybook/events/id"
)

// MaxTextLength is how many characters a text message holds.
const MaxTextLength = 4096

// SendMessage writes a message from a device. It is queued; sending it is another step.
type SendMessage struct {
	DeviceID      id.Device   `json:"device_id" format:"uuid" doc:"The device that writes. Its name at this moment is recorded with the message."`
	PhoneNumberID string      `json:"phone_number_id,omitempty" maxLength:"64" doc:"The sending business number; the account's first when left out." example:"106540352242922"`
	To            string      `json:"to" minLength:"1" maxLength:"160" doc:"The customer: a phone number with its calling code (+39… or 39…), or a business-scoped user id (IT.…). It is sealed before anything is stored." example:"+39 333 123 4567"`
	Type          string      `json:"type" doc:"What is sent: text or structured, which want an open service window, or template." example:"text"`
	Text          *Text       `json:"text,omitempty" doc:"The text, when type is text. It is sealed before anything is stored."`
	Template      *Template   `json:"template,omitempty" doc:"The template, when type is template."`
	Structured    *Structured `json:"structured,omitempty" doc:"The message in several languages, when type is structured."`
	Category      string      `json:"category,omitempty" doc:"The price class. A text is service and may leave it out; a template is marketing, utility or authentication." example:"utility"`
}

// Text is the body of a text message. In JSON it is a plain string or {"body": "…"}.
type Text struct{ Body string } //nolint:recvcheck // reading needs a pointer, writing must work without

// MarshalJSON writes the platform's form, {"body": "…"}.
func (t Text) MarshalJSON() ([]byte, error) { return json.Marshal(map[string]string{"body": t.Body}) }

// UnmarshalJSON reads either form.
func (t *Text) UnmarshalJSON(data []byte) error {
	if err := json.Unmarshal(data, &t.Body); err == nil {
		return nil
	}
	var object struct {
		Body string `json:"body"`
	}
	if err := json.Unmarshal(data, &object); err != nil {
		return fmt.Errorf("text: %w", err)
	}
	t.Body = object.Body
	return nil
}

// Schema describes both forms. The length is checked later, where the refusal can name it: of a "one of", the schema
// could only say that nothing matched.
func (Text) Schema(huma.Registry) *huma.Schema {
	body := &huma.Schema{Type: huma.TypeString, Description: fmt.Sprintf("The text, 1 to %d characters.", MaxTextLength)}
	object := &huma.Schema{
		Type: huma.TypeObject, Properties: map[string]*huma.Schema{"body": body}, Required: []string{"body"},
		AdditionalProperties: false,
	}
	object.PrecomputeMessages()
	return &huma.Schema{OneOf: []*huma.Schema{body, object}, Examples: []any{"Buongiorno, l'ordine è pronto."}}
}

// Template names an approved template and fills its places.
type Template struct {
	Name       string   `json:"name"     minLength:"1" maxLength:"512" doc:"The approved template." example:"order_ready"`
	Language   string   `json:"language" minLength:"1" maxLength:"16"  doc:"Its language." example:"it"`
	Parameters []string `json:"parameters,omitempty" nullable:"false" maxItems:"100" doc:"What fills {{1}}, {{2}} and so on. It is sealed before anything is stored."`
}

// MessageQueued answers SendMessage.
type MessageQueued struct {
	Recorded

	ID           id.Message      `json:"id"           format:"uuid" doc:"The message."`
	Conversation id.Conversation `json:"conversation" format:"uuid" doc:"The conversation it belongs to."`
}

// AcceptMessage binds the platform's id to a queued message.
type AcceptMessage struct {
	Wamid string `json:"wamid" minLength:"8" maxLength:"512" pattern:"^[!-~]+$" patternDescription:"visible ASCII characters" doc:"The platform's message id. Only its keyed hash stands in clear." example:"wamid.HBgLMzkzMzMxMjM0NTY3FQIAERgS"`
}

// MessageInfo tells who sent a message and what became of it. A step that was not told is left out.
type MessageInfo struct {
	Progress

	ID             id.Message           `json:"id"                 format:"uuid" doc:"The message."`
	AccountID      id.Account           `json:"account_id"         format:"uuid" doc:"The business."`
	ConversationID id.Conversation      `json:"conversation_id"    format:"uuid" doc:"The conversation."`
	CustomerID     id.Customer          `json:"customer_id"        format:"uuid" doc:"The customer, by the id that only the vault can map to a number."`
	Direction      string               `json:"direction"          enum:"in,out" doc:"From the customer, or to the customer."`
	Origin         string               `json:"origin"             enum:"customer,device,campaign,automatic,echo,import" doc:"Where it was written: by the customer, on a device, by a campaign or automatically, in the platform's own app, or before the business came here."`
	Type           string               `json:"type"               doc:"What kind of message it is." example:"text"`
	Category       string               `json:"category,omitempty" doc:"The price class of an outbound message." example:"service"`
	Template       string               `json:"template,omitempty" doc:"The template of an outbound template message." example:"order_ready"`
	CampaignID     *id.Campaign         `json:"campaign_id,omitempty" format:"uuid" doc:"The campaign that wrote it."`
	Locale         string               `json:"locale,omitempty"   doc:"The language it was written in, where it has several." example:"it"`
	Media          string               `json:"media,omitempty"    doc:"The kind of file that belongs to it." example:"image"`
	MediaSHA256    string               `json:"media_sha256,omitempty" doc:"What the sealed file is kept under, once it is stored."`
	Dispatch       *MessageDispatch     `json:"dispatch,omitempty" doc:"Outbound: how far it is on its way to the platform. Missing until somebody tries."`
	Device         *MessageDevice       `json:"device,omitempty"   doc:"The device that wrote it, or launched its campaign; messages from elsewhere have none."`
	ReceivedAt     *time.Time           `json:"received_at,omitempty" doc:"Inbound: sent by the customer, by the platform's clock."`
	QueuedAt       *time.Time           `json:"queued_at,omitempty"   doc:"Outbound: written on the device."`
	AcceptedAt     *time.Time           `json:"accepted_at,omitempty" doc:"Outbound: taken by the platform, which is not yet sent."`
	Cost           []Money              `json:"cost,omitempty"        doc:"What its deliveries cost, by currency, without those that have no price yet. Missing before there is a charge."`
	Unpriced       int                  `json:"unpriced,omitempty"    doc:"How many deliveries have no price yet."`
	Recipients     []RecipientProgress  `json:"recipients" nullable:"false" doc:"The same for each recipient: one for a person, several for a group."`
	Positions      []ProjectionPosition `json:"positions"  nullable:"false" doc:"How far each projection was that this was read from."`
}

// MessageDispatch is how far a message is on its way to the platform.
type MessageDispatch struct {
	State     string     `json:"state"                doc:"started, waiting for the next attempt, unknown, failed, accepted or expired." example:"accepted"`
	Attempt   int        `json:"attempt,omitempty"    doc:"Which attempt that was, from 1."`
	Code      int        `json:"code,omitempty"       doc:"Why it was refused: the platform's code." example:"131026"`
	Rejection string     `json:"rejection,omitempty"  doc:"Why we did not send it." example:"OptedOut"`
	NotBefore *time.Time `json:"not_before,omitempty" doc:"When it may be tried again."`
}

// MessageDevice is the sender's device, as it was and as it is.
type MessageDevice struct {
	ID               id.Device  `json:"id"                    format:"uuid" doc:"The device."`
	NameAtSend       string     `json:"name_at_send"          doc:"What it was called when the message was written." example:"iPhone Mario"`
	NameNow          string     `json:"name_now"              doc:"What it is called now; its last name, if it was unlinked." example:"iPhone banco"`
	RegistryRevision uint64     `json:"registry_revision"     doc:"The revision of the stream devices-{account} that proves the name." example:"3"`
	UnlinkedAt       *time.Time `json:"unlinked_at,omitempty" doc:"When it was unlinked, if it was."`
}

// Progress is how far a message came, by the platform's clock. For a group, each time is that of the first recipient.
type Progress struct {
	Status            string     `json:"status"                 doc:"The furthest step: received, queued, accepted, sent, failed, delivered, read or played." example:"read"`
	SentAt            *time.Time `json:"sent_at,omitempty"      doc:"Sent on by the platform."`
	DeliveredAt       *time.Time `json:"delivered_at,omitempty" doc:"Reached a device of the customer."`
	DeliveredInferred bool       `json:"delivered_inferred,omitempty" doc:"The platform skipped this step; the time is that of what implies it."`
	ReadAt            *time.Time `json:"read_at,omitempty"      doc:"Opened by the customer."`
	PlayedAt          *time.Time `json:"played_at,omitempty"    doc:"Played by the customer: voice messages."`
	FailedAt          *time.Time `json:"failed_at,omitempty"    doc:"Given up by the platform. A delivery, told at any time, outranks it."`
	Failure           *Failure   `json:"failure,omitempty"      doc:"Why, by the platform's code."`
	ExpiredAt         *time.Time `json:"expired_at,omitempty"   doc:"When it counted as lost: nothing was told of its delivery for its whole life. A delivery, told at any time, outranks it."`
	Late              bool       `json:"late,omitempty"         doc:"It was delivered after its life, and is charged all the same."`
}

// Failure is why the platform gave up.
type Failure struct {
	Code int `json:"code" doc:"The platform's error code. Its words may name people and stay sealed." example:"131026"`
}

// RecipientProgress is how far a message came with one recipient.
type RecipientProgress struct {
	Progress

	RecipientID id.Customer `json:"recipient_id"     format:"uuid" doc:"The recipient."`
	Charge      *Charge     `json:"charge,omitempty" doc:"What the delivery costs, and why; missing until it is delivered and rated."`
}
