package account_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/domain"
	"daybook/domain/account"
	"daybook/domain/scenario"
	"daybook/events"
	"daybook/events/id"
	"daybook/events/money"
)

var (
	firm  = id.Derive[id.Account]("test", "firm")
	other = id.Derive[id.Account]("test", "other")
	noon  = time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
)

func pizzeria() account.Register {
	return account.Register{
		Name: "Pizzeria Mario", Kind: "app", Country: "IT", Currency: "EUR", Timezone: "Europe/Rome", WABAID: "102290129340398",
		Numbers: []events.BusinessNumber{{PhoneNumberID: "106540352242922", DisplayPhoneNumber: "390612345678"}},
	}
}

func registered() events.AccountRegistered {
	return events.AccountRegistered{
		AccountID: firm, Name: "Pizzeria Mario", Kind: events.AccountApp, Country: "IT", Currency: "EUR",
		Timezone: "Europe/Rome", WABAID: "102290129340398", Numbers: pizzeria().Numbers,
	}
}

func accepted() events.TermsAccepted {
	return events.TermsAccepted{AccountID: firm, TermsVersion: "2026-01", PrivacyVersion: "7", AcceptedAt: noon}
}

func register(change func(*account.Register)) func(account.State) ([]events.Event, error) {
	c := pizzeria()
	if change != nil {
		change(&c)
	}
	return func(s account.State) ([]events.Event, error) { return s.Register(firm, c) }
}

func inUse() scenario.Scenario[account.State] {
	return scenario.New(account.Evolve).Given(registered(), accepted())
}

func TestRegister(t *testing.T) {
	t.Parallel()
	scenario.New(account.Evolve).When(register(nil)).Then(t, registered())
	scenario.New(account.Evolve).Given(registered()).When(register(nil)).Rejected(t, "AccountExists")
}

func TestRegisterRefusesWhatIsMalformed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change      func(*account.Register)
		code, field string
	}{
		"name with a control character": {func(c *account.Register) { c.Name = "Pizza\x00ria" }, "NameInvalid", "name"},
		"name that is not text":         {func(c *account.Register) { c.Name = "Pizza\xff" }, "NameInvalid", "name"},
		"unknown kind":                  {func(c *account.Register) { c.Kind = "hobby" }, "KindUnknown", "kind"},
		"country in lower case":         {func(c *account.Register) { c.Country = "it" }, "CountryInvalid", "country"},
		"country of three letters":      {func(c *account.Register) { c.Country = "ITA" }, "CountryInvalid", "country"},
		"currency sign":                 {func(c *account.Register) { c.Currency = "€" }, "CurrencyInvalid", "currency"},
		"no timezone":                   {func(c *account.Register) { c.Timezone = "" }, "TimezoneUnknown", "timezone"},
		"the machine's timezone":        {func(c *account.Register) { c.Timezone = "Local" }, "TimezoneUnknown", "timezone"},
		"a timezone out of the tree":    {func(c *account.Register) { c.Timezone = "../Rome" }, "TimezoneUnknown", "timezone"},
		"billing account with letters":  {func(c *account.Register) { c.WABAID = "x1" }, "WABAInvalid", "waba_id"},
		"no numbers":                    {func(c *account.Register) { c.Numbers = nil }, "NumberRequired", "numbers"},
		"number id with letters": {
			func(c *account.Register) {
				c.Numbers = []events.BusinessNumber{{PhoneNumberID: "1-2", DisplayPhoneNumber: "39061"}}
			},
			"NumberInvalid", "numbers.phone_number_id",
		},
		"display number with a sign": {
			func(c *account.Register) {
				c.Numbers = []events.BusinessNumber{{PhoneNumberID: "12", DisplayPhoneNumber: "+39061"}}
			},
			"NumberInvalid", "numbers.display_phone_number",
		},
		"the same number twice": {
			func(c *account.Register) { c.Numbers = append(c.Numbers, c.Numbers[0]) }, "NumberRepeated", "numbers",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rejection := scenario.New(account.Evolve).When(register(c.change)).Rejected(t, c.code)
			require.Equal(t, domain.Invalid, rejection.Kind)
			require.Equal(t, c.field, rejection.Field)
			require.Contains(t, rejection.Detail, c.field[strings.LastIndex(c.field, ".")+1:])
		})
	}
}

func TestS55_NameCannotBeChanged(t *testing.T) {
	t.Parallel()
	inUse().When(register(func(c *account.Register) { c.Name = "Pizzeria Luigi" })).Rejected(t, "NameImmutable")
}

func TestS56_NameHasALimitedNumberOfCharacters(t *testing.T) {
	t.Parallel()
	for name, fits := range map[string]bool{
		"":                            false,
		"ab":                          false,
		" ab ":                        false, //nolint:gocritic // white space is the case
		"abc":                         true,
		strings.Repeat("è", 25):       true, // characters, not bytes
		strings.Repeat("e\u0300", 25): true, // one character each once composed
		strings.Repeat("x", 26):       false,
	} {
		c := pizzeria()
		c.Name = name
		_, err := account.State{}.Register(firm, c)
		require.Equal(t, fits, err == nil, "name %q: %v", name, err)
	}
	want := registered()
	want.Name = "Caffè Roma"
	scenario.New(account.Evolve).
		When(register(func(c *account.Register) { c.Name = "  Caffe\u0300 Roma\n" })).
		Then(t, want)
}

func TestS51_NothingWorksBeforeTermsAreAccepted(t *testing.T) {
	t.Parallel()
	decisions := map[string]func(account.State) ([]events.Event, error){
		"profile": func(s account.State) ([]events.Event, error) {
			return s.UpdateProfile(account.Profile{Address: "Roma"})
		},
		"photo":     func(s account.State) ([]events.Event, error) { return s.ChangePhoto(strings.Repeat("a", 64)) },
		"subscribe": func(s account.State) ([]events.Event, error) { return s.SubscribePremium(noon) },
		"cancel":    func(s account.State) ([]events.Event, error) { return s.CancelPremium(noon) },
		"devices":   func(s account.State) ([]events.Event, error) { return nil, s.Usable() },
	}
	for name, decide := range decisions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scenario.New(account.Evolve).Given(registered()).When(decide).Rejected(t, "TermsNotAccepted")
			rejection := scenario.New(account.Evolve).When(decide).Rejected(t, "AccountUnknown")
			require.Equal(t, domain.NotFound, rejection.Kind)
			_, err := decide(account.Evolve(account.Evolve(account.State{}, registered()), accepted()))
			require.NoError(t, err)
		})
	}
}

func TestS51_TermsAreAcceptedByVersion(t *testing.T) {
	t.Parallel()
	accept := func(terms, privacy string) func(account.State) ([]events.Event, error) {
		return func(s account.State) ([]events.Event, error) { return s.AcceptTerms(terms, privacy, noon) }
	}
	first := scenario.New(account.Evolve).Given(registered()).When(accept("2026-01", "7")).Then(t, accepted())
	first.When(accept("2026-01", "7")).Then(t)
	first.When(accept("2026-01", "8")).Then(t,
		events.TermsAccepted{AccountID: firm, TermsVersion: "2026-01", PrivacyVersion: "8", AcceptedAt: noon})
	first.When(accept("", "7")).Rejected(t, "TermsVersionRequired")
	require.Equal(t, "terms_version", first.When(accept("2026\x0001", "7")).Rejected(t, "TermsVersionRequired").Field)
	require.Equal(t, "privacy_version", first.When(accept("2026-01", "7\u0085\n8")).Rejected(t, "PrivacyVersionRequired").Field)
	first.When(accept("2026-01", strings.Repeat("7", 65))).Rejected(t, "PrivacyVersionRequired")
	scenario.New(account.Evolve).When(accept("2026-01", "7")).Rejected(t, "AccountUnknown")
}

func TestS57_PhotoChangesAnyNumberOfTimes(t *testing.T) {
	t.Parallel()
	change := func(digest string) func(account.State) ([]events.Event, error) {
		return func(s account.State) ([]events.Event, error) { return s.ChangePhoto(digest) }
	}
	past := inUse()
	past.When(change("")).Then(t)
	for _, digit := range []string{"a", "b", "a", "c"} {
		digest := strings.Repeat(digit, 64)
		past = past.When(change(digest)).Then(t, events.ProfilePhotoChanged{AccountID: firm, MediaSHA256: digest})
		past.When(change(digest)).Then(t)
	}
	past.When(change("")).Then(t, events.ProfilePhotoChanged{AccountID: firm})
	past.When(change("not a digest")).Rejected(t, "PhotoInvalid")
}

func TestS58_ProfileHoldsWebPageAndContact(t *testing.T) {
	t.Parallel()
	update := func(p account.Profile) func(account.State) ([]events.Event, error) {
		return func(s account.State) ([]events.Event, error) { return s.UpdateProfile(p) }
	}
	full := account.Profile{Website: "https://mario.example", Address: "Via Roma 1", Email: "ciao@mario.example", Description: "Pizza,\npasta"}
	done := inUse().When(update(account.Profile{
		Website: " https://mario.example ", Address: "Via Roma 1", Email: "ciao@mario.example", Description: "Pizza,\npasta",
	})).Then(t, events.ProfileUpdated{
		AccountID: firm, Website: full.Website, Address: full.Address, Email: full.Email, Description: full.Description,
	})
	done.When(update(full)).Then(t)
	done.When(update(account.Profile{})).Then(t, events.ProfileUpdated{AccountID: firm})
	lines := account.Profile{Address: "Via Roma 1\nRoma", Description: "Pizza,\npasta"}
	done.When(update(lines)).Then(t, events.ProfileUpdated{AccountID: firm, Address: lines.Address, Description: lines.Description})
	for _, control := range []string{"\x00", "\x1b", "\r", "\x7f", "\u0085"} {
		for field, p := range map[string]account.Profile{
			"website":     {Website: "https://mario.example/" + control + "menu"},
			"email":       {Email: "\"ciao" + control + "ciao\"@mario.example"},
			"address":     {Address: "Via" + control + "Roma"},
			"description": {Description: "Pizza" + control + "pasta"},
		} {
			require.Equal(t, field, done.When(update(p)).Rejected(t, "ProfileInvalid").Field)
		}
	}
	for field, p := range map[string]account.Profile{
		"website":     {Website: "javascript:alert(1)"},
		"email":       {Email: "Mario <ciao@mario.example>"},
		"address":     {Address: "Via\x07"},
		"description": {Description: strings.Repeat("x", 513)},
	} {
		require.Equal(t, field, done.When(update(p)).Rejected(t, "ProfileInvalid").Field)
	}
}

func TestS10_PlanFollowsTheSubscription(t *testing.T) {
	t.Parallel()
	hour := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Hour) }
	subscribe := func(from time.Time) func(account.State) ([]events.Event, error) {
		return func(s account.State) ([]events.Event, error) { return s.SubscribePremium(from) }
	}
	cancel := func(at time.Time) func(account.State) ([]events.Event, error) {
		return func(s account.State) ([]events.Event, error) { return s.CancelPremium(at) }
	}
	planned := func(s scenario.Scenario[account.State], want map[int]account.Plan) {
		t.Helper()
		s.When(func(s account.State) ([]events.Event, error) {
			for n, plan := range want {
				require.Equal(t, plan, s.PlanAt(hour(n)), "hour %d", n)
			}
			return nil, nil
		}).Then(t)
	}
	plain := inUse()
	planned(plain, map[int]account.Plan{0: account.Standard})
	plain.When(cancel(hour(0))).Then(t)

	on := plain.When(subscribe(hour(2))).Then(t, events.PremiumSubscribed{AccountID: firm, ValidFrom: hour(2)})
	planned(on, map[int]account.Plan{1: account.Standard, 2: account.Premium, 1000: account.Premium})
	on.When(subscribe(hour(2))).Then(t)
	on.When(subscribe(hour(5))).Then(t)
	planned(on.When(subscribe(hour(1))).Then(t, events.PremiumSubscribed{AccountID: firm, ValidFrom: hour(1)}),
		map[int]account.Plan{0: account.Standard, 1: account.Premium})

	off := on.When(cancel(hour(4))).Then(t, events.PremiumCancelled{AccountID: firm, EffectiveAt: hour(4)})
	planned(off, map[int]account.Plan{2: account.Premium, 3: account.Premium, 4: account.Standard, 9: account.Standard})
	off.When(cancel(hour(4))).Then(t)
	off.When(cancel(hour(5))).Then(t)

	again := off.When(subscribe(hour(6))).Then(t, events.PremiumSubscribed{AccountID: firm, ValidFrom: hour(6)})
	planned(again, map[int]account.Plan{3: account.Premium, 5: account.Standard, 6: account.Premium})
}

func TestNumberOfAccount(t *testing.T) {
	t.Parallel()
	inUse().When(func(s account.State) ([]events.Event, error) {
		first, err := s.Number("")
		require.NoError(t, err)
		require.Equal(t, "106540352242922", first)
		_, err = s.Number("1")
		return nil, err
	}).Rejected(t, "NumberUnknown")
}

func TestNumberBelongsToOneAccount(t *testing.T) {
	t.Parallel()
	claim := func(by, abandoned id.Account) func(account.Number) ([]events.Event, error) {
		return func(n account.Number) ([]events.Event, error) { return n.Claim(by, "106", abandoned) }
	}
	none := id.Account{}
	claimed := scenario.New(account.EvolveNumber).When(claim(firm, none)).
		Then(t, events.NumberClaimed{AccountID: firm, PhoneNumberID: "106"})
	claimed.When(claim(firm, none)).Then(t)
	claimed.When(claim(other, none)).Rejected(t, "NumberTaken")
	claimed.When(claim(other, other)).Rejected(t, "NumberTaken")
	claimed.When(claim(other, firm)).Then(t, events.NumberClaimed{AccountID: other, PhoneNumberID: "106"}).
		When(claim(firm, none)).Rejected(t, "NumberTaken")
}

func TestMoneyAndDaysOfAnAccount(t *testing.T) {
	t.Parallel()
	ask := func(past ...events.Event) (money.Currency, *time.Location, error) {
		var s account.State
		for _, event := range past {
			s = account.Evolve(s, event)
		}
		zone, err := s.Zone()
		return s.Currency(), zone, err
	}
	currency, zone, err := ask(registered())
	require.NoError(t, err)
	require.Equal(t, money.Currency("EUR"), currency)
	require.Equal(t, "Europe/Rome", zone.String())

	elsewhere := registered()
	elsewhere.Timezone = "Atlantis/Capital"
	_, _, err = ask(elsewhere)
	require.ErrorContains(t, err, `"Atlantis/Capital"`)
	_, _, err = ask()
	require.Error(t, err)
}
