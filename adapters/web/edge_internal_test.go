package web

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"

	"daybook/events"
)

func TestRecipients(t *testing.T) {
	t.Parallel()
	for to, want := range map[string]events.Person{
		"+393331234567":      {WaID: "393331234567"},
		"393331234567":       {WaID: "393331234567"},
		" +39 333 123-4567 ": {WaID: "393331234567"},
		"+39 06 698 1234":    {WaID: "39066981234"}, // Italian fixed lines keep their 0
		"+49 (0)30 1234567":  {WaID: "49301234567"},
		"+1 (650) 555-1234":  {WaID: "16505551234"},
		"15550783881":        {WaID: "15550783881"}, // not assigned, but possible: the platform decides
		"+52 1 55 1234 5678": {WaID: "5215512345678"},
		"IT.abc123":          {UserID: "IT.abc123"},
	} {
		got, err := recipient(to)
		require.NoError(t, err, to)
		require.Equal(t, want, got, to)
	}
	for _, to := range []string{
		"", "+", "39", "+393", "+999123456789", "0039333123456", "3933312345678901", "+39333CALLME1", "+39 333 1234567;ext=5",
		"tel:+393331234567", "IT.", "it.abc", "ITA.abc", "IT.a b", "IT." + strings.Repeat("a", 129), "+٣٩٣٣٣١٢٣٤٥٦٧",
	} {
		_, err := recipient(to)
		require.Error(t, err, to)
	}
}

// FuzzRecipient holds that whatever is accepted is in the platform's own form, and means itself.
func FuzzRecipient(f *testing.F) {
	for _, seed := range []string{"+39 333 123 4567", "IT.abc", "+52 1 55 1234 5678", "+1 (650) 555-1234", "x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, to string) {
		person, err := recipient(to)
		if err != nil {
			return
		}
		require.NotEqual(t, person.WaID == "", person.UserID == "")
		require.Empty(t, strings.Trim(person.WaID, "0123456789"))
		again, err := recipient(nameOf(person))
		require.NoError(t, err)
		require.Equal(t, person, again)
		require.NotEqual(t, events.Dialling{}, person.Dialling(), "pricing must know where it goes")
	})
}

// FuzzCheckJSON holds that the check refuses nothing that encoding/json would read in only one way.
func FuzzCheckJSON(f *testing.F) {
	for _, seed := range []string{`{"a":[1,{"b":null}],"c":"d"}`, `{"a":1,"A":2}`, `[{"a":1},{"a":2}]`, `{"a":{"a":1}}`, `{`, `]`, "\"\xff\"", `{"a":{},"a":[]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		err := checkJSON(data)
		var v any
		if json.Unmarshal(data, &v) != nil || err == nil {
			return
		}
		message := err.Error()
		require.True(t, strings.HasSuffix(message, "not UTF-8") || strings.HasSuffix(message, "a member comes twice"), message)
	})
}

// TestWhatTheLibraryRefusesHasACode, also what a test can hardly bring about.
func TestWhatTheLibraryRefusesHasACode(t *testing.T) {
	t.Parallel()
	for status, code := range map[int]string{
		http.StatusBadRequest: "BodyMissing", http.StatusRequestTimeout: "RequestTimeout", http.StatusNotAcceptable: "NotAcceptable",
		http.StatusRequestEntityTooLarge: "BodyTooLarge", http.StatusUnsupportedMediaType: "UnsupportedMediaType",
		http.StatusForbidden: "Forbidden", http.StatusUnprocessableEntity: "ValidationFailed",
	} {
		p := refusal(&huma.ErrorModel{Status: status, Detail: "x"})
		require.Equal(t, code, p.Code)
		require.Equal(t, status, p.Status)
	}
	require.Nil(t, refusal(&huma.ErrorModel{Status: http.StatusTeapot}))
}

func TestCheckJSON(t *testing.T) {
	t.Parallel()
	for _, fine := range []string{`{"a":[1,{"b":null}],"c":"a"}`, `[{"a":1},{"a":2}]`, `{"a":{"a":"a"}}`, `"a"`, `{}`, `[[],["a","a"]]`, `{"a":"\ufffd"}`, `{`} {
		require.NoError(t, checkJSON([]byte(fine)), fine)
	}
	for _, bad := range []string{`{"a":1,"A":2}`, `{"a":{"b":1,"c":[{"x":1,"x":2}]}}`, `{"a":{},"b":[],"a":1}`, "{\"a\":\"\xc3\"}"} {
		require.Error(t, checkJSON([]byte(bad)), bad)
	}
}
