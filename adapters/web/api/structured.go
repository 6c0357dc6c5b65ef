package api

// Structured is one message in several languages: text, an image and links. The first version is for languages that are not
// listed. All of it is sealed before anything is stored.
type Structured struct {
	Language string              `json:"language,omitempty" maxLength:"16" doc:"The recipient's language, such as it or pt_BR; the first version is sent when left out or not listed." example:"it"`
	Versions []StructuredVersion `json:"versions" nullable:"false" minItems:"1" maxItems:"32" doc:"The message in each language."`
}

// StructuredVersion is a structured message in one language.
type StructuredVersion struct {
	Language string           `json:"language" minLength:"1" maxLength:"16" doc:"Its language, such as it or pt_BR." example:"it"`
	Text     string           `json:"text" minLength:"1" maxLength:"4096" doc:"The text: at most 1,024 characters beside an image or a single link." example:"Il menù di ottobre è pronto."`
	Image    string           `json:"image,omitempty" maxLength:"2000" doc:"The https address of an image." example:"https://example.com/menu.jpg"`
	Links    []StructuredLink `json:"links,omitempty" nullable:"false" maxItems:"5" doc:"Links: one becomes a button, several stand below the text."`
}

// StructuredLink leads somewhere.
type StructuredLink struct {
	Title string `json:"title" minLength:"1" maxLength:"20" doc:"What it is called." example:"Prenota"`
	URL   string `json:"url" minLength:"1" maxLength:"2000" doc:"Its https address." example:"https://example.com/book"`
}
