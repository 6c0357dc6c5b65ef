// Package money is exact money: 64-bit integer micro-units of one currency. 1 USD is 1,000,000 micro-units.
//
// Nothing here converts, and only Rounded rounds. Arithmetic that would overflow or mix currencies is an error, never a wrong number.
package money

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// Errors of arithmetic and parsing.
var (
	ErrOverflow  = errors.New("money: amount out of range")
	ErrCurrency  = errors.New("money: currencies differ")
	ErrMalformed = errors.New("money: malformed")
)

const microsPerUnit = 1_000_000

// Currency is an ISO 4217 alphabetic code in upper case, such as "EUR".
type Currency string

// ParseCurrency accepts exactly three upper-case letters. Whether cards exist for it is the rate cards' business.
func ParseCurrency(s string) (Currency, error) {
	if len(s) != 3 {
		return "", fmt.Errorf("%w: currency %q is not three letters", ErrMalformed, s)
	}
	for i := range 3 {
		if s[i] < 'A' || s[i] > 'Z' {
			return "", fmt.Errorf("%w: currency %q is not three upper-case letters", ErrMalformed, s)
		}
	}
	return Currency(s), nil
}

// Currencies whose minor unit is not a hundredth, by ISO 4217.
const (
	noDecimals    = " BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF "
	threeDecimals = " BHD IQD JOD KWD LYD OMR TND "
)

// Digits is the number of decimals of the currency's minor unit.
func (c Currency) Digits() int {
	switch name := " " + string(c) + " "; {
	case strings.Contains(noDecimals, name):
		return 0
	case strings.Contains(threeDecimals, name):
		return 3
	}
	return 2
}

// Amount is a signed sum of one currency. The zero Amount has no currency and may be added to any.
type Amount struct {
	Micros   int64    `json:"micros"`
	Currency Currency `json:"currency"`
}

// Add returns a + b.
func (a Amount) Add(b Amount) (Amount, error) {
	currency, err := common(a, b)
	if err != nil {
		return Amount{}, err
	}
	sum := a.Micros + b.Micros
	if (sum > a.Micros) != (b.Micros > 0) {
		return Amount{}, fmt.Errorf("%w: %d + %d", ErrOverflow, a.Micros, b.Micros)
	}
	return Amount{sum, currency}, nil
}

// Sub returns a - b.
func (a Amount) Sub(b Amount) (Amount, error) {
	currency, err := common(a, b)
	if err != nil {
		return Amount{}, err
	}
	difference := a.Micros - b.Micros
	if (difference < a.Micros) != (b.Micros > 0) {
		return Amount{}, fmt.Errorf("%w: %d - %d", ErrOverflow, a.Micros, b.Micros)
	}
	return Amount{difference, currency}, nil
}

// Neg returns -a. The smallest int64 has no negation.
func (a Amount) Neg() (Amount, error) {
	if a.Micros == -a.Micros && a.Micros != 0 {
		return Amount{}, fmt.Errorf("%w: -(%d)", ErrOverflow, a.Micros)
	}
	return Amount{-a.Micros, a.Currency}, nil
}

// Mul returns a × n, for n messages at the price a.
func (a Amount) Mul(n int64) (Amount, error) {
	high, low := bits.Mul64(magnitude(a.Micros), magnitude(n))
	negative := (a.Micros < 0) != (n < 0)
	limit := uint64(1) << 63 // the magnitude of the smallest int64
	if !negative {
		limit--
	}
	if high != 0 || low > limit {
		return Amount{}, fmt.Errorf("%w: %d × %d", ErrOverflow, a.Micros, n)
	}
	if negative {
		return Amount{-int64(low), a.Currency}, nil // low ≤ 2^63, and -2^63 is its own two's complement
	}
	return Amount{int64(low), a.Currency}, nil
}

// Parse reads a decimal such as "0.0300" or "-12.5" with at most six decimals and an optional leading minus sign.
func Parse(decimal string, currency Currency) (Amount, error) {
	malformed := func(why string) error { return fmt.Errorf("%w: amount %q %s", ErrMalformed, decimal, why) }
	digits, negative := strings.CutPrefix(decimal, "-")
	whole, fraction, hasPoint := strings.Cut(digits, ".")
	if !isDigits(whole) || hasPoint && !isDigits(fraction) {
		return Amount{}, malformed("is not a plain decimal")
	}
	if len(fraction) > 6 {
		return Amount{}, malformed("has more than six decimals")
	}
	sign := ""
	if negative {
		sign = "-"
	}
	micros, err := strconv.ParseInt(sign+whole+fraction+strings.Repeat("0", 6-len(fraction)), 10, 64)
	if err != nil {
		return Amount{}, fmt.Errorf("%w: %s", ErrOverflow, decimal)
	}
	return Amount{micros, currency}, nil
}

// String prints the exact amount with at least four decimals, as rate cards do: "0.0300 USD", "0.000001 USD".
func (a Amount) String() string {
	sign, m := "", magnitude(a.Micros)
	if a.Micros < 0 {
		sign = "-"
	}
	fraction := fmt.Sprintf("%06d", m%microsPerUnit)
	for len(fraction) > 4 && fraction[len(fraction)-1] == '0' {
		fraction = fraction[:len(fraction)-1]
	}
	return strings.TrimSpace(fmt.Sprintf("%s%d.%s %s", sign, m/microsPerUnit, fraction, a.Currency))
}

// Rounded returns the amount in whole minor units of its currency, half to even: what a statement's line shows. Round
// once, at the end: rounded prices do not add up to the rounded sum. What would overflow stays as it is.
func (a Amount) Rounded() Amount {
	unit := int64(microsPerUnit)
	for range a.Currency.Digits() {
		unit /= 10
	}
	rest := a.Micros % unit
	down := a.Micros - rest
	away := down + unit
	if rest < 0 {
		away = down - unit
	}
	twice := 2 * max(rest, -rest)
	if twice < unit || twice == unit && down/unit%2 == 0 || (away > down) != (rest > 0) {
		return Amount{down, a.Currency}
	}
	return Amount{away, a.Currency}
}

// Shown prints the rounded amount with the decimals of its currency: "8.84 COP", "9 CLP".
func (a Amount) Shown() string {
	rounded, digits := a.Rounded(), a.Currency.Digits()
	sign, m := "", magnitude(rounded.Micros)
	if rounded.Micros < 0 {
		sign = "-"
	}
	number := sign + strconv.FormatUint(m/microsPerUnit, 10)
	if digits > 0 {
		number += "." + fmt.Sprintf("%06d", m%microsPerUnit)[:digits]
	}
	return strings.TrimSpace(number + " " + string(a.Currency))
}

func common(a, b Amount) (Currency, error) {
	switch {
	case a == Amount{}:
		return b.Currency, nil
	case b == Amount{} || a.Currency == b.Currency:
		return a.Currency, nil
	}
	return "", fmt.Errorf("%w: %s and %s", ErrCurrency, a.Currency, b.Currency)
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n) // two's complement: exact for every int64, the smallest included
	}
	return uint64(n)
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
