package id_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/events/id"
)

// However a text is cut into parts, different cuts give different identifiers.
func TestDeriveIsUnambiguous(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOf(rapid.StringOfN(rapid.RuneFrom([]rune("ab\x00\x01\x02é")), 0, 4, -1))
		a, b := parts.Draw(t, "a"), parts.Draw(t, "b")
		require.Equal(t, slices.Equal(a, b), id.Derive[id.Event](a...) == id.Derive[id.Event](b...))

		text := strings.Join(a, "")
		cut := rapid.IntRange(0, len(text)).Draw(t, "cut")
		whole, halves := id.Derive[id.Event](text), id.Derive[id.Event](text[:cut], text[cut:])
		require.NotEqual(t, whole, halves)
	})
}

// Stored identifiers depend on the namespace and on the way parts are joined: these must never change.
func TestDerivedIdentifiersAreForEver(t *testing.T) {
	t.Parallel()
	require.Equal(t, "b88ac22d-de93-59ff-adb1-86cc04703f4a", id.Derive[id.Conversation]("conversation", "900555000111222", "x").String())
	require.Equal(t, "1160633b-ef86-5db0-adc5-694122ab4a1c", id.Derive[id.Event]().String())
	require.Equal(t, "e5030366-a908-57ec-afbc-efb95bce723d", id.Derive[id.Event](strings.Repeat("x", 300)).String(), "its length takes two bytes")
}

func TestJSON(t *testing.T) {
	t.Parallel()
	type holder struct {
		Must id.Account `json:"must"`
		May  id.Account `json:"may,omitzero"`
	}
	text, err := json.Marshal(holder{})
	require.NoError(t, err)
	require.JSONEq(t, `{"must":"00000000-0000-0000-0000-000000000000"}`, string(text))

	want := holder{id.New[id.Account](), id.NewRandom[id.Account]()}
	text, err = json.Marshal(want)
	require.NoError(t, err)
	require.JSONEq(t, `{"must":"`+want.Must.String()+`","may":"`+want.May.String()+`"}`, string(text))
	var got holder
	require.NoError(t, json.Unmarshal(text, &got))
	require.Equal(t, want, got)
	require.Error(t, json.Unmarshal([]byte(`{"must":"nobody"}`), &got))
	require.Error(t, json.Unmarshal([]byte(`{"must":17}`), &got))
}

func TestParseReadsTheCanonicalFormOnly(t *testing.T) {
	t.Parallel()
	want := id.NewRandom[id.Device]()
	for _, text := range []string{want.String(), strings.ToUpper(want.String())} {
		got, err := id.Parse[id.Device](text)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	bare := strings.ReplaceAll(want.String(), "-", "")
	for _, text := range []string{
		"", "nobody", bare, "{" + want.String() + "}", "urn:uuid:" + want.String(), want.String() + " ", bare + "----",
		want.String()[:35], want.String()[:35] + "g",
	} {
		got, err := id.Parse[id.Device](text)
		require.ErrorContains(t, err, "is not a UUID", "%q", text)
		require.True(t, got.IsZero())
	}
}

func TestFreshIdentifiers(t *testing.T) {
	t.Parallel()
	first, second := id.New[id.Message](), id.New[id.Message]()
	require.Less(t, first.String(), second.String(), "time-ordered")
	one, other := id.NewRandom[id.Customer](), id.NewRandom[id.Customer]()
	require.NotEqual(t, one, other)
	require.EqualValues(t, 7, first.Version())
	require.EqualValues(t, 4, id.NewRandom[id.Customer]().Version(), "a customer's id tells nothing, not even when")
	require.EqualValues(t, 5, id.Derive[id.Fact]("status").Version())
}

func TestOfKeepsTheBytes(t *testing.T) {
	t.Parallel()
	message := id.New[id.Message]()
	require.Equal(t, message.Bytes(), id.Of[id.Fact](message).Bytes())
	require.Equal(t, [16]byte(message.UUID), message.Bytes())
	require.False(t, message.IsZero())
	require.True(t, id.Message{}.IsZero())
}
