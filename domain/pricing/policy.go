package pricing

import (
	"time"

	"daybook/events"
)

// policy is one version of the platform's price rules. It holds for deliveries from its first to its last day.
type policy struct {
	id          string
	model       string      // the platform's word for rules of this kind
	first, last events.Date // in the account's time zone; no last day: still in force
	entryPoints bool        // what is written in a free entry point window is free
	rules       map[events.Category]rule
}

// rule is how a policy prices one category.
type rule struct {
	when condition    // a message is free …
	free events.Basis // … and why
	// rated lists the categories of the card whose rate applies to what is not free: the first that has one.
	rated []events.Category
	// allowance is how many messages of a business number are free in a month, for the condition withinAllowance.
	allowance int64
	tiered    bool // the bands of the rate apply; else its first price is that of all
}

// condition is when a message is free by a policy alone.
type condition int

const (
	never           condition = iota
	inWindow                  // written while the customer service window was open
	always                    // whatever the window
	withinAllowance           // while the business number has free messages left in the month
	inConversation            // it did not open the platform's conversation that it belongs to: who did pays for all
)

const authenticationInternational events.Category = "authentication_international"

// The platform's words for what it prices, in pricing.pricing_model.
const (
	perConversation = "CBP"
	perMessage      = "PMP"
)

// policies are the versions that are known, in order: the fixed fee per message of 2018, the prices per conversation
// from 2023-06 on, of which service became free in 2024-11, and the platform's pricing pages of 2025-07 and 2026-10. Days
// between them and categories without a rule wait for a policy.
var policies = []policy{
	{id: "P0", last: "2022-12-31", rules: map[events.Category]rule{
		events.Marketing:      {rated: []events.Category{events.Marketing}},
		events.Authentication: {rated: []events.Category{events.Authentication}},
		events.Utility:        {rated: []events.Category{events.Utility}},
		events.Service:        {when: inWindow, free: events.BasisFreeWindow, rated: []events.Category{events.Service, events.Utility}},
	}},
	{id: "P1", model: perConversation, first: "2023-06-01", last: "2024-10-31", entryPoints: true, rules: map[events.Category]rule{
		events.Marketing:            conversation(events.Marketing),
		events.Authentication:       conversation(events.Authentication),
		authenticationInternational: conversation(authenticationInternational),
		events.Utility:              conversation(events.Utility),
		events.Service:              conversation(events.Service),
	}},
	{id: "P1", model: perConversation, first: "2024-11-01", last: "2025-06-30", entryPoints: true, rules: map[events.Category]rule{
		events.Marketing:            conversation(events.Marketing),
		events.Authentication:       conversation(events.Authentication),
		authenticationInternational: conversation(authenticationInternational),
		events.Utility:              conversation(events.Utility),
		events.Service:              {when: always, free: events.BasisFreeWindow},
	}},
	{id: "P2", model: perMessage, first: "2025-07-01", last: "2026-09-30", entryPoints: true, rules: map[events.Category]rule{
		events.Marketing:            {rated: []events.Category{events.Marketing}},
		events.Authentication:       {rated: []events.Category{events.Authentication}, tiered: true},
		authenticationInternational: {rated: []events.Category{authenticationInternational}, tiered: true},
		events.Utility: {
			when: inWindow, free: events.BasisFreeWindow, rated: []events.Category{events.Utility}, tiered: true,
		},
		events.Service: {when: always, free: events.BasisFreeWindow, rated: []events.Category{events.Service}},
	}},
	{id: "P3", model: perMessage, first: "2026-10-01", entryPoints: true, rules: map[events.Category]rule{
		events.Marketing:            {rated: []events.Category{events.Marketing}},
		events.Authentication:       {rated: []events.Category{events.Authentication}, tiered: true},
		authenticationInternational: {rated: []events.Category{authenticationInternational}, tiered: true},
		events.Utility:              {rated: []events.Category{events.Utility}, tiered: true},
		events.Service: {
			when: withinAllowance, free: events.BasisAllowance, allowance: 1_000,
			rated: []events.Category{events.Service, events.Utility},
		},
	}},
}

// conversation is how a category was priced per conversation.
func conversation(category events.Category) rule {
	return rule{when: inConversation, free: events.BasisFreeConversation, rated: []events.Category{"cbp_" + category}}
}

// policyOn returns the policy in force on a day. A model that the platform tells outranks the day: what began under the
// older rules is priced by their last version, and what it prices by newer ones already, by their first. Nil when none
// is known.
func policyOn(day events.Date, model string) *policy {
	var nearest *policy
	for i := range policies {
		p := &policies[i]
		switch {
		case model != "" && p.model != model:
		case p.first <= day && (p.last == "" || day <= p.last):
			return p
		case model != "" && (nearest == nil || p.first <= day):
			nearest = p
		}
	}
	return nearest
}

// LateRepliesAllowed says whether free-form messages may be sent on a day when the service window is closed: under the
// policy of 2018, for its fee.
func LateRepliesAllowed(day events.Date) bool {
	p := policyOn(day, "")
	return p != nil && p.rules[events.Service].when == inWindow && len(p.rules[events.Service].rated) > 0
}

// basis is what the policy alone gives a delivery under a category; empty when it has no rule for that.
func (p *policy) basis(category events.Category, d *events.Delivered, allowanceUsed int64) events.Basis {
	r, found := p.rules[category]
	switch {
	case !found:
		return ""
	case p.entryPoints && writtenWithin(d, d.EntryPointUntil):
		return events.BasisFreeEntryPoint
	case r.when == always,
		r.when == inWindow && writtenWithin(d, d.WindowUntil),
		r.when == withinAllowance && allowanceUsed < r.allowance,
		r.when == inConversation && d.Within != nil:
		return r.free
	}
	return events.BasisRegular
}

// writtenWithin says whether a message was written while a window was open: its last instant is inside.
func writtenWithin(d *events.Delivered, until *time.Time) bool {
	return until != nil && !d.QueuedAt.After(*until)
}

// hear is the basis that the platform's word gives a delivery. What it says of free messages within an allowance is not
// known yet: there "regular" takes none away, and "free in the window" is one of them. Of conversations, "regular" says
// that they cost something, which is who opened them.
func (p *policy) hear(word events.Basis, category events.Category, d *events.Delivered, allowanceUsed int64) events.Basis {
	r, found := p.rules[category]
	switch {
	case word == events.BasisRegular && !found:
		return ""
	case word == events.BasisRegular && (r.when == withinAllowance || r.when == inConversation):
		elsewhere := *d
		elsewhere.EntryPointUntil = nil // the platform says that it is in none
		return p.basis(category, &elsewhere, allowanceUsed)
	case word == events.BasisFreeWindow && r.when == withinAllowance:
		return r.free
	}
	return word
}

// told is the platform's word as a basis, by pricing.type of its status webhooks.
var told = map[string]events.Basis{
	"regular":                     events.BasisRegular,
	"free_customer_service":       events.BasisFreeWindow,
	"free_entry_point":            events.BasisFreeEntryPoint,
	"free_group_customer_service": events.BasisFreeGroup,
}
