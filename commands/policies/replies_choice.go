package policies

import (
	"cmp"
	"context"
	"fmt"
	"sync"

	"github.com/nyaruka/phonenumbers"
	"golang.org/x/text/language"

	"daybook/domain/account"
	"daybook/domain/content"
	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
)

// reply is a configured reply: what it is called in the message, and its texts. The zero value is none.
type reply struct {
	by    string
	texts []events.LocalizedReply
}

// choose returns the one reply that a message gets: that of the command it is, of the chat that it opens, of the first
// message of a conversation, or of nobody being there.
func choose(s account.State, e events.MessageReceived, first func() (bool, error)) (reply, error) {
	switch {
	case e.Intent == events.IntentCommand:
		return commandOf(s, e.Command), nil
	case e.Kind == conversation.KindWelcome:
		return autoReply(s, events.TriggerWelcome), nil
	case e.Intent != "" || !conversation.Awaits(e.Kind):
		return reply{}, nil
	}
	if greeting := autoReply(s, events.TriggerFirstMessage); greeting.by != "" {
		if is, err := first(); err != nil || is {
			return greeting, err
		}
	}
	return autoReply(s, events.TriggerAway), nil
}

func commandOf(s account.State, name string) reply {
	for _, c := range s.Commands() {
		if c.Command == name {
			return reply{"/" + c.Command, c.Replies}
		}
	}
	return reply{}
}

func autoReply(s account.State, trigger events.AutoTrigger) reply {
	for _, r := range s.AutoReplies() {
		if r.Trigger == trigger {
			return reply{string(trigger), r.Replies}
		}
	}
	return reply{}
}

// inLanguageOf returns the text in the language that most people speak where a number is from, the first one otherwise: the
// platform does not tell a customer's language. A text for exactly that country goes before one for all who speak it.
func inLanguageOf(from events.Dialling, texts []events.LocalizedReply) events.LocalizedReply {
	region := cmp.Or(from.Country, regionOf(from.Prefix))
	base, confidence := language.Make("und-" + region).Base()
	if region == "" || confidence == language.No {
		return texts[0]
	}
	offered := make([]string, len(texts))
	for i, text := range texts {
		offered[i] = text.Language
	}
	return texts[content.Choose(base.String()+"_"+region, offered)]
}

// regionOf returns the country that a dialling prefix is of, the largest where several share it; empty when it is none.
func regionOf(prefix string) string {
	for n := min(3, len(prefix)); n > 0; n-- {
		code := 0
		if _, err := fmt.Sscan(prefix[:n], &code); err != nil {
			return ""
		}
		if region := phonenumbers.GetRegionCodeForCountryCode(code); region != "ZZ" && region != "001" {
			return region
		}
	}
	return ""
}

// settings are accounts as they were when a message came: a reply that is configured later does not answer it. Each is
// folded once and then read on, for messages come in order; one that comes again begins anew.
type settings struct {
	store RepliesStore

	mu       sync.Mutex
	accounts map[id.Account]*setting
}

// setting is an account up to some event of its stream.
type setting struct {
	state account.State
	next  uint64
	at    events.Position // of the last event folded
}

// before returns the account of an input as it was then.
func (s *settings) before(ctx context.Context, in *Input) (account.State, error) {
	owner := in.Envelope.Account
	is := s.of(owner)
	if is.at > in.Position {
		*is = setting{}
	}
	for record, err := range s.store.ReadStream(ctx, account.Stream(owner), is.next) {
		if err != nil {
			return account.State{}, fmt.Errorf("reading the settings of account %s: %w", owner, err)
		}
		if record.Position > in.Position {
			break
		}
		event, _, err := events.DecodeRecord(record)
		if err != nil {
			return account.State{}, fmt.Errorf("reading %s@%d: %w", record.Stream, record.Revision, err)
		}
		*is = setting{account.Evolve(is.state, event), record.Revision + 1, record.Position}
	}
	return is.state, ctx.Err()
}

// of returns what is folded of an account, which one shard at a time works with.
func (s *settings) of(owner id.Account) *setting {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.accounts == nil {
		s.accounts = map[id.Account]*setting{}
	}
	if s.accounts[owner] == nil {
		s.accounts[owner] = &setting{}
	}
	return s.accounts[owner]
}
