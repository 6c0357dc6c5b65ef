package commands

import (
	"strings"

	"daybook/events/id"
)

// Callback is what we give the platform with a message, and what it repeats in every status of it: by this the place of a
// status is known although the answer that names the platform's id never came. Nothing in it is personal.
type Callback struct {
	Conversation id.Conversation
	Message      id.Message
}

// callbackForm begins every callback, and says how to read the rest.
const callbackForm = "db1:"

func (c Callback) String() string {
	return callbackForm + c.Conversation.String() + ":" + c.Message.String()
}

// ParseCallback reads what String writes. Others write to the same field: it is false for anything else.
func ParseCallback(text string) (c Callback, ours bool) {
	rest, ours := strings.CutPrefix(text, callbackForm)
	first, second, two := strings.Cut(rest, ":")
	var problem, another error
	c.Conversation, problem = id.Parse[id.Conversation](first)
	c.Message, another = id.Parse[id.Message](second)
	if !ours || !two || problem != nil || another != nil || c.String() != text {
		return Callback{}, false
	}
	return c, true
}
