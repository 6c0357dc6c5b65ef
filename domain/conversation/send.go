package conversation

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"daybook/domain"
	"daybook/events"
)

// The kinds of message that a business sends.
const (
	kindText     = "text"
	kindTemplate = "template"
)

// Limits of what stands in clear, in characters. The platform's own are as wide.
const (
	templateNameMax     = 512
	templateLanguageMax = 16
	diallingMax         = 16
	wamidHashMax        = 128
)

// check tells what is wrong with the command in every state.
func (c Send) check() error {
	if !isPrintable("+"+c.Dialling.Prefix+c.Dialling.Country, diallingMax) {
		return domain.Malformed("DiallingInvalid", "dialling", "dialling must be a prefix of digits or a country's two letters")
	}
	switch c.Kind {
	case kindText:
		if c.Template != nil {
			return domain.Malformed("TemplateNotAllowed", "template", "template must be absent from a message of type text")
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
		return domain.Malformed("MessageTypeUnknown", "type", "type must be text or template, not %q", c.Kind)
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
