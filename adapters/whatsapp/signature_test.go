package whatsapp_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/adapters/whatsapp"
)

// secret signed the samples whose signatures stand in testdata/SIGNATURES.
const secret = "fixture-app-secret"

// sign is what the platform does.
func sign(key string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// samples reads every webhook sample, by file name.
func samples(tb testing.TB) map[string][]byte {
	tb.Helper()
	paths, err := filepath.Glob("testdata/*.json")
	require.NoError(tb, err)
	require.Len(tb, paths, 60)
	bodies := map[string][]byte{}
	for _, path := range paths {
		body, err := os.ReadFile(path)
		require.NoError(tb, err)
		bodies[filepath.Base(path)] = body
	}
	return bodies
}

func TestVerifyKnownSignatures(t *testing.T) {
	t.Parallel()
	table, err := os.ReadFile("testdata/SIGNATURES")
	require.NoError(t, err)
	bodies := samples(t)
	lines := strings.Split(strings.TrimSpace(string(table)), "\n")
	require.Len(t, lines, len(bodies))
	for _, line := range lines {
		name, prefix, ok := strings.Cut(line, " ")
		require.True(t, ok)
		body, ok := bodies[name]
		require.True(t, ok, name)
		signature := sign(secret, body)
		require.True(t, strings.HasPrefix(signature, "sha256="+prefix), name)
		require.True(t, whatsapp.Verify([]string{secret}, signature, body), name)
	}
	require.True(t, whatsapp.Verify([]string{secret},
		"sha256=23def29a9addd771f44c53093318e91f9d80924afa3b2b2b9d80486eee561e34", bodies["msg_text.json"]))
}

func TestVerify(t *testing.T) {
	t.Parallel()
	body := []byte(`{"object":"whatsapp_business_account"}`)
	good := sign(secret, body)
	for name, c := range map[string]struct {
		secrets []string
		header  string
		body    []byte
		want    bool
	}{
		"Right":           {[]string{secret}, good, body, true},
		"RightUpperCase":  {[]string{secret}, "sha256=" + strings.ToUpper(good[7:]), body, true},
		"NewSecretFirst":  {[]string{"new", secret}, good, body, true},
		"OldSecretFirst":  {[]string{secret, "new"}, good, body, true},
		"EmptyBody":       {[]string{secret}, sign(secret, nil), nil, true},
		"NoSecrets":       {nil, good, body, false},
		"EmptySecret":     {[]string{""}, sign("", body), body, false},
		"OtherSecret":     {[]string{"other"}, good, body, false},
		"ChangedBody":     {[]string{secret}, good, append([]byte(" "), body...), false},
		"NoHeader":        {[]string{secret}, "", body, false},
		"NoScheme":        {[]string{secret}, good[7:], body, false},
		"OtherScheme":     {[]string{secret}, "sha1=" + good[7:], body, false},
		"Truncated":       {[]string{secret}, good[:len(good)-2], body, false},
		"TooLong":         {[]string{secret}, good + "00", body, false},
		"NotHex":          {[]string{secret}, "sha256=" + strings.Repeat("zz", 32), body, false},
		"LastByteChanged": {[]string{secret}, flipLast(good), body, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, whatsapp.Verify(c.secrets, c.header, c.body))
		})
	}
}

func flipLast(s string) string {
	last := "0"
	if strings.HasSuffix(s, "0") {
		last = "1"
	}
	return s[:len(s)-1] + last
}

// FuzzVerify checks that nothing is accepted but what the secret signed, and that no header crashes it.
func FuzzVerify(f *testing.F) {
	for _, body := range samples(f) {
		f.Add(sign(secret, body), body)
	}
	f.Add("", []byte{})
	f.Add("sha256=", []byte("{}"))
	f.Fuzz(func(t *testing.T, header string, body []byte) {
		want := strings.HasPrefix(header, "sha256=") && strings.EqualFold(header[7:], sign(secret, body)[7:])
		require.Equal(t, want, whatsapp.Verify([]string{"other", secret}, header, body))
		require.True(t, whatsapp.Verify([]string{secret}, sign(secret, body), body))
	})
}
