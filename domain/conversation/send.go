package conversation

import (
	"daybook/domain"
	"daybook/events"
)

// The kinds of message that a business sends.
const (
	kindText     = "text"
	kindTemplate = "template"
)

// check tells what is wrong with the command in every state.
func (c Send) check() error {
	switch c.Kind {
	case kindText:
		if c.Template != nil {
			return domain.Malformed("TemplateNotAllowed", "template", "template must be absent from a message of type text")
		}
		if c.Category != "" && c.Category != events.Service {
			return domain.Malformed("CategoryNotAllowed", "category", "category of a text must be service or absent, not %q", c.Category)
		}
	case kindTemplate:
		if c.Template == nil || c.Template.Name == "" || c.Template.Language == "" {
			return domain.Malformed("TemplateRequired", "template", "template must have a name and a language")
		}
		switch c.Category {
		case events.Marketing, events.Utility, events.Authentication:
		default:
			return domain.Malformed("CategoryRequired", "category",
				"category of a template must be marketing, utility or authentication, not %q", c.Category)
		}
	default:
		return domain.Malformed("MessageTypeUnknown", "type", "type must be text or template, not %q", c.Kind)
	}
	return nil
}
