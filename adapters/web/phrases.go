package web

import (
	"cmp"

	"daybook/commands/policies"
	"daybook/events"
	"daybook/projections"
)

// phrases are what the pages say to people for words that events and programs use. Words that people use too stand for
// themselves.
var phrases = map[string]string{
	string(events.BasisRegular):          "the rate of the card",
	string(events.BasisAllowance):        "free: within the month's free service messages",
	string(events.BasisFreeWindow):       "free: inside the service window",
	string(events.BasisFreeEntryPoint):   "free: inside the window of a free entry point",
	string(events.BasisFreeGroup):        "free: to a group, inside the service window",
	string(events.BasisFreeConversation): "free: in a conversation that was paid as a whole",

	string(events.RateUnavailable):   "no price: no rate card has a rate for it",
	string(events.MarketUnresolved):  "no price: neither number nor country of the recipient is known",
	string(events.PolicyUnavailable): "no price: no policy covers it",

	string(events.MarketByPrefix):   "by the number's first digits",
	string(events.MarketByUserID):   "by the country of the user id",
	string(events.MarketByFallback): "no market lists the recipient: priced as all others",

	"authentication_international": "authentication, international",
	"unreadable":                   "a category that cannot be read",

	string(projections.PhaseReplaying): "being built",
	string(projections.PhaseReady):     "ready to go live",
	string(projections.PhaseRetired):   "read until a while ago",
	string(projections.StatePaused):    "paused at an event that fails",

	string(policies.StateStandby): "at work in other processes",
}

// phrase words a word for people.
func phrase(word string) string { return cmp.Or(phrases[word], word) }
