package graph_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"daybook/adapters/whatsapp/graph"
	"daybook/commands/policies"
	"daybook/events"
	"daybook/events/id"
)

// safe is a vault with one key.
type safe struct {
	key  events.DataKey
	away error // what opening fails with
}

var errErased = errors.New("erased")

func (s safe) Open(_ context.Context, sealed events.Sealed, fact id.Fact, path string) ([]byte, error) {
	if s.away != nil {
		return nil, s.away
	}
	return s.key.Open(sealed, fact, path)
}

func (s safe) Keys(_ context.Context, scopes []events.KeyScope) (map[events.KeyScope]events.DataKey, error) {
	keys := map[events.KeyScope]events.DataKey{}
	for _, scope := range scopes {
		keys[scope] = s.key
	}
	return keys, nil
}

func (s safe) WamidHash(wamid string) events.WamidHash { return events.WamidHash("w1:" + wamid) }

func newSafe(t testing.TB) safe {
	t.Helper()
	key, err := events.NewDataKey(id.New[id.Key](), make([]byte, 32))
	require.NoError(t, err)
	return safe{key: key}
}

const (
	number = "393331234567"
	secret = "ci vediamo alle otto"
	wamid  = "wamid.HBgLMzkzMzMxMjM0NTY3"
)

// platform answers every call in the same way.
func platform(t *testing.T, vault safe, answer http.HandlerFunc) *graph.Client {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return client(t, vault, server.URL)
}

func client(t *testing.T, vault safe, address string) *graph.Client {
	t.Helper()
	c := graph.New(graph.Config{
		URL: address + "/v24.0/", Token: "token", Vault: vault, Now: time.Now,
		Erased: func(err error) bool { return errors.Is(err, errErased) },
	})
	t.Cleanup(c.Close)
	return c
}

func answering(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// outgoing is a message with sealed content.
func outgoing(vault safe, kind, to, content string) policies.Outgoing {
	message := id.Message{UUID: uuid.UUID{1}}
	fact := id.Of[id.Fact](message)
	return policies.Outgoing{
		Account: id.Account{UUID: uuid.UUID{2}}, PhoneNumberID: "900555000111222",
		Conversation: id.Conversation{UUID: uuid.UUID{3}}, Message: message, Customer: id.Customer{UUID: uuid.UUID{4}},
		Kind: kind, To: vault.key.Seal(fact, "to", []byte(to)), Content: vault.key.Seal(fact, "content", []byte(content)),
	}
}

func text(vault safe) policies.Outgoing {
	return outgoing(vault, "text", number, `{"body":"`+secret+`"}`)
}

// refused returns the refusal that an error must be.
func refused(t *testing.T, err error) policies.RefusedError {
	t.Helper()
	refusal, is := errors.AsType[*policies.RefusedError](err)
	require.Truef(t, is, "%v is no refusal", err)
	return *refusal
}
