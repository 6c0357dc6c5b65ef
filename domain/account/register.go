package account

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"daybook/domain"
	"daybook/events"
	"daybook/events/id"
	"daybook/events/money"
)

// Register is the command to open an account. The name is trimmed and brought to NFC before it is measured.
type Register struct {
	Name     string
	Kind     string
	Country  string
	Currency string
	Timezone string
	WABAID   string
	Numbers  []events.BusinessNumber
	// Portfolio names what the account shares price tiers and limits with, among all accounts of the installation; empty:
	// with none. It cannot be changed afterwards.
	Portfolio string `json:"portfolio,omitempty"` // left out when empty, as in digests from before it was there
	Platform  bool   `json:"platform,omitempty"`  // the platform's own account
}

// event checks every field and returns what would be recorded.
func (c Register) event(account id.Account) (events.AccountRegistered, error) {
	none := events.AccountRegistered{}
	name := norm.NFC.String(strings.TrimSpace(c.Name))
	if n := utf8.RuneCountInString(name); n < 3 || n > 25 || !isText(name) {
		return none, domain.Malformed("NameInvalid", "name", "name must have 3 to 25 characters and no control characters")
	}
	kind := events.AccountKind(c.Kind)
	if kind != events.AccountApp && kind != events.AccountEnterprise {
		return none, domain.Malformed("KindUnknown", "kind", "kind must be app or enterprise, not %q", c.Kind)
	}
	if len(c.Country) != 2 || strings.Trim(c.Country, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return none, domain.Malformed("CountryInvalid", "country", "country must be two upper-case letters (ISO 3166-1), not %q", c.Country)
	}
	currency, err := money.ParseCurrency(c.Currency)
	if err != nil {
		return none, domain.Malformed("CurrencyInvalid", "currency", "currency must be three upper-case letters (ISO 4217), not %q", c.Currency)
	}
	if err = checkTimezone(c.Timezone); err != nil {
		return none, err
	}
	if !isDigits(c.WABAID) {
		return none, domain.Malformed("WABAInvalid", "waba_id", "waba_id must be digits, not %q", c.WABAID)
	}
	if err = checkNumbers(c.Numbers); err != nil {
		return none, err
	}
	registered := events.AccountRegistered{
		AccountID: account, Name: name, Kind: kind, Country: c.Country, Currency: currency, Timezone: c.Timezone,
		WABAID: c.WABAID, Numbers: slices.Clone(c.Numbers), Platform: c.Platform,
	}
	if c.Portfolio != "" {
		if !isWord(c.Portfolio) {
			return none, domain.Malformed("PortfolioInvalid", "portfolio", "portfolio must be a word of at most 64 letters, digits, - or _")
		}
		registered.PortfolioID = id.Derive[id.Account]("portfolio", c.Portfolio)
	}
	return registered, nil
}

// checkTimezone accepts IANA names only: "" and "Local" would load too, and mean another place on another machine.
func checkTimezone(name string) error {
	if _, err := time.LoadLocation(name); err != nil || name == "" || name == "Local" {
		return domain.Malformed("TimezoneUnknown", "timezone", "timezone must be an IANA name such as Europe/Rome, not %q", name)
	}
	return nil
}

func checkNumbers(numbers []events.BusinessNumber) error {
	if len(numbers) == 0 {
		return domain.Malformed("NumberRequired", "numbers", "numbers must name at least one business number")
	}
	seen := map[string]bool{}
	for _, n := range numbers {
		switch {
		case !isDigits(n.PhoneNumberID):
			return domain.Malformed("NumberInvalid", "numbers.phone_number_id", "phone_number_id must be digits, not %q", n.PhoneNumberID)
		case !isDigits(n.DisplayPhoneNumber):
			return domain.Malformed("NumberInvalid", "numbers.display_phone_number",
				"display_phone_number must be digits, not %q", n.DisplayPhoneNumber)
		case seen["id "+n.PhoneNumberID] || seen["display "+n.DisplayPhoneNumber]:
			return domain.Malformed("NumberRepeated", "numbers", "numbers must not name %s twice", n.PhoneNumberID)
		}
		seen["id "+n.PhoneNumberID], seen["display "+n.DisplayPhoneNumber] = true, true
	}
	return nil
}

// isDigits accepts 1 to 32 digits: platform ids are shorter, and nothing longer belongs into a stream name.
func isDigits(s string) bool { return s != "" && len(s) <= 32 && strings.Trim(s, "0123456789") == "" }

func isSHA256(s string) bool { return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == "" }

func isVersion(s string) bool { return s != "" && utf8.RuneCountInString(s) <= 64 && isText(s) }

// isLine accepts 1 to limit characters without control characters.
func isLine(s string, limit int) bool {
	return s != "" && utf8.RuneCountInString(s) <= limit && isText(s)
}

func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl) }
