package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
	"daybook/events"
	"daybook/events/id"
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

// showContested prints what the owner sees when a customer complains: who wrote it, and the trail of the conversation.
func (p *player) showContested(ctx context.Context, contested sentMessage) error {
	info, err := p.API.MessageInfo(ctx, contested.id, client.WaitFor(p.last))
	if err != nil {
		return fmt.Errorf("reading the contested message's info: %w", err)
	}
	if info.Device == nil || info.Device.NameAtSend != "iPhone Mario" || info.Device.NameNow != "iPhone Banco" {
		return fmt.Errorf("the contested message shows the device %+v, not iPhone Mario, now iPhone Banco", info.Device)
	}
	fmt.Fprintf(p.Out, "The contested message %s\n", info.ID)
	w := tabwriter.NewWriter(p.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "  written on\t%s (called %s now)\n", info.Device.NameAtSend, info.Device.NameNow)
	for _, step := range []struct {
		name string
		at   *time.Time
	}{{"queued", info.QueuedAt}, {"sent", info.SentAt}, {"delivered", info.DeliveredAt}, {"read", info.ReadAt}} {
		if step.at == nil {
			return fmt.Errorf("the contested message has no time for %s", step.name)
		}
		fmt.Fprintf(w, "  %s\t%s\n", step.name, step.at.Format(time.RFC3339))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return p.showTrail(ctx, contested.conversation)
}

func (p *player) showTrail(ctx context.Context, conversation id.Conversation) error {
	page, err := p.API.AuditEntries(ctx, client.AuditFilter{Conversation: conversation, Limit: 1000}, client.WaitFor(p.last))
	if err != nil {
		return fmt.Errorf("reading the conversation's trail: %w", err)
	}
	fmt.Fprintf(p.Out, "\nThe audit trail of its conversation, %s\n", conversation)
	w := tabwriter.NewWriter(p.Out, 0, 0, 2, ' ', 0)
	for _, e := range page.Entries {
		fmt.Fprintf(w, "  %d\t%s\t%s\t%s\t%s\n", e.Revision, e.OccurredAt.Format(time.RFC3339), e.Type, actor(e), deviceIn(e))
	}
	fmt.Fprintln(w)
	return w.Flush()
}

func actor(e api.AuditEntry) events.Actor {
	if e.Actor == nil {
		return ""
	}
	return *e.Actor
}

func deviceIn(e api.AuditEntry) string {
	var data struct {
		DeviceName string `json:"device_name"`
	}
	_ = json.Unmarshal(e.Data, &data) // what has no device shows none
	return data.DeviceName
}

// check holds the book against the player's own count. It names everything that is off.
func (p *player) check(ctx context.Context) error {
	if err := p.settle(ctx); err != nil {
		return err
	}
	booked, err := p.booked(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(p.Out, "Does it add up?")
	var wrong []error
	w := tabwriter.NewWriter(p.Out, 0, 0, 2, ' ', 0)
	for _, fact := range slices.Sorted(maps.Keys(p.tally.facts)) {
		verdict := "ok"
		if booked[fact] != p.tally.facts[fact] {
			verdict = "WRONG"
			wrong = append(wrong, fmt.Errorf("%s: played %d, booked %d", fact, p.tally.facts[fact], booked[fact]))
		}
		fmt.Fprintf(w, "  %s\tplayed %d\tbooked %d\t%s\n", fact, p.tally.facts[fact], booked[fact], verdict)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, sent := range p.tally.sent {
		info, err := p.API.MessageInfo(ctx, sent.id)
		switch {
		case err != nil:
			wrong = append(wrong, err)
		case info.Device == nil || info.Device.NameAtSend != sent.deviceName || info.Status != sent.status:
			wrong = append(wrong, fmt.Errorf("message %s: %+v %s, but %s wrote it and it was %s",
				sent.id, info.Device, info.Status, sent.deviceName, sent.status))
		}
	}
	fmt.Fprintf(p.Out, "  %d messages show the device that wrote them, and their last status\n", len(p.tally.sent))
	return errors.Join(wrong...)
}

// booked counts the facts in the audit trail, by type.
func (p *player) booked(ctx context.Context) (map[string]int, error) {
	counts := map[string]int{}
	filter := client.AuditFilter{Limit: 1000}
	for {
		page, err := p.API.AuditEntries(ctx, filter)
		if err != nil {
			return nil, fmt.Errorf("reading the audit trail: %w", err)
		}
		for _, e := range page.Entries {
			counts[e.Type]++
		}
		if page.Next == nil {
			return counts, nil
		}
		filter.After = *page.Next
	}
}

// settleTime bounds how long the book may take to be complete after the last request.
const settleTime = 30 * time.Second

// settle waits until what came too early has been driven again, and every projection has read everything.
func (p *player) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		state, err := p.API.Projections(ctx)
		if err != nil {
			return fmt.Errorf("reading the projections: %w", err)
		}
		waiting, err := p.API.Quarantine(ctx, client.QuarantineFilter{Open: true, Limit: 1000}, client.WaitFor(state.Head))
		if err != nil {
			return fmt.Errorf("reading the quarantine: %w", err)
		}
		open := len(waiting.Entries)
		if wanted := p.tally.facts["UpdateQuarantined"] - p.tally.facts["UpdateRedriven"]; open == wanted && behind(state) == 0 {
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("after %s, %d updates are open in quarantine and %d projections behind", settleTime, open, behind(state))
		}
	}
}

func behind(state api.Projections) (n int) {
	for _, projection := range state.Projections {
		if projection.Position < state.Head {
			n++
		}
	}
	return n
}
