package main

import (
	"daybook/projections"
	"daybook/projections/analytics"
	"daybook/projections/audit"
	"daybook/projections/campaigns"
	"daybook/projections/customers"
	"daybook/projections/ledger"
	"daybook/projections/messages"
	"daybook/projections/routing"
	"daybook/projections/templates"
	"daybook/projections/timers"
)

// definitions lists the projections: one line to add one, and its import; `daybook projection new` writes both.
func definitions() []projections.Definition {
	return []projections.Definition{
		audit.Define,
		messages.Define,
		routing.Define,
		ledger.Define,
		analytics.Define,
		templates.Define,
		timers.Define,
		campaigns.Define,
		customers.Define,
	}
}
