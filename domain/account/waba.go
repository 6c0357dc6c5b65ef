package account

import (
	"slices"

	"daybook/events"
	"daybook/events/id"
)

// WABAStream names the stream that says which accounts are billed through a WABA.
func WABAStream(wabaID string) string { return "waba-" + wabaID }

// WABA is the claims on one of the platform's billing accounts. Several accounts may share it; each claims it once.
type WABA struct{ owners []id.Account }

// EvolveWABA folds one event.
func EvolveWABA(w WABA, event events.Event) WABA {
	if e, ok := event.(events.WABAClaimed); ok {
		w.owners = append(slices.Clip(w.owners), e.AccountID)
	}
	return w
}

// Owners returns the accounts that claim it, in the order of their claims.
func (w WABA) Owners() []id.Account { return w.owners }

// Claim takes the WABA for an account.
func (w WABA) Claim(account id.Account, wabaID string) ([]events.Event, error) {
	if slices.Contains(w.owners, account) {
		return nil, nil
	}
	return []events.Event{events.WABAClaimed{AccountID: account, WABAID: wabaID}}, nil
}
