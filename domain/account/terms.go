package account

import (
	"daybook/domain"
	"daybook/events"
)

// TermsStream is where the installation's terms are published.
const TermsStream = "terms"

// Terms are versions of terms of service and privacy policy. The zero value is none.
type Terms struct{ Service, Privacy string }

// EvolveTerms folds one event: the terms that were published last are the current ones.
func EvolveTerms(t Terms, event events.Event) Terms {
	if e, ok := event.(events.TermsPublished); ok {
		t = Terms{e.TermsVersion, e.PrivacyVersion}
	}
	return t
}

// Publish makes versions the current ones.
func (t Terms) Publish(next Terms) ([]events.Event, error) {
	if err := next.check(); err != nil || next == t {
		return nil, err
	}
	return []events.Event{events.TermsPublished{TermsVersion: next.Service, PrivacyVersion: next.Privacy}}, nil
}

func (t Terms) check() error {
	switch {
	case !isVersion(t.Service):
		return domain.Malformed("TermsVersionRequired", "terms_version", "terms_version must have 1 to 64 characters and no control characters")
	case !isVersion(t.Privacy):
		return domain.Malformed("PrivacyVersionRequired", "privacy_version", "privacy_version must have 1 to 64 characters and no control characters")
	}
	return nil
}

// Under returns the account as it stands under the terms that are current. None: whatever it accepted holds.
func (s State) Under(current Terms) State {
	s.current = current
	return s
}

// agreed reports whether the account has accepted the current terms.
func (s State) agreed() bool {
	return s.accepted != (Terms{}) && (s.current == (Terms{}) || s.accepted == s.current)
}
