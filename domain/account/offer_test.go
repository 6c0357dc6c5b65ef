package account_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/domain/account"
	"daybook/domain/scenario"
	"daybook/events"
	"daybook/events/id"
)

type decide = func(account.State) ([]events.Event, error)

func TestVerificationGoesFromARequestToADecision(t *testing.T) {
	t.Parallel()
	request := account.State.RequestVerification
	verdict := func(v account.Verdict) decide {
		return func(s account.State) ([]events.Event, error) { return s.DecideVerification(v) }
	}
	verify := verdict(account.Verdict{Outcome: account.Verified, Method: "register", Badge: true})
	refuse := verdict(account.Verdict{Outcome: account.Rejected, Reason: "documents"})
	revoke := verdict(account.Verdict{Outcome: account.Revoked, Reason: "sold"})

	inUse().When(verify).Rejected(t, "VerificationState")
	inUse().When(revoke).Rejected(t, "VerificationState")
	pending := inUse().When(request).Then(t, events.VerificationRequested{AccountID: firm})
	pending.When(request).Then(t)
	pending.When(revoke).Rejected(t, "VerificationState")
	rejected := pending.When(refuse).Then(t, events.VerificationRejected{AccountID: firm, Reason: "documents"})
	rejected.When(refuse).Then(t)
	rejected.When(verify).Rejected(t, "VerificationState")
	again := rejected.When(request).Then(t, events.VerificationRequested{AccountID: firm})
	verified := again.When(verify).Then(t, events.BusinessVerified{AccountID: firm, Method: "register", Badge: true})
	verified.When(verify).Then(t)
	verified.When(request).Rejected(t, "AlreadyVerified")
	revoked := verified.When(revoke).Then(t, events.VerificationRevoked{AccountID: firm, Reason: "sold"})
	revoked.When(request).Then(t, events.VerificationRequested{AccountID: firm})

	for want, s := range map[account.Verification]scenario.Scenario[account.State]{
		account.Unverified: inUse(), account.Pending: pending, account.Rejected: rejected,
		account.Verified: verified, account.Revoked: revoked,
	} {
		s.When(func(s account.State) ([]events.Event, error) {
			require.Equal(t, want, s.Verification())
			require.Equal(t, want == account.Verified, s.Badge(), "%s", want)
			return nil, nil
		}).Then(t)
	}
	for field, v := range map[string]account.Verdict{
		"outcome": {Outcome: account.Pending}, "method": {Outcome: account.Verified, Method: "we looked at it"},
		"reason": {Outcome: account.Rejected, Reason: "Ada Rossi is not the owner"},
	} {
		_, err := account.State{}.DecideVerification(v)
		require.ErrorContains(t, err, "no such account")
		scenario := pending.When(verdict(v))
		code := map[string]string{"outcome": "OutcomeUnknown", "method": "MethodInvalid", "reason": "ReasonInvalid"}[field]
		require.Equal(t, field, scenario.Rejected(t, code).Field)
	}
}

func TestFeaturesAreOpenedOneByOne(t *testing.T) {
	t.Parallel()
	change := func(f events.Feature, enabled bool) decide {
		return func(s account.State) ([]events.Event, error) { return s.ChangeFeature(f, enabled) }
	}
	for _, f := range []events.Feature{events.FeatureCampaigns, events.FeatureCommands, events.FeatureBetaDevices} {
		inUse().When(change(f, false)).Then(t)
		inUse().When(func(s account.State) ([]events.Event, error) { return nil, s.Require(f) }).Rejected(t, "FeatureNotEnabled")
		open := inUse().When(change(f, true)).Then(t, events.FeatureChanged{AccountID: firm, Feature: f, Enabled: true})
		open.When(change(f, true)).Then(t)
		open.When(func(s account.State) ([]events.Event, error) {
			for _, other := range []events.Feature{events.FeatureCampaigns, events.FeatureCommands, events.FeatureBetaDevices} {
				require.Equal(t, other == f, s.Has(other), "%s", other)
			}
			return nil, s.Require(f)
		}).Then(t)
		open.When(change(f, false)).Then(t, events.FeatureChanged{AccountID: firm, Feature: f})
	}
	inUse().When(change("telepathy", true)).Rejected(t, "FeatureUnknown")
	scenario.New(account.Evolve).When(change(events.FeatureCommands, true)).Rejected(t, "AccountUnknown")
}

// pilot is an account that may answer by itself.
func pilot() scenario.Scenario[account.State] {
	return scenario.New(account.Evolve).Given(registered(), accepted(),
		events.FeatureChanged{AccountID: firm, Feature: events.FeatureCommands, Enabled: true})
}

func inItalian(text string) []events.LocalizedReply {
	return []events.LocalizedReply{{Language: "it", Text: text}}
}

func configure(name, hint, reply string) decide {
	return func(s account.State) ([]events.Event, error) {
		return s.ConfigureCommand(account.Command{Name: name, Hint: hint, Replies: inItalian(reply)})
	}
}

func TestCommandsAreConfigured(t *testing.T) {
	t.Parallel()
	menu := events.CommandConfigured{AccountID: firm, Command: "menù", Hint: "oggi", Replies: inItalian("Pasta")}
	inUse().When(configure("menù", "oggi", "Pasta")).Rejected(t, "FeatureNotEnabled")
	done := pilot().When(configure(" /menù ", " oggi", "Pasta ")).Then(t, menu)
	done.When(configure("menù", "oggi", "Pasta")).Then(t)
	louder := menu
	louder.Command = "MENÙ"
	replaced := done.When(configure("MENÙ", "oggi", "Pasta")).Then(t, louder)
	replaced.When(func(s account.State) ([]events.Event, error) {
		require.Equal(t, []events.CommandConfigured{louder}, s.Commands())
		for text, want := range map[string]string{
			"/menù": "MENÙ", " /Menù di oggi": "MENÙ", "menù": "", "/": "", "/men": "", "/menùs": "", "vorrei /menù": "",
		} {
			require.Equal(t, want, account.CommandIn(text, s.Commands()), "%q", text)
		}
		return s.RemoveCommand("menù")
	}).Then(t, events.CommandRemoved{AccountID: firm, Command: "MENÙ"}).
		When(func(s account.State) ([]events.Event, error) { return s.RemoveCommand("menù") }).Rejected(t, "CommandUnknown")
}

func TestCommandsHaveLimits(t *testing.T) {
	t.Parallel()
	full := pilot()
	for i := range 30 {
		n := strconv.Itoa(i)
		full = full.Given(events.CommandConfigured{AccountID: firm, Command: n, Replies: inItalian(n)})
	}
	full.When(configure("one-more", "", "x")).Rejected(t, "TooManyCommands")
	full.When(configure("7", "", "other")).Then(t,
		events.CommandConfigured{AccountID: firm, Command: "7", Replies: inItalian("other")})
	pilot().When(configure(strings.Repeat("é", 32), strings.Repeat("é", 256), strings.Repeat("é", 4096))).Then(t,
		events.CommandConfigured{
			AccountID: firm, Command: strings.Repeat("é", 32), Hint: strings.Repeat("é", 256), Replies: inItalian(strings.Repeat("é", 4096)),
		})
	for name, c := range map[string]struct {
		do   decide
		code string
	}{
		"no name":        {configure("", "", "x"), "CommandInvalid"},
		"long name":      {configure(strings.Repeat("é", 33), "", "x"), "CommandInvalid"},
		"two words":      {configure("a b", "", "x"), "CommandInvalid"},
		"slash":          {configure("a/b", "", "x"), "CommandInvalid"},
		"control":        {configure("a\x00", "", "x"), "CommandInvalid"},
		"long hint":      {configure("a", strings.Repeat("é", 257), "x"), "HintInvalid"},
		"hint of lines":  {configure("a", "b\nc", "x"), "HintInvalid"},
		"empty text":     {configure("a", "", " "), "TextsInvalid"},
		"long text":      {configure("a", "", strings.Repeat("é", 4097)), "TextsInvalid"},
		"bell":           {configure("a", "", "ring\a"), "TextsInvalid"},
		"no text":        {reply(), "TextsInvalid"},
		"strange tongue": {reply("italiano", "x"), "LanguageInvalid"},
		"tongue twice":   {reply("it", "x", "it", "y"), "LanguageRepeated"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pilot().When(c.do).Rejected(t, c.code)
		})
	}
}

// reply configures a command with texts by language.
func reply(pairs ...string) decide {
	var texts []events.LocalizedReply
	for i := 0; i < len(pairs); i += 2 {
		texts = append(texts, events.LocalizedReply{Language: pairs[i], Text: pairs[i+1]})
	}
	return func(s account.State) ([]events.Event, error) {
		return s.ConfigureCommand(account.Command{Name: "a", Replies: texts})
	}
}

func TestAutomaticRepliesAreConfigured(t *testing.T) {
	t.Parallel()
	set := func(trigger events.AutoTrigger, text string) decide {
		return func(s account.State) ([]events.Event, error) { return s.ConfigureAutoReply(trigger, inItalian(text)) }
	}
	remove := func(trigger events.AutoTrigger) decide {
		return func(s account.State) ([]events.Event, error) { return s.RemoveAutoReply(trigger) }
	}
	away := events.AutoReplyConfigured{AccountID: firm, Trigger: events.TriggerAway, Replies: inItalian("Torniamo\ndomani")}
	inUse().When(set(events.TriggerAway, "x")).Rejected(t, "FeatureNotEnabled")
	done := pilot().When(set(events.TriggerAway, " Torniamo\ndomani ")).Then(t, away)
	done.When(set(events.TriggerAway, "Torniamo\ndomani")).Then(t)
	done.When(set("noon", "x")).Rejected(t, "TriggerUnknown")
	done.When(remove("noon")).Rejected(t, "TriggerUnknown")
	done.When(remove(events.TriggerWelcome)).Then(t)
	done.When(func(s account.State) ([]events.Event, error) {
		require.Equal(t, []events.AutoReplyConfigured{away}, s.AutoReplies())
		return s.RemoveAutoReply(events.TriggerAway)
	}).Then(t, events.AutoReplyRemoved{AccountID: firm, Trigger: events.TriggerAway}).
		When(func(s account.State) ([]events.Event, error) {
			require.Empty(t, s.AutoReplies())
			return nil, nil
		}).Then(t)
}

func TestNoticesComeFromThePlatformOnly(t *testing.T) {
	t.Parallel()
	notice := id.Derive[id.Message]("test", "notice")
	publish := func(s account.State) ([]events.Event, error) { return s.Notice(notice, inItalian(" Novità ")) }
	inUse().When(publish).Rejected(t, "NotPlatformAccount")
	platform := registered()
	platform.Platform = true
	scenario.New(account.Evolve).Given(platform).When(publish).Rejected(t, "TermsNotAccepted")
	scenario.New(account.Evolve).Given(platform, accepted()).When(publish).Then(t,
		events.PlatformNoticePublished{AccountID: firm, NoticeID: notice, Locales: inItalian("Novità")})
}

func TestTheNewestNoticesAreRemembered(t *testing.T) {
	t.Parallel()
	var n account.Notices
	for i := range 150 {
		n = account.EvolveNotices(n, events.PlatformNoticePublished{NoticeID: id.Derive[id.Message](strconv.Itoa(i))})
	}
	require.Len(t, n.Shown(), 100)
	require.Equal(t, id.Derive[id.Message]("50"), n.Shown()[0].NoticeID)
	require.Equal(t, id.Derive[id.Message]("149"), n.Shown()[99].NoticeID)
}

func TestRegistrationFixesPortfolioAndPlatform(t *testing.T) {
	t.Parallel()
	want := registered()
	want.PortfolioID, want.Platform = id.Derive[id.Account]("portfolio", "rossi-group"), true
	scenario.New(account.Evolve).When(register(func(c *account.Register) {
		c.Portfolio, c.Platform = "rossi-group", true
	})).Then(t, want)
	scenario.New(account.Evolve).When(register(func(c *account.Register) { c.Portfolio = "Rossi & sons" })).
		Rejected(t, "PortfolioInvalid")
}

func TestPublishedTermsMustBeAcceptedAgain(t *testing.T) {
	t.Parallel()
	next := account.Terms{Service: "2027-01", Privacy: "8"}
	under := func(current account.Terms, d decide) decide {
		return func(s account.State) ([]events.Event, error) { return d(s.Under(current)) }
	}
	photo := func(s account.State) ([]events.Event, error) { return s.ChangePhoto(strings.Repeat("a", 64)) }
	accept := func(t account.Terms) decide {
		return func(s account.State) ([]events.Event, error) { return s.AcceptTerms(t.Service, t.Privacy, noon) }
	}
	inUse().When(under(account.Terms{Service: "2026-01", Privacy: "7"}, photo)).Then(t,
		events.ProfilePhotoChanged{AccountID: firm, MediaSHA256: strings.Repeat("a", 64)})
	inUse().When(under(next, photo)).Rejected(t, "TermsNotAccepted")
	inUse().When(under(account.Terms{Service: "2026-01", Privacy: "8"}, photo)).Rejected(t, "TermsNotAccepted")
	inUse().When(under(next, accept(account.Terms{Service: "2026-02", Privacy: "8"}))).Rejected(t, "TermsNotCurrent")
	inUse().When(under(next, accept(next))).Then(t,
		events.TermsAccepted{AccountID: firm, TermsVersion: "2027-01", PrivacyVersion: "8", AcceptedAt: noon}).
		When(under(next, photo)).Then(t, events.ProfilePhotoChanged{AccountID: firm, MediaSHA256: strings.Repeat("a", 64)})

	publish := func(next account.Terms) func(account.Terms) ([]events.Event, error) {
		return func(t account.Terms) ([]events.Event, error) { return t.Publish(next) }
	}
	published := scenario.New(account.EvolveTerms).When(publish(next)).
		Then(t, events.TermsPublished{TermsVersion: "2027-01", PrivacyVersion: "8"})
	published.When(publish(next)).Then(t)
	published.When(publish(account.Terms{Service: "2027-02"})).Rejected(t, "PrivacyVersionRequired")
	published.When(publish(account.Terms{Privacy: "9"})).Rejected(t, "TermsVersionRequired")
}

func TestSeveralAccountsClaimAWABA(t *testing.T) {
	t.Parallel()
	claim := func(by id.Account) func(account.WABA) ([]events.Event, error) {
		return func(w account.WABA) ([]events.Event, error) { return w.Claim(by, "900") }
	}
	scenario.New(account.EvolveWABA).When(claim(firm)).Then(t, events.WABAClaimed{AccountID: firm, WABAID: "900"}).
		When(claim(firm)).Then(t).
		When(claim(other)).Then(t, events.WABAClaimed{AccountID: other, WABAID: "900"}).
		When(func(w account.WABA) ([]events.Event, error) {
			require.Equal(t, []id.Account{firm, other}, w.Owners())
			return nil, nil
		}).Then(t)
}

// told is what the platform says of the firm at a minute after noon.
func told(minute int) events.ToldFact {
	return events.ToldFact{
		AccountID: firm, FactID: id.Derive[id.Fact]("test", strconv.Itoa(minute)), ToldAt: noon.Add(time.Duration(minute) * time.Minute),
	}
}
