package pricing

import "daybook/events"

// policy is one version of the platform's price rules. It holds for deliveries from its first to its last day.
type policy struct {
	id          string
	first, last events.Date // in the account's time zone; no last day: still in force
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
}

// condition is when a message is free by a policy alone.
type condition int

const (
	never           condition = iota
	inWindow                  // written while the customer service window was open
	always                    // whatever the window
	withinAllowance           // while the business number has free messages left in the month
)

const authenticationInternational events.Category = "authentication_international"

// policies are the versions that are known: the fixed fee per message of 2018, and the platform's pricing pages of
// 2025-07 and 2026-10. Days between them (prices per conversation) and categories without a rule wait for a policy.
var policies = []policy{
	{id: "P0", last: "2022-12-31", rules: map[events.Category]rule{
		events.Marketing:      {rated: []events.Category{events.Marketing}},
		events.Authentication: {rated: []events.Category{events.Authentication}},
		events.Utility:        {rated: []events.Category{events.Utility}},
		events.Service:        {when: inWindow, free: events.BasisFreeWindow, rated: []events.Category{events.Service, events.Utility}},
	}},
	{id: "P2", first: "2025-07-01", last: "2026-09-30", rules: map[events.Category]rule{
		events.Marketing:            {rated: []events.Category{events.Marketing}},
		events.Authentication:       {rated: []events.Category{events.Authentication}},
		authenticationInternational: {rated: []events.Category{authenticationInternational}},
		events.Utility:              {when: inWindow, free: events.BasisFreeWindow, rated: []events.Category{events.Utility}},
		events.Service:              {when: always, free: events.BasisFreeWindow, rated: []events.Category{events.Service}},
	}},
	{id: "P3", first: "2026-10-01", rules: map[events.Category]rule{
		events.Marketing:            {rated: []events.Category{events.Marketing}},
		events.Authentication:       {rated: []events.Category{events.Authentication}},
		authenticationInternational: {rated: []events.Category{authenticationInternational}},
		events.Utility:              {rated: []events.Category{events.Utility}},
		events.Service: {
			when: withinAllowance, free: events.BasisAllowance, allowance: 1_000,
			rated: []events.Category{events.Service, events.Utility},
		},
	}},
}

// policyOn returns the policy in force on a day; nil when none is known.
func policyOn(day events.Date) *policy {
	for i := range policies {
		if p := &policies[i]; p.first <= day && (p.last == "" || day <= p.last) {
			return p
		}
	}
	return nil
}

// basis is what the policy alone gives a delivery under a category; empty when it has no rule for that.
func (p *policy) basis(category events.Category, d *events.Delivered, allowanceUsed int64) events.Basis {
	r, found := p.rules[category]
	switch {
	case !found:
		return ""
	case r.when == always,
		r.when == inWindow && d.WindowUntil != nil && !d.QueuedAt.After(*d.WindowUntil),
		r.when == withinAllowance && allowanceUsed < r.allowance:
		return r.free
	}
	return events.BasisRegular
}

// hear translates the platform's word into a basis of this policy, where own is what the policy alone gives. What the
// platform says of free messages within an allowance is not known yet: there "regular" takes none away, and "free in
// the window" is one of them.
func (p *policy) hear(word, own events.Basis, category events.Category) events.Basis {
	r, found := p.rules[category]
	switch {
	case word == events.BasisRegular && (!found || r.when == withinAllowance):
		return own
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

// perMessage is the pricing.model that the policies cover. The older CBP priced conversations.
const perMessage = "PMP"
