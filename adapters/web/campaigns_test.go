package web_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/vault"
	"daybook/adapters/web/api"
	"daybook/commands"
	"daybook/domain/campaign"
	"daybook/events"
	"daybook/events/id"
)

const saleBody = `{"name":"Autumn sale","template":"autumn","category":"marketing","locales":["it"],` +
	`"parameters":[{"source":"customer_name","fallback":"friend"},{"source":"text","text":"20 %"}]}`

// promoter is a business with the feature, a device and a customer who opted in.
func (s *system) promoter() (account id.Account, device id.Device) {
	s.t.Helper()
	account = s.account()
	s.done(account, http.MethodPut, "/features/campaigns", `{"enabled":true}`)
	s.done(account, http.MethodPost, "/consents", `{"customer":"+39 333 123 4567","category":"marketing","wanted":true,"source":"form"}`)
	s.publish("Italy,IT,39,marketing,EUR,0.05,2026-01-01,")
	return account, s.device(account, "iPhone Mario")
}

func (s *system) publish(lines ...string) {
	s.t.Helper()
	_, err := s.commands.ImportRateCards(s.t.Context(), commands.Meta{Actor: "test", Source: "test"},
		[]byte("market,iso2,calling_prefix,category,currency,rate,effective_from,source\n"+strings.Join(lines, "\n")))
	require.NoError(s.t, err)
}

// planned drafts a campaign and plans it whole, for an audience.
func (s *system) planned(account id.Account, device id.Device, audience string) (path string, which id.Campaign) {
	s.t.Helper()
	drafted := decoded[api.CampaignDrafted](s.t, s.done(account, http.MethodPost, "/campaigns", saleBody))
	path = "/campaigns/" + drafted.ID.String()
	s.done(account, http.MethodPut, path+"/audience", audience)
	starts := time.Now().Add(24*time.Hour).Format("2006-01-02") + "T12:00"
	s.done(account, http.MethodPut, path+"/schedule", `{"starts_at":"`+starts+`","device_id":"`+device.String()+`"}`)
	s.done(account, http.MethodPut, path+"/budget", `{"limit":"1.00","currency":"EUR"}`)
	return path, drafted.ID
}

// begin lets a campaign do what it has to in three days.
func (s *system) begin(which id.Campaign) {
	s.t.Helper()
	handler := commands.New(s.store, func() time.Time { return time.Now().Add(72 * time.Hour) })
	require.NoError(s.t, handler.AdvanceCampaign(s.t.Context(), commands.Meta{Actor: "test", Source: "test"}, which, "", vault.Copies{Vault: s.vault}))
}

func (s *system) figures(account id.Account, which id.Campaign) (f api.CampaignFigures) {
	s.t.Helper()
	head, err := s.store.Head(s.t.Context())
	require.NoError(s.t, err)
	a := s.call(http.MethodGet, "/api/v1/campaigns/"+which.String()+"?account="+account.String()+"&wait_for="+strconv.FormatUint(uint64(head), 10)+"@"+s.store.ID().String(), "")
	require.Equal(s.t, http.StatusOK, a.StatusCode, "%s", a.body)
	return decoded[api.CampaignFigures](s.t, a)
}

func TestS23_CampaignsAreForAccountsThatHaveTheFeature(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	s.refused(account, http.MethodPost, "/campaigns", saleBody, "FeatureNotEnabled")
	s.done(account, http.MethodPut, "/features/campaigns", `{"enabled":true}`)
	s.done(account, http.MethodPost, "/campaigns", saleBody)
}

func TestS16_SpendingIsHeldAgainstABudget(t *testing.T) {
	t.Parallel()
	s := start(t)
	account, device := s.promoter()
	path, which := s.planned(account, device, `{"recipients":["+39 333 123 4567","393331234567","+39 333 765 4321"]}`)
	s.refused(account, http.MethodPut, path+"/budget", `{"limit":"1.00","currency":"USD"}`, "CurrencyMismatch")
	s.refused(account, http.MethodPut, path+"/budget", `{"limit":"0","currency":"EUR"}`, "BudgetRequired")
	s.refused(account, http.MethodPut, path+"/budget", `{"limit":"a lot","currency":"EUR"}`, "BudgetRequired")
	require.Equal(t, "drafted", s.figures(account, which).Phase)
	s.done(account, http.MethodPost, path+"/approval", "")
	s.begin(which)
	f := s.figures(account, which)
	require.Equal(t, []string{"completed", "1.000000", "0.000000", "0.050000"}, []string{f.Phase, f.Limit.Amount, f.Spent.Amount, f.Reserved.Amount})
	require.EqualValues(t, 2, f.Recipients, "nobody twice")
	require.Equal(t, []api.CampaignSkip{{Reason: "no_opt_in", Recipients: 1}}, f.Skipped)
	require.Len(t, f.Markets, 1)
	require.Equal(t, []int64{1, 0}, []int64{f.Markets[0].Written, f.Markets[0].Charged})

	// Delivered, a charge takes the place of what was held (S15).
	customers, err := s.vault.Customers(t.Context(), account, []events.Person{{WaID: customerNumber}})
	require.NoError(t, err)
	s.told(account, campaign.MessageID(which, customers[0]), "wamid.sale", events.StatusDelivered, time.Now().Add(73*time.Hour))
	f = s.figures(account, which)
	require.Equal(t, []string{"0.050000", "0.000000"}, []string{f.Spent.Amount, f.Reserved.Amount})
	require.Equal(t, []any{int64(1), int64(1), "0.050000"}, []any{f.Markets[0].Delivered, f.Markets[0].Charged, f.Markets[0].Cost.Amount})
	s.refused(account, http.MethodPut, path, saleBody, "CampaignLocked")
}

// What is written to customers, and who they are, is sealed whoever writes it.
func TestS19_CopiesAreSealedLikeAllMessages(t *testing.T) {
	t.Parallel()
	s := start(t)
	account, device := s.promoter()
	path, which := s.planned(account, device, `{"recipients":["+39 333 123 4567"]}`)
	s.done(account, http.MethodPost, path+"/approval", "")
	s.begin(which)
	written := 0
	for record, err := range s.store.ReadAll(t.Context(), events.Start) {
		require.NoError(t, err)
		require.NotContains(t, string(record.Data), "333123", "%s", record.Type)
		if record.Type != "MessageQueued" {
			continue
		}
		event, _, err := events.DecodeRecord(record)
		require.NoError(t, err)
		queued := event.(events.MessageQueued)
		require.Equal(t, customerNumber, s.open(queued.To, queued.MessageID, "to"))
		require.JSONEq(t, `{"parameters":["friend","20 %"]}`, s.open(queued.Content, queued.MessageID, "content"))
		written++
	}
	require.Equal(t, 1, written)
}

// A campaign is for customers whom the business knows, without naming them.
func TestS37_AnAnnouncementToASegment(t *testing.T) {
	t.Parallel()
	s := start(t)
	account, device := s.promoter()
	s.hello(account)
	_, err := s.SendMessage(t.Context(), account, text(device, "Ciao"))
	require.NoError(t, err)
	path, which := s.planned(account, device, `{"segment":{"prefixes":["39"],"opted_in":true}}`)
	s.done(account, http.MethodPost, path+"/approval", "")
	s.begin(which)
	f := s.figures(account, which)
	require.Equal(t, []any{"completed", int64(1), `{"prefixes":["39"],"opted_in":true}`}, []any{f.Phase, f.Recipients, f.Segment})
	s.refused(account, http.MethodPut, path+"/audience", `{}`, "AudienceRequired")

	another := decoded[api.CampaignDrafted](t, s.done(account, http.MethodPost, "/campaigns", saleBody))
	nobody := "/campaigns/" + another.ID.String()
	s.refused(account, http.MethodPut, nobody+"/audience", `{"segment":{"locales":["xx"]}}`, "AudienceEmpty")
	s.refused(account, http.MethodPost, nobody+"/approval", "", "AudienceRequired")
	s.done(account, http.MethodDelete, nobody, "")
	s.refused(account, http.MethodPut, nobody+"/pause", "", "CampaignNotRunning")
}

// Another account's campaign is not there.
func TestACampaignIsItsAccountsOwn(t *testing.T) {
	t.Parallel()
	s := start(t)
	account, device := s.promoter()
	path, which := s.planned(account, device, `{"recipients":["+39 333 123 4567"]}`)
	other := id.New[id.Account]()
	s.refused(other, http.MethodPut, path+"/pause", "", "CampaignUnknown")
	second := rossi
	second.Name, second.Numbers = "Ferramenta Bianchi", []api.Number{{PhoneNumberID: "106540352242955", DisplayPhoneNumber: "390655550155"}}
	opened, err := s.RegisterAccount(t.Context(), second)
	require.NoError(t, err)
	_, err = s.AcceptTerms(t.Context(), opened.ID, api.AcceptTerms{TermsVersion: "1", PrivacyVersion: "1"})
	require.NoError(t, err)
	s.done(opened.ID, http.MethodPut, "/features/campaigns", `{"enabled":true}`)
	for _, c := range []struct{ method, path, body string }{
		{http.MethodPut, path, saleBody},
		{http.MethodPut, path + "/audience", `{"recipients":["+39 333 123 4567"]}`},
		{http.MethodPut, path + "/budget", `{"limit":"1","currency":"EUR"}`},
		{http.MethodPost, path + "/approval", ""},
		{http.MethodDelete, path, ""},
	} {
		s.refused(opened.ID, c.method, c.path, c.body, "CampaignUnknown")
	}
	a := s.call(http.MethodGet, "/api/v1/campaigns/"+which.String()+"?account="+opened.ID.String(), "")
	require.Equal(t, "CampaignUnknown", a.problem(t).Code)
	a = s.call(http.MethodGet, "/api/v1/campaigns?account="+opened.ID.String(), "")
	require.Empty(t, decoded[api.Campaigns](t, a).Campaigns)
}
