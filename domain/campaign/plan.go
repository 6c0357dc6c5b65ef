package campaign

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"daybook/domain"
	"daybook/events"
	"daybook/events/id"
	"daybook/events/money"
)

// Limits of what a campaign says, in characters, and of its length.
const (
	nameMax       = 100
	parameterMax  = 1024 // of the platform's, for a whole body
	parametersMax = 20
	localesMax    = 50
	// MaxRecipients is how many customers an audience may have.
	MaxRecipients = 1_000_000

	usualLength = 7 * 24 * time.Hour
	maxLength   = 30 * 24 * time.Hour // as long as a message lives
)

// Draft is the command that says what a campaign's messages are.
type Draft struct {
	PhoneNumberID string
	Name          string
	Template      string
	Category      events.Category
	Locales       []string
	DefaultLocale string
	Parameters    []events.CampaignParameter
}

// Draft begins the campaign, or replaces what it says until it starts.
func (s State) Draft(owner id.Account, campaign id.Campaign, d Draft) ([]events.Event, error) {
	if s.Exists() {
		if err := s.editable(); err != nil {
			return nil, err
		}
	}
	d = d.normal()
	if err := d.check(); err != nil {
		return nil, err
	}
	drafted := events.CampaignDrafted{
		CampaignID: campaign, AccountID: owner, PhoneNumberID: d.PhoneNumberID, Name: d.Name, Template: d.Template,
		Category: d.Category, Locales: d.Locales, DefaultLocale: d.DefaultLocale, Parameters: d.Parameters,
	}
	if s.says(drafted) {
		return nil, nil
	}
	return []events.Event{drafted}, nil
}

// says tells whether a draft is what the campaign says already.
func (s State) says(d events.CampaignDrafted) bool {
	is := s.drafted
	return is.CampaignID == d.CampaignID && is.PhoneNumberID == d.PhoneNumberID && is.Name == d.Name && is.Template == d.Template &&
		is.Category == d.Category && is.DefaultLocale == d.DefaultLocale &&
		slices.Equal(is.Locales, d.Locales) && slices.Equal(is.Parameters, d.Parameters)
}

func (d Draft) normal() Draft {
	d.Name = norm.NFC.String(strings.TrimSpace(d.Name))
	d.Locales, d.Parameters = slices.Clone(d.Locales), slices.Clone(d.Parameters)
	if d.DefaultLocale == "" && len(d.Locales) == 1 {
		d.DefaultLocale = d.Locales[0]
	}
	slices.SortFunc(d.Parameters, func(a, b events.CampaignParameter) int { return a.Place - b.Place })
	return d
}

func (d Draft) check() error {
	switch {
	case !isLine(d.Name, nameMax):
		return domain.Malformed("CampaignNameInvalid", "name", "name must have 1 to %d characters and no control characters", nameMax)
	case !isLine(d.Template, 512):
		return domain.Malformed("TemplateRequired", "template", "template must be the name of a template")
	case d.Category != events.Marketing && d.Category != events.Utility:
		return domain.Malformed("CategoryRequired", "category", "category of a campaign must be marketing or utility, not %q", d.Category)
	case len(d.Locales) == 0 || len(d.Locales) > localesMax:
		return domain.Malformed("LocaleMissing", "locales", "locales must name 1 to %d languages that the template has", localesMax)
	case !slices.Contains(d.Locales, d.DefaultLocale):
		return domain.Malformed("LocaleMissing", "default_locale", "default_locale must be one of locales")
	}
	for i, locale := range d.Locales {
		if !isLine(locale, 16) || slices.Contains(d.Locales[:i], locale) {
			return domain.Malformed("LocaleInvalid", "locales", "locales must be different languages, such as it or pt_BR")
		}
	}
	return checkParameters(d.Parameters)
}

func checkParameters(parameters []events.CampaignParameter) error {
	if len(parameters) > parametersMax {
		return domain.Malformed("ParameterInvalid", "parameters", "parameters must be at most %d", parametersMax)
	}
	for i, p := range parameters {
		if p.Place != i+1 {
			return domain.Malformed("ParameterInvalid", "parameters", "parameters must fill the places 1, 2, … once each")
		}
		switch p.Source {
		case events.ParameterText:
			if !isFilling(p.Text) || p.Fallback != "" {
				return domain.Malformed("ParameterInvalid", "parameters",
					"parameters: the text of place %d must have 1 to %d characters, no placeholder and no fallback", p.Place, parameterMax)
			}
		case events.ParameterName:
			if p.Text != "" || p.Fallback != "" && !isFilling(p.Fallback) {
				return domain.Malformed("ParameterInvalid", "parameters",
					"parameters: place %d is the customer's name: it has no text, and its fallback no placeholder", p.Place)
			}
		default:
			return domain.Malformed("ParameterInvalid", "parameters",
				"parameters: the source of place %d must be text or customer_name, not %q", p.Place, p.Source)
		}
	}
	return nil
}

// isFilling accepts what may stand in the place of a placeholder: never another one.
func isFilling(text string) bool {
	return strings.TrimSpace(text) != "" && utf8.ValidString(text) && utf8.RuneCountInString(text) <= parameterMax &&
		!strings.Contains(text, "{{") && !strings.ContainsFunc(text, unicode.IsControl)
}

func isLine(s string, limit int) bool {
	return s != "" && utf8.RuneCountInString(s) <= limit && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// SetAudience says whom the campaign is for. The chunks that it counts must have been taken.
func (s State) SetAudience(set events.AudienceSet) ([]events.Event, error) {
	if err := s.editable(); err != nil {
		return nil, err
	}
	switch {
	case set.Recipients == 0:
		return nil, domain.Refuse("AudienceEmpty", "nobody is in this audience")
	case set.Recipients > MaxRecipients:
		return nil, domain.Refuse("AudienceTooLarge", "an audience has at most %d customers", MaxRecipients)
	case set.AudienceID == s.audience.AudienceID:
		return nil, nil
	}
	set.CampaignID = s.drafted.CampaignID
	return []events.Event{set}, nil
}

// Schedule is the command that says when the campaign runs, in the time of a place.
type Schedule struct {
	Starts string // local time, "2026-12-01T09:00" or with seconds
	Ends   string // local time; empty: seven days later
	Zone   *time.Location
	Device Device
}

// Device is the one that a campaign is launched on, as the registry has it.
type Device struct {
	ID               id.Device
	Name             string
	RegistryRevision uint64
}

// Schedule sets or changes when the campaign runs (S12).
func (s State) Schedule(c Schedule, now time.Time) ([]events.Event, error) {
	if err := s.editable(); err != nil {
		return nil, err
	}
	starts, err := instantOf("starts_at", c.Starts, c.Zone)
	if err != nil {
		return nil, err
	}
	ends := starts.Add(usualLength)
	if c.Ends != "" {
		if ends, err = instantOf("ends_at", c.Ends, c.Zone); err != nil {
			return nil, err
		}
	}
	switch {
	case !starts.After(now):
		return nil, domain.Refuse("ScheduleInPast", "starts_at must be later than now")
	case !ends.After(starts) || ends.Sub(starts) > maxLength:
		return nil, domain.Malformed("ScheduleInvalid", "ends_at", "ends_at must be after starts_at, and at most 30 days")
	}
	scheduled := events.CampaignScheduled{
		CampaignID: s.drafted.CampaignID, LocalTime: c.Starts, Timezone: c.Zone.String(), StartsAt: starts, EndsAt: ends,
		DeviceID: c.Device.ID, DeviceName: c.Device.Name, RegistryRevision: c.Device.RegistryRevision,
	}
	if scheduled == s.scheduled {
		return nil, nil
	}
	return []events.Event{scheduled}, nil
}

// instantOf resolves a local time. One that a change of the clocks leaves out is refused, and of one that it brings twice the
// first counts.
func instantOf(field, local string, zone *time.Location) (time.Time, error) {
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04"} {
		at, err := time.ParseInLocation(layout, local, zone)
		if err != nil {
			continue
		}
		if at.Format(layout) != local {
			return time.Time{}, domain.Malformed("ScheduleInvalid", field, "%s: the clocks of %s leave %s out", field, zone, local)
		}
		for _, change := range []time.Duration{30 * time.Minute, time.Hour, 2 * time.Hour} {
			if before := at.Add(-change); before.Format(layout) == local {
				return before.UTC(), nil
			}
		}
		return at.UTC(), nil
	}
	return time.Time{}, domain.Malformed("ScheduleInvalid", field, "%s must be a local time such as 2026-12-01T09:00", field)
}

// SetBudget says how much the campaign may spend. It may be changed while the campaign runs, never to less than what is
// spent or held.
func (s State) SetBudget(limit money.Amount, currency money.Currency) ([]events.Event, error) {
	if err := s.known(); err != nil {
		return nil, err
	}
	switch {
	case s.ended():
		return nil, domain.Refuse("CampaignLocked", "the campaign is %s: it cannot be changed any more", s.phase)
	case limit.Micros <= 0:
		return nil, domain.Malformed("BudgetRequired", "limit", "limit must be more than nothing")
	case limit.Currency != currency:
		return nil, domain.Malformed("CurrencyMismatch", "limit", "limit must be in %s, the account's currency", currency)
	case limit.Micros < s.spent+s.reserved:
		return nil, domain.Refuse("BudgetTooSmall", "%s is spent or held for messages already", s.money(s.spent+s.reserved))
	case limit == s.limit:
		return nil, nil
	}
	return []events.Event{events.BudgetSet{CampaignID: s.drafted.CampaignID, Limit: limit, Running: s.started()}}, nil
}

// Approve lets the campaign start when it is due.
func (s State) Approve(now time.Time) ([]events.Event, error) {
	if err := s.known(); err != nil {
		return nil, err
	}
	switch {
	case s.phase == Approved || s.started():
		return nil, nil
	case s.audience.Recipients == 0:
		return nil, domain.Refuse("AudienceRequired", "the campaign has no audience yet")
	case s.limit.Micros == 0:
		return nil, domain.Refuse("BudgetRequired", "the campaign has no budget yet")
	case s.scheduled.StartsAt.IsZero():
		return nil, domain.Refuse("ScheduleRequired", "the campaign is not scheduled yet")
	case !s.scheduled.StartsAt.After(now):
		return nil, domain.Refuse("ScheduleInPast", "the campaign was to start at %s; schedule it anew", s.scheduled.StartsAt.Format(time.RFC3339))
	}
	return []events.Event{events.CampaignApproved{CampaignID: s.drafted.CampaignID}}, nil
}
