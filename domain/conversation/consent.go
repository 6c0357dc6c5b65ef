package conversation

import (
	"slices"
	"time"

	"daybook/domain"
	"daybook/events"
	"daybook/events/id"
)

// fewerEvery is how often a customer who wants fewer messages gets marketing at most (S45).
const fewerEvery = 7 * 24 * time.Hour

// chosen are the categories that a customer can choose. Free-form text answers what the customer wrote.
var chosen = []events.Category{events.Marketing, events.Utility, events.Authentication}

// Consent is the command to record what a customer said of a category. Evidence belongs to FactID.
type Consent struct {
	Account       id.Account
	PhoneNumberID string
	CustomerID    id.Customer
	FactID        id.Fact `json:"-"` // a repeat may come with another
	Category      events.Category
	Wanted        bool
	Source        events.ConsentSource
	At            time.Time     // when it was said; zero: now
	Message       *id.Message   // in which it was said
	Evidence      events.Sealed `json:"-"`
}

// SetVolume is the command to record how much a customer wants to receive, and of what.
type SetVolume struct {
	Account       id.Account
	PhoneNumberID string
	CustomerID    id.Customer
	FactID        id.Fact `json:"-"` // a repeat may come with another
	Level         events.Volume
	Categories    []events.Category // only these; none: all
}

// SetBlock is the command to record that a customer blocks the business number, or no longer does.
type SetBlock struct {
	Account       id.Account
	PhoneNumberID string
	CustomerID    id.Customer
	FactID        id.Fact `json:"-"` // a repeat may come with another
	Blocked       bool
	Source        events.ConsentSource
}

// ReportSpam is the command to record that a customer reports a message, or the business.
type ReportSpam struct {
	Account       id.Account
	PhoneNumberID string
	CustomerID    id.Customer
	FactID        id.Fact `json:"-"` // a repeat may come with another
	Message       *id.Message
	Reason        events.SpamReason
}

// Consent records what a customer said of a category. What is older than what was said last changes nothing.
func (s State) Consent(c Consent, now time.Time) ([]events.Event, error) {
	if err := checkChosen(c.Category); err != nil {
		return nil, err
	}
	if err := checkSource(c.Source); err != nil {
		return nil, err
	}
	at := now
	if !c.At.IsZero() {
		at = earlier(c.At.UTC(), now)
	}
	party := partyOf(c.Account, c.PhoneNumberID, c.CustomerID)
	event := s.choose(events.ConsentFact{
		ConversationID: party.Conversation, CustomerID: party.Customer, FactID: c.FactID, Category: c.Category,
		Source: c.Source, At: at, MessageID: c.Message, Evidence: c.Evidence,
	}, c.Wanted)
	if event == nil {
		return nil, nil
	}
	return append(s.start(party, events.EntryConsent), event), nil
}

// choose returns the event of a choice, or nil when it is none.
func (s standing) choose(fact events.ConsentFact, wanted bool) events.Event {
	last, said := choiceOf(s.consent, fact.Category)
	switch {
	case said && (last.Wanted == wanted || fact.At.Before(last.At)):
		return nil
	case wanted:
		return events.CustomerOptedIn{ConsentFact: fact}
	}
	return events.CustomerOptedOut{ConsentFact: fact}
}

// SetVolume records how much a customer wants to receive, and of what.
func (s State) SetVolume(c SetVolume, now time.Time) ([]events.Event, error) {
	switch c.Level {
	case events.VolumeAll, events.VolumeFewer, events.VolumeNone:
	default:
		return nil, domain.Malformed("VolumeUnknown", "level", "level must be all, fewer or none, not %q", c.Level)
	}
	for _, category := range c.Categories {
		if err := checkChosen(category); err != nil {
			return nil, err
		}
	}
	categories := slices.Compact(slices.Sorted(slices.Values(c.Categories)))
	if s.consent.LevelAt != nil && s.consent.Level == c.Level && slices.Equal(s.consent.Categories, categories) {
		return nil, nil
	}
	party := partyOf(c.Account, c.PhoneNumberID, c.CustomerID)
	return append(s.start(party, events.EntryConsent), events.MessageVolumeSet{
		ConversationID: party.Conversation, CustomerID: party.Customer, FactID: c.FactID,
		Level: c.Level, Categories: categories, At: now,
	}), nil
}

// SetBlock records that a customer blocks the business number, or no longer does.
func (s State) SetBlock(c SetBlock, now time.Time) ([]events.Event, error) {
	if err := checkSource(c.Source); err != nil {
		return nil, err
	}
	if s.consent.Blocked == c.Blocked {
		return nil, nil
	}
	party := partyOf(c.Account, c.PhoneNumberID, c.CustomerID)
	fact := events.BlockFact{
		ConversationID: party.Conversation, CustomerID: party.Customer, FactID: c.FactID, Source: c.Source, At: now,
	}
	if c.Blocked {
		return append(s.start(party, events.EntryConsent), events.BusinessBlocked{BlockFact: fact}), nil
	}
	return []events.Event{events.BusinessUnblocked{BlockFact: fact}}, nil
}

// ReportSpam records a report. It stops nothing: whoever wants that blocks the number or opts out.
func (s State) ReportSpam(c ReportSpam, now time.Time) ([]events.Event, error) {
	if !slices.Contains([]events.SpamReason{
		events.SpamUnwanted, events.SpamTooOften, events.SpamMisleads, events.SpamOffends,
	}, c.Reason) {
		return nil, domain.Malformed("ReasonUnknown", "reason",
			"reason must be unwanted, too_often, misleading or offensive, not %q", c.Reason)
	}
	if c.Message != nil && !s.knows(*c.Message) {
		return nil, domain.Missing("MessageUnknown", "this conversation has no message %s", c.Message)
	}
	party := partyOf(c.Account, c.PhoneNumberID, c.CustomerID)
	return append(s.start(party, events.EntryConsent), events.SpamReported{
		ConversationID: party.Conversation, CustomerID: party.Customer, FactID: c.FactID,
		MessageID: c.Message, Reason: c.Reason, At: now,
	}), nil
}

// Wants returns what the customer has said so far.
func (s State) Wants() events.Consent { return s.consent }

func partyOf(account id.Account, phoneNumberID string, customer id.Customer) Party {
	return Party{IDOf(phoneNumberID, customer), account, phoneNumberID, customer}
}

func checkChosen(category events.Category) error {
	if !slices.Contains(chosen, category) {
		return domain.Malformed("CategoryUnknown", "category",
			"category must be marketing, utility or authentication, not %q", category)
	}
	return nil
}

func checkSource(source events.ConsentSource) error {
	switch source {
	case events.SourceForm, events.SourceMessage, events.SourceKeyword, events.SourceButton, events.SourcePreferences,
		events.SourceAgent, events.SourcePage:
		return nil
	}
	return domain.Malformed("SourceUnknown", "source",
		"source must be form, message, keyword, button, user_preferences, agent or page, not %q", source)
}

// consentAfter is what a customer has said once an event has happened. It changes nothing that c points to.
func consentAfter(c events.Consent, event events.Event) events.Consent {
	switch e := event.(type) {
	case events.CustomerOptedIn:
		c.Choices = chooseAfter(c.Choices, events.Choice{Category: e.Category, Wanted: true, At: e.At})
	case events.CustomerOptedOut:
		c.Choices = chooseAfter(c.Choices, events.Choice{Category: e.Category, At: e.At})
	case events.MessageVolumeSet:
		c.Level, c.Categories, c.LevelAt = e.Level, e.Categories, &e.At
	case events.BusinessBlocked:
		c.Blocked = true
	case events.BusinessUnblocked:
		c.Blocked = false
	}
	return c
}

func chooseAfter(choices []events.Choice, last events.Choice) []events.Choice {
	after := []events.Choice{last}
	for _, choice := range choices {
		if choice.Category != last.Category {
			after = append(after, choice)
		}
	}
	return after
}

func choiceOf(c events.Consent, category events.Category) (_ events.Choice, said bool) {
	i := slices.IndexFunc(c.Choices, func(choice events.Choice) bool { return choice.Category == category })
	if i < 0 {
		return events.Choice{}, false
	}
	return c.Choices[i], true
}

// permit refuses a message that the customer does not want: one of a category, while the service window is open or not.
func (s standing) permit(category events.Category, open bool) error {
	choice, said := choiceOf(s.consent, category)
	answers := category == events.Service
	switch {
	case s.consent.Blocked:
		return domain.Refuse("Blocked", "the customer blocks this number: nothing is sent until that is taken back")
	case said && !choice.Wanted:
		return domain.Refuse("OptedOut", "the customer opted out of %s messages", category)
	case s.consent.Level == events.VolumeNone && (!answers || !open):
		return domain.Refuse("VolumeLimited", "the customer wants private messages only: nothing but answers within 24 hours")
	case len(s.consent.Categories) > 0 && !answers && !slices.Contains(s.consent.Categories, category):
		return domain.Refuse("VolumeLimited", "the customer does not want messages of the category %s", category)
	case category == events.Marketing && !said:
		return domain.Refuse("ConsentMissing", "marketing needs an opt-in of the customer, and there is none")
	}
	return nil
}

// tooSoon refuses marketing to a customer who wants fewer messages and had one just now.
func (s standing) tooSoon(category events.Category, now time.Time) error {
	if last := s.consent.MarketingAt; category == events.Marketing && s.consent.Level == events.VolumeFewer &&
		last != nil && now.Before(last.Add(fewerEvery)) {
		return domain.Refuse("VolumeLimited", "the customer wants fewer messages: marketing at most once in seven days")
	}
	return nil
}
