package events_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/events"
	"daybook/events/id"
)

func TestSealedRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		key := dataKey(t, rapid.Uint64Range(1, 1000).Draw(t, "key"), byte(1))
		fact := of[id.Fact](rapid.Uint64Range(1, 1000).Draw(t, "fact"))
		path := rapid.String().Draw(t, "path")
		plaintext := rapid.SliceOf(rapid.Byte()).Draw(t, "plaintext")

		value := key.Seal(fact, path, plaintext)
		opened, err := key.Open(value, fact, path)
		require.NoError(t, err)
		require.Equal(t, string(plaintext), string(opened))
		if len(plaintext) == 0 {
			require.Empty(t, value)
			return
		}
		keyID, _, _, err := value.Parts()
		require.NoError(t, err)
		require.Equal(t, key.ID(), keyID)
		require.NotEqual(t, value, key.Seal(fact, path, plaintext), "equal texts must not look equal when sealed")
	})
}

func TestSealedValuesCannotBeMoved(t *testing.T) {
	t.Parallel()
	key := dataKey(t, 1, 1)
	fact := of[id.Fact](7)
	value := key.Seal(fact, "content", []byte("ci vediamo alle otto"))

	for name, open := range map[string]func() ([]byte, error){
		"to another fact":                       func() ([]byte, error) { return key.Open(value, of[id.Fact](8), "content") },
		"to another field":                      func() ([]byte, error) { return key.Open(value, fact, "from") },
		"under another key id, same secret":     func() ([]byte, error) { return dataKey(t, 2, 1).Open(value, fact, "content") },
		"under another secret, same key id":     func() ([]byte, error) { return dataKey(t, 1, 2).Open(value, fact, "content") },
		"with the key id of another key":        func() ([]byte, error) { return dataKey(t, 2, 1).Open(renamed(value, 1, 2), fact, "content") },
		"with the commitment of another key":    func() ([]byte, error) { return key.Open(recommitted(t, value, 2), fact, "content") },
		"with a forged commitment, other key":   func() ([]byte, error) { return dataKey(t, 1, 2).Open(recommitted(t, value, 2), fact, "content") },
		"with an empty path":                    func() ([]byte, error) { return key.Open(value, fact, "") },
		"with its nonce and ciphertext cut off": func() ([]byte, error) { return key.Open(truncated(value), fact, "content") },
	} {
		opened, err := open()
		require.ErrorIs(t, err, events.ErrSealed, name)
		require.Nil(t, opened, name)
	}
}

func TestOneAlteredByteOfASealedValueIsNoticed(t *testing.T) {
	t.Parallel()
	key := dataKey(t, 0xabcdef, 1)
	fact := of[id.Fact](7)
	rapid.Check(t, func(t *rapid.T) {
		altered := []byte(key.Seal(fact, "content", []byte(rapid.StringN(1, 20, -1).Draw(t, "plaintext"))))
		i := rapid.IntRange(0, len(altered)-1).Draw(t, "at")
		altered[i] = rapid.Byte().Filter(func(b byte) bool { return b != altered[i] }).Draw(t, "byte")
		_, err := key.Open(events.Sealed(altered), fact, "content")
		require.ErrorIs(t, err, events.ErrSealed)
	})
	value := key.Seal(fact, "content", []byte("x"))
	for _, other := range []events.Sealed{value + "\n", "\n" + value, value + "=", events.Sealed(strings.ToUpper(string(value)))} {
		_, err := key.Open(other, fact, "content")
		require.ErrorIs(t, err, events.ErrSealed)
	}
}

// The stored value was made once, under a fixed key. It must open for as long as there are books to read.
func TestTheGoldenSealedValueOpens(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/sealed.v1.json")
	require.NoError(t, err)
	var stored struct {
		KeyID     string        `json:"key_id"`
		Secret    string        `json:"secret"`
		FactID    string        `json:"fact_id"`
		Path      string        `json:"path"`
		Plaintext string        `json:"plaintext"`
		Sealed    events.Sealed `json:"sealed"`
	}
	require.NoError(t, json.Unmarshal(text, &stored))
	keyID, err := id.Parse[id.Key](stored.KeyID)
	require.NoError(t, err)
	fact, err := id.Parse[id.Fact](stored.FactID)
	require.NoError(t, err)
	secret, err := hex.DecodeString(stored.Secret)
	require.NoError(t, err)
	key, err := events.NewDataKey(keyID, secret)
	require.NoError(t, err)

	opened, err := key.Open(stored.Sealed, fact, stored.Path)
	require.NoError(t, err)
	require.Equal(t, stored.Plaintext, string(opened))
}

func TestADataKeyHas32SecretBytes(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 16, 31, 33} {
		_, err := events.NewDataKey(of[id.Key](1), make([]byte, size))
		require.ErrorContains(t, err, "not 32")
	}
}

func FuzzSealedParts(f *testing.F) {
	f.Add(string(sealed))
	f.Add("")
	f.Add("sealed:1:::")
	f.Add("sealed:2:00000000-0000-4000-8000-000000000050:AA:AA")
	f.Fuzz(func(t *testing.T, text string) {
		keyID, commitment, box, err := events.Sealed(text).Parts()
		if err != nil {
			require.ErrorIs(t, err, events.ErrSealed)
			return
		}
		b64 := base64.RawURLEncoding.EncodeToString
		require.Equal(t, text, "sealed:1:"+keyID.String()+":"+b64(commitment)+":"+b64(box), "one value has one text")
	})
}

func dataKey(t require.TestingT, n uint64, secret byte) events.DataKey {
	key, err := events.NewDataKey(of[id.Key](n), []byte(strings.Repeat(string(rune('a'+secret)), 32)))
	require.NoError(t, err)
	return key
}

// renamed writes another key id into a sealed value.
func renamed(value events.Sealed, from, to uint64) events.Sealed {
	return events.Sealed(strings.Replace(string(value), of[id.Key](from).String(), of[id.Key](to).String(), 1))
}

// recommitted puts the commitment of another secret into a sealed value.
func recommitted(t *testing.T, value events.Sealed, secret byte) events.Sealed {
	t.Helper()
	fields := strings.Split(string(value), ":")
	fields[3] = strings.Split(string(dataKey(t, 1, secret).Seal(of[id.Fact](7), "content", []byte("x"))), ":")[3]
	return events.Sealed(strings.Join(fields, ":"))
}

func truncated(value events.Sealed) events.Sealed {
	return value[:strings.LastIndex(string(value), ":")+1]
}
