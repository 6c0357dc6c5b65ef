package events_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/events"
)

func TestDialPhoneKeepsWhatPricingNeedsAndNoMore(t *testing.T) {
	t.Parallel()
	for digits, prefix := range map[string]string{
		"16505550123":      "1650", // the area code decides between the United States, Canada and the Caribbean
		"18095550123":      "1809",
		"393331234567":     "39",
		"390655500100":     "39",
		"77001234567":      "77", // Kazakhstan
		"76001234567":      "76",
		"79001234567":      "79", // Russia
		"447911123456":     "44",
		"5511900000001":    "55",
		"919876543210":     "91",
		"2348012345678":    "234",
		"971501234567":     "971",
		"35312345678":      "353",
		"99912345678":      "999", // unassigned, and still three digits: E.164 has no longer calling code
		"1650555":          "1650",
		"":                 "",
		"123456":           "", // too short
		"1234567890123456": "", // too long
		"0393331234567":    "", // no calling code starts with 0
		"+393331234567":    "",
		"39 333 1234567":   "",
		"٣٩٣٣٣١٢٣٤٥":       "",
		"IT.1234567890":    "",
	} {
		require.Equal(t, events.Dialling{Prefix: prefix}, events.DialPhone(digits), "%q", digits)
	}
}

func TestCallingCodesOfTwoDigits(t *testing.T) {
	t.Parallel()
	two := strings.Fields(`20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64
		65 66 81 82 84 86 90 91 92 93 94 95 98`)
	for first := '2'; first <= '9'; first++ {
		for second := '0'; second <= '9'; second++ {
			code := string(first) + string(second)
			want := code
			switch {
			case first == '7':
				want = code // one digit of calling code, and one that parts Russia from Kazakhstan
			case !slices.Contains(two, code):
				want = code + "3"
			}
			require.Equal(t, want, events.DialPhone(code+"3456789").Prefix)
		}
	}
}

// A prefix tells a country, never a person: the calling code and at most three digits more, however long the number.
func TestAtMostThreeDigitsFollowTheCallingCode(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.StringMatching(`[1-9][0-9]{6,14}`).Draw(t, "digits")
		prefix := events.DialPhone(digits).Prefix
		require.True(t, strings.HasPrefix(digits, prefix))
		require.NotEmpty(t, prefix)
		require.LessOrEqual(t, len(prefix), 4)
		require.GreaterOrEqual(t, len(digits)-len(prefix), 3)
		other := prefix + strings.Repeat("5", len(digits)-len(prefix))
		require.Equal(t, prefix, events.DialPhone(other).Prefix, "the rest of the number changes nothing")
	})
}

func TestDialUserIDTakesTheCountry(t *testing.T) {
	t.Parallel()
	for userID, country := range map[string]string{
		"IT.13491208655302741918": "IT",
		"US.x":                    "US",
		"IT":                      "",
		"it.1234":                 "",
		"ITA.1234":                "",
		"I1.1234":                 "",
		".1234":                   "",
		"":                        "",
	} {
		require.Equal(t, events.Dialling{Country: country}, events.DialUserID(userID), "%q", userID)
	}
}

func TestAPersonIsDialledByNumberFirst(t *testing.T) {
	t.Parallel()
	require.Equal(t, events.Dialling{Prefix: "39"}, events.Person{WaID: "393331234567", UserID: "US.1"}.Dialling())
	require.Equal(t, events.Dialling{Country: "US"}, events.Person{UserID: "US.1"}.Dialling())
	require.Equal(t, events.Dialling{Country: "US"}, events.Person{WaID: "not a number", UserID: "US.1"}.Dialling())
	require.Zero(t, events.Person{}.Dialling())
}
