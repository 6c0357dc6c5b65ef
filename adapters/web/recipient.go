package web

import (
	"regexp"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"daybook/events"
)

var (
	// userIDForm is the platform's business-scoped user id: a country and at most 128 letters and digits.
	userIDForm = regexp.MustCompile(`^[A-Z]{2}\.[0-9A-Za-z]{1,128}$`)
	// numberForm is how people write international numbers. Letters and extensions are refused: a library would guess.
	numberForm = regexp.MustCompile(`^\+?[0-9][0-9 ().\-]*$`)
	// mexicanMobile is the form in which the platform still names Mexican mobiles; the numbering plan dropped the 1.
	mexicanMobile = regexp.MustCompile(`^521[0-9]{10}$`)
)

// recipient reads whom a message is for. A phone number becomes its digits with the calling code first, which is how
// the platform names a customer too.
func recipient(to string) (events.Person, error) { return recipientAt("body.to", to) }

// recipientAt reads whom a field of a request names.
func recipientAt(field, to string) (events.Person, error) {
	to = strings.TrimSpace(to)
	if userIDForm.MatchString(to) {
		return events.Person{UserID: to}, nil
	}
	refused := invalid("RecipientInvalid", field,
		"expected a phone number with its calling code (+39… or 39…) that can exist, or a business-scoped user id (IT.…)")
	if !numberForm.MatchString(to) {
		return events.Person{}, refused
	}
	digits := strings.Map(onlyDigits, to)
	if mexicanMobile.MatchString(digits) {
		return events.Person{WaID: digits}, nil
	}
	digits, possible := normal(digits)
	if again, _ := normal(digits); !possible || again != digits { // a number of zeros loses one each time
		return events.Person{}, refused
	}
	return events.Person{WaID: digits}, nil
}

// normal writes an international number without its trunk prefix, and reports whether such a number can exist.
func normal(digits string) (normalised string, possible bool) {
	number, err := phonenumbers.Parse("+"+digits, "")
	if err != nil || !phonenumbers.IsPossibleNumber(number) {
		return "", false
	}
	return strings.TrimPrefix(phonenumbers.Format(number, phonenumbers.E164), "+"), true
}

func onlyDigits(r rune) rune {
	if r < '0' || r > '9' {
		return -1
	}
	return r
}
