// Package domain holds what all aggregates share: how a decision says no.
//
// The packages below it are pure deciders. State is folded from events by Evolve; decisions are methods of State that
// return events or a *Rejection and change nothing. A repeated command that changes nothing decides no event and is no
// error.
package domain

import (
	"errors"
	"fmt"
)

// Kind is why a command was refused; it decides what a caller may do about it.
type Kind int

// The kinds of refusal.
const (
	Invalid   Kind = iota + 1 // the command is malformed: no state would allow it
	Conflict                  // the present state forbids it
	NotFound                  // what the command names does not exist
	Forbidden                 // the caller may not do it, whatever the state
)

// String names the kind for logs and test failures.
func (k Kind) String() string {
	switch k {
	case Invalid:
		return "invalid"
	case Conflict:
		return "conflict"
	case NotFound:
		return "not found"
	case Forbidden:
		return "forbidden"
	default:
		return fmt.Sprintf("kind %d", int(k))
	}
}

// Rejection is a refusal that people may read. It never holds personal data.
type Rejection struct { //nolint:errname // "rejection" is the domain's word
	Kind   Kind
	Code   string // the rule's stable name, such as "DeviceLimitReached"
	Field  string // the field at fault, in the API's spelling; empty when it is not one field
	Detail string // a sentence that names field and rule
}

func (r *Rejection) Error() string { return r.Code + ": " + r.Detail }

// CodeOf returns the code of a refusal; empty when the error is none.
func CodeOf(err error) string {
	if r, ok := errors.AsType[*Rejection](err); ok {
		return r.Code
	}
	return ""
}

// Refuse says that the state forbids the command.
func Refuse(code, detail string, args ...any) error {
	return &Rejection{Kind: Conflict, Code: code, Detail: fmt.Sprintf(detail, args...)}
}

// Malformed says that a field of the command breaks a rule in every state.
func Malformed(code, field, detail string, args ...any) error {
	return &Rejection{Kind: Invalid, Code: code, Field: field, Detail: fmt.Sprintf(detail, args...)}
}

// Missing says that what the command names does not exist.
func Missing(code, detail string, args ...any) error {
	return &Rejection{Kind: NotFound, Code: code, Detail: fmt.Sprintf(detail, args...)}
}

// Deny says that the caller may not do what was asked. It never tells of things of another account: those are missing.
func Deny(code, detail string, args ...any) error {
	return &Rejection{Kind: Forbidden, Code: code, Detail: fmt.Sprintf(detail, args...)}
}
