package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
)

// playSamples posts the deliveries, then all of them again, which must change nothing.
func (p *player) playSamples(ctx context.Context, samples [][]byte) error {
	received, kept, err := countSamples(samples)
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
	p.tally.facts["MessageReceived"] += received
	p.tally.facts["UpdateQuarantined"] += kept
	fmt.Fprintf(p.Out, "  %d messages recorded, %d updates kept whole in quarantine\n\n", received, kept)
	return nil
}

// countSamples counts the different updates in deliveries: each element of a list is one, and a value without a list is
// one. It shares no code with the webhook, so that one can be held against the other.
func countSamples(samples [][]byte) (received, kept int, err error) {
	seen := map[string]bool{}
	for _, sample := range samples {
		var delivery struct {
			Entry []struct {
				Changes []struct {
					Field string                     `json:"field"`
					Value map[string]json.RawMessage `json:"value"`
				} `json:"changes"`
			} `json:"entry"`
		}
		if err := json.Unmarshal(sample, &delivery); err != nil {
			return 0, 0, err
		}
		for _, entry := range delivery.Entry {
			for _, change := range entry.Changes {
				for list, updates := range updatesOf(change.Value) {
					for _, update := range updates {
						key := change.Field + list + update
						if !seen[key] && list == "messages" {
							received++
						} else if !seen[key] {
							kept++
						}
						seen[key] = true
					}
				}
			}
		}
	}
	return received, kept, nil
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
