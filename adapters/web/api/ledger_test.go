package api_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/adapters/web/api"
	"daybook/events/money"
)

func TestDecimalsAreExact(t *testing.T) {
	t.Parallel()
	for micros, want := range map[int64]string{
		0: "0.000000", 1: "0.000001", -1: "-0.000001", 30_000: "0.030000", -1_500_000: "-1.500000",
		math.MaxInt64: "9223372036854.775807", math.MinInt64: "-9223372036854.775808",
	} {
		require.Equal(t, want, api.Decimal(micros))
	}
	rapid.Check(t, func(t *rapid.T) {
		micros := rapid.Int64().Draw(t, "micros")
		back, err := money.Parse(api.Decimal(micros), "USD")
		require.NoError(t, err)
		require.Equal(t, micros, back.Micros)
	})
}

func TestFaultsInOneLine(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]api.FieldError{
		"body.name: required":       {Location: "body.name", Message: "required"},
		"line 3, rate: no decimal":  {Line: 3, Field: "rate", Detail: "no decimal"},
		"line 3: it has two fields": {Line: 3, Detail: "it has two fields"},
		"file: it holds no rate":    {Detail: "it holds no rate"},
	} {
		require.Equal(t, want, e.String())
	}
}
