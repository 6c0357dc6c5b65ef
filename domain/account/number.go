package account

import (
	"daybook/domain"
	"daybook/events"
	"daybook/events/id"
)

// NumberStream names the stream that says whose a business number is.
func NumberStream(phoneNumberID string) string { return "number-" + phoneNumberID }

// Number is the claim on one business number. Its invariant: a number belongs to one account. The last claim holds; a
// claim may follow another account's only when that account never came to exist.
type Number struct{ owner id.Account }

// EvolveNumber folds one event.
func EvolveNumber(n Number, event events.Event) Number {
	if e, ok := event.(events.NumberClaimed); ok {
		n.owner = e.AccountID
	}
	return n
}

// Owner returns the account that holds the claim; zero when the number was never claimed.
func (n Number) Owner() id.Account { return n.owner }

// Claim takes the number for an account. Abandoned is the holder that is known never to have come to exist, or zero.
func (n Number) Claim(account id.Account, phoneNumberID string, abandoned id.Account) ([]events.Event, error) {
	switch n.owner {
	case account:
		return nil, nil
	case id.Account{}, abandoned:
		return []events.Event{events.NumberClaimed{AccountID: account, PhoneNumberID: phoneNumberID}}, nil
	}
	return nil, domain.Refuse("NumberTaken", "business number %s belongs to another account", phoneNumberID)
}
