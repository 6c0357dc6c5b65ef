package graph_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"daybook/adapters/whatsapp/graph"
	"daybook/commands/policies"
	"daybook/events"
	"daybook/events/id"
)

// shelf is a store of files that remembers the last.
type shelf struct{ last []byte }

func (s *shelf) Put(_ context.Context, sealed []byte) (string, error) {
	s.last = sealed
	sum := sha256.Sum256(sealed)
	return hex.EncodeToString(sum[:]), nil
}

const picture = "the bytes of a picture"

// holder is a platform that has one file; describe says what it tells of it.
func holder(t *testing.T, vault safe, describe func(home string) string) (graph.Media, *shelf) {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	mux.HandleFunc("GET /v24.0/77", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer token" {
			t.Error("without the token")
		}
		fmt.Fprint(w, describe(server.URL))
	})
	mux.HandleFunc("GET /bytes", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, picture) })
	mux.HandleFunc("GET /gone", answering(http.StatusNotFound, `{"error":{"code":131052}}`))
	mux.HandleFunc("GET /busy", answering(http.StatusBadRequest, `{"error":{"code":130429}}`))
	kept := &shelf{}
	return graph.Media{Client: client(t, vault, server.URL), Files: kept}, kept
}

func fileOf(vault safe, content string) policies.File {
	message := id.Message{UUID: uuid.UUID{1}}
	return policies.File{
		Account: id.Account{UUID: uuid.UUID{2}}, Customer: id.Customer{UUID: uuid.UUID{4}}, Message: message,
		Content: vault.key.Seal(id.Of[id.Fact](message), "content", []byte(content)),
	}
}

const withPicture = `{"type":"image","image":{"id":"77","mime_type":"image/jpeg"}}`

func TestAFileIsFetchedAndSealed(t *testing.T) {
	t.Parallel()
	vault := newSafe(t)
	sum := sha256.Sum256([]byte(picture))
	for _, digest := range []string{hex.EncodeToString(sum[:]), base64.StdEncoding.EncodeToString(sum[:]), ""} {
		m, kept := holder(t, vault, func(home string) string {
			return `{"url":"` + home + `/bytes","mime_type":"audio/ogg; codecs=opus","sha256":"` + digest + `","file_size":22}`
		})
		stored, err := m.Fetch(t.Context(), fileOf(vault, withPicture))
		require.NoError(t, err)
		sealed := sha256.Sum256(kept.last)
		require.Equal(t, policies.Stored{SHA256: hex.EncodeToString(sealed[:]), Bytes: int64(len(picture)), MediaType: "audio/ogg"}, stored)
		opened, err := vault.key.Open(events.Sealed(kept.last), id.Of[id.Fact](fileOf(vault, "").Message), "media")
		require.NoError(t, err)
		require.Equal(t, picture, string(opened))
	}
}

func TestAFileThatIsNotGivenIsMissing(t *testing.T) {
	t.Parallel()
	vault := newSafe(t)
	for name, c := range map[string]struct {
		content, told string
		code          int
	}{
		"none in the message":        {`{"type":"text","text":{"body":"x"}}`, ``, 0},
		"a message that is no JSON":  {`{`, ``, 0},
		"a name that is an address":  {`{"type":"image","image":{"id":"../77"}}`, ``, 0},
		"unknown to the platform":    {`{"type":"image","image":{"id":"78"}}`, ``, http.StatusNotFound},
		"gone":                       {withPicture, `{"url":"%s/gone"}`, 131052},
		"too large":                  {withPicture, `{"url":"%s/bytes","file_size":104857601}`, 0},
		"at somebody else's":         {withPicture, `{"url":"https://elsewhere.example/"}`, 0},
		"at somebody else's, hidden": {withPicture, `{"url":"http://user@` + "127.0.0.1" + `/"}`, 0},
		"nowhere":                    {withPicture, `{}`, 0},
	} {
		m, _ := holder(t, vault, func(home string) string { return fmt.Sprintf(c.told+"%.0s", home, "") })
		_, err := m.Fetch(t.Context(), fileOf(vault, c.content))
		missing, is := errors.AsType[*policies.MissingError](err)
		require.Truef(t, is, "%s: %v", name, err)
		require.Equal(t, c.code, missing.Code, name)
	}
	erased := vault
	erased.away = errErased
	m, _ := holder(t, erased, func(string) string { return "" })
	_, err := m.Fetch(t.Context(), fileOf(vault, withPicture))
	_, is := errors.AsType[*policies.MissingError](err)
	require.True(t, is, "what was erased is not fetched")
}

func TestAFileThatMayComeLaterIsNotMissing(t *testing.T) {
	t.Parallel()
	vault := newSafe(t)
	for name, told := range map[string]string{
		"the platform is busy":     `{"url":"%s/busy"}`,
		"the bytes are not theirs": `{"url":"%s/bytes","sha256":"0000000000000000000000000000000000000000000000000000000000000000"}`,
	} {
		m, kept := holder(t, vault, func(home string) string { return fmt.Sprintf(told, home) })
		_, err := m.Fetch(t.Context(), fileOf(vault, withPicture))
		require.Error(t, err, name)
		_, is := errors.AsType[*policies.MissingError](err)
		require.False(t, is, name)
		require.Nil(t, kept.last, name)
	}
}
