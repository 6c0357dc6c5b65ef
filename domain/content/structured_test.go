package content_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/domain"
	"daybook/domain/content"
)

func TestS48_OneMessageSpeaksTheRecipientsLanguage(t *testing.T) {
	t.Parallel()
	menu := content.Structured{Versions: []content.Version{
		{Language: "it", Text: "Il menù"}, {Language: "pt", Text: "O cardápio de todos"}, {Language: "pt_BR", Text: "O cardápio"},
		{Language: "en_GB", Text: "The menu"}, {Language: "en_US", Text: "Menu"},
	}}
	require.NoError(t, menu.Check())
	for wanted, text := range map[string]string{
		"it": "Il menù", "it_CH": "Il menù", "pt_BR": "O cardápio", "pt_PT": "O cardápio de todos", "en": "The menu", "en_US": "Menu",
		"de": "Il menù", "": "Il menù",
	} {
		require.Equal(t, text, menu.For(wanted).Text, "for %q", wanted)
	}
}

func TestS48_TextImageAndLinksInThePlatformsForm(t *testing.T) {
	t.Parallel()
	book, map1 := content.Link{Title: "Book", URL: "https://example.com/book"}, content.Link{Title: "Map", URL: "https://example.com/map"}
	for _, c := range []struct {
		version content.Version
		kind    string
		object  map[string]any
	}{
		{content.Version{Text: "Ciao"}, "text", map[string]any{"body": "Ciao", "preview_url": false}},
		{
			content.Version{Text: "Ciao", Links: []content.Link{book, map1}}, "text",
			map[string]any{"body": "Ciao\nBook: https://example.com/book\nMap: https://example.com/map", "preview_url": true},
		},
		{
			content.Version{Text: "Ciao", Image: "https://example.com/a.jpg", Links: []content.Link{book, map1}}, "image",
			map[string]any{"link": "https://example.com/a.jpg", "caption": "Ciao\nBook: https://example.com/book\nMap: https://example.com/map"},
		},
		{content.Version{Text: "Ciao", Image: "https://example.com/a.jpg"}, "image", map[string]any{"link": "https://example.com/a.jpg", "caption": "Ciao"}},
		{
			content.Version{Text: "Ciao", Image: "https://example.com/a.jpg", Links: []content.Link{book}}, "interactive",
			map[string]any{
				"type": "cta_url", "header": map[string]any{"type": "image", "image": map[string]any{"link": "https://example.com/a.jpg"}},
				"body": map[string]any{"text": "Ciao"},
				"action": map[string]any{"name": "cta_url", "parameters": map[string]any{
					"display_text": "Book", "url": "https://example.com/book",
				}},
			},
		},
	} {
		kind, object := c.version.Payload()
		require.Equal(t, c.kind, kind)
		require.Equal(t, c.object, object)
	}
	_, plain := content.Version{Text: "Ciao", Links: []content.Link{book}}.Payload()
	require.NotContains(t, plain, "header", "there is no image")
}

func TestAStructuredMessageSaysWhatIsWrongWithIt(t *testing.T) {
	t.Parallel()
	link := content.Link{Title: "Book", URL: "https://example.com"}
	for name, c := range map[string]struct {
		change func(*content.Structured)
		code   string
		field  string
	}{
		"no language":     {func(m *content.Structured) { m.Versions = nil }, "StructuredInvalid", "structured.versions"},
		"unknown":         {func(m *content.Structured) { m.Versions[0].Language = "italiano" }, "LanguageInvalid", "structured.versions.language"},
		"twice":           {func(m *content.Structured) { m.Versions = append(m.Versions, m.Versions[0]) }, "LanguageRepeated", "structured.versions.language"},
		"no text":         {func(m *content.Structured) { m.Versions[0].Text = " " }, "StructuredInvalid", "structured.versions.text"},
		"long":            {func(m *content.Structured) { m.Versions[0].Text = strings.Repeat("à", 4097) }, "StructuredInvalid", "structured.versions.text"},
		"control":         {func(m *content.Structured) { m.Versions[0].Text = "a\tb" }, "StructuredInvalid", "structured.versions.text"},
		"plain http":      {func(m *content.Structured) { m.Versions[0].Image = "http://example.com" }, "StructuredInvalid", "structured.versions.image"},
		"with a password": {func(m *content.Structured) { m.Versions[0].Image = "https://a:b@example.com" }, "StructuredInvalid", "structured.versions.image"},
		"no title":        {func(m *content.Structured) { m.Versions[0].Links = []content.Link{{URL: link.URL}} }, "StructuredInvalid", "structured.versions.links.title"},
		"no address":      {func(m *content.Structured) { m.Versions[0].Links = []content.Link{{Title: "x"}} }, "StructuredInvalid", "structured.versions.links.url"},
		"many links": {func(m *content.Structured) {
			m.Versions[0].Links = []content.Link{link, link, link, link, link, link}
		}, "StructuredInvalid", "structured.versions.links"},
		"long beside a button": {func(m *content.Structured) {
			m.Versions[0].Text, m.Versions[0].Links = strings.Repeat("a", 1025), []content.Link{link}
		}, "StructuredInvalid", "structured.versions.text"},
		"long with its links": {func(m *content.Structured) {
			m.Versions[0].Text, m.Versions[0].Links = strings.Repeat("a", 4080), []content.Link{link, link}
		}, "StructuredInvalid", "structured.versions.text"},
	} {
		m := content.Structured{Versions: []content.Version{{Language: "it", Text: strings.Repeat("à", 4096)}}}
		require.NoError(t, m.Check())
		c.change(&m)
		refused, ok := errors.AsType[*domain.Rejection](m.Check())
		require.True(t, ok, name)
		require.Equal(t, []string{c.code, c.field}, []string{refused.Code, refused.Field}, name)
	}
}
