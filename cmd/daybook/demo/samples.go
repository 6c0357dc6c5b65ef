package demo

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// playSamples posts the deliveries, then all of them again, which must change nothing.
func (p *player) playSamples(ctx context.Context, samples [][]byte) error {
	facts, err := countSamples(samples)
	if err != nil {
		return err
	}
	for range 2 {
		for i, sample := range samples {
			if err := p.deliver(ctx, sample); err != nil {
				return fmt.Errorf("sample %d: %w", i+1, err)
			}
		}
	}
	told := 0
	for fact, n := range facts {
		p.tally.facts[fact] += n
		if fact != "MessageReceived" && fact != "UpdateQuarantined" {
			told += n
		}
	}
	fmt.Fprintf(p.Out, "  %d messages recorded, %d facts of the account and its templates, %d updates kept whole in quarantine\n\n",
		facts["MessageReceived"], told, facts["UpdateQuarantined"])
	return nil
}

// factsOf says what a whole change becomes, by its field, and by its event where the field has many. What is not here is
// kept in quarantine.
var factsOf = map[string]string{
	"account_alerts":        "PlatformTold",
	"account_review_update": "PlatformTold",
	"account_update AUTH_INTL_PRICE_ELIGIBILITY_UPDATE": "AuthInternationalPriceSet",
	"account_update DISABLED_UPDATE":                    "PlatformTold", // the samples only announce it
	"account_update ACCOUNT_RESTRICTION":                "AccountRestricted",
	"account_update ACCOUNT_VIOLATION":                  "PlatformTold",
	"account_update VOLUME_BASED_PRICING_TIER_UPDATE":   "VolumeTierTold",
	"business_capability_update":                        "MessagingLimitChanged",
	"message_template_components_update":                "TemplateEdited",
	"message_template_quality_update":                   "TemplateQualityChanged",
	"message_template_status_update":                    "TemplateStatusChanged",
	"phone_number_name_update":                          "NumberNameDecided",
	"phone_number_quality_update":                       "NumberQualityChanged MessagingLimitChanged",
	"security":                                          "PlatformTold",
	"template_category_update":                          "TemplateCategoryChanged",
}

// countSamples counts what the different updates in deliveries become: each element of a list is one, and a value without a
// list is one. It shares no code with the webhook, so that one can be held against the other.
func countSamples(samples [][]byte) (map[string]int, error) {
	facts := map[string]int{}
	seen := map[string]bool{}
	for _, sample := range samples {
		var delivery struct {
			Entry []struct {
				Changes []change `json:"changes"`
			} `json:"entry"`
		}
		if err := json.Unmarshal(sample, &delivery); err != nil {
			return nil, err
		}
		for _, entry := range delivery.Entry {
			for _, c := range entry.Changes {
				c.count(facts, seen)
			}
		}
	}
	return facts, nil
}

// change is a part of a delivery.
type change struct {
	Field string                     `json:"field"`
	Value map[string]json.RawMessage `json:"value"`
}

// count adds what the updates of a change become that were not seen before.
func (c change) count(facts map[string]int, seen map[string]bool) {
	for list, updates := range updatesOf(c.Value) {
		for _, update := range updates {
			key := c.Field + list + update
			for _, fact := range become(c.Field, list, c.Value, seen) {
				if !seen[key] {
					facts[fact]++
				}
			}
			seen[key] = true
		}
	}
}

// become says what one update becomes. A template becomes known by the first that is told of it.
func become(field, list string, value map[string]json.RawMessage, seen map[string]bool) []string {
	switch list {
	case "messages":
		return []string{"MessageReceived"}
	case "errors":
		return []string{"PlatformTold"}
	case "message_echoes":
		return []string{"MessageEchoed"}
	case "state_sync":
		return []string{"CustomerIdentified"}
	case "user_preferences": // the same customer has pressed a button before: no news
		return nil
	case "":
	default:
		return []string{"UpdateQuarantined"}
	}
	var event string
	_ = json.Unmarshal(value["event"], &event) // none: the field says it all
	told := cmp.Or(factsOf[field], factsOf[field+" "+event], "UpdateQuarantined")
	template := string(value["message_template_name"]) + string(value["message_template_language"])
	if template != "" && !seen[template] {
		seen[template] = true
		told += " TemplateSubmitted"
	}
	return strings.Fields(told)
}

// updatesOf lists the updates of one change by the list that they stand in; "" is the value itself.
func updatesOf(value map[string]json.RawMessage) map[string][]string {
	updates := map[string][]string{}
	for _, list := range []string{
		"messages", "statuses", "errors", "groups", "message_echoes", "history", "state_sync", "user_preferences",
	} {
		var elements []json.RawMessage
		if json.Unmarshal(value[list], &elements) != nil {
			continue
		}
		for _, element := range elements {
			var compact bytes.Buffer
			if json.Compact(&compact, element) == nil {
				updates[list] = append(updates[list], compact.String())
			}
		}
	}
	if len(updates) == 0 {
		whole, _ := json.Marshal(value) //nolint:errchkjson // it was JSON a moment ago
		updates[""] = []string{string(whole)}
	}
	return updates
}
