package events

import "strings"

// Dialling is what stands in clear beside a sealed number, because pricing needs it: the dialling prefix of a phone
// number, or the country of a business-scoped user id when the platform hides the number.
type Dialling struct {
	Prefix  string `json:"prefix,omitempty"`  // calling code, and at most 3 digits where they decide the market
	Country string `json:"country,omitempty"` // ISO 3166-1 alpha-2
}

// DialPhone takes the prefix of a phone number given as digits with the calling code first. More digits than the
// calling code are kept only where several markets share it: the area code under +1, one digit under +7 (Kazakhstan is
// 76 and 77). The zero Dialling means that these are not the digits of an international number.
func DialPhone(digits string) Dialling {
	code := callingCode(digits)
	extra := 0
	switch code {
	case "":
		return Dialling{}
	case "1":
		extra = 3
	case "7":
		extra = 1
	}
	return Dialling{Prefix: digits[:min(len(code)+extra, len(digits))]}
}

// DialUserID takes the country of a business-scoped user id ("IT.…").
func DialUserID(userID string) Dialling {
	country, _, ok := strings.Cut(userID, ".")
	if !ok || len(country) != 2 || strings.Trim(country, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return Dialling{}
	}
	return Dialling{Country: country}
}

// twoDigit lists the calling codes of two digits. ITU-T E.164 makes the code set prefix-free: 1 and 7 have one digit,
// these two, and all others three.
const twoDigit = " 20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 " +
	"81 82 84 86 90 91 92 93 94 95 98 "

// callingCode returns the ITU calling code, or "" when the text is not 7 to 15 digits or starts with 0.
func callingCode(digits string) string {
	if len(digits) < 7 || len(digits) > 15 || digits[0] == '0' || strings.Trim(digits, "0123456789") != "" {
		return ""
	}
	switch {
	case digits[0] == '1' || digits[0] == '7':
		return digits[:1]
	case strings.Contains(twoDigit, " "+digits[:2]+" "):
		return digits[:2]
	}
	return digits[:3]
}
