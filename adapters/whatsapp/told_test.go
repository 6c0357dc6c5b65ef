package whatsapp_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/commands"
	"daybook/domain/account"
	"daybook/domain/template"
	"daybook/events"
	"daybook/events/id"
)

// becomes says what each sample tells, when its number and its messages are known: the types of its facts, or the reason
// why it is kept in quarantine.
var becomes = map[string]string{
	"account_alerts":                          "PlatformTold",
	"account_review_update":                   "PlatformTold",
	"account_update_auth_intl_eligibility":    "AuthInternationalPriceSet",
	"account_update_deleted":                  "AccountSuspended",
	"account_update_disabled":                 "PlatformTold",
	"account_update_offboarded":               "AccountSuspended",
	"account_update_restriction":              "AccountRestricted",
	"account_update_violation":                "PlatformTold",
	"account_update_volume_tier":              "VolumeTierTold",
	"business_capability_update":              "MessagingLimitChanged",
	"group_lifecycle_update":                  "not_used",
	"message_template_components_update":      "TemplateSubmitted TemplateEdited",
	"message_template_quality_update":         "TemplateSubmitted TemplateQualityChanged",
	"message_template_status_update_approved": "TemplateSubmitted TemplateStatusChanged",
	"message_template_status_update_paused":   "TemplateSubmitted TemplateStatusChanged",
	"message_template_status_update_rejected": "TemplateSubmitted TemplateStatusChanged",
	"phone_number_name_update_approved":       "NumberNameDecided",
	"phone_number_name_update_rejected":       "NumberNameDecided",
	"phone_number_quality_update_throughput":  "NumberQualityChanged MessagingLimitChanged",
	"security_pin_reset":                      "PlatformTold",
	"smb_app_state_sync":                      "ConversationStarted CustomerIdentified",
	"smb_message_echoes_text":                 "ConversationStarted MessageEchoed",
	"template_category_update_done":           "TemplateSubmitted TemplateCategoryChanged",
	"user_preferences_stop":                   "ConversationStarted CustomerOptedOut",
	"value_errors_130429":                     "PlatformTold",
}

// TestEverySampleBecomesAnEventOrSaysWhyNot posts each sample to a log of its own.
func TestEverySampleBecomesAnEventOrSaysWhyNot(t *testing.T) {
	t.Parallel()
	v := openVault(t)
	bodies := samples(t)
	for name, body := range bodies {
		want, listed := becomes[strings.TrimSuffix(name, ".json")]
		if !listed {
			switch {
			case strings.HasPrefix(name, "msg_"):
				want = "ConversationStarted MessageReceived"
				if strings.Contains(name, "unsubscribe") {
					want += " CustomerOptedOut"
				}
			case strings.HasPrefix(name, "status_") || strings.HasPrefix(name, "batch_"):
				continue // TestEverySampleLandsOnce says where: each step in a fact of its own
			default:
				t.Fatalf("%s is not in the table", name)
			}
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t.Context(), t, v)
			t.Cleanup(func() { require.NoError(t, r.store.Close()) })
			r.register(t)
			before := len(r.read(t).records)
			for range 2 {
				r.mustPost(t, body)
			}
			var got []string
			for _, record := range r.read(t).records[before:] {
				_, event, err := decode(record)
				require.NoError(t, err)
				if kept, ok := event.(events.UpdateQuarantined); ok {
					got = append(got, string(kept.Reason))
				} else {
					got = append(got, record.Type)
				}
			}
			require.Equal(t, want, strings.Join(got, " "))
		})
	}
	for name := range becomes {
		require.Contains(t, bodies, name+".json")
	}
}

// change is a delivery of one account-level change, told at a time.
func change(at int64, field, value string) []byte {
	return fmt.Appendf(nil, `{"object":"whatsapp_business_account","entry":[{"id":"%s","time":%d,"changes":[{"field":"%s","value":%s}]}]}`,
		sampleWABA, at, field, value)
}

// facts returns what was told, of the account and of all else, in the order of the log.
func (r *rig) facts(t failing) []events.ToldEvent {
	t.Helper()
	var found []events.ToldEvent
	for _, record := range r.read(t).records {
		_, event, err := decode(record)
		require.NoError(t, err)
		if e, ok := event.(events.ToldEvent); ok {
			found = append(found, e)
		}
	}
	return found
}

// bare is a fact without whose it is and when it was told.
func bare(e events.ToldEvent) any {
	v := reflect.New(reflect.TypeOf(e)).Elem()
	v.Set(reflect.ValueOf(e))
	for _, name := range []string{"ToldFact", "TemplateID"} {
		if field := v.FieldByName(name); field.IsValid() {
			field.SetZero()
		}
	}
	return v.Interface()
}

// toldAt is when the samples were told.
const toldAt = 1759312800

func toldTime(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }

// TestWhatAnAccountUpdateSays: each of the platform's words, and what it means here.
func TestWhatAnAccountUpdateSays(t *testing.T) {
	t.Parallel()
	v := openVault(t)
	const number = `"display_phone_number":"+39 06 555 00100",`
	for name, c := range map[string]struct {
		field, value string
		want         []any
	}{
		"banned": {"account_update", `{"event":"DISABLED_UPDATE","ban_info":{"waba_ban_state":"DISABLE"}}`,
			[]any{events.AccountSuspended{Reason: events.SuspendedDisabled}}},
		"lifted": {"account_update", `{"event":"DISABLED_UPDATE","ban_info":{"waba_ban_state":"REINSTATE"}}`,
			[]any{events.AccountReinstated{Reason: events.SuspendedDisabled}}},
		"reconnected": {"account_update", `{"event":"ACCOUNT_RECONNECTED"}`,
			[]any{events.AccountReinstated{Reason: events.SuspendedOffboarded}}},
		"violation": {"account_update", `{"event":"ACCOUNT_VIOLATION","violation_info":{"violation_type":"SCAM"}}`,
			[]any{events.PlatformTold{Field: "account_update", Event: "ACCOUNT_VIOLATION", Detail: "SCAM"}}},
		"restricted": {"account_update", `{"event":"ACCOUNT_RESTRICTION","restriction_info":[
			{"restriction_type":"RESTRICTED_BIZ_INITIATED_MESSAGING","expiration":"1759917600"},{"restriction_type":"RESTRICTED_ADD_PHONE_NUMBER_ACTION"}]}`,
			[]any{
				events.AccountRestricted{Kind: "RESTRICTED_BIZ_INITIATED_MESSAGING", Until: new(toldTime(1759917600))},
				events.AccountRestricted{Kind: "RESTRICTED_ADD_PHONE_NUMBER_ACTION"},
			}},
		"abroad": {"account_update", `{"event":"AUTH_INTL_PRICE_ELIGIBILITY_UPDATE","auth_international_rate_eligibility":{
			"exception_countries":[{"country_code":"ID","start_time":1764547200}],"start_time":1763942400}}`,
			[]any{events.AuthInternationalPriceSet{
				From: toldTime(1763942400), Exceptions: []events.CountryFrom{{Country: "ID", From: toldTime(1764547200)}},
			}}},
		"home": {"account_update", `{"event":"BUSINESS_PRIMARY_LOCATION_COUNTRY_UPDATE","country":"IT"}`,
			[]any{events.PrimaryLocationChanged{Country: "IT"}}},
		"tier": {"account_update", `{"event":"VOLUME_BASED_PRICING_TIER_UPDATE","volume_tier_info":{"tier_update_time":1762331373,
			"pricing_category":"UTILITY","tier":"25000001:MAX","effective_month":"2025-11","region":"Rest of Latin America"}}`,
			[]any{events.VolumeTierTold{Category: events.Utility, Market: "Rest of Latin America", Month: "2025-11", Lower: 25000001}}},
		"partner":  {"account_update", `{"event":"PARTNER_ADDED"}`, []any{events.PlatformTold{Field: "account_update", Event: "PARTNER_ADDED"}}},
		"limit":    {"business_capability_update", `{"max_daily_conversations_per_business":2000}`, []any{events.MessagingLimitChanged{Limit: 2000}}},
		"2K":       {"business_capability_update", `{"max_daily_conversations_per_business":"TIER_2K"}`, []any{events.MessagingLimitChanged{Limit: 2000}}},
		"250":      {"business_capability_update", `{"max_daily_conversation_per_phone":"TIER_250"}`, []any{events.MessagingLimitChanged{Limit: 250}}},
		"no limit": {"business_capability_update", `{"max_daily_conversation_per_phone":-1}`, []any{events.MessagingLimitChanged{}}},
		"numbers only": {"business_capability_update", `{"max_phone_numbers_per_waba":25}`,
			[]any{events.PlatformTold{Field: "business_capability_update"}}},
		"flagged": {"phone_number_quality_update", `{` + number + `"event":"FLAGGED","current_limit":"TIER_10K"}`,
			[]any{events.NumberQualityChanged{PhoneNumberID: sampleNumber, Event: "FLAGGED"}, events.MessagingLimitChanged{Limit: 10000}}},
		"name": {"phone_number_name_update", `{` + number + `"decision":"REJECTED","rejection_reason":"NAME_FORMAT_UNACCEPTABLE"}`,
			[]any{events.NumberNameDecided{PhoneNumberID: sampleNumber, Decision: "REJECTED", Reason: "NAME_FORMAT_UNACCEPTABLE"}}},
		"pin": {"security", `{` + number + `"event":"PIN_RESET_REQUEST"}`,
			[]any{events.PlatformTold{Field: "security", Event: "PIN_RESET_REQUEST", PhoneNumberID: sampleNumber}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t.Context(), t, v)
			t.Cleanup(func() { require.NoError(t, r.store.Close()) })
			owner, _ := r.register(t)
			body := change(toldAt, c.field, c.value)
			r.mustPost(t, body)
			r.mustPost(t, body)
			var got []any
			for _, e := range r.facts(t) {
				require.Equal(t, owner, e.Told().AccountID)
				if _, tier := e.(events.VolumeTierTold); !tier {
					require.Equal(t, toldTime(toldAt), e.Told().ToldAt)
				}
				got = append(got, bare(e))
			}
			require.Equal(t, c.want, got)
			require.Empty(t, r.read(t).quarantined)
		})
	}
}

// TestWhatIsTooOddForAFactIsKept: an update of a known field that lacks what it needs says what that is.
func TestWhatIsTooOddForAFactIsKept(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.register(t)
	for _, c := range [][2]string{
		{"account_update", `{"event":"SOMETHING_NEW"}`},
		{"account_update", `{"event":"DISABLED_UPDATE","ban_info":{"waba_ban_state":"MAYBE"}}`},
		{"account_update", `{"event":"ACCOUNT_RESTRICTION","restriction_info":[]}`},
		{"account_update", `{"event":"ACCOUNT_RESTRICTION","restriction_info":[{"restriction_type":"A"},{"restriction_type":"A"}]}`},
		{"account_update", `{"event":"AUTH_INTL_PRICE_ELIGIBILITY_UPDATE","auth_international_rate_eligibility":{"start_time":"soon"}}`},
		{"account_update", `{"event":"AUTH_INTL_PRICE_ELIGIBILITY_UPDATE","auth_international_rate_eligibility":{"start_time":1763942400,"exception_countries":[{"country_code":"Italy","start_time":1763942400}]}}`},
		{"account_update", `{"event":"BUSINESS_PRIMARY_LOCATION_COUNTRY_UPDATE","country":"Italy"}`},
		{"account_update", `{"event":"VOLUME_BASED_PRICING_TIER_UPDATE","volume_tier_info":{"tier":"x:y"}}`},
		{"business_capability_update", `{"max_daily_conversations_per_business":"TIER_NOT_SET"}`},
		{"account_review_update", `{}`},
		{"account_alerts", `{"alert_info":{"alert_type":"two words"}}`},
		{"security", `{"event":"PIN_RESET_REQUEST"}`},
		{"phone_number_quality_update", `{"display_phone_number":"390655500100"}`},
		{"phone_number_name_update", `{"display_phone_number":"390655500100","decision":"Ada Rossi said no"}`},
		{"message_template_status_update", `{"event":"APPROVED","message_template_name":"Big Offer","message_template_language":"it"}`},
		{"message_template_status_update", `{"message_template_name":"offer","message_template_language":"it"}`},
		{"message_template_quality_update", `{"message_template_name":"offer","message_template_language":"it"}`},
		{"message_template_components_update", `{"message_template_name":"offer","message_template_language":"it"}`},
		{"template_category_update", `{"message_template_name":"offer","message_template_language":"it","new_category":"NEWS"}`},
	} {
		before := len(r.read(t).quarantined)
		r.mustPost(t, change(toldAt, c[0], c[1]))
		after := r.read(t).quarantined
		require.Len(t, after, before+1, "%s", c[1])
		for _, kept := range after {
			require.Equal(t, events.UnknownShape, kept.Reason, "%s", c[1])
			require.Contains(t, kept.Detail, "value", "%s", c[1])
		}
	}
	require.Empty(t, r.facts(t))
}

// TestWhatATemplateUpdateSays: each form of the platform's words on a template.
func TestWhatATemplateUpdateSays(t *testing.T) {
	t.Parallel()
	v := openVault(t)
	const named = `{"message_template_id":900955690812983,"message_template_name":"october_offer","message_template_language":"it",`
	for name, c := range map[string]struct {
		field, value string
		want         any
	}{
		"approved": {"message_template_status_update", `"event":"APPROVED","reason":"NONE","message_template_category":"MARKETING"}`,
			events.TemplateStatusChanged{PlatformID: "900955690812983", Status: "APPROVED", Category: events.Marketing}},
		"paused": {"message_template_status_update", `"event":"PAUSED","reason":"NONE","other_info":{"title":"SECOND_PAUSE","description":"Paused for 6 hours."}}`,
			events.TemplateStatusChanged{PlatformID: "900955690812983", Status: "PAUSED", Reason: "SECOND_PAUSE", Until: new(toldTime(toldAt + 6*3600))}},
		"rejected": {"message_template_status_update", `"event":"REJECTED","reason":"INVALID_FORMAT","rejection_info":{"reason":"Ada Rossi"}}`,
			events.TemplateStatusChanged{PlatformID: "900955690812983", Status: "REJECTED", Reason: "INVALID_FORMAT"}},
		"quality": {"message_template_quality_update", `"previous_quality_score":"GREEN","new_quality_score":"YELLOW"}`,
			events.TemplateQualityChanged{From: "GREEN", To: "YELLOW"}},
		"quality under the field of statuses": {"message_template_status_update", `"previous_quality_score":"GREEN","new_quality_score":"RED"}`,
			events.TemplateQualityChanged{From: "GREEN", To: "RED"}},
		"category": {"template_category_update", `"previous_category":"UTILITY","new_category":"MARKETING"}`,
			events.TemplateCategoryChanged{From: events.Utility, To: events.Marketing, EffectiveAt: toldTime(toldAt)}},
		"announced": {"template_category_update", `"new_category":"UTILITY","correct_category":"MARKETING"}`,
			events.TemplateCategoryChanged{From: events.Utility, To: events.Marketing, EffectiveAt: toldTime(toldAt + 24*3600), Notice: true}},
		"announced for a time": {"template_category_update", `"new_category":"UTILITY","correct_category":"MARKETING","category_update_timestamp":1759399999}`,
			events.TemplateCategoryChanged{From: events.Utility, To: events.Marketing, EffectiveAt: toldTime(1759399999), Notice: true}},
		"edited": {"message_template_components_update", `"message_template_title":"Sconti","message_template_element":"Ciao {{1}}","message_template_buttons":[
			{"message_template_button_type":"URL","message_template_button_text":"Apri","message_template_button_url":"https://example.invalid/offer"}]}`,
			events.TemplateEdited{Components: []byte(`[{"type":"HEADER","format":"TEXT","text":"Sconti"},{"type":"BODY","text":"Ciao {{1}}"},` +
				`{"type":"BUTTONS","buttons":[{"type":"URL","text":"Apri","url":"https://example.invalid/offer"}]}]`)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t.Context(), t, v)
			t.Cleanup(func() { require.NoError(t, r.store.Close()) })
			owner, _ := r.register(t)
			r.mustPost(t, change(toldAt, c.field, named+c.value))
			facts := r.facts(t)
			require.Len(t, facts, 1)
			require.Equal(t, c.want, bare(facts[0]))
			stream := template.Stream(template.IDOf(owner, template.Name{Name: "october_offer", Language: "it"}))
			require.NotEmpty(t, slices.Collect(maps.Keys(r.streams(t, stream))))
		})
	}
}

// streams counts the records of the streams with a prefix.
func (r *rig) streams(t failing, prefix string) map[string]int {
	t.Helper()
	found := map[string]int{}
	for _, record := range r.read(t).records {
		if strings.HasPrefix(record.Stream, prefix) {
			found[record.Stream]++
		}
	}
	return found
}

// TestAccountsThatShareAWABA: what is told of the whole is recorded for each, once; what is told of a number, for the
// account that has it.
func TestAccountsThatShareAWABA(t *testing.T) {
	t.Parallel()
	r := start(t)
	first, _ := r.register(t)
	second, _, err := r.commands.RegisterAccount(r.ctx, commands.Meta{Actor: "api:test", Source: "api"}, account.Register{
		Name: "Ferramenta Bianchi", Kind: "app", Country: "IT", Currency: "USD", Timezone: "Europe/Rome", WABAID: sampleWABA,
		Numbers: []events.BusinessNumber{{PhoneNumberID: "2", DisplayPhoneNumber: "390655500200"}},
	})
	require.NoError(t, err)
	owners := func() (found []id.Account) {
		for _, e := range r.facts(t) {
			found = append(found, e.Told().AccountID)
		}
		return found
	}
	for range 2 {
		r.mustPost(t, change(toldAt, "account_update", `{"event":"ACCOUNT_VIOLATION"}`))
	}
	require.ElementsMatch(t, []id.Account{first, second}, owners())
	for range 2 {
		r.mustPost(t, change(toldAt, "security", `{"display_phone_number":"390655500200","event":"PIN_RESET_REQUEST"}`))
	}
	require.ElementsMatch(t, []id.Account{first, second, second}, owners())

	r.mustPost(t, change(toldAt, "security", `{"display_phone_number":"390655500300","event":"PIN_RESET_REQUEST"}`))
	kept := slices.Collect(maps.Values(r.read(t).quarantined))
	require.Len(t, kept, 1)
	require.Equal(t, events.UnknownAccount, kept[0].Reason)
}

// TestWordsThatArriveLate: a ban that was lifted before it arrives holds nobody up.
func TestWordsThatArriveLate(t *testing.T) {
	t.Parallel()
	r := start(t)
	owner, _ := r.register(t)
	r.mustPost(t, change(toldAt+60, "account_update", `{"event":"DISABLED_UPDATE","ban_info":{"waba_ban_state":"REINSTATE"}}`))
	r.mustPost(t, change(toldAt, "account_update", `{"event":"DISABLED_UPDATE","ban_info":{"waba_ban_state":"DISABLE"}}`))
	_, err := r.commands.SendingNumber(r.ctx, owner, "")
	require.NoError(t, err)
	r.mustPost(t, change(toldAt+120, "account_update", `{"event":"DISABLED_UPDATE","ban_info":{"waba_ban_state":"DISABLE"}}`))
	_, err = r.commands.SendingNumber(r.ctx, owner, "")
	require.ErrorContains(t, err, "suspended")

	tier := func(at int64) []byte {
		return change(at, "account_update", fmt.Sprintf(`{"event":"VOLUME_BASED_PRICING_TIER_UPDATE","volume_tier_info":{"tier_update_time":%d,
			"pricing_category":"UTILITY","tier":"100001:1000000","effective_month":"2025-10","region":"India"}}`, at))
	}
	r.mustPost(t, tier(toldAt+7))
	r.mustPost(t, tier(toldAt+9))
	r.mustPost(t, tier(toldAt+5))
	require.NoError(t, r.commands.Account(r.ctx, owner, func(s account.State) {
		require.Equal(t, toldTime(toldAt+5), s.TierSince(events.Utility, "india", "2025-10", 100001), "the smallest counts")
	}))
}

// TestWhatWasToldBeforeTheAccountIsDrivenAgain: an update that no account claimed lands when one does.
func TestWhatWasToldBeforeTheAccountIsDrivenAgain(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.mustPost(t, change(toldAt, "account_update", `{"event":"ACCOUNT_DELETED"}`))
	for _, kept := range r.read(t).quarantined {
		require.Equal(t, events.UnknownAccount, kept.Reason)
	}
	owner, _ := r.register(t)
	r.redriveAll(t)
	b := r.read(t)
	require.Len(t, b.redriven, 1)
	for _, closed := range b.redriven {
		require.Equal(t, account.Stream(owner), closed.Stream)
	}
	_, err := r.commands.SendingNumber(r.ctx, owner, "")
	require.ErrorContains(t, err, "deleted")
}
