package whatsapp

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/text/cases"

	"daybook/domain/account"
	"daybook/events"
	"daybook/events/id"
)

// keywords are what a message asks for when it is one of these and nothing else, in small letters.
var keywords = map[string]events.Intent{
	"stop": events.IntentStop, "stop promotions": events.IntentStop, "unsubscribe": events.IntentStop, "disiscrivimi": events.IntentStop,
	"cancellami": events.IntentStop, "baja": events.IntentStop, "sair": events.IntentStop, "abmelden": events.IntentStop, "désabonner": events.IntentStop,
	"start": events.IntentStart, "subscribe": events.IntentStart, "iscrivimi": events.IntentStart, "alta": events.IntentStart,
	"anmelden": events.IntentStart, "abonner": events.IntentStart,
	"spam": events.IntentReport, "report": events.IntentReport, "segnala": events.IntentReport,
}

// wordsOf is what the customer typed, or the label of the button that was pressed; "" for all else.
func wordsOf(kind string, element object) string {
	content := parseObject(element.get(kind))
	switch kind {
	case "text":
		return text(content.get("body"))
	case "button":
		return text(content.get("text"))
	case "interactive":
		return text(parseObject(content.get("button_reply")).get("title"))
	}
	return ""
}

// mediaOf is the kind of file that the platform holds for a message; "" for none.
func mediaOf(kind string, element object) string {
	switch kind {
	case "image", "audio", "video", "document", "sticker":
		if text(parseObject(element.get(kind)).get("id")) != "" {
			return kind
		}
	}
	return ""
}

// longest is more than any keyword, or any command with what may follow it, needs to be looked at, in bytes.
const longest = 256

// findCommands gets what customers may type, of those accounts to which somebody typed a slash.
func (w *work) findCommands(ctx context.Context) error {
	for _, s := range w.spots {
		if s.item.message == nil || !strings.HasPrefix(s.item.message.words, "/") {
			continue
		}
		if _, here := w.typed[s.party.Account]; here {
			continue
		}
		configured, err := w.Recorder.Commands(ctx, s.party.Account)
		if err != nil {
			return fmt.Errorf("finding the commands of account %s: %w", s.party.Account, err)
		}
		w.typed[s.party.Account] = configured
	}
	return nil
}

// intent finds what a message asks for besides an answer, while its words are still there to be read.
func (w *work) intent(m *message, of id.Account) (asked events.Intent, command string) {
	words := strings.TrimSpace(m.words)
	if words == "" || len(words) > longest {
		return "", ""
	}
	if command = account.CommandIn(words, w.typed[of]); command != "" {
		return events.IntentCommand, command
	}
	fold := cases.Fold() // not kept: a Caser is not safe for concurrent use
	return keywords[fold.String(strings.Trim(words, " .!"))], ""
}
