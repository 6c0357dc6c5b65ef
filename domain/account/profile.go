package account

import (
	"fmt"
	"net/mail"
	"net/url"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"daybook/domain"
)

// Profile is the public profile; every field is optional.
type Profile struct {
	Website     string // http or https, at most 256 characters
	Address     string // at most 256 characters
	Email       string // at most 128 characters
	Description string // at most 512 characters
}

func (p Profile) normal() Profile {
	for _, field := range []*string{&p.Website, &p.Address, &p.Email, &p.Description} {
		*field = norm.NFC.String(strings.TrimSpace(*field))
	}
	return p
}

func (p Profile) check() error {
	oneLine := func(lines string) string { return strings.ReplaceAll(lines, "\n", " ") }
	for _, f := range []struct {
		name, value string
		limit       int
	}{
		{"website", p.Website, 256}, {"email", p.Email, 128},
		{"address", oneLine(p.Address), 256}, {"description", oneLine(p.Description), 512},
	} {
		if utf8.RuneCountInString(f.value) > f.limit || !isText(f.value) {
			return invalid(f.name, fmt.Sprintf("have at most %d characters and no control characters", f.limit))
		}
	}
	if p.Website != "" {
		u, err := url.Parse(p.Website)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return invalid("website", "be an http or https address")
		}
	}
	if p.Email != "" {
		address, err := mail.ParseAddress(p.Email)
		if err != nil || address.Address != p.Email {
			return invalid("email", "be a plain mail address")
		}
	}
	return nil
}

func invalid(field, rule string) error {
	return domain.Malformed("ProfileInvalid", field, "%s must %s", field, rule)
}
