package commands

import (
	"context"

	"daybook/domain/conversation"
	"daybook/events"
)

// WaitsSince tells whether a customer's message is the one since which the customer waits for an answer of a person.
func (h *Handler) WaitsSince(ctx context.Context, e events.MessageReceived) (waits bool, err error) {
	err = h.conversations.look(ctx, conversation.Stream(e.ConversationID), func(s conversation.State, _ uint64) error {
		waits = s.WaitsSince(e)
		return nil
	})
	return waits, err
}
