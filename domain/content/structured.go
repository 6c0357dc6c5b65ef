package content

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"daybook/domain"
	"daybook/domain/account"
)

// Structured is one message in several languages, with text, an image and links (S48). Which of its versions is sent depends
// on the recipient's language; the first is for languages that are not listed.
type Structured struct {
	Versions []Version `json:"versions"`
}

// Version is a structured message in one language.
type Version struct {
	Language string `json:"language"`
	Text     string `json:"text"`
	Image    string `json:"image,omitempty"` // an https address
	Links    []Link `json:"links,omitempty"`
}

// Link leads somewhere.
type Link struct {
	Title string `json:"title"`
	URL   string `json:"url"` // an https address
}

// Limits, in characters. Those of text are the platform's, which are smaller beside an image or a button.
const (
	versionsMax  = 32
	linksMax     = 5
	titleMax     = 20
	urlMax       = 2000
	textMax      = 4096
	shortTextMax = 1024
)

// Check tells what is wrong with a structured message.
func (m Structured) Check() error {
	if len(m.Versions) == 0 || len(m.Versions) > versionsMax {
		return domain.Malformed("StructuredInvalid", "structured.versions", "versions must be 1 to %d", versionsMax)
	}
	seen := map[string]bool{}
	for _, v := range m.Versions {
		switch {
		case !account.IsLanguage(v.Language):
			return domain.Malformed("LanguageInvalid", "structured.versions.language", "language must be such as it or pt_BR, not %q", v.Language)
		case seen[v.Language]:
			return domain.Malformed("LanguageRepeated", "structured.versions.language", "language %s must stand once", v.Language)
		}
		seen[v.Language] = true
		if err := v.check(); err != nil {
			return err
		}
	}
	return nil
}

func (v Version) check() error {
	invalid := func(field, detail string, args ...any) error {
		return domain.Malformed("StructuredInvalid", "structured.versions."+field, detail, args...)
	}
	if v.Image != "" && !isAddress(v.Image) {
		return invalid("image", "image must be an https address of at most %d characters", urlMax)
	}
	if len(v.Links) > linksMax {
		return invalid("links", "links must be at most %d", linksMax)
	}
	for _, link := range v.Links {
		if !isAddress(link.URL) {
			return invalid("links.url", "url must be an https address of at most %d characters", urlMax)
		}
		if !isText(link.Title, titleMax) || strings.Contains(link.Title, "\n") {
			return invalid("links.title", "title must have 1 to %d characters and no control characters", titleMax)
		}
	}
	limit := textMax
	if v.Image != "" || len(v.Links) == 1 {
		limit = shortTextMax
	}
	if !isText(v.Text, limit) || !isText(v.written(), limit) {
		return invalid("text", "text, with links that stand in it, must have 1 to %d characters, and no control characters but line breaks", limit)
	}
	return nil
}

// For returns the version for a language.
func (m Structured) For(language string) Version {
	offered := make([]string, len(m.Versions))
	for i, v := range m.Versions {
		offered[i] = v.Language
	}
	return m.Versions[Choose(language, offered)]
}

// Choose returns which of the languages on offer is best for a wanted one: the same, else one for all who speak it, else one
// for others who do, else the first. Languages are written as it, or pt_BR.
func Choose(wanted string, offered []string) int {
	spoken, _, _ := strings.Cut(wanted, "_")
	best, rank := 0, 0
	for i, o := range offered {
		its, _, regional := strings.Cut(o, "_")
		switch {
		case o == wanted:
			return i
		case its == spoken && !regional && rank < 2:
			best, rank = i, 2
		case its == spoken && rank < 1:
			best, rank = i, 1
		}
	}
	return best
}

// Payload is a version in the platform's form: the message's type, and the object that stands under the key of that name.
func (v Version) Payload() (kind string, object map[string]any) {
	image := map[string]any{"link": v.Image}
	switch {
	case len(v.Links) == 1: // the platform has a button for one link, and for one only
		button := map[string]any{
			"type": "cta_url", "body": map[string]any{"text": v.Text},
			"action": map[string]any{"name": "cta_url", "parameters": map[string]any{
				"display_text": v.Links[0].Title, "url": v.Links[0].URL,
			}},
		}
		if v.Image != "" {
			button["header"] = map[string]any{"type": "image", "image": image}
		}
		return "interactive", button
	case v.Image != "":
		image["caption"] = v.written()
		return "image", image
	}
	return "text", map[string]any{"body": v.written(), "preview_url": len(v.Links) > 0}
}

// written is the text with the links that no button shows, each on a line.
func (v Version) written() string {
	if len(v.Links) < 2 {
		return v.Text
	}
	lines := []string{v.Text}
	for _, link := range v.Links {
		lines = append(lines, link.Title+": "+link.URL)
	}
	return strings.Join(lines, "\n")
}

func isAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil && isText(s, urlMax) && !strings.ContainsAny(s, " \n")
}

// isText accepts 1 to limit characters, without control characters but line breaks.
func isText(s string, limit int) bool {
	return strings.TrimSpace(s) != "" && utf8.ValidString(s) && utf8.RuneCountInString(s) <= limit &&
		!strings.ContainsFunc(s, func(r rune) bool { return r != '\n' && unicode.IsControl(r) })
}
