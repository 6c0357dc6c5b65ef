package whatsapp

import (
	"cmp"
	"strings"
	"time"

	"daybook/domain/template"
	"daybook/events"
)

// noticeAhead is how long before the change its announcement comes, when it does not say when.
const noticeAhead = 24 * time.Hour

// pauses says how long the platform means to pause a template. The third time it disables it.
var pauses = map[string]time.Duration{"FIRST_PAUSE": 3 * time.Hour, "SECOND_PAUSE": 6 * time.Hour}

// templateNamed reads which template a value is about.
func templateNamed(value object) (*template.Name, string) {
	n := template.Name{Name: text(value.get("message_template_name")), Language: word(text(value.get("message_template_language")))}
	if n.Name == "" || len(n.Name) > 512 || strings.Trim(n.Name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" || n.Language == "" {
		return nil, "value.message_template_name or value.message_template_language is missing, or no name of a template"
	}
	return &n, ""
}

// ofTemplate is what one fact tells of a template.
func ofTemplate(value object, rule string, fact func(common) events.ToldEvent) (told, string) {
	name, unnamed := templateNamed(value)
	if rule = cmp.Or(unnamed, rule); rule != "" {
		return told{}, rule
	}
	return told{template: name, facts: func(a common) []events.ToldEvent { return []events.ToldEvent{fact(a)} }}, ""
}

// readTemplateStatus takes the platform's word on a template. Its documentation also shows changes of quality under this
// field.
func readTemplateStatus(value object) (told, string) {
	if value.get("event") == nil && value.get("new_quality_score") != nil {
		return readTemplateQuality(value)
	}
	status, rule := word(text(value.get("event"))), ""
	if status == "" {
		rule = ruleEvent
	}
	title := word(text(parseObject(value.get("other_info")).get("title")))
	return ofTemplate(value, rule, func(a common) events.ToldEvent {
		e := events.TemplateStatusChanged{
			ToldFact: a.ToldFact, TemplateID: a.template, PlatformID: number(text(value.get("message_template_id"))), Status: status,
			Reason: cmp.Or(reasonOf(value.get("reason")), title), Category: category(value.get("message_template_category")),
		}
		if status == "PAUSED" && pauses[title] > 0 {
			e.Until = new(a.ToldAt.Add(pauses[title]))
		}
		return e
	})
}

func readTemplateQuality(value object) (told, string) {
	to, rule := word(text(value.get("new_quality_score"))), ""
	if to == "" {
		rule = "value.new_quality_score is missing or not a word"
	}
	return ofTemplate(value, rule, func(a common) events.ToldEvent {
		return events.TemplateQualityChanged{
			ToldFact: a.ToldFact, TemplateID: a.template, From: word(text(value.get("previous_quality_score"))), To: to,
		}
	})
}

// readTemplateCategory takes both forms. An announcement names the category to come as the correct one, and as the new
// one that of now.
func readTemplateCategory(value object) (told, string) {
	from, to := value.get("previous_category"), value.get("new_category")
	notice := value.get("correct_category") != nil
	if notice {
		from, to = to, value.get("correct_category")
	}
	rule := ""
	if category(to) == "" {
		rule = "value names no category of a template"
	}
	due, timed := seconds(value.get("category_update_timestamp"))
	return ofTemplate(value, rule, func(a common) events.ToldEvent {
		e := events.TemplateCategoryChanged{
			ToldFact: a.ToldFact, TemplateID: a.template, From: category(from), To: category(to), EffectiveAt: a.ToldAt, Notice: notice,
		}
		switch {
		case notice && timed:
			e.EffectiveAt = due
		case notice:
			e.EffectiveAt = a.ToldAt.Add(noticeAhead)
		}
		return e
	})
}

// category accepts those that a template can have, "" for anything else.
func category(value []byte) events.Category {
	c := events.Category(strings.ToLower(text(value)))
	if c != events.Marketing && c != events.Utility && c != events.Authentication {
		return ""
	}
	return c
}

// readTemplateComponents takes the whole text, and writes it in the form in which templates are submitted.
func readTemplateComponents(value object) (told, string) {
	components := componentsOf(value)
	rule := ""
	if string(components) == "[]" {
		rule = "value has no part of a template"
	}
	return ofTemplate(value, rule, func(a common) events.ToldEvent {
		return events.TemplateEdited{ToldFact: a.ToldFact, TemplateID: a.template, Components: components}
	})
}

func componentsOf(value object) []byte {
	var parts [][]byte
	for _, part := range []struct{ kind, format, name string }{
		{"HEADER", "TEXT", "message_template_title"}, {"BODY", "", "message_template_element"}, {"FOOTER", "", "message_template_footer"},
	} {
		words := text(value.get(part.name))
		if words == "" {
			continue
		}
		o := object{{"type", quote(part.kind)}}
		if part.format != "" {
			o = append(o, member{"format", quote(part.format)})
		}
		parts = append(parts, append(o, member{"text", quote(words)}).encode())
	}
	var buttons [][]byte
	for raw := range elements(value.get("message_template_buttons")) {
		button := parseObject(raw)
		var o object
		for _, m := range []struct{ ours, theirs string }{
			{"type", "message_template_button_type"}, {"text", "message_template_button_text"},
			{"url", "message_template_button_url"}, {"phone_number", "message_template_button_phone_number"},
		} {
			if s := text(button.get(m.theirs)); s != "" {
				o = append(o, member{m.ours, quote(s)})
			}
		}
		buttons = append(buttons, o.encode())
	}
	if len(buttons) > 0 {
		parts = append(parts, object{{"type", quote("BUTTONS")}, {"buttons", array(buttons)}}.encode())
	}
	return array(parts)
}
