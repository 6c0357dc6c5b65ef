package graph

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"daybook/commands"
	"daybook/commands/policies"
	"daybook/domain/content"
)

// object is a JSON object of the platform's.
type object map[string]any

// compose writes the platform's request. Content is what was sealed of the message:
//
//	text         {"body": "…"}
//	template     {"parameters": ["…", …]} for the places of its body, or {"components": […]} in the platform's form; or none
//	image        {"link": "…"} or {"id": "…"}, and perhaps {"caption": "…"}
//	interactive  the platform's interactive object, whole
//	structured   a content.Structured
//
// Errors say nothing of what is in it.
func compose(m policies.Outgoing, to string, content []byte) ([]byte, error) {
	member, payload, err := payload(m, content)
	if err != nil {
		return nil, err
	}
	request := object{
		"messaging_product": "whatsapp", "recipient_type": "individual", "type": member, member: payload,
		"biz_opaque_callback_data": commands.Callback{Conversation: m.Conversation, Message: m.Message}.String(),
	}
	switch {
	case to == "":
		return nil, errors.New("there is no recipient")
	case strings.Trim(to, "0123456789") == "":
		request["to"] = "+" + to
	default: // a business-scoped user id
		request["recipient"] = to
	}
	return json.Marshal(request)
}

// payload is the member of the request that holds the message, and what is in it.
func payload(m policies.Outgoing, content []byte) (member string, payload any, err error) {
	switch m.Kind {
	case "text":
		var text struct {
			Body string `json:"body"`
		}
		if err = read(content, &text); err != nil || text.Body == "" {
			return "", nil, errors.New("a text has no body")
		}
		return m.Kind, object{"body": text.Body, "preview_url": false}, nil
	case "template":
		payload, err = template(m, content)
		return m.Kind, payload, err
	case "image":
		payload, err = image(content)
		return m.Kind, payload, err
	case "interactive":
		var whole struct {
			Type string `json:"type"`
		}
		if err = read(content, &whole); err != nil || whole.Type == "" {
			return "", nil, errors.New("an interactive message has no type")
		}
		return m.Kind, json.RawMessage(content), nil
	case "structured":
		return structured(m.Locale, content)
	}
	return "", nil, fmt.Errorf("messages of kind %q are not sent", m.Kind)
}

// structured renders a structured message in one language: the platform has no such message.
func structured(locale string, written []byte) (member string, payload any, err error) {
	var message content.Structured
	if err = read(written, &message); err != nil {
		return "", nil, err
	}
	if message.Check() != nil { // which would quote it
		return "", nil, errors.New("a structured message is not whole")
	}
	member, object := message.For(locale).Payload()
	return member, object, nil
}

func template(m policies.Outgoing, content []byte) (object, error) {
	if m.Template == nil {
		return nil, errors.New("a template has no name")
	}
	written := object{"name": m.Template.Name, "language": object{"code": m.Template.Language}}
	if len(content) == 0 {
		return written, nil
	}
	var filling struct {
		Parameters []string          `json:"parameters"`
		Components []json.RawMessage `json:"components"`
	}
	if err := read(content, &filling); err != nil {
		return nil, err
	}
	switch {
	case len(filling.Components) > 0:
		written["components"] = filling.Components
	case len(filling.Parameters) > 0:
		places := make([]object, len(filling.Parameters))
		for i, text := range filling.Parameters {
			places[i] = object{"type": "text", "text": text}
		}
		written["components"] = []object{{"type": "body", "parameters": places}}
	}
	return written, nil
}

// picture is an image by where it is on the web, or by what the platform calls it.
type picture struct {
	Link    string `json:"link,omitempty"`
	ID      string `json:"id,omitempty"`
	Caption string `json:"caption,omitempty"`
}

func image(content []byte) (picture, error) {
	var p picture
	if err := read(content, &p); err != nil {
		return p, err
	}
	if (p.Link == "") == (p.ID == "") {
		return p, errors.New("an image has a link or an id")
	}
	return p, nil
}

// read is json.Unmarshal without what its errors quote.
func read(content []byte, into any) error {
	if json.Unmarshal(content, into) != nil {
		return errors.New("the content cannot be read")
	}
	return nil
}
