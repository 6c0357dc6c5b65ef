package commands_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/commands"
	"daybook/domain"
	"daybook/domain/account"
	"daybook/domain/conversation"
	"daybook/domain/template"
	"daybook/events"
	"daybook/events/id"
)

var (
	platform = commands.Meta{Actor: "platform:whatsapp", Source: "webhook"}
	offer    = template.Name{Name: "order_shipped", Language: "it"}
)

func code(t *testing.T, err error) string {
	t.Helper()
	rejection, ok := errors.AsType[*domain.Rejection](err)
	require.True(t, ok, "%v", err)
	return rejection.Code
}

func told(owner id.Account, name string, moment time.Time) events.ToldFact {
	return events.ToldFact{AccountID: owner, FactID: id.Derive[id.Fact]("told", owner.String(), name), ToldAt: moment, Raw: "sealed"}
}

func TestAccountsOfOneWABA(t *testing.T) {
	t.Parallel()
	h := commands.New(openStore(t), at(noon))
	holders, err := h.WABAHolders(t.Context(), pizzeria().WABAID)
	require.NoError(t, err)
	require.Empty(t, holders)

	first, _, err := h.RegisterAccount(t.Context(), command("first"), pizzeria())
	require.NoError(t, err)
	sister := pizzeria()
	sister.Name, sister.Numbers = "Pizzeria Luigi", []events.BusinessNumber{{PhoneNumberID: "2", DisplayPhoneNumber: "39062"}}
	second, _, err := h.RegisterAccount(t.Context(), command("second"), sister)
	require.NoError(t, err)
	again, _, err := h.RegisterAccount(t.Context(), command("first"), pizzeria())
	require.NoError(t, err)
	require.Equal(t, first, again)
	_, _, err = h.RegisterAccount(t.Context(), command("third"), sister) // its number is taken: it never comes to exist
	require.Equal(t, "NumberTaken", code(t, err))

	holders, err = h.WABAHolders(t.Context(), pizzeria().WABAID)
	require.NoError(t, err)
	require.Equal(t, []commands.Holder{{Account: first, Numbers: pizzeria().Numbers}, {Account: second, Numbers: sister.Numbers}}, holders)
}

func TestWhatIsToldIsRecordedOnceWhereItBelongs(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	h := commands.New(store, at(noon))
	f := openFirm(t, h)
	restrictions := []events.ToldEvent{
		events.AccountRestricted{ToldFact: told(f.account, "restriction", noon), Kind: "RESTRICTED_BIZ_INITIATED_MESSAGING"},
		events.AccountRestricted{ToldFact: told(f.account, "restriction", noon), Kind: "RESTRICTED_ADD_PHONE_NUMBER_ACTION"},
	}
	for _, c := range []struct {
		told   commands.Told
		stream string
		types  []string
	}{
		{commands.Told{Account: f.account, Facts: restrictions}, account.Stream(f.account), []string{"AccountRestricted", "AccountRestricted"}},
		{
			commands.Told{Account: f.account, Facts: []events.ToldEvent{events.PlatformTold{ToldFact: told(f.account, "alert", noon), Field: "account_alerts"}}},
			account.RecordStream(told(f.account, "alert", noon).FactID), []string{"PlatformTold"},
		},
		{
			commands.Told{Account: f.account, Template: &offer, Facts: []events.ToldEvent{
				events.TemplateStatusChanged{ToldFact: told(f.account, "paused", noon.Add(-time.Hour)), Status: "PAUSED"},
			}},
			template.Stream(template.IDOf(f.account, offer)), []string{"TemplateSubmitted", "TemplateStatusChanged"},
		},
	} {
		before := len(read(t, store, c.stream))
		for range 3 {
			stream, err := h.RecordTold(t.Context(), platform, c.told)
			require.NoError(t, err)
			require.Equal(t, c.stream, stream)
		}
		var types []string
		for _, r := range read(t, store, c.stream)[before:] {
			types = append(types, r.Type)
			require.Equal(t, f.account, r.envelope.Account)
			if e, ok := r.event.(events.ToldEvent); ok {
				require.Equal(t, e.Told().ToldAt, r.envelope.OccurredAt, "the platform's clock")
			}
		}
		require.Equal(t, c.types, types)
	}
}

func TestASuspendedAccountSendsNothing(t *testing.T) {
	t.Parallel()
	h := commands.New(openStore(t), at(noon))
	f := openFirm(t, h)
	_, err := h.SuspendAccount(t.Context(), command("off"), f.account)
	require.NoError(t, err)
	_, err = h.SendMessage(t.Context(), api, f.template(1))
	require.Equal(t, "AccountSuspended", code(t, err))
	_, err = h.SendingNumber(t.Context(), f.account, "")
	require.Equal(t, "AccountSuspended", code(t, err))
	_, err = h.ReinstateAccount(t.Context(), command("on"), f.account)
	require.NoError(t, err)
	_, err = h.SendMessage(t.Context(), api, f.template(1))
	require.NoError(t, err)
}

func TestPublishedTermsCountForEveryCommand(t *testing.T) {
	t.Parallel()
	store, now := openStore(t), noon
	h, elsewhere := commands.New(store, at(noon)), commands.New(store, func() time.Time { return now })
	f := openFirm(t, h)
	_, err := elsewhere.SendMessage(t.Context(), api, f.template(1)) // it has read that nothing is published
	require.NoError(t, err)
	_, err = h.PublishTerms(t.Context(), command("terms"), account.Terms{Service: "2027-01", Privacy: "8"})
	require.NoError(t, err)

	refused := func(h *commands.Handler) {
		_, err := h.SendMessage(t.Context(), api, f.template(2))
		require.Equal(t, "TermsNotAccepted", code(t, err))
		_, err = h.RenameDevice(t.Context(), api, f.account, f.device, "Front desk")
		require.Equal(t, "TermsNotAccepted", code(t, err))
		_, err = h.ChangePhoto(t.Context(), api, f.account, "")
		require.Equal(t, "TermsNotAccepted", code(t, err))
	}
	refused(h)
	now = now.Add(10 * time.Second)
	refused(elsewhere)
	_, err = h.AcceptTerms(t.Context(), api, f.account, "2026-02", "8")
	require.Equal(t, "TermsNotCurrent", code(t, err))
	_, err = h.AcceptTerms(t.Context(), api, f.account, "2027-01", "8")
	require.NoError(t, err)
	_, err = elsewhere.SendMessage(t.Context(), api, f.template(2))
	require.NoError(t, err)
}

// TestVector23_TheCategoryAtTheInstantOfUse: a template that becomes marketing at T. What is written a second before keeps
// the category, and with it the price, of then; what is written at T has the new one. That it was announced changes nothing.
func TestVector23_TheCategoryAtTheInstantOfUse(t *testing.T) {
	t.Parallel()
	store, now := openStore(t), noon
	h := commands.New(store, func() time.Time { return now })
	f := openFirm(t, h)
	moved := noon.Add(24 * time.Hour)
	tell := func(facts ...events.ToldEvent) {
		_, err := h.RecordTold(t.Context(), platform, commands.Told{Account: f.account, Template: &offer, Facts: facts})
		require.NoError(t, err)
	}
	_, _, err := h.SubmitTemplate(t.Context(), api, f.account, template.Submit{
		Name: offer, Category: events.Utility, Components: []byte(`[{"type":"BODY","text":"Ciao"}]`),
	})
	require.NoError(t, err)
	_, err = h.SendMessage(t.Context(), api, f.template(1))
	require.Equal(t, "TemplateNotSendable", code(t, err))
	tell(events.TemplateStatusChanged{ToldFact: told(f.account, "approved", noon), Status: "APPROVED"})
	tell(events.TemplateCategoryChanged{
		ToldFact: told(f.account, "notice", noon), From: events.Utility, To: events.Marketing, EffectiveAt: moved, Notice: true,
	})
	_, err = h.SetConsent(t.Context(), api, conversation.Consent{
		Account: f.account, CustomerID: f.customer, Category: events.Marketing, Wanted: true, Source: events.SourceForm,
	})
	require.NoError(t, err)
	category := func(n int, wanted events.Category, at time.Time) events.Category {
		now = at
		c := f.template(n)
		c.Category = wanted
		_, err := h.SendMessage(t.Context(), api, c)
		require.NoError(t, err)
		all := read(t, store, "conversation-"+f.conversation.String())
		return all[len(all)-1].event.(events.MessageQueued).Category
	}
	require.Equal(t, events.Utility, category(2, "", moved.Add(-time.Second)))
	tell(events.TemplateCategoryChanged{ToldFact: told(f.account, "moved", moved), From: events.Utility, To: events.Marketing, EffectiveAt: moved})
	require.Equal(t, events.Utility, category(3, events.Utility, moved.Add(-time.Second)))
	require.Equal(t, events.Marketing, category(4, "", moved))
	c := f.template(5)
	_, err = h.SendMessage(t.Context(), api, c)
	require.Equal(t, "CategoryMismatch", code(t, err))
}
