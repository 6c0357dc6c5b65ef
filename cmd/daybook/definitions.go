package main

import (
	"daybook/projections"
	"daybook/projections/analytics"
	"daybook/projections/audit"
	"daybook/projections/ledger"
	"daybook/projections/messages"
	"daybook/projections/routing"
)

// definitions lists the projections: one line to add one, which `daybook projection new` does.
func definitions() []projections.Definition {
	return []projections.Definition{
		audit.Define,
		messages.Define,
		routing.Define,
		ledger.Define,
		analytics.Define,
	}
}
