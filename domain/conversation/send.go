package conversation

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"daybook/domain"
	"daybook/events"
	"daybook/events/id"
)

// The kinds of message that a business sends.
const (
	kindText        = "text"
	kindImage       = "image"
	kindInteractive = "interactive"
	kindStructured  = "structured"
	kindTemplate    = "template"
)

// Limits of what stands in clear, in characters. The platform's own are as wide.
const (
	templateNameMax     = 512
	templateLanguageMax = 16
	diallingMax         = 16
	wamidHashMax        = 128
)

// Send queues a message. What a system writes again is no news, and no error: it has the same id.
func (s State) Send(c Send, from Sender, now time.Time) ([]events.Event, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if s.Repeats(c) {
		return nil, nil
	}
	if s.knows(c.MessageID) {
		return nil, domain.Refuse("MessageExists", "message %s is already in this conversation", c.MessageID)
	}
	if c.Kind != kindTemplate {
		c.Category = events.Service
	}
	open := !now.After(s.windowUntil)
	if err := s.permit(c.Category, open); err != nil {
		return nil, err
	}
	if err := s.tooSoon(c.Category, now); err != nil {
		return nil, err
	}
	if late := from.LateReplies && !s.windowUntil.IsZero(); c.Category == events.Service && !open && !late {
		return nil, domain.Refuse("ServiceWindowClosed",
			"free-form text needs a message of the customer in the last 24 hours; use a template")
	}
	return s.queue(c, from, now, open), nil
}

// Repeats tells that a system has written the message before, or that its campaign has written to this customer.
func (s State) Repeats(c Send) bool {
	if c.Campaign != nil && s.WrittenBy(c.Campaign.CampaignID) {
		return true
	}
	_, written := s.sent[c.MessageID]
	return c.bySystem() && written
}

// WrittenBy tells whether a campaign has written to this customer.
func (s State) WrittenBy(campaign id.Campaign) bool {
	_, written := s.campaigns[campaign]
	return written
}

// queue returns the events of a message that may be written.
func (s State) queue(c Send, from Sender, now time.Time, open bool) []events.Event {
	party := partyOf(c.Account, c.PhoneNumberID, c.CustomerID)
	queued := events.MessageQueued{
		ConversationID: party.Conversation, MessageID: c.MessageID, CustomerID: c.CustomerID,
		DeviceID: from.DeviceID, DeviceName: from.Name, RegistryRevision: from.RegistryRevision,
		Kind: c.Kind, Category: c.Category, Template: c.Template, Locale: c.Locale, QueuedAt: now,
		Market: from.Market, Campaign: c.Campaign, Automatic: c.Automatic, Notice: c.Notice,
		Dialling: c.Dialling, To: c.To, Content: c.Content,
	}
	if open {
		queued.WindowUntil = new(s.windowUntil)
	}
	if !s.waitingSince.IsZero() && !c.bySystem() {
		queued.AnswersSince = new(earlier(s.waitingSince, now))
	}
	decided := s.start(party, events.EntryBusiness)
	until, opens := s.entry.open(c.MessageID, now)
	if queued.EntryPointUntil = until; opens != nil {
		decided = append(decided, events.EntryPointWindowOpened{ConversationID: party.Conversation, EntryPoint: *opens})
	}
	return append(decided, queued)
}

// NotDeletable is the answer to whoever wants to delete a message of a business: what was sent stays (S39).
func NotDeletable(message id.Message) error {
	return domain.Refuse("MessageNotDeletable", "message %s cannot be deleted: what a business wrote stays", message)
}

// check tells what is wrong with the command in every state.
func (c Send) check() error {
	if !isPrintable("+"+c.Dialling.Prefix+c.Dialling.Country, diallingMax) {
		return domain.Malformed("DiallingInvalid", "dialling", "dialling must be a prefix of digits or a country's two letters")
	}
	switch c.Kind {
	case kindText, kindImage, kindInteractive, kindStructured:
		if c.Template != nil {
			return domain.Malformed("TemplateNotAllowed", "template", "template must be absent from a message of type %s", c.Kind)
		}
		if c.Category != "" && c.Category != events.Service {
			return domain.Malformed("CategoryNotAllowed", "category", "category of a text must be service or absent, not %q", c.Category)
		}
	case kindTemplate:
		if err := checkTemplate(c.Template); err != nil {
			return err
		}
		switch c.Category {
		case events.Marketing, events.Utility, events.Authentication:
		default:
			return domain.Malformed("CategoryRequired", "category",
				"category of a template must be marketing, utility or authentication, not %q", c.Category)
		}
	default:
		return domain.Malformed("MessageTypeUnknown", "type",
			"type must be text, image, interactive, structured or template, not %q", c.Kind)
	}
	return nil
}

func checkTemplate(t *events.Template) error {
	switch {
	case t == nil || t.Name == "" || t.Language == "":
		return domain.Malformed("TemplateRequired", "template", "template must have a name and a language")
	case !isPrintable(t.Name, templateNameMax):
		return domain.Malformed("TemplateInvalid", "template.name",
			"template.name must have at most %d characters, printable ones only", templateNameMax)
	case !isPrintable(t.Language, templateLanguageMax):
		return domain.Malformed("TemplateInvalid", "template.language",
			"template.language must have at most %d characters, printable ones only", templateLanguageMax)
	}
	return nil
}

// isPrintable accepts 1 to limit characters that show, or are a space: no control and no invisible ones.
func isPrintable(s string, limit int) bool {
	return s != "" && utf8.ValidString(s) && utf8.RuneCountInString(s) <= limit &&
		!strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}
