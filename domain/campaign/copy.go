package campaign

import (
	"daybook/domain/content"
	"daybook/events"
)

// Language chooses the language of a copy: the customer's, or another that is spoken there, or the default.
func Language(d events.CampaignDrafted, customer string) string {
	offered := append([]string{d.DefaultLocale}, d.Locales...)
	return offered[content.Choose(customer, offered)]
}

// Fill returns what stands in the places of a copy, in order. A name that is not known and has no fallback skips the
// customer: a bare placeholder is never sent (S13).
func Fill(parameters []events.CampaignParameter, name string) (texts []string, skip events.SkipReason) {
	for _, p := range parameters {
		text := p.Text
		if p.Source == events.ParameterName {
			if text = name; !isFilling(name) {
				text = p.Fallback
			}
			if text == "" {
				return nil, events.SkipNoName
			}
		}
		texts = append(texts, text)
	}
	return texts, ""
}
