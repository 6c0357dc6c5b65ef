package money_test

import (
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/events/money"
)

// micros draws from the whole range, and often from its edges.
func micros() *rapid.Generator[int64] {
	return rapid.OneOf(
		rapid.Int64(),
		rapid.Int64Range(-1_000_000_000, 1_000_000_000),
		rapid.SampledFrom([]int64{0, 1, -1, math.MaxInt64, math.MinInt64, math.MaxInt64 - 1, math.MinInt64 + 1, 1 << 32, -1 << 31}),
	)
}

func eur(n int64) money.Amount { return money.Amount{Micros: n, Currency: "EUR"} }

// Whatever fits is exact; whatever does not is refused. Arbitrary precision is the judge.
func TestArithmeticIsExactOrRefused(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := micros().Draw(t, "a"), micros().Draw(t, "b")
		exactly := func(want *big.Int, got money.Amount, err error) {
			if !want.IsInt64() {
				require.ErrorIs(t, err, money.ErrOverflow)
				require.Zero(t, got)
				return
			}
			require.NoError(t, err)
			require.Equal(t, eur(want.Int64()), got)
		}
		x, y := big.NewInt(a), big.NewInt(b)

		sum, err := eur(a).Add(eur(b))
		exactly(new(big.Int).Add(x, y), sum, err)
		difference, err := eur(a).Sub(eur(b))
		exactly(new(big.Int).Sub(x, y), difference, err)
		product, err := eur(a).Mul(b)
		exactly(new(big.Int).Mul(x, y), product, err)
		negated, err := eur(a).Neg()
		exactly(new(big.Int).Neg(x), negated, err)
	})
}

func TestOverflowAtTheEdges(t *testing.T) {
	t.Parallel()
	largest, smallest := eur(math.MaxInt64), eur(math.MinInt64)
	for name, of := range map[string]func() (money.Amount, error){
		"largest + 1":   func() (money.Amount, error) { return largest.Add(eur(1)) },
		"smallest - 1":  func() (money.Amount, error) { return smallest.Sub(eur(1)) },
		"0 - smallest":  func() (money.Amount, error) { return eur(0).Sub(smallest) },
		"-smallest":     smallest.Neg,
		"smallest × -1": func() (money.Amount, error) { return smallest.Mul(-1) },
		"largest × 2":   func() (money.Amount, error) { return largest.Mul(2) },
		"2^32 × 2^31":   func() (money.Amount, error) { return eur(1 << 32).Mul(1 << 31) },
		"2^32 × 2^32":   func() (money.Amount, error) { return eur(1 << 32).Mul(1 << 32) },
	} {
		got, err := of()
		require.ErrorIs(t, err, money.ErrOverflow, name)
		require.Zero(t, got, name)
	}
	for name, of := range map[string]func() (money.Amount, error){
		"-1 - largest":   func() (money.Amount, error) { return eur(-1).Sub(largest) },
		"smallest × 1":   func() (money.Amount, error) { return smallest.Mul(1) },
		"-2^32 × 2^31":   func() (money.Amount, error) { return eur(-1 << 32).Mul(1 << 31) },
		"smallest + 0":   func() (money.Amount, error) { return smallest.Add(eur(0)) },
		"2^62 × -2":      func() (money.Amount, error) { return eur(1 << 62).Mul(-2) },
		"-largest - 1":   func() (money.Amount, error) { return eur(-math.MaxInt64).Sub(eur(1)) },
		"0 + smallest":   func() (money.Amount, error) { return money.Amount{}.Add(smallest) },
		"smallest - (0)": func() (money.Amount, error) { return smallest.Sub(money.Amount{}) },
	} {
		got, err := of()
		require.NoError(t, err, name)
		require.Equal(t, smallest, got, name)
	}
	difference, err := eur(-1).Sub(smallest)
	require.NoError(t, err)
	require.Equal(t, largest, difference)
}

func TestCurrenciesNeverMix(t *testing.T) {
	t.Parallel()
	usd := money.Amount{Micros: 1, Currency: "USD"}
	_, err := eur(1).Add(usd)
	require.ErrorIs(t, err, money.ErrCurrency)
	_, err = eur(0).Sub(usd)
	require.ErrorIs(t, err, money.ErrCurrency, "an amount of nothing still has its currency")

	for _, of := range []func() (money.Amount, error){
		func() (money.Amount, error) { return money.Amount{}.Add(usd) },
		func() (money.Amount, error) { return usd.Add(money.Amount{}) },
		func() (money.Amount, error) { return usd.Sub(money.Amount{}) },
	} {
		got, err := of()
		require.NoError(t, err)
		require.Equal(t, usd, got, "the zero amount goes with any currency")
	}
}

func TestParseAndPrint(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text    string
		micros  int64
		printed string
	}{
		{"0.0300", 30_000, "0.0300 EUR"},
		{"-12.5", -12_500_000, "-12.5000 EUR"},
		{"0.000001", 1, "0.000001 EUR"},
		{"0.00001", 10, "0.00001 EUR"},
		{"0", 0, "0.0000 EUR"},
		{"-0", 0, "0.0000 EUR"},
		{"-0.000001", -1, "-0.000001 EUR"},
		{"007", 7_000_000, "7.0000 EUR"},
		{"9223372036854.775807", math.MaxInt64, "9223372036854.775807 EUR"},
		{"-9223372036854.775808", math.MinInt64, "-9223372036854.775808 EUR"},
	} {
		got, err := money.Parse(c.text, "EUR")
		require.NoError(t, err, c.text)
		require.Equal(t, eur(c.micros), got, c.text)
		require.Equal(t, c.printed, got.String())
	}
	require.Equal(t, "0.0000", money.Amount{}.String())
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "-", ".", "1.", ".5", "+1", "--1", "1,5", "1 000", " 1", "1e3", "0x10", "1_000", "0.0000001", "1.2.3", "NaN",
		"Inf", "٣", "1.-5", "1.+5",
	} {
		_, err := money.Parse(text, "EUR")
		require.ErrorIs(t, err, money.ErrMalformed, "%q", text)
	}
	for _, text := range []string{"9223372036854.775808", "-9223372036854.775809", strings.Repeat("9", 400)} {
		_, err := money.Parse(text, "EUR")
		require.ErrorIs(t, err, money.ErrOverflow, "%q", text)
	}
}

func TestPrintedAmountsReadBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := eur(micros().Draw(t, "amount"))
		decimal, found := strings.CutSuffix(want.String(), " EUR")
		require.True(t, found)
		got, err := money.Parse(decimal, "EUR")
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

func TestParseCurrency(t *testing.T) {
	t.Parallel()
	got, err := money.ParseCurrency("EUR")
	require.NoError(t, err)
	require.Equal(t, money.Currency("EUR"), got)
	for _, text := range []string{"", "EU", "EURO", "eur", "EU1", "€"} {
		_, err := money.ParseCurrency(text)
		require.ErrorIs(t, err, money.ErrMalformed, "%q", text)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"0.0300", "-12.5", "9223372036854.775807", "1.", "", "-0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := money.Parse(text, "EUR")
		if err != nil {
			require.Zero(t, got)
			return
		}
		exact, ok := new(big.Rat).SetString(text)
		require.True(t, ok)
		require.Zero(t, exact.Cmp(big.NewRat(got.Micros, 1_000_000)), "%q is not %d micro-units", text, got.Micros)
	})
}

func TestRounded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		amount, shown string
		currency      money.Currency
	}{
		{"0.005", "0.00 USD", "USD"},
		{"0.015", "0.02 USD", "USD"},
		{"0.025", "0.02 USD", "USD"},
		{"0.025001", "0.03 USD", "USD"},
		{"-0.005", "0.00 USD", "USD"},
		{"-0.015", "-0.02 USD", "USD"},
		{"-0.025", "-0.02 USD", "USD"},
		{"-12.996", "-13.00 USD", "USD"},
		{"8.8365", "8.84 COP", "COP"},
		{"8.5", "8 CLP", "CLP"},
		{"9.5", "10 CLP", "CLP"},
		{"0.0005", "0.000 KWD", "KWD"},
		{"0.0015", "0.002 KWD", "KWD"},
	} {
		a, err := money.Parse(c.amount, c.currency)
		require.NoError(t, err)
		require.Equal(t, c.shown, a.Shown(), c.amount)
		require.Equal(t, a.Rounded(), a.Rounded().Rounded())
	}
	for _, extreme := range []int64{math.MaxInt64, math.MinInt64} {
		a := money.Amount{Micros: extreme, Currency: "USD"}.Rounded()
		require.Less(t, max(a.Micros-extreme, extreme-a.Micros), int64(10_000))
	}
}

func TestRoundedIsTheNearestAndEvenBetweenTwo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		currency := rapid.SampledFrom([]money.Currency{"USD", "CLP", "KWD"}).Draw(t, "currency")
		unit := map[int]int64{0: 1_000_000, 2: 10_000, 3: 1_000}[currency.Digits()]
		a := money.Amount{Micros: rapid.Int64Range(-1<<50, 1<<50).Draw(t, "micros"), Currency: currency}
		if rapid.Bool().Draw(t, "half") {
			a.Micros = a.Micros/unit*unit + unit/2
		}
		r := a.Rounded()
		require.Zero(t, r.Micros%unit)
		distance := max(r.Micros-a.Micros, a.Micros-r.Micros)
		require.LessOrEqual(t, 2*distance, unit)
		if 2*distance == unit {
			require.Zero(t, r.Micros/unit%2)
		}
	})
}
