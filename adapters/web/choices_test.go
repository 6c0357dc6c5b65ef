package web_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
	"daybook/events"
)

// customer is a business with a device, and one of its customers, who has a link and has just written.
func (s *system) customer() (shop, visitor) {
	s.t.Helper()
	account := s.account()
	device := s.device(account, "iPhone Mario")
	s.hello(account)
	return shop{s, account, device}, s.visitor(account)
}

func TestS21_TheCustomerReportsAndBlocksDuringACampaign(t *testing.T) {
	t.Parallel()
	s := start(t)
	account, device := s.promoter()
	v := s.visitor(account)
	path, which := s.planned(account, device, `{"recipients":["+39 333 123 4567"]}`)
	s.done(account, http.MethodPost, path+"/approval", "")
	v.choose(http.MethodPost, "/reports", `{"reason":"too_often"}`)
	require.True(t, v.choose(http.MethodPut, "/block", "").Blocked)
	s.begin(which)
	f := s.figures(account, which)
	require.Equal(t, []api.CampaignSkip{{Reason: "blocked", Recipients: 1}}, f.Skipped)
	require.Equal(t, "0.000000", f.Reserved.Amount)
	require.Empty(t, v.export())
}

func TestS22_MarketingComesToThoseWhoOptedIn(t *testing.T) {
	t.Parallel()
	shop, v := start(t).customer()
	shop.refuses(shop.offer("marketing"), "ConsentMissing")
	v.choose(http.MethodPut, "/categories/marketing", `{"wanted":true}`)
	shop.sends(shop.offer("marketing"))
	v.choose(http.MethodPut, "/categories/marketing", `{"wanted":false}`)
	shop.refuses(shop.offer("marketing"), "OptedOut")
	shop.sends(shop.offer("utility"))
	v.choose(http.MethodPut, "/categories/utility", `{"wanted":false}`)
	shop.refuses(shop.offer("utility"), "OptedOut")
}

// The form is sealed, and shows later what was said where.
func TestS24_AnOptInHasItsSourceAndEvidence(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	device := s.device(account, "iPhone Mario")
	said := api.RecordConsent{
		Customer: "+39 333 123 4567", Category: "marketing", Wanted: true, Source: "form", Evidence: "newsletter form in via Roma",
	}
	_, err := s.RecordConsent(t.Context(), account, said)
	require.NoError(t, err)
	shop{s, account, device}.sends(offer(device, "marketing"))
	require.Equal(t, "marketing", s.visitor(account).choose(http.MethodGet, "", "").Choices[0].Category)
	said.Source = "hearsay"
	_, err = s.RecordConsent(t.Context(), account, said)
	require.True(t, client.IsProblem(err, "SourceUnknown"), err)

	opted := 0
	for record, err := range s.store.ReadAll(t.Context(), events.Start) {
		require.NoError(t, err)
		require.NotContains(t, string(record.Data), "via Roma", record.Type)
		if record.Type != "CustomerOptedIn" {
			continue
		}
		event, _, err := events.DecodeRecord(record)
		require.NoError(t, err)
		in := event.(events.CustomerOptedIn)
		evidence, err := s.vault.Open(t.Context(), in.Evidence, in.FactID, "evidence")
		require.NoError(t, err)
		require.Equal(t, []any{events.SourceForm, "newsletter form in via Roma"}, []any{in.Source, string(evidence)})
		opted++
	}
	require.Equal(t, 1, opted)
}

func TestS28_ABlockIsPutAndTakenBackByTheCustomer(t *testing.T) {
	t.Parallel()
	shop, v := start(t).customer()
	require.True(t, v.choose(http.MethodPut, "/block", "").Blocked)
	require.True(t, v.choose(http.MethodPut, "/block", "").Blocked, "again is no error")
	shop.refuses(text(shop.device, "ciao"), "Blocked")
	require.False(t, v.choose(http.MethodDelete, "/block", "").Blocked)
	shop.sends(text(shop.device, "ciao"))
}

func TestS39_MessagesOfABusinessAreMarkedAndCannotBeDeleted(t *testing.T) {
	t.Parallel()
	shop, v := start(t).customer()
	sent := shop.sends(text(shop.device, "Buongiorno"))
	path := "/api/v1/accounts/" + shop.account.String() + "/messages/"
	refused := shop.call(http.MethodDelete, path+sent.ID.String(), "")
	require.Equal(t, http.StatusConflict, refused.StatusCode)
	require.Equal(t, "MessageNotDeletable", refused.problem(t).Code)
	require.Equal(t, "MessageUnknown", shop.call(http.MethodDelete, path+nobody, "").problem(t).Code)

	_, err := shop.AcceptMessage(t.Context(), shop.account, sent.ID, "wamid.11111111")
	require.NoError(t, err)
	list := v.export()
	require.Len(t, list, 2)
	require.False(t, list[0].Business, "the customer's own")
	require.True(t, list[1].Business)
}

func TestS43_NothingOfAnyKindIsSentToWhoBlocks(t *testing.T) {
	t.Parallel()
	shop, v := start(t).customer()
	v.choose(http.MethodPut, "/categories/marketing", `{"wanted":true}`)
	v.choose(http.MethodPut, "/block", "")
	for _, category := range []string{"marketing", "utility", "authentication"} {
		shop.refuses(shop.offer(category), "Blocked")
	}
	shop.refuses(text(shop.device, "ciao"), "Blocked")
}

func TestS44_TheCustomerReportsAMessageOrTheBusiness(t *testing.T) {
	t.Parallel()
	shop, v := start(t).customer()
	sent := shop.sends(text(shop.device, "Buongiorno"))
	v.choose(http.MethodPost, "/reports", `{"reason":"unwanted"}`)
	v.choose(http.MethodPost, "/reports", `{"reason":"misleading","message_id":"`+sent.ID.String()+`"}`)
	unknown := v.ask(http.MethodPost, "/reports", `{"reason":"unwanted","message_id":"`+nobody+`"}`)
	require.Equal(t, http.StatusNotFound, unknown.StatusCode)
	require.Equal(t, "MessageUnknown", unknown.problem(t).Code)
	var reasons []events.SpamReason
	for record, err := range shop.store.ReadAll(t.Context(), events.Start) {
		require.NoError(t, err)
		event, envelope, err := events.DecodeRecord(record)
		require.NoError(t, err)
		if e, reports := event.(events.SpamReported); reports {
			reasons = append(reasons, e.Reason)
			require.Equal(t, "customer:"+e.CustomerID.String(), string(envelope.Actor))
		}
	}
	require.Equal(t, []events.SpamReason{events.SpamUnwanted, events.SpamMisleads}, reasons)
	shop.sends(text(shop.device, "a report stops nothing"))
}

func TestS45_TheCustomerWantsMoreOrFewer(t *testing.T) {
	t.Parallel()
	shop, v := start(t).customer()
	v.choose(http.MethodPut, "/categories/marketing", `{"wanted":true}`)
	require.Equal(t, "fewer", v.choose(http.MethodPut, "/volume", `{"level":"fewer"}`).Level)
	shop.sends(shop.offer("marketing"))
	shop.refuses(shop.offer("marketing"), "VolumeLimited")
	shop.sends(shop.offer("utility"))
	require.Equal(t, "all", v.choose(http.MethodPut, "/volume", `{"level":"all"}`).Level)
	shop.sends(shop.offer("marketing"))
}

func TestS46_TheCustomerChoosesCategories(t *testing.T) {
	t.Parallel()
	shop, v := start(t).customer()
	v.choose(http.MethodPut, "/categories/marketing", `{"wanted":true}`)
	page := v.choose(http.MethodPut, "/volume", `{"level":"all","categories":["utility"]}`)
	require.Equal(t, []string{"utility"}, page.Categories)
	shop.sends(shop.offer("utility"))
	shop.refuses(shop.offer("marketing"), "VolumeLimited")
	shop.refuses(shop.offer("authentication"), "VolumeLimited")
	shop.sends(text(shop.device, "an answer"))
}

func TestS61_TheCustomerWantsPrivateMessagesOnly(t *testing.T) {
	t.Parallel()
	shop, v := start(t).customer()
	v.choose(http.MethodPut, "/categories/marketing", `{"wanted":true}`)
	require.Equal(t, "none", v.choose(http.MethodPut, "/volume", `{"level":"none"}`).Level)
	for _, category := range []string{"marketing", "utility", "authentication"} {
		shop.refuses(shop.offer(category), "VolumeLimited")
	}
	shop.sends(text(shop.device, "an answer"))
	shop.restartAt(time.Now().Add(25 * time.Hour))
	shop.refuses(text(shop.device, "no answer any more"), "VolumeLimited")
}
