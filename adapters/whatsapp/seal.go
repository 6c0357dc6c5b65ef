package whatsapp

import (
	"cmp"
	"context"
	"fmt"

	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
)

// scope is the key that a spot's personal data is sealed under.
func (w *work) scope(s *spot) events.KeyScope {
	return events.KeyScope{
		Account: s.party.Account, Subject: s.subject.UUID, Class: events.ClassMessages, Year: w.receivedAt.Year(),
	}
}

// fetchKeys gets those keys that are not here yet, at once.
func (w *work) fetchKeys(ctx context.Context, scopes []events.KeyScope) error {
	wanted := make(map[events.KeyScope]bool, len(scopes))
	missing := make([]events.KeyScope, 0, len(scopes))
	for _, scope := range scopes {
		if _, here := w.keys[scope]; !here && !wanted[scope] {
			wanted[scope] = true
			missing = append(missing, scope)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	keys, err := w.Vault.Keys(ctx, missing)
	if err != nil {
		return fmt.Errorf("getting %d data keys: %w", len(missing), err)
	}
	for _, scope := range missing {
		key, ok := keys[scope]
		if !ok {
			return fmt.Errorf("the vault gave no data key for %s of %d", scope.Subject, scope.Year)
		}
		w.keys[scope] = key
	}
	return nil
}

// fact is what the sealed values of a spot belong to.
func (s *spot) fact() id.Fact {
	if s.status != nil {
		return conversation.StatusFactID(s.hash, s.status.word, s.subject)
	}
	return id.Of[id.Fact](s.message)
}

// seal turns a spot into what the domain takes: nothing personal in clear.
func (w *work) seal(s *spot) conversation.Update {
	key, fact := w.keys[w.scope(s)], s.fact()
	if p := s.part; p != nil {
		if p.wamid == "" {
			fact = id.Derive[id.Fact]("said", s.party.Conversation.String(), w.Vault.Digest("told", compact(p.said)))
		}
		return p.update(sealing{p, key, fact, s.message, s.hash})
	}
	if step := s.status; step != nil {
		update := conversation.StatusUpdate{
			MessageID: s.message, RecipientID: s.subject, FactID: fact, Status: step.word, At: step.at,
			Pricing: step.pricing, Origin: step.origin, Errors: step.errors, Dialling: step.participant.Dialling(),
			Raw: key.Seal(fact, "raw", s.raw),
		}
		if w.unbound[s.hash] {
			update.WamidHash, update.Wamid = s.hash, key.Seal(id.Of[id.Fact](s.message), "wamid", []byte(step.wamid))
		}
		return update
	}
	m := s.item.message
	intent, command := w.intent(m, s.party.Account)
	inbound := conversation.Inbound{
		MessageID: s.message, WamidHash: s.hash, Kind: m.kind, SentAt: m.sentAt, Referral: m.referral,
		Dialling: m.from.Dialling(), Intent: intent, Command: command, Media: m.media,
		Wamid:   key.Seal(fact, "wamid", []byte(m.wamid)),
		From:    key.Seal(fact, "from", []byte(cmp.Or(m.from.WaID, m.from.UserID))),
		Contact: key.Seal(fact, "contact", m.contact),
		Content: key.Seal(fact, "content", s.raw),
	}
	if m.replyTo != "" {
		inbound.ReplyTo = w.Vault.WamidHash(m.replyTo)
	}
	return inbound
}
