// Package messages posts the life of every message: who wrote it on which device, how far it came with whom, and what
// that cost.
//
// It owns the read model of the same name. A message's row is written when it is received or queued, and never changes
// but for the platform's id. Each step of its way is one event, so each column of a recipient is written once; only a
// correction, which the conversation records when the platform tells an earlier time, writes it again. What rating says
// of a delivery stands beside the steps, whole: each fact of it replaces the one before.
package messages

import (
	"fmt"

	"daybook/events"
	"daybook/projections"
	"daybook/readmodels/messages"
)

// Define returns the projection.
func Define() *projections.Projection {
	p := projections.New("messages", 4, messages.Schema)
	table := projections.Patch[messages.MessageRow](p, "messages")
	recipients := projections.Patch[messages.RecipientRow](p, "recipients")
	postMessages(p, table)
	postElsewhere(p, table)
	postDispatch(p, table, recipients)
	postMedia(p, table)
	postSteps(p, recipients)
	postCharges(p, recipients)
	postDevices(p)
	projections.Park(p, "conversations", partition)
	return p
}

// partition is the conversation that an event is about, or the device. A conversation's own stream tells it even when the
// event cannot be read.
func partition(at projections.At) (string, bool) {
	if conversation, ok := events.ConversationOf(at.Stream); ok {
		return conversation.String(), true
	}
	decoded, err := at.Decode()
	if err != nil {
		return "", false
	}
	switch e := decoded.(type) {
	case events.MessageCharged:
		return e.Delivery.ConversationID.String(), true
	case events.ChargeAdjusted:
		return e.Delivery.ConversationID.String(), true
	case events.ChargePending:
		return e.Delivery.ConversationID.String(), true
	case events.DeviceLinked:
		return e.DeviceID.String(), true
	case events.DeviceRenamed:
		return e.DeviceID.String(), true
	case events.DeviceUnlinked:
		return e.DeviceID.String(), true
	}
	return "", false
}

func postMessages(p *projections.Projection, table *projections.PatchTable[messages.MessageRow]) {
	projections.On(p, func(e events.MessageReceived, at projections.At) error {
		return table.Set(messages.MessageRow{
			MessageID:      e.MessageID,
			ConversationID: e.ConversationID,
			AccountID:      &at.Envelope.Account,
			CustomerID:     &e.CustomerID,
			Direction:      new(messages.In),
			Origin:         new(messages.FromCustomer),
			Media:          text(e.Media),
			Kind:           &e.Kind,
			ReceivedAt:     &e.SentAt,
			WamidHash:      text(e.WamidHash),
			SealedFrom:     text(e.From),
			SealedContact:  text(e.Contact),
			SealedContent:  text(e.Content),
		})
	})
	projections.On(p, func(e events.MessageQueued, at projections.At) error {
		row := messages.MessageRow{
			MessageID:      e.MessageID,
			ConversationID: e.ConversationID,
			AccountID:      &at.Envelope.Account,
			CustomerID:     &e.CustomerID,
			Direction:      new(messages.Out),
			Kind:           &e.Kind,
			Origin:         new(originOf(e)),
			Category:       text(e.Category),
			Locale:         text(e.Locale),
			QueuedAt:       &e.QueuedAt,
			SealedTo:       text(e.To),
			SealedContent:  text(e.Content),
		}
		if e.Automatic == "" {
			row.DeviceID, row.DeviceName, row.RegistryRevision = &e.DeviceID, &e.DeviceName, &e.RegistryRevision
		}
		if e.Campaign != nil {
			row.CampaignID = &e.Campaign.CampaignID
		}
		if e.Template != nil {
			row.TemplateName, row.TemplateLanguage = &e.Template.Name, &e.Template.Language
		}
		return table.Set(row)
	})
	projections.On(p, func(e events.MessageAccepted, _ projections.At) error {
		return table.Set(messages.MessageRow{
			MessageID: e.MessageID, ConversationID: e.ConversationID, AcceptedAt: &e.AcceptedAt, WamidHash: text(e.WamidHash),
			Dispatch: new(messages.DispatchAccepted),
		})
	})
}

func postSteps(p *projections.Projection, table *projections.PatchTable[messages.RecipientRow]) {
	set := func(status events.Status, fact events.StatusFact) error {
		row, err := step(status, fact)
		if err != nil {
			return err
		}
		return table.Set(row)
	}

	projections.On(p, func(e events.MessageSent, _ projections.At) error { return set(events.StatusSent, e.StatusFact) })
	projections.On(p, func(e events.MessageDelivered, _ projections.At) error {
		return set(events.StatusDelivered, e.StatusFact)
	})
	projections.On(p, func(e events.MessageRead, _ projections.At) error { return set(events.StatusRead, e.StatusFact) })
	projections.On(p, func(e events.MessagePlayed, _ projections.At) error { return set(events.StatusPlayed, e.StatusFact) })
	projections.On(p, func(e events.StatusTimeCorrected, _ projections.At) error { return set(e.Status, e.StatusFact) })
	projections.On(p, func(e events.MessageFailed, _ projections.At) error {
		row, err := step(events.StatusFailed, e.StatusFact)
		if err != nil {
			return err
		}
		if len(e.Errors) > 0 {
			row.FailureCode = &e.Errors[0].Code
		}
		return table.Set(row)
	})
}

// step is the one column that a status writes, beside whether the delivery is late where it tells of that.
func step(status events.Status, fact events.StatusFact) (messages.RecipientRow, error) {
	row := messages.RecipientRow{MessageID: fact.MessageID, RecipientID: fact.RecipientID, ConversationID: fact.ConversationID}
	if fact.Delivery != nil {
		row.Late = &fact.Delivery.Late
	}
	switch status {
	case events.StatusSent:
		row.SentAt = &fact.At
	case events.StatusDelivered:
		row.DeliveredAt = &fact.At
	case events.StatusRead:
		row.ReadAt = &fact.At
	case events.StatusPlayed:
		row.PlayedAt = &fact.At
	case events.StatusFailed:
		row.FailedAt = &fact.At
	default:
		return row, fmt.Errorf("message %s: no column for status %q", fact.MessageID, status)
	}
	return row, nil
}

func postDevices(p *projections.Projection) {
	table := projections.Patch[messages.DeviceRow](p, "devices")

	projections.On(p, func(e events.DeviceLinked, at projections.At) error {
		return table.Set(messages.DeviceRow{
			DeviceID: e.DeviceID, AccountID: &e.AccountID, Name: &e.Name, Kind: text(e.Kind), Platform: &e.Platform,
			LinkedAt: &at.Envelope.OccurredAt,
		})
	})
	projections.On(p, func(e events.DeviceRenamed, _ projections.At) error {
		return table.Set(messages.DeviceRow{DeviceID: e.DeviceID, Name: &e.Name})
	})
	projections.On(p, func(e events.DeviceUnlinked, at projections.At) error {
		return table.Set(messages.DeviceRow{DeviceID: e.DeviceID, UnlinkedAt: &at.Envelope.OccurredAt})
	})
}

// text is null when there is nothing to say.
func text[S ~string](s S) *string {
	if s == "" {
		return nil
	}
	return new(string(s))
}
