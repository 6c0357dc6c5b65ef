package web

import (
	"encoding/json"

	"daybook/adapters/web/api"
	"daybook/domain/content"
)

// structuredOf is what is sealed of a structured message: all its versions, so that what was offered can be told later.
func structuredOf(m api.SendMessage) ([]byte, error) {
	if m.Structured == nil {
		return nil, invalid("StructuredRequired", "body.structured", "a message of type structured needs one")
	}
	message := structured(*m.Structured)
	if err := message.Check(); err != nil {
		return nil, err
	}
	return json.Marshal(message)
}

func structured(m api.Structured) content.Structured {
	versions := make([]content.Version, len(m.Versions))
	for i, v := range m.Versions {
		links := make([]content.Link, len(v.Links))
		for j, link := range v.Links {
			links[j] = content.Link(link)
		}
		versions[i] = content.Version{Language: v.Language, Text: v.Text, Image: v.Image, Links: links}
	}
	return content.Structured{Versions: versions}
}

// localeOf is the language in which a message reaches its recipient; empty for one that has only one.
func localeOf(m api.SendMessage) string {
	if m.Structured == nil {
		return ""
	}
	return structured(*m.Structured).For(m.Structured.Language).Language
}
