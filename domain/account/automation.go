package account

import (
	"slices"
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"daybook/domain"
	"daybook/events"
)

// Limits of what is answered without anybody writing it, in characters. The first three are the platform's.
const (
	commandsMax     = 30
	commandMax      = 32
	hintMax         = 256
	replyMax        = 4096
	replyLocalesMax = 32
)

// automation is what the account answers by itself. Slices are replaced, never changed: a state may be looked at later.
type automation struct {
	commands []events.CommandConfigured
	replies  []events.AutoReplyConfigured
}

func (a automation) evolve(event events.Event) automation {
	switch e := event.(type) {
	case events.CommandConfigured:
		a.commands = append(a.withoutCommand(e.Command), e)
	case events.CommandRemoved:
		a.commands = a.withoutCommand(e.Command)
	case events.AutoReplyConfigured:
		a.replies = append(a.withoutReply(e.Trigger), e)
	case events.AutoReplyRemoved:
		a.replies = a.withoutReply(e.Trigger)
	}
	return a
}

func (a automation) withoutCommand(name string) []events.CommandConfigured {
	name = foldName(name)
	return slices.DeleteFunc(slices.Clone(a.commands), func(c events.CommandConfigured) bool { return foldName(c.Command) == name })
}

func (a automation) withoutReply(trigger events.AutoTrigger) []events.AutoReplyConfigured {
	return slices.DeleteFunc(slices.Clone(a.replies), func(r events.AutoReplyConfigured) bool { return r.Trigger == trigger })
}

// Commands lists what customers may type after a slash, in the order of configuration; none without the feature.
func (s State) Commands() []events.CommandConfigured {
	if !s.Has(events.FeatureCommands) {
		return nil
	}
	return s.automation.commands
}

// AutoReplies lists what is answered without a command; nothing without the feature.
func (s State) AutoReplies() []events.AutoReplyConfigured {
	if !s.Has(events.FeatureCommands) {
		return nil
	}
	return s.automation.replies
}

// CommandIn returns the command that a text begins with, as it was configured; empty when there is none.
func CommandIn(text string, commands []events.CommandConfigured) string {
	typed, slash := strings.CutPrefix(strings.TrimSpace(text), "/")
	name, _, _ := strings.Cut(typed, " ")
	if !slash || name == "" || len(name) > 4*commandMax {
		return ""
	}
	name = foldName(name)
	for _, c := range commands {
		if foldName(c.Command) == name {
			return c.Command
		}
	}
	return ""
}

// Command is a command to configure.
type Command struct {
	Name    string // 1 to 32 characters, no spaces and no slash; unique whatever its case
	Hint    string // at most 256 characters
	Replies []events.LocalizedReply
}

// ConfigureCommand adds a command, or replaces the one of that name (S40).
func (s State) ConfigureCommand(c Command) ([]events.Event, error) {
	if err := s.automatic(); err != nil {
		return nil, err
	}
	name, hint := norm.NFC.String(strings.TrimPrefix(strings.TrimSpace(c.Name), "/")), norm.NFC.String(strings.TrimSpace(c.Hint))
	replies, err := localized("replies", c.Replies)
	switch {
	case !isLine(name, commandMax) || strings.ContainsAny(name, " /"):
		return nil, domain.Malformed("CommandInvalid", "command", "command must have 1 to %d characters, and no space, slash or control character", commandMax)
	case hint != "" && !isLine(hint, hintMax):
		return nil, domain.Malformed("HintInvalid", "hint", "hint must have at most %d characters and no control characters", hintMax)
	case err != nil:
		return nil, err
	}
	wanted := events.CommandConfigured{AccountID: s.id, Command: name, Hint: hint, Replies: replies}
	others := s.automation.withoutCommand(name)
	for _, is := range s.automation.commands {
		if is.Command == name && is.Hint == hint && slices.Equal(is.Replies, replies) {
			return nil, nil
		}
	}
	if len(others) == commandsMax {
		return nil, domain.Refuse("TooManyCommands", "an account has at most %d commands", commandsMax)
	}
	return []events.Event{wanted}, nil
}

// RemoveCommand ends a command.
func (s State) RemoveCommand(name string) ([]events.Event, error) {
	if err := s.Usable(); err != nil {
		return nil, err
	}
	for _, is := range s.automation.commands {
		if foldName(is.Command) == foldName(name) {
			return []events.Event{events.CommandRemoved{AccountID: s.id, Command: is.Command}}, nil
		}
	}
	return nil, domain.Missing("CommandUnknown", "the account has no such command")
}

// ConfigureAutoReply says what is answered to a trigger (S40).
func (s State) ConfigureAutoReply(trigger events.AutoTrigger, texts []events.LocalizedReply) ([]events.Event, error) {
	if err := s.automatic(); err != nil {
		return nil, err
	}
	if err := checkTrigger(trigger); err != nil {
		return nil, err
	}
	replies, err := localized("replies", texts)
	if err != nil {
		return nil, err
	}
	for _, is := range s.automation.replies {
		if is.Trigger == trigger && slices.Equal(is.Replies, replies) {
			return nil, nil
		}
	}
	return []events.Event{events.AutoReplyConfigured{AccountID: s.id, Trigger: trigger, Replies: replies}}, nil
}

// RemoveAutoReply ends an automatic reply. One that there is not is no error.
func (s State) RemoveAutoReply(trigger events.AutoTrigger) ([]events.Event, error) {
	if err := s.Usable(); err != nil {
		return nil, err
	}
	if err := checkTrigger(trigger); err != nil || len(s.automation.withoutReply(trigger)) == len(s.automation.replies) {
		return nil, err
	}
	return []events.Event{events.AutoReplyRemoved{AccountID: s.id, Trigger: trigger}}, nil
}

// automatic refuses whoever may not answer by itself. Verified or not makes no difference (S53).
func (s State) automatic() error {
	if err := s.Usable(); err != nil {
		return err
	}
	return s.Require(events.FeatureCommands)
}

func checkTrigger(trigger events.AutoTrigger) error {
	switch trigger {
	case events.TriggerFirstMessage, events.TriggerAway, events.TriggerWelcome:
		return nil
	}
	return domain.Malformed("TriggerUnknown", "trigger", "trigger must be first_message, away or welcome, not %q", trigger)
}

// localized checks and normalises a text in several languages.
func localized(field string, texts []events.LocalizedReply) ([]events.LocalizedReply, error) {
	if len(texts) == 0 || len(texts) > replyLocalesMax {
		return nil, domain.Malformed("TextsInvalid", field, "%s must have 1 to %d languages", field, replyLocalesMax)
	}
	seen := map[string]bool{}
	clean := make([]events.LocalizedReply, len(texts))
	for i, t := range texts {
		clean[i] = events.LocalizedReply{Language: t.Language, Text: norm.NFC.String(strings.TrimSpace(t.Text))}
		switch {
		case !IsLanguage(t.Language):
			return nil, domain.Malformed("LanguageInvalid", field+".language", "language must be such as it or pt_BR, not %q", t.Language)
		case seen[t.Language]:
			return nil, domain.Malformed("LanguageRepeated", field+".language", "language %s must stand once", t.Language)
		case !isLine(strings.ReplaceAll(clean[i].Text, "\n", " "), replyMax):
			return nil, domain.Malformed("TextsInvalid", field+".text",
				"text must have 1 to %d characters and no control characters but line breaks", replyMax)
		}
		seen[t.Language] = true
	}
	return clean, nil
}

// IsLanguage accepts codes as the platform writes them: it, fil, pt_BR.
func IsLanguage(s string) bool {
	language, country, regional := strings.Cut(s, "_")
	return (len(language) == 2 || len(language) == 3) && strings.Trim(language, "abcdefghijklmnopqrstuvwxyz") == "" &&
		(!regional || len(country) == 2 && strings.Trim(country, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "")
}

// foldName makes names equal that differ in case only.
func foldName(s string) string {
	fold := cases.Fold() // not kept: a Caser is not safe for concurrent use
	return fold.String(norm.NFC.String(s))
}
