package account

import (
	"strings"

	"daybook/domain"
	"daybook/events"
)

// Verification is how far the business is confirmed (S52).
type Verification string

// The states of verification. What is unverified, pending, rejected or revoked may do all that a verified business may
// (S53): only the badge is missing.
const (
	Unverified Verification = "unverified"
	Pending    Verification = "pending"
	Verified   Verification = "verified"
	Rejected   Verification = "rejected"
	Revoked    Verification = "revoked"
)

// standing is the verification and the badge that came with it.
type standing struct {
	is    Verification // empty: unverified
	badge bool
}

func (v standing) evolve(event events.Event) standing {
	switch e := event.(type) {
	case events.VerificationRequested:
		return standing{is: Pending}
	case events.BusinessVerified:
		return standing{Verified, e.Badge}
	case events.VerificationRejected:
		return standing{is: Rejected}
	case events.VerificationRevoked:
		return standing{is: Revoked}
	}
	return v
}

// Verification returns how far the business is confirmed.
func (s State) Verification() Verification {
	if s.standing.is == "" {
		return Unverified
	}
	return s.standing.is
}

// Badge reports whether the icon stands beside the name (S38).
func (s State) Badge() bool { return s.standing.is == Verified && s.standing.badge }

// RequestVerification asks to be confirmed. It may be asked again after a refusal.
func (s State) RequestVerification() ([]events.Event, error) {
	if err := s.Usable(); err != nil {
		return nil, err
	}
	if s.standing.is == Pending {
		return nil, nil
	}
	if s.standing.is == Verified {
		return nil, domain.Refuse("AlreadyVerified", "the account is verified already")
	}
	return []events.Event{events.VerificationRequested{AccountID: s.id}}, nil
}

// Verdict is a decision on a verification: Verified with a method, Rejected or Revoked with a reason.
type Verdict struct {
	Outcome Verification
	Method  string // a word
	Badge   bool
	Reason  string // a word
}

// DecideVerification answers a request, or takes a verification back. The same decision again changes nothing.
func (s State) DecideVerification(v Verdict) ([]events.Event, error) {
	if !s.Exists() {
		return nil, unknown()
	}
	if err := v.check(); err != nil || s.standing == v.standing() {
		return nil, err
	}
	wanted := Pending
	if v.Outcome == Revoked {
		wanted = Verified
	}
	if s.standing.is != wanted {
		return nil, domain.Refuse("VerificationState", "only a %s account can become %s; this one is %s", wanted, v.Outcome, s.Verification())
	}
	return []events.Event{v.event(s)}, nil
}

func (v Verdict) standing() standing { return standing{v.Outcome, v.Outcome == Verified && v.Badge} }

func (v Verdict) event(s State) events.Event {
	switch v.Outcome {
	case Verified:
		return events.BusinessVerified{AccountID: s.id, Method: v.Method, Badge: v.Badge}
	case Rejected:
		return events.VerificationRejected{AccountID: s.id, Reason: v.Reason}
	default:
		return events.VerificationRevoked{AccountID: s.id, Reason: v.Reason}
	}
}

func (v Verdict) check() error {
	switch v.Outcome {
	case Verified:
		if !isWord(v.Method) {
			return domain.Malformed("MethodInvalid", "method", "method must be a word of at most 64 letters, digits, - or _")
		}
	case Rejected, Revoked:
		if !isWord(v.Reason) {
			return domain.Malformed("ReasonInvalid", "reason", "reason must be a word of at most 64 letters, digits, - or _")
		}
	default:
		return domain.Malformed("OutcomeUnknown", "outcome", "outcome must be verified, rejected or revoked, not %q", v.Outcome)
	}
	return nil
}

// isWord keeps prose, and with it personal data, out of what stands in clear.
func isWord(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == ""
}
