package graph

import (
	"errors"
	"strings"
)

// rendering is a structured message in one language: text, perhaps an image, and links.
type rendering struct {
	Text  string   `json:"text"`
	Image *picture `json:"image,omitempty"`
	Links []link   `json:"links,omitempty"`
}

type link struct {
	Title string `json:"title"`
	URL   string `json:"url"`
}

// buttonMax is how many characters the platform shows on a button.
const buttonMax = 20

// structured renders a structured message, {"default": "it", "locales": {"it": {"text": …, "image": …, "links": […]}, …}},
// in one language; if it does not have it, in its default one. The platform has no such message: one link becomes a button,
// several stand below the text, and an image carries the text as its caption.
func structured(locale string, content []byte) (member string, payload any, err error) {
	var message struct {
		Default string               `json:"default"`
		Locales map[string]rendering `json:"locales"`
	}
	if err = read(content, &message); err != nil {
		return "", nil, err
	}
	r, found := message.Locales[locale]
	if !found {
		r, found = message.Locales[message.Default]
	}
	if !found || r.Text == "" {
		return "", nil, errors.New("a structured message has no text in its language")
	}
	if len(r.Links) == 1 && len([]rune(r.Links[0].Title)) <= buttonMax {
		return "interactive", r.button(), nil
	}
	text := r.textWithLinks()
	if r.Image != nil {
		return "image", picture{r.Image.Link, r.Image.ID, text}, nil
	}
	return "text", object{"body": text, "preview_url": false}, nil
}

func (r rendering) button() object {
	whole := object{
		"type": "cta_url", "body": object{"text": r.Text},
		"action": object{"name": "cta_url", "parameters": object{"display_text": r.Links[0].Title, "url": r.Links[0].URL}},
	}
	if r.Image != nil {
		whole["header"] = object{"type": "image", "image": picture{Link: r.Image.Link, ID: r.Image.ID}}
	}
	return whole
}

func (r rendering) textWithLinks() string {
	var b strings.Builder
	b.WriteString(r.Text)
	for _, l := range r.Links {
		b.WriteString("\n" + l.Title + ": " + l.URL)
	}
	return b.String()
}
