package messages

import (
	"daybook/events"
	"daybook/events/id"
	"daybook/projections"
	"daybook/readmodels/messages"
)

// originOf is where a message of ours was written.
func originOf(e events.MessageQueued) messages.Origin {
	switch {
	case e.Automatic != "":
		return messages.FromAutomatic
	case e.Campaign != nil:
		return messages.FromCampaign
	}
	return messages.FromDevice
}

// postElsewhere posts the messages that were not written here.
func postElsewhere(p *projections.Projection, table *projections.PatchTable[messages.MessageRow]) {
	projections.On(p, func(e events.MessageEchoed, at projections.At) error {
		return table.Set(messages.MessageRow{
			MessageID: e.MessageID, ConversationID: e.ConversationID, AccountID: &at.Envelope.Account, CustomerID: &e.CustomerID,
			Direction: new(messages.Out), Origin: new(messages.FromEcho), Kind: &e.Kind, QueuedAt: &e.SentAt,
			WamidHash: text(e.WamidHash), SealedTo: text(e.To), SealedContent: text(e.Content),
		})
	})
	projections.On(p, func(e events.MessageImported, at projections.At) error {
		row := messages.MessageRow{
			MessageID: e.MessageID, ConversationID: e.ConversationID, AccountID: &at.Envelope.Account, CustomerID: &e.CustomerID,
			Direction: new(messages.In), Origin: new(messages.FromImport), Kind: &e.Kind, ReceivedAt: &e.SentAt,
			WamidHash: text(e.WamidHash), SealedContent: text(e.Content),
		}
		if e.Outbound {
			row.Direction, row.ReceivedAt, row.QueuedAt = new(messages.Out), nil, &e.SentAt
		}
		return table.Set(row)
	})
}

// postDispatch posts a message's way to the platform: the last fact of it counts.
func postDispatch(
	p *projections.Projection, table *projections.PatchTable[messages.MessageRow], recipients *projections.PatchTable[messages.RecipientRow],
) {
	of := func(in id.Conversation, message id.Message, state string) messages.MessageRow {
		return messages.MessageRow{MessageID: message, ConversationID: in, Dispatch: &state}
	}
	projections.On(p, func(e events.DispatchStarted, _ projections.At) error {
		row := of(e.ConversationID, e.MessageID, messages.DispatchStarted)
		row.Attempt = &e.Attempt
		if err := table.Clear(row, "dispatch_code", "dispatch_rejection", "dispatch_not_before"); err != nil {
			return err
		}
		return table.Set(row)
	})
	projections.On(p, func(e events.DispatchUnknown, _ projections.At) error {
		return table.Set(of(e.ConversationID, e.MessageID, messages.DispatchUnknown))
	})
	projections.On(p, func(e events.DispatchDeferred, _ projections.At) error {
		row := of(e.ConversationID, e.MessageID, messages.DispatchWaiting)
		row.NotBefore = &e.Until
		return table.Set(row)
	})
	projections.On(p, func(e events.DispatchFailed, _ projections.At) error {
		row := of(e.ConversationID, e.MessageID, messages.DispatchFailed)
		row.Rejection, row.NotBefore = text(e.Rejection), e.RetryAt
		if e.Code != 0 {
			row.RefusalCode = &e.Code
		}
		if e.RetryAt != nil {
			row.Dispatch = new(messages.DispatchWaiting)
		}
		return table.Set(row)
	})
	projections.On(p, func(e events.MessageExpired, _ projections.At) error {
		if err := table.Set(of(e.ConversationID, e.MessageID, messages.DispatchExpired)); err != nil {
			return err
		}
		return recipients.Set(messages.RecipientRow{
			MessageID: e.MessageID, RecipientID: e.CustomerID, ConversationID: e.ConversationID, ExpiredAt: &e.ExpiredAt,
		})
	})
}

// postMedia posts where the file of a message is kept.
func postMedia(p *projections.Projection, table *projections.PatchTable[messages.MessageRow]) {
	projections.On(p, func(e events.MediaStored, _ projections.At) error {
		return table.Set(messages.MessageRow{MessageID: e.MessageID, ConversationID: e.ConversationID, MediaSHA256: &e.SHA256})
	})
}
