package campaign

import (
	"strings"

	"daybook/events"
)

// Language chooses the language of a copy: the customer's, or another of the same base ("pt" for "pt_BR" and the reverse), or
// the default.
func Language(d events.CampaignDrafted, customer string) string {
	base := baseOf(customer)
	chosen := d.DefaultLocale
	for i := len(d.Locales) - 1; i >= 0; i-- {
		if locale := d.Locales[i]; customer != "" && baseOf(locale) == base {
			chosen = locale
		}
	}
	for _, locale := range d.Locales {
		if strings.EqualFold(locale, customer) {
			return locale
		}
	}
	return chosen
}

func baseOf(locale string) string {
	base, _, _ := strings.Cut(strings.ReplaceAll(locale, "-", "_"), "_")
	return strings.ToLower(base)
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
