package web_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/adapters/web/api"
	"daybook/domain/content"
	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
)

func TestS48_AStructuredMessageIsOneMessageInManyLanguages(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	device := s.device(account, "iPhone Mario")
	s.hello(account)
	send := func(rest string) string {
		return `{"device_id":"` + device.String() + `","to":"` + customerNumber + `","type":"structured"` + rest + `}`
	}
	s.refused(account, http.MethodPost, "/messages", send(""), "StructuredRequired")
	s.refused(account, http.MethodPost, "/messages", send(`,"structured":{"versions":[{"language":"italiano","text":"Ciao"}]}`), "LanguageInvalid")
	s.refused(account, http.MethodPost, "/messages",
		`{"device_id":"`+device.String()+`","to":"`+customerNumber+`","type":"template","structured":{"versions":[{"language":"it","text":"Ciao"}]}}`,
		"StructuredNotAllowed")

	var queued api.MessageQueued
	sent := s.done(account, http.MethodPost, "/messages", send(`,"structured":{"language":"de_AT","versions":[
		{"language":"it","text":"Il menù","image":"https://example.com/menu.jpg","links":[{"title":"Prenota","url":"https://example.com/it"}]},
		{"language":"de","text":"Die Karte","links":[{"title":"Buchen","url":"https://example.com/de"}]}]}`))
	require.NoError(t, json.Unmarshal(sent.body, &queued))
	e := s.queued(queued.Conversation, queued.ID)
	require.Equal(t, "structured", e.Kind)
	require.Equal(t, "de", e.Locale)
	require.Equal(t, events.Service, e.Category)
	var whole content.Structured
	require.NoError(t, json.Unmarshal([]byte(s.open(e.Content, e.MessageID, "content")), &whole))
	require.Len(t, whole.Versions, 2)
	require.Equal(t, "Die Karte", whole.For(e.Locale).Text)
}

// queued reads a message as it was recorded.
func (s *system) queued(in id.Conversation, message id.Message) (found events.MessageQueued) {
	s.t.Helper()
	for record, err := range s.store.ReadStream(s.t.Context(), conversation.Stream(in), 0) {
		require.NoError(s.t, err)
		event, _, err := events.DecodeRecord(record)
		require.NoError(s.t, err)
		if e, ok := event.(events.MessageQueued); ok && e.MessageID == message {
			found = e
		}
	}
	return found
}
