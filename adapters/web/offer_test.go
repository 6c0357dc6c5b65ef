package web_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/web/api"
	"daybook/commands"
	"daybook/domain/template"
	"daybook/events"
	"daybook/events/id"
)

// ask makes a call to an account and returns the answer.
func (s *system) ask(account id.Account, method, path, body string) answer {
	s.t.Helper()
	return s.call(method, "/api/v1/accounts/"+account.String()+path, body)
}

// done makes a call that must succeed.
func (s *system) done(account id.Account, method, path, body string) answer {
	s.t.Helper()
	a := s.ask(account, method, path, body)
	require.Less(s.t, a.StatusCode, 300, "%s %s: %s", method, path, a.body)
	return a
}

// refused makes a call that must be refused.
func (s *system) refused(account id.Account, method, path, body, code string) {
	s.t.Helper()
	a := s.ask(account, method, path, body)
	require.GreaterOrEqual(s.t, a.StatusCode, 400, "%s %s: %s", method, path, a.body)
	require.Equal(s.t, code, a.problem(s.t).Code, "%s %s: %s", method, path, a.body)
}

// shown is the account as the API shows it.
func (s *system) shown(account id.Account) (found api.Account) {
	s.t.Helper()
	require.NoError(s.t, json.Unmarshal(s.done(account, http.MethodGet, "", "").body, &found))
	return found
}

const verified = `{"outcome":"verified","method":"register","badge":true}`

func TestS38_TheBadgeSaysThatTheBusinessIsConfirmed(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	require.False(t, s.shown(account).Badge)
	s.done(account, http.MethodPost, "/verification", "")
	require.False(t, s.shown(account).Badge)
	s.done(account, http.MethodPut, "/verification", `{"outcome":"verified","method":"register"}`)
	require.False(t, s.shown(account).Badge, "verified without a badge")
	s.done(account, http.MethodPut, "/verification", `{"outcome":"revoked","reason":"mistake"}`)
	s.done(account, http.MethodPost, "/verification", "")
	s.done(account, http.MethodPut, "/verification", verified)
	require.True(t, s.shown(account).Badge)
	s.done(account, http.MethodPut, "/verification", `{"outcome":"revoked","reason":"sold"}`)
	require.False(t, s.shown(account).Badge)
}

func TestS52_VerificationHasStates(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	require.Equal(t, "unverified", s.shown(account).Verification)
	s.refused(account, http.MethodPut, "/verification", verified, "VerificationState")
	s.done(account, http.MethodPost, "/verification", "")
	require.Equal(t, "pending", s.shown(account).Verification)
	s.refused(account, http.MethodPut, "/verification", `{"outcome":"rejected","reason":"not the owner, said Ada"}`, "ReasonInvalid")
	s.done(account, http.MethodPut, "/verification", `{"outcome":"rejected","reason":"documents"}`)
	require.Equal(t, "rejected", s.shown(account).Verification)
	s.done(account, http.MethodPost, "/verification", "")
	s.done(account, http.MethodPut, "/verification", verified)
	require.Equal(t, "verified", s.shown(account).Verification)
	s.refused(account, http.MethodPost, "/verification", "", "AlreadyVerified")
	s.done(account, http.MethodPut, "/verification", `{"outcome":"revoked","reason":"sold"}`)
	require.Equal(t, "revoked", s.shown(account).Verification)
}

// TestS53_AnUnverifiedBusinessMayDoEverything: each option, before any verification, and the same after a refusal.
func TestS53_AnUnverifiedBusinessMayDoEverything(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	s.done(account, http.MethodPut, "/features/commands", `{"enabled":true}`)
	everything := func(round string) {
		_, err := s.UpdateProfile(t.Context(), account, api.Profile{Description: round})
		require.NoError(t, err)
		s.done(account, http.MethodPut, "/photo", `{"media_sha256":"`+strings.Repeat(round, 64)+`"}`)
		s.done(account, http.MethodPost, "/commands", `{"command":"menu`+round+`","replies":[{"language":"it","text":"Pasta"}]}`)
		s.done(account, http.MethodPut, "/auto-replies/away", `{"replies":[{"language":"it","text":"Domani`+round+`"}]}`)
		s.done(account, http.MethodPost, "/templates", `{"name":"offer_`+round+`","language":"it","category":"marketing","components":[{"type":"BODY","text":"Ciao"}]}`)
		device := s.device(account, "iPhone "+round)
		s.hello(account)
		_, err = s.SendMessage(t.Context(), account, text(device, "ciao"))
		require.NoError(t, err)
		_, err = s.UnlinkDevice(t.Context(), account, device)
		require.NoError(t, err)
	}
	everything("a")
	s.done(account, http.MethodPost, "/verification", "")
	s.done(account, http.MethodPut, "/verification", `{"outcome":"rejected","reason":"documents"}`)
	everything("b")
	require.False(t, s.shown(account).Badge, "but for the badge")
}

func TestS33_TwoOfferings(t *testing.T) {
	t.Parallel()
	s := start(t)
	for i, kind := range []string{"app", "enterprise"} {
		business := rossi
		business.Name, business.Kind = "Ferramenta "+kind, kind
		business.Numbers = []api.Number{{PhoneNumberID: "10" + string(rune('0'+i)), DisplayPhoneNumber: "3906" + string(rune('0'+i))}}
		opened, err := s.RegisterAccount(t.Context(), business)
		require.NoError(t, err)
		var found struct {
			Kind string `json:"kind"`
		}
		for record, err := range s.store.ReadStream(t.Context(), "account-"+opened.ID.String(), 0) {
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(record.Data, &found))
		}
		require.Equal(t, kind, found.Kind)
	}
	a := s.call(http.MethodPost, "/api/v1/accounts", changed(t, rossi, "kind", "club"))
	require.Equal(t, "KindUnknown", a.problem(t).Code)
}

// features walks one feature from closed to open to closed.
func (s *system) feature(feature events.Feature) {
	s.t.Helper()
	first, path := s.account(), "/features/"+string(feature)
	sister := rossi
	sister.Name, sister.Numbers = "Ferramenta Bianchi", []api.Number{{PhoneNumberID: "2", DisplayPhoneNumber: "39062"}}
	second, err := s.RegisterAccount(s.t.Context(), sister)
	require.NoError(s.t, err)
	require.Empty(s.t, s.shown(first).Features)
	s.done(first, http.MethodPut, path, `{"enabled":true}`)
	require.Equal(s.t, []events.Feature{feature}, s.shown(first).Features)
	require.Empty(s.t, s.shown(second.ID).Features, "only the account that it was opened to has it")
	s.done(first, http.MethodPut, path, `{"enabled":false}`)
	require.Empty(s.t, s.shown(first).Features)
}

func TestS11_FeaturesComeToBetaClientsFirst(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.feature(events.FeatureBetaDevices)
}

func TestS23_CampaignsComeToBetaTestersFirst(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.feature(events.FeatureCampaigns)
}

func TestS41_OnlyTheCompaniesOfThePilotHaveTheOption(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	const menu = `{"command":"menu","hint":"oggi","replies":[{"language":"it","text":"Pasta"}]}`
	s.refused(account, http.MethodPost, "/commands", menu, "FeatureNotEnabled")
	s.refused(account, http.MethodPut, "/features/telepathy", `{"enabled":true}`, "FeatureUnknown")
	s.done(account, http.MethodPut, "/features/commands", `{"enabled":true}`)
	s.done(account, http.MethodPost, "/commands", menu)
	s.done(account, http.MethodPut, "/auto-replies/welcome", `{"replies":[{"language":"it","text":"Salve"}]}`)
	shown := s.shown(account)
	require.Equal(t, []api.Command{{Command: "menu", Hint: "oggi", Replies: []api.LocalizedText{{Language: "it", Text: "Pasta"}}}}, shown.Commands)
	require.Len(t, shown.AutoReplies, 1)
	s.done(account, http.MethodDelete, "/auto-replies/welcome", "")
	s.done(account, http.MethodDelete, "/commands/MENU", "")
	s.refused(account, http.MethodDelete, "/commands/menu", "", "CommandUnknown")
	s.done(account, http.MethodPut, "/features/commands", `{"enabled":false}`)
	s.refused(account, http.MethodPost, "/commands", menu, "FeatureNotEnabled")
}

func TestS51_NothingWorksBeforeTheCurrentTermsAreAccepted(t *testing.T) {
	t.Parallel()
	s := start(t)
	opened, err := s.RegisterAccount(t.Context(), rossi)
	require.NoError(t, err)
	account := opened.ID
	photo := `{"media_sha256":"` + strings.Repeat("a", 64) + `"}`
	s.refused(account, http.MethodPut, "/photo", photo, "TermsNotAccepted")
	s.done(account, http.MethodPost, "/terms", `{"terms_version":"1","privacy_version":"1"}`)
	s.done(account, http.MethodPut, "/photo", photo)
	a := s.call(http.MethodPost, "/api/v1/terms", `{"terms_version":"2","privacy_version":"1"}`)
	require.Equal(t, http.StatusOK, a.StatusCode, "%s", a.body)
	require.False(t, s.shown(account).Usable)
	for path, body := range map[string]string{
		"/profile": `{}`, "/photo": photo, "/auto-replies/away": `{"replies":[{"language":"it","text":"x"}]}`,
	} {
		s.refused(account, http.MethodPut, path, body, "TermsNotAccepted")
	}
	s.refused(account, http.MethodPost, "/devices", `{"kind":"tablet","platform":"ios","name":"iPad"}`, "TermsNotAccepted")
	s.refused(account, http.MethodPost, "/verification", "", "TermsNotAccepted")
	s.refused(account, http.MethodPost, "/terms", `{"terms_version":"1","privacy_version":"2"}`, "TermsNotCurrent")
	s.done(account, http.MethodPost, "/terms", `{"terms_version":"2","privacy_version":"1"}`)
	s.done(account, http.MethodPut, "/profile", `{}`)
	require.True(t, s.shown(account).Usable)
}

func TestS54_ThePlatformTellsAllBusinesses(t *testing.T) {
	t.Parallel()
	s := start(t)
	business := s.account()
	own := rossi
	own.Name, own.Platform, own.Numbers = "Daybook", true, []api.Number{{PhoneNumberID: "2", DisplayPhoneNumber: "39062"}}
	opened, err := s.RegisterAccount(t.Context(), own)
	require.NoError(t, err)
	platform := opened.ID
	s.done(platform, http.MethodPost, "/terms", `{"terms_version":"1","privacy_version":"1"}`)
	s.done(platform, http.MethodPost, "/verification", "")
	s.done(platform, http.MethodPut, "/verification", verified)
	require.True(t, s.shown(platform).Badge)

	const notice = `{"locales":[{"language":"it","text":"Novità"},{"language":"en","text":"News"}]}`
	s.refused(business, http.MethodPost, "/notices", notice, "NotPlatformAccount")
	s.refused(platform, http.MethodPost, "/notices", `{"locales":[]}`, "TextsInvalid")
	s.done(platform, http.MethodPost, "/notices", notice)
	var list api.Notices
	require.NoError(t, json.Unmarshal(s.done(business, http.MethodGet, "/notices", "").body, &list))
	require.Len(t, list.Notices, 1)
	require.Equal(t, []api.LocalizedText{{Language: "it", Text: "Novità"}, {Language: "en", Text: "News"}}, list.Notices[0].Locales)
}

func TestS55_TheNameCannotBeChanged(t *testing.T) {
	t.Parallel()
	s := start(t)
	a := s.call(http.MethodPost, "/api/v1/accounts", changed(t, rossi, "name", "Ferramenta Rossi"), "Idempotency-Key", "open")
	require.Equal(t, http.StatusCreated, a.StatusCode, "%s", a.body)
	again := s.call(http.MethodPost, "/api/v1/accounts", changed(t, rossi, "name", "Ferramenta Verdi"), "Idempotency-Key", "open")
	require.Equal(t, "IdempotencyKeyReused", again.problem(t).Code, "%s", again.body)
	var opened api.AccountRegistered
	require.NoError(t, json.Unmarshal(a.body, &opened))
	require.Equal(t, http.StatusUnprocessableEntity, s.ask(opened.ID, http.MethodPut, "/profile", `{"name":"Ferramenta Verdi"}`).StatusCode)
}

func TestS56_TheNameHasALimit(t *testing.T) {
	t.Parallel()
	s := start(t)
	for length, status := range map[int]int{2: 422, 3: 201, 25: 201, 26: 422} {
		business := rossi
		business.Name = strings.Repeat("è", length)
		business.Numbers = []api.Number{{PhoneNumberID: "7", DisplayPhoneNumber: "39"}}
		business.Numbers[0].PhoneNumberID = strings.Repeat("7", length)
		business.Numbers[0].DisplayPhoneNumber = strings.Repeat("3", length)
		body, err := json.Marshal(business)
		require.NoError(t, err)
		a := s.call(http.MethodPost, "/api/v1/accounts", string(body))
		require.Equal(t, status, a.StatusCode, "%d characters: %s", length, a.body)
	}
}

func TestS57_ThePhotoChangesAnyNumberOfTimes(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	for _, digit := range []string{"a", "b", "a", "c"} {
		s.done(account, http.MethodPut, "/photo", `{"media_sha256":"`+strings.Repeat(digit, 64)+`"}`)
	}
	s.done(account, http.MethodPut, "/photo", `{"media_sha256":""}`)
	s.refused(account, http.MethodPut, "/photo", `{"media_sha256":"my cat"}`, "PhotoInvalid")
	changes := 0
	for record, err := range s.store.ReadStream(t.Context(), "account-"+account.String(), 0) {
		require.NoError(t, err)
		if record.Type == "ProfilePhotoChanged" {
			changes++
		}
	}
	require.Equal(t, 5, changes)
}

func TestS58_TheProfileHoldsAWebPageAndAnAddress(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	s.done(account, http.MethodPut, "/profile", `{"website":"https://rossi.example","email":"ciao@rossi.example"}`)
	s.refused(account, http.MethodPut, "/profile", `{"website":"javascript:alert(1)"}`, "ProfileInvalid")
}

func TestAnOperatorSuspends(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	device := s.device(account, "iPhone Mario")
	s.hello(account)
	s.done(account, http.MethodPut, "/suspension", "")
	require.False(t, s.shown(account).Sendable)
	body, err := json.Marshal(text(device, "ciao"))
	require.NoError(t, err)
	s.refused(account, http.MethodPost, "/messages", string(body), "AccountSuspended")
	s.done(account, http.MethodDelete, "/suspension", "")
	s.done(account, http.MethodPost, "/messages", string(body))
}

func TestTemplatesAreEnteredAndListed(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	device := s.device(account, "iPhone Mario")
	const offer = `{"name":"october_offer","language":"it","category":"utility","components":[{"type":"BODY","text":"Ciao {{1}}"}]}`
	s.done(account, http.MethodPost, "/templates", offer)
	s.refused(account, http.MethodPost, "/templates", offer, "TemplateExists")
	s.refused(account, http.MethodPost, "/templates", strings.Replace(offer, `"it"`, `"italiano"`, 1), "LanguageInvalid")
	list := func() []api.KnownTemplate {
		a := s.call(http.MethodGet, "/api/v1/templates?account="+account.String()+"&wait_for="+strconv.FormatUint(uint64(s.head()), 10), "")
		require.Equal(t, http.StatusOK, a.StatusCode, "%s", a.body)
		var found api.Templates
		require.NoError(t, json.Unmarshal(a.body, &found))
		return found.Templates
	}
	known := template.Name{Name: "october_offer", Language: "it"}
	want := api.KnownTemplate{ID: template.IDOf(account, known), Name: known.Name, Language: "it", Category: "utility", Status: "PENDING"}
	require.Equal(t, []api.KnownTemplate{want}, list())

	send := func(category string) string {
		body, err := json.Marshal(api.SendMessage{
			DeviceID: device, To: customerNumber, Type: "template", Category: category,
			Template: &api.Template{Name: known.Name, Language: "it", Parameters: []string{"Ada"}},
		})
		require.NoError(t, err)
		return string(body)
	}
	s.refused(account, http.MethodPost, "/messages", send("utility"), "TemplateNotSendable")
	_, err := s.commands.RecordTold(t.Context(), commands.Meta{Actor: "platform:whatsapp", Source: "webhook"}, commands.Told{
		Account: account, Template: &known, Facts: []events.ToldEvent{events.TemplateStatusChanged{
			ToldFact: events.ToldFact{AccountID: account, FactID: id.New[id.Fact](), ToldAt: time.Now()}, TemplateID: want.ID, Status: "APPROVED",
		}},
	})
	require.NoError(t, err)
	want.Status = "APPROVED"
	require.Equal(t, []api.KnownTemplate{want}, list())
	s.refused(account, http.MethodPost, "/messages", send("marketing"), "CategoryMismatch")
	s.done(account, http.MethodPost, "/messages", send(""))
}
