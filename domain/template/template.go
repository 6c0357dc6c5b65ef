// Package template decides on one text that the platform approves, in one language.
//
// Invariants:
//   - A template is known by its name and language within an account. It is entered once; one that the platform tells of
//     first makes itself known.
//   - What the platform told last, by its own clock, holds, in whatever order it is told; a repeat changes nothing.
//   - The category at an instant is the one of the last change that was in effect then. A change that is only announced
//     is none yet.
//   - A template that is known is sent only while it is approved. Of one that the platform never judged nothing is known.
package template

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"daybook/domain"
	"daybook/domain/account"
	"daybook/events"
	"daybook/events/id"
)

// Name is what a template is known by within an account.
type Name struct {
	Name     string // small letters, digits and _, at most 512: the platform's rule
	Language string // such as it or pt_BR
}

// IDOf returns the id of an account's template. Accounts that share a WABA each have their own record of its templates.
func IDOf(owner id.Account, n Name) id.Template {
	return id.Derive[id.Template]("template", owner.String(), n.Name, n.Language)
}

// Stream names the template's stream.
func Stream(template id.Template) string { return "template-" + template.String() }

// State is a template as far as decisions need it. The zero value is not known. Its slice is replaced, never changed: a
// state may be looked at later.
type State struct {
	id         id.Template
	status     string // the platform's last word, or pending
	told       domain.Heard
	heard      map[id.Fact]struct{}
	categories []category // by when they came into effect
}

// category is one from an instant on; the zero time is from the beginning on.
type category struct {
	is   events.Category
	from time.Time
	told domain.Heard
}

// pending is what a template is until the platform has judged it.
const pending = "PENDING"

// Evolve folds one event. It may change the map of the state that it is given.
func Evolve(s State, event events.Event) State {
	if s.heard == nil {
		s.heard = map[id.Fact]struct{}{}
	}
	switch e := event.(type) {
	case events.TemplateSubmitted:
		s.id = e.TemplateID
		if s.status == "" && e.Source == events.TemplateBySubmission {
			s.status = pending
		}
		if e.Category != "" {
			s = s.with(category{is: e.Category})
		}
	case events.TemplateStatusChanged:
		when := domain.HeardIn(e)
		if when.After(s.told) {
			s.status, s.told = e.Status, when
		}
		if e.Category != "" {
			s = s.with(category{e.Category, e.ToldAt, when})
		}
	case events.TemplateCategoryChanged:
		if !e.Notice {
			s = s.with(category{e.To, e.EffectiveAt, domain.HeardIn(e)})
		}
	}
	if e, ok := event.(events.ToldEvent); ok {
		s.heard[e.Told().FactID] = struct{}{}
	}
	return s
}

func (s State) with(c category) State {
	s.categories = append(slices.Clone(s.categories), c)
	slices.SortStableFunc(s.categories, func(a, b category) int {
		switch order := a.from.Compare(b.from); {
		case order != 0:
			return order
		case b.told.After(a.told):
			return -1
		}
		return 1
	})
	return s
}

// Known reports whether anything is known of the template.
func (s State) Known() bool { return !s.id.IsZero() }

// CategoryAt returns the category at an instant, which is that of every message written then; empty when it is not known.
func (s State) CategoryAt(at time.Time) (found events.Category) {
	for _, c := range s.categories {
		if !c.from.After(at) {
			found = c.is
		}
	}
	return found
}

// Sendable refuses a template that the platform does not send. One that it never judged may be good: the platform will say.
func (s State) Sendable() error {
	switch s.status {
	case "", "APPROVED", "REINSTATED", "UNARCHIVED", "FLAGGED": // flagged is a warning
		return nil
	}
	return domain.Refuse("TemplateNotSendable", "the platform does not send the template: it is %s", strings.ToLower(s.status))
}

// Use returns the category that a message written now with the template has. Wanted is what its author takes it to be;
// empty: whatever it is.
func (s State) Use(wanted events.Category, now time.Time) (events.Category, error) {
	if err := s.Sendable(); err != nil {
		return "", err
	}
	is := s.CategoryAt(now)
	switch {
	case is == "":
		return wanted, nil
	case wanted != "" && wanted != is:
		return "", domain.Refuse("CategoryMismatch", "the template is of category %s, not %s", is, wanted)
	}
	return is, nil
}

// Submit is the command to enter a template.
type Submit struct {
	Name

	Category   events.Category
	Components json.RawMessage // an array, as the platform takes it
}

// componentsMax is far more than the platform's limits allow, in bytes.
const componentsMax = 64 << 10

func (c Submit) check() error {
	switch {
	case c.Name.Name == "" || len(c.Name.Name) > 512 || strings.Trim(c.Name.Name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "":
		return domain.Malformed("TemplateInvalid", "name", "name must have 1 to 512 small letters, digits or _")
	case !account.IsLanguage(c.Language):
		return domain.Malformed("LanguageInvalid", "language", "language must be such as it or pt_BR, not %q", c.Language)
	case !isCategory(c.Category):
		return domain.Malformed("CategoryRequired", "category", "category of a template must be marketing, utility or authentication, not %q", c.Category)
	}
	var list []json.RawMessage
	if len(c.Components) > componentsMax || json.Unmarshal(c.Components, &list) != nil || len(list) == 0 {
		return domain.Malformed("ComponentsInvalid", "components", "components must be a list of one or more, of at most %d bytes", componentsMax)
	}
	return nil
}

func isCategory(c events.Category) bool {
	return c == events.Marketing || c == events.Utility || c == events.Authentication
}

// Submit enters the template as it was submitted to the platform. It is not sent before the platform approves it.
func (s State) Submit(owner id.Account, c Submit) ([]events.Event, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if s.Known() {
		return nil, domain.Refuse("TemplateExists", "the account has a template %s in %s", c.Name.Name, c.Language)
	}
	return []events.Event{events.TemplateSubmitted{
		AccountID: owner, TemplateID: IDOf(owner, c.Name), Name: c.Name.Name, Language: c.Language, Category: c.Category,
		Components: c.Components, Source: events.TemplateBySubmission,
	}}, nil
}

// Hear takes what one update of the platform tells of the template. A repeat tells nothing new.
func (s State) Hear(owner id.Account, n Name, told []events.ToldEvent) ([]events.Event, error) {
	var news []events.Event
	for _, e := range told {
		if _, repeated := s.heard[e.Told().FactID]; !repeated {
			news = append(news, e)
		}
	}
	if len(news) == 0 || s.Known() {
		return news, nil
	}
	return append([]events.Event{events.TemplateSubmitted{
		AccountID: owner, TemplateID: IDOf(owner, n), Name: n.Name, Language: n.Language, Source: events.TemplateByPlatform,
	}}, news...), nil
}
