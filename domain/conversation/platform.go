package conversation

import (
	"maps"

	"daybook/events"
	"daybook/events/id"
)

// byConversation is how the platform calls prices per conversation (until 2025-06-30).
const byConversation = "CBP"

// platform is the platform's own conversations, where they have a price as a whole: the message first told of opened one.
// They are known by an id derived from the platform's.
type platform struct {
	of     map[id.Message]id.Message // message of ours → the platform's conversation
	opener map[id.Message]id.Message // the platform's conversation → message of ours
}

func newPlatform() platform {
	return platform{map[id.Message]id.Message{}, map[id.Message]id.Message{}}
}

func (p platform) clone() platform { return platform{maps.Clone(p.of), maps.Clone(p.opener)} }

// concerns tells whether a status is about a conversation that has a price as a whole.
func concerns(pricing *events.Pricing, origin *events.Origin) bool {
	return pricing != nil && pricing.Model == byConversation && origin != nil && origin.PlatformID != ""
}

func (p platform) note(message id.Message, origin *events.Origin) {
	conversation := id.Derive[id.Message]("platform conversation", origin.PlatformID)
	if _, known := p.of[message]; !known {
		p.of[message] = conversation
	}
	if _, known := p.opener[conversation]; !known {
		p.opener[conversation] = message
	}
}

// within is the message that opened the conversation of another one; zero for the opener itself.
func (p platform) within(message id.Message) id.Message {
	opener := p.opener[p.of[message]]
	if opener == message {
		return id.Message{}
	}
	return opener
}
