package graph

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/commands/policies"
	"daybook/events"
)

// FuzzAnswer reads what a platform may say: it is taken with a usable id, refused, or unknown.
func FuzzAnswer(f *testing.F) {
	f.Add(200, []byte(`{"messages":[{"id":"wamid.x","message_status":"paused"}]}`))
	f.Add(400, []byte(`{"error":{"code":131026}}`))
	f.Add(500, []byte(`{"error":{"code":131000}}`))
	f.Add(302, []byte(``))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		answer, err := readAnswer(status, body)
		if err == nil {
			require.Equal(t, 200, status)
			require.True(t, visible(answer.wamid, wamidMax))
			return
		}
		if refusal, is := errors.AsType[*policies.RefusedError](err); is {
			require.NotEqual(t, 200, status)
			require.Equal(t, refusal.Retry, refusal.After > 0)
		}
	})
}

// FuzzCompose writes requests of any content: JSON, or an error that quotes nothing of it.
func FuzzCompose(f *testing.F) {
	f.Add("text", "it", []byte(`{"body":"x"}`))
	f.Add("template", "it", []byte(`{"parameters":["x"]}`))
	f.Add("structured", "it", []byte(`{"versions":[{"language":"it","text":"x","links":[{"title":"a","url":"https://b.example"}]}]}`))
	f.Fuzz(func(t *testing.T, kind, locale string, content []byte) {
		m := policies.Outgoing{Kind: kind, Locale: locale, Template: &events.Template{Name: "n", Language: "it"}}
		if body, err := compose(m, "393331234567", content); err == nil {
			require.True(t, json.Valid(body))
		}
	})
}

// FuzzFile finds the platform's name of a file: one that can stand in an address, or none.
func FuzzFile(f *testing.F) {
	f.Add([]byte(`{"type":"image","image":{"id":"77"}}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		if name, err := fileOf(content); err == nil {
			require.True(t, isName(name))
		}
	})
}
