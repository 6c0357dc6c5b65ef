package conversation

import (
	"slices"
	"time"
	"unique"

	"daybook/events"
	"daybook/events/id"
)

// Record decides on what the platform tells, in the order given. Repeats decide nothing, whether they repeat the past
// or one another. Unplaced are the statuses of messages that this conversation has not sent (or with a word that is no
// status): they are for the caller to keep elsewhere; the rest is recorded all the same.
func (s State) Record(p Party, updates []Update, now time.Time) (recorded []events.Event, unplaced []Update) {
	placed := make([]Update, 0, len(updates))
	for _, update := range updates {
		if u, ok := update.(StatusUpdate); ok && !s.places(u) {
			unplaced = append(unplaced, update)
		} else {
			placed = append(placed, update)
		}
	}
	t := telling{State: s, party: p, now: now, drafts: map[leg]receipt{}, platform: s.platform}
	for _, update := range distinct(placed) {
		t.take(update)
	}
	return t.recorded, unplaced
}

func (s State) places(u StatusUpdate) bool {
	m, known := s.sent[u.MessageID]
	if !known || slot(u.Status) < 0 {
		return false
	}
	if u.WamidHash == "" || m.marks.has(elsewhere) {
		return true
	}
	wamid := InboundID(u.WamidHash)
	if owner, bound := s.bound[wamid]; bound {
		return owner == u.MessageID
	}
	return !m.marks.has(accepted) && !s.knows(wamid)
}

// distinct leaves one update per natural key, in the place of the first.
func distinct(updates []Update) []Update {
	if len(updates) < 2 {
		return updates
	}
	at := make(map[key]int, len(updates))
	kept := updates[:0]
	for _, update := range updates {
		k := keyOf(update)
		i, repeated := at[k]
		if !repeated {
			at[k] = len(kept)
			kept = append(kept, update)
			continue
		}
		if u, ok := update.(StatusUpdate); ok {
			kept[i] = merge(kept[i].(StatusUpdate), u) //nolint:forcetypeassert // same key, same type
		}
	}
	return kept
}

// key is by what an update is recognised.
type key struct {
	message   id.Message
	recipient id.Customer
	status    events.Status
	fact      id.Fact
}

func keyOf(update Update) (k key) {
	switch u := update.(type) {
	case Inbound:
		k.message = u.MessageID
	case Echo:
		k.message = u.MessageID
	case Imported:
		k.message = u.MessageID
	case StatusUpdate:
		k = key{message: u.MessageID, recipient: u.RecipientID, status: u.Status}
	case Identified:
		k.fact = u.FactID
	case NumberChanged:
		k.fact = u.FactID
	case Preference:
		k.fact = u.FactID
	}
	return k
}

// merge makes one of a status told twice: the earlier one, with the first word on the price, as if they came one by one.
func merge(first, again StatusUpdate) StatusUpdate {
	merged := first
	if again.At.Before(first.At) {
		merged = again
	}
	merged.Pricing = first.Pricing
	if priceOf(first.Pricing) == (unique.Handle[price]{}) {
		merged.Pricing = again.Pricing
	}
	return merged
}

// telling is one delivery as it is decided on. Its standing moves on with what is decided; the maps of the state stay
// untouched, and what would change in them is in the drafts.
type telling struct {
	State

	party    Party
	now      time.Time
	recorded []events.Event
	drafts   map[leg]receipt
	bound    []id.Message // messages that this delivery binds
	freed    []id.Message // messages that this delivery frees what was held for
	platform platform
	cloned   bool // the platform's conversations are a copy
}

// leg is one message on its way to one recipient.
type leg struct {
	message   id.Message
	recipient id.Customer
}

func (t *telling) record(decided ...events.Event) {
	for _, event := range decided {
		t.standing = t.after(event)
	}
	t.recorded = append(t.recorded, decided...)
}

func (t *telling) take(update Update) {
	switch u := update.(type) {
	case Inbound:
		t.receive(u)
	case StatusUpdate:
		t.step(u)
	case Echo:
		t.echo(u)
	case Imported:
		t.imported(u)
	case Identified:
		t.identified(u)
	case NumberChanged:
		t.numberChanged(u)
	case Preference:
		t.prefers(u)
	}
}

func (t *telling) receive(u Inbound) {
	if t.knows(u.MessageID) {
		return
	}
	entry := events.EntryInbound
	if told := events.Entry(u.Referral); told == events.EntryAd || told == events.EntryPost {
		entry = told
	}
	asked := earlier(u.SentAt.UTC(), t.now) // a clock of the platform's that runs ahead must not give away days
	t.record(t.start(t.party, entry)...)
	t.record(events.MessageReceived{
		ConversationID: t.party.Conversation, MessageID: u.MessageID, CustomerID: t.party.Customer, WamidHash: u.WamidHash,
		Kind: u.Kind, SentAt: u.SentAt.UTC(), WindowUntil: later(t.windowUntil, asked.Add(window)),
		ReplyTo: u.ReplyTo, Referral: u.Referral, Intent: u.Intent, Command: u.Command, Media: u.Media, Dialling: u.Dialling,
		Wamid: u.Wamid, From: u.From, Contact: u.Contact, Content: u.Content,
	})
	t.intend(u, asked)
}

// intend records what a message asks for besides an answer.
func (t *telling) intend(u Inbound, at time.Time) {
	fact := id.Of[id.Fact](u.MessageID)
	switch u.Intent {
	case events.IntentStop, events.IntentStart:
		t.choice(events.ConsentFact{
			FactID: fact, Category: events.Marketing, Source: events.SourceKeyword, At: at, MessageID: &u.MessageID,
		}, u.Intent == events.IntentStart)
	case events.IntentReport:
		t.record(events.SpamReported{
			ConversationID: t.party.Conversation, CustomerID: t.party.Customer, FactID: fact,
			MessageID: &u.MessageID, Reason: events.SpamByKeyword, At: at,
		})
	case events.IntentCommand: // is answered by a policy
	}
}

func (t *telling) choice(fact events.ConsentFact, wanted bool) {
	fact.ConversationID, fact.CustomerID = t.party.Conversation, t.party.Customer
	if event := t.choose(fact, wanted); event != nil {
		t.record(t.start(t.party, events.EntryConsent)...)
		t.record(event)
	}
}

// step records a status, unless it is a repeat that tells nothing new.
func (t *telling) step(u StatusUpdate) {
	way := leg{u.MessageID, u.RecipientID}
	before, changed := t.drafts[way]
	if !changed {
		before = t.receipt(u.MessageID, u.RecipientID)
	}
	n, at := slot(u.Status), u.At.UTC().Truncate(time.Second)
	after := before.with(n, at.Unix(), u.Pricing)
	if after == before {
		return
	}
	t.drafts[way] = after
	was := before.delivery(t.platform.within(u.MessageID))
	t.tellConversation(u)
	m := t.sent[u.MessageID]
	fact := events.StatusFact{
		ConversationID: t.party.Conversation, MessageID: u.MessageID, RecipientID: u.RecipientID, FactID: u.FactID,
		At: at, Pricing: u.Pricing, Origin: u.Origin, Raw: u.Raw,
	}
	if !m.marks.has(elsewhere) { // what was not written here is neither charged nor counted
		fact.Sending = t.holding(u, before)
		fact.Delivery = after.news(after.delivery(t.platform.within(u.MessageID)), was, m.lifeEnds())
		fact.ShowsSent = after.showsSent(before)
	}
	t.bind(u, m)
	switch {
	case !before.told.has(n):
		t.record(stepOf(u, fact))
	case after.at[n] != before.at[n]:
		t.record(events.StatusTimeCorrected{StatusFact: fact, Status: u.Status, PreviousAt: time.Unix(before.at[n], 0).UTC()})
	default:
		t.record(events.PricingTold{StatusFact: fact, Status: u.Status})
	}
	if opened := t.entry.told(u.MessageID, m.queuedAt.time(), u.Origin); opened != nil {
		t.record(events.EntryPointWindowOpened{ConversationID: t.party.Conversation, EntryPoint: *opened})
	}
}

// tellConversation takes note of the platform's conversation that a message belongs to, where that has a price.
func (t *telling) tellConversation(u StatusUpdate) {
	if !concerns(u.Pricing, u.Origin) {
		return
	}
	if !t.cloned {
		t.platform, t.cloned = t.platform.clone(), true
	}
	t.platform.note(u.MessageID, u.Origin)
}

// sendingTo is what a message was when it was written. A participant of a group has a number of their own; then the
// message's market is not theirs.
func (t *telling) sendingTo(u StatusUpdate) events.Sending {
	sending := t.sending(u.MessageID)
	if u.Dialling != (events.Dialling{}) && u.Dialling != sending.Dialling {
		sending.Dialling, sending.Market = u.Dialling, ""
	}
	return sending
}

// holding is what a message was, and what its campaign's budget still holds for it: nothing once it failed before anything
// told of its delivery. Where it was delivered first a charge takes the place of what is held, and a failure frees nothing.
func (t *telling) holding(u StatusUpdate, before receipt) events.Sending {
	sending := t.sendingTo(u)
	if sending.Campaign == nil {
		return sending
	}
	delivered, fails := before.told&meansDelivery != 0, u.Status == events.StatusFailed
	switch {
	case slices.Contains(t.freed, u.MessageID), fails && delivered:
		ref := *sending.Campaign
		ref.Reserved = 0
		sending.Campaign = &ref
	case fails:
		t.freed = append(t.freed, u.MessageID)
	}
	return sending
}

// bind records that the platform took a message whose outcome was unknown: a status could be told only then.
func (t *telling) bind(u StatusUpdate, m outbound) {
	if u.WamidHash == "" || m.marks.has(accepted) || m.marks.has(elsewhere) || slices.Contains(t.bound, u.MessageID) {
		return
	}
	t.bound = append(t.bound, u.MessageID)
	event := t.binding(u.MessageID, u.WamidHash, t.now)
	event.Reconciled, event.Wamid = true, u.Wamid
	t.record(event)
}

// stepOf returns the event of a status that is told for the first time.
func stepOf(u StatusUpdate, fact events.StatusFact) events.Event {
	switch u.Status {
	case events.StatusSent:
		return events.MessageSent{StatusFact: fact}
	case events.StatusDelivered:
		return events.MessageDelivered{StatusFact: fact}
	case events.StatusRead:
		return events.MessageRead{StatusFact: fact}
	case events.StatusPlayed:
		return events.MessagePlayed{StatusFact: fact}
	case events.StatusFailed:
		return events.MessageFailed{StatusFact: fact, Errors: u.Errors}
	default:
		return nil
	}
}
