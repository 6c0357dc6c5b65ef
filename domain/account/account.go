// Package account decides on a business: its registration, terms, profile and plan, its people and their keys, its
// verification and features, what it answers by itself, and what the platform tells of it.
//
// Invariants:
//   - An account is registered once; its name cannot be changed afterwards (S55) and has 3 to 25 characters (S56).
//   - Nothing that the business asks for but AcceptTerms is decided before the current terms of service and privacy policy
//     are accepted (S51).
//   - The photo may be changed any number of times (S57).
//   - The plan at an instant follows the subscription at that instant (S10).
//   - An account that has users has an owner among them. Names of users are unique, whatever their case.
//   - At most two keys of a user live at once, none for more than a year. A key may do what its scopes and the present
//     roles of its user both permit.
//   - Only a verified business shows the badge (S38, S52); nothing else depends on it (S53).
//   - Only the platform's own account publishes notices (S54).
//   - What the platform told last, by its own clock, holds, in whatever order it is told; a repeat changes nothing.
package account

import (
	"fmt"
	"time"

	"daybook/domain"
	"daybook/events"
	"daybook/events/id"
	"daybook/events/money"
)

// Stream names the account's stream.
func Stream(account id.Account) string { return "account-" + account.String() }

// Plan is what an account has subscribed to; device limits follow it.
type Plan int

// The plans.
const (
	Standard Plan = iota
	Premium
)

// State is an account as far as decisions need it. The zero value is not registered.
type State struct {
	id       id.Account
	name     string
	currency money.Currency
	timezone string
	zone     *time.Location // of timezone; nil when this machine does not know it
	numbers  []events.BusinessNumber
	platform bool
	accepted Terms // zero: none
	current  Terms // see Under
	profile  Profile
	photo    string
	premium  []period
	users    map[id.User]user // removed ones too: ids are never used again
	keys     map[id.APIKey]key

	standing   standing
	features   features
	automation automation
	limits     limits
}

// period is a time on premium: from is inside, until is outside; a zero until means without end.
type period struct{ from, until time.Time }

func (p period) holds(at time.Time) bool {
	return !at.Before(p.from) && (p.until.IsZero() || at.Before(p.until))
}

// Evolve folds one event. It may change the maps of the state that it is given.
func Evolve(s State, event events.Event) State {
	switch e := event.(type) {
	case events.AccountRegistered:
		s.id, s.name, s.numbers = e.AccountID, e.Name, e.Numbers
		s.currency, s.timezone, s.platform = e.Currency, e.Timezone, e.Platform
		s.zone, _ = time.LoadLocation(e.Timezone) // reads a file: once, not at every question
	case events.TermsAccepted:
		s.accepted = Terms{e.TermsVersion, e.PrivacyVersion}
	case events.ProfileUpdated:
		s.profile = Profile{e.Website, e.Address, e.Email, e.Description}
	case events.ProfilePhotoChanged:
		s.photo = e.MediaSHA256
	case events.PremiumSubscribed:
		s.premium = append(s.premium, period{from: e.ValidFrom})
	case events.PremiumCancelled:
		for i, p := range s.premium {
			if p.until.IsZero() || p.until.After(e.EffectiveAt) {
				s.premium[i].until = e.EffectiveAt
			}
		}
	}
	s = s.evolvePeople(event)
	s.standing = s.standing.evolve(event)
	s.features = s.features.evolve(event)
	s.automation = s.automation.evolve(event)
	s.limits = s.limits.evolve(event)
	return s
}

// Exists reports whether the account was registered.
func (s State) Exists() bool { return !s.id.IsZero() }

// Currency returns what the account is billed in; empty before it is registered.
func (s State) Currency() money.Currency { return s.currency }

// Zone returns the time zone that decides the account's days and billing periods. A registered one was known when it was
// recorded; the error is of a machine that does not know it any more.
func (s State) Zone() (*time.Location, error) {
	if s.zone == nil {
		return nil, fmt.Errorf("time zone %q of account %s is not known on this machine", s.timezone, s.id)
	}
	return s.zone, nil
}

// PlanAt returns the plan at an instant.
func (s State) PlanAt(at time.Time) Plan {
	for _, p := range s.premium {
		if p.holds(at) {
			return Premium
		}
	}
	return Standard
}

// Shown returns what everybody may know of the business.
func (s State) Shown() (name string, profile Profile, photo string) {
	return s.name, s.profile, s.photo
}

// Numbers returns the business numbers of the account.
func (s State) Numbers() []events.BusinessNumber { return s.numbers }

// Number returns the business number to use when a command names phoneNumberID: that one, or the first when it is empty.
func (s State) Number(phoneNumberID string) (string, error) {
	for _, n := range s.numbers {
		if phoneNumberID == "" || n.PhoneNumberID == phoneNumberID {
			return n.PhoneNumberID, nil
		}
	}
	return "", domain.Missing("NumberUnknown", "the account has no business number %q", phoneNumberID)
}

// Usable refuses whatever needs a registered account that has accepted the terms.
func (s State) Usable() error {
	switch {
	case !s.Exists():
		return unknown()
	case !s.agreed():
		return domain.Refuse("TermsNotAccepted", "the current terms of service and privacy policy must be accepted first")
	}
	return nil
}

// Register opens the account.
func (s State) Register(account id.Account, c Register) ([]events.Event, error) {
	event, err := c.event(account)
	switch {
	case err != nil:
		return nil, err
	case s.Exists() && event.Name != s.name:
		return nil, domain.Refuse("NameImmutable", "the account is registered as %q; a name cannot be changed", s.name)
	case s.Exists():
		return nil, domain.Refuse("AccountExists", "the account is registered already")
	}
	return []events.Event{event}, nil
}

// AcceptTerms records consent to both documents, by version. When the installation has published terms, only the current
// ones can be accepted.
func (s State) AcceptTerms(terms, privacy string, now time.Time) ([]events.Event, error) {
	given := Terms{terms, privacy}
	if !s.Exists() {
		return nil, unknown()
	}
	if err := given.check(); err != nil || given == s.accepted {
		return nil, err
	}
	if s.current != (Terms{}) && given != s.current {
		return nil, domain.Refuse("TermsNotCurrent", "the current versions are %s of the terms and %s of the privacy policy",
			s.current.Service, s.current.Privacy)
	}
	return []events.Event{events.TermsAccepted{
		AccountID: s.id, TermsVersion: terms, PrivacyVersion: privacy, AcceptedAt: now,
	}}, nil
}

// UpdateProfile replaces the public profile (S58).
func (s State) UpdateProfile(p Profile) ([]events.Event, error) {
	if err := s.Usable(); err != nil {
		return nil, err
	}
	p = p.normal()
	if err := p.check(); err != nil || p == s.profile {
		return nil, err
	}
	return []events.Event{events.ProfileUpdated{
		AccountID: s.id, Website: p.Website, Address: p.Address, Email: p.Email, Description: p.Description,
	}}, nil
}

// ChangePhoto names the new photo by the SHA-256 of its bytes, in hex; empty removes it.
func (s State) ChangePhoto(mediaSHA256 string) ([]events.Event, error) {
	if err := s.Usable(); err != nil {
		return nil, err
	}
	if mediaSHA256 != "" && !isSHA256(mediaSHA256) {
		return nil, domain.Malformed("PhotoInvalid", "media_sha256", "media_sha256 must be 64 lower-case hex digits or empty")
	}
	if mediaSHA256 == s.photo {
		return nil, nil
	}
	return []events.Event{events.ProfilePhotoChanged{AccountID: s.id, MediaSHA256: mediaSHA256}}, nil
}

// SubscribePremium puts the account on premium from an instant on. It changes nothing when premium holds from then on.
func (s State) SubscribePremium(from time.Time) ([]events.Event, error) {
	if err := s.Usable(); err != nil {
		return nil, err
	}
	for _, p := range s.premium {
		if p.until.IsZero() && p.holds(from) {
			return nil, nil
		}
	}
	return []events.Event{events.PremiumSubscribed{AccountID: s.id, ValidFrom: from}}, nil
}

// CancelPremium ends premium at an instant. It changes nothing when premium does not hold then or later.
func (s State) CancelPremium(at time.Time) ([]events.Event, error) {
	if err := s.Usable(); err != nil {
		return nil, err
	}
	for _, p := range s.premium {
		if p.until.IsZero() || p.until.After(at) {
			return []events.Event{events.PremiumCancelled{AccountID: s.id, EffectiveAt: at}}, nil
		}
	}
	return nil, nil
}

func unknown() error { return domain.Missing("AccountUnknown", "there is no such account") }
