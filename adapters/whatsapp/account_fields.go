package whatsapp

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"daybook/events"
)

// What an update of an account is missing, by field and rule. Values are never named.
const (
	ruleSize    = "larger than an event may be"
	ruleNumber  = "no account claims metadata.phone_number_id"
	ruleEvent   = "value.event is not one that is known"
	ruleDisplay = "value.display_phone_number is missing or not a number"
)

// tellers read the values of account-level fields. A rule says what a value lacks.
var tellers = map[string]func(value object) (t told, rule string){
	"account_update":                     readAccountUpdate,
	"account_review_update":              readReview,
	"account_alerts":                     readAlert,
	"business_capability_update":         readCapability,
	"security":                           readSecurity,
	"phone_number_quality_update":        readNumberQuality,
	"phone_number_name_update":           readNumberName,
	"message_template_status_update":     readTemplateStatus,
	"message_template_quality_update":    readTemplateQuality,
	"message_template_components_update": readTemplateComponents,
	"template_category_update":           readTemplateCategory,
}

// Fields lists the webhook fields that are handled besides messages: what was kept before they were, may have a place now.
func Fields() []string {
	return append(slices.Sorted(maps.Keys(tellers)), fieldEchoes, fieldHistory, fieldState, fieldPreferences)
}

// readTold takes a change of an account-level field. Others keep the reason that they have.
func (it *item) readTold(value object) {
	read, known := tellers[it.fieldName]
	if isGroupField(it.fieldName) {
		it.reason, it.detail = events.NotUsed, "groups are priced, not managed"
	}
	if !known {
		return
	}
	if len(it.raw) > plainMax {
		it.lacks(ruleSize)
		return
	}
	t, rule := read(value)
	if rule != "" {
		it.lacks(rule)
		return
	}
	it.told, it.reason, it.detail = &t, "", ""
}

// isGroupField accepts the fields of groups, such as group_lifecycle_update.
func isGroupField(name string) bool {
	return strings.HasPrefix(name, "group_") && strings.HasSuffix(name, "_update")
}

// readError takes an error of a number: neither a message nor a status of one.
func (it *item) readError(element object) {
	code, err := strconv.Atoi(text(element.get("code")))
	switch {
	case err != nil:
		it.lacks("code is missing or not a number")
	case number(it.phoneNumberID) == "":
		it.lacks("metadata.phone_number_id is missing or not a number")
	default:
		it.told = &told{facts: func(a common) []events.ToldEvent {
			return []events.ToldEvent{events.PlatformTold{
				ToldFact: a.ToldFact, Field: fieldMessages, Event: listErrors, PhoneNumberID: a.phoneNumberID, Codes: []int{code},
			}}
		}}
	}
}

// noted is what nothing follows from.
func noted(display, field, event, detail string) told {
	return told{display: display, facts: func(a common) []events.ToldEvent {
		return []events.ToldEvent{events.PlatformTold{
			ToldFact: a.ToldFact, Field: field, Event: event, Detail: detail, PhoneNumberID: a.phoneNumberID,
		}}
	}}
}

// single is one fact.
func single[E events.ToldEvent](fact func(common) E) told {
	return told{facts: func(a common) []events.ToldEvent { return []events.ToldEvent{fact(a)} }}
}

func suspended(reason events.SuspensionReason) told {
	return single(func(a common) events.AccountSuspended {
		return events.AccountSuspended{ToldFact: a.ToldFact, Reason: reason}
	})
}

func reinstated(reason events.SuspensionReason) told {
	return single(func(a common) events.AccountReinstated {
		return events.AccountReinstated{ToldFact: a.ToldFact, Reason: reason}
	})
}

func readAccountUpdate(value object) (told, string) {
	const field = "account_update"
	switch event := text(value.get("event")); event {
	case "ACCOUNT_DELETED":
		return suspended(events.SuspendedDeleted), ""
	case "ACCOUNT_OFFBOARDED":
		return suspended(events.SuspendedOffboarded), ""
	case "ACCOUNT_RECONNECTED":
		return reinstated(events.SuspendedOffboarded), ""
	case "DISABLED_UPDATE":
		return readBan(parseObject(value.get("ban_info")))
	case "ACCOUNT_RESTRICTION":
		return readRestrictions(value.get("restriction_info"))
	case "AUTH_INTL_PRICE_ELIGIBILITY_UPDATE":
		return readAuthInternational(parseObject(value.get("auth_international_rate_eligibility")))
	case "BUSINESS_PRIMARY_LOCATION_COUNTRY_UPDATE":
		return readLocation(value)
	case "VOLUME_BASED_PRICING_TIER_UPDATE":
		return readTier(parseObject(value.get("volume_tier_info")))
	case "ACCOUNT_VIOLATION":
		return noted("", field, event, word(text(parseObject(value.get("violation_info")).get("violation_type")))), ""
	case "PARTNER_ADDED", "PARTNER_REMOVED", "PARTNER_APP_INSTALLED", "PARTNER_APP_UNINSTALLED", "AD_ACCOUNT_LINKED",
		"PARTNER_CLIENT_CERTIFICATION_STATUS_UPDATE":
		return noted("", field, event, ""), ""
	}
	return told{}, ruleEvent
}

// readBan tells a ban from its end, and from one that is only announced: its day is in words.
func readBan(info object) (told, string) {
	switch state := text(info.get("waba_ban_state")); state {
	case "DISABLE":
		return suspended(events.SuspendedDisabled), ""
	case "REINSTATE":
		return reinstated(events.SuspendedDisabled), ""
	case "SCHEDULE_FOR_DISABLE":
		return noted("", "account_update", "DISABLED_UPDATE", state), ""
	}
	return told{}, "value.ban_info.waba_ban_state is not one that is known"
}

func readRestrictions(list []byte) (told, string) {
	type restriction struct {
		kind  string
		until *time.Time
	}
	var all []restriction
	seen := map[string]bool{}
	for raw := range elements(list) {
		info := parseObject(raw)
		r := restriction{kind: word(text(info.get("restriction_type")))}
		if until, timed := seconds(info.get("expiration")); timed {
			r.until = &until
		}
		if r.kind == "" || seen[r.kind] {
			return told{}, "value.restriction_info.restriction_type is missing, repeated or not a word"
		}
		seen[r.kind] = true
		all = append(all, r)
	}
	if len(all) == 0 {
		return told{}, "value.restriction_info is missing, empty or not an array"
	}
	return told{facts: func(a common) []events.ToldEvent {
		facts := make([]events.ToldEvent, len(all))
		for i, r := range all {
			facts[i] = events.AccountRestricted{ToldFact: a.ToldFact, Kind: r.kind, Until: r.until}
		}
		return facts
	}}, ""
}

func readAuthInternational(info object) (told, string) {
	const rule = "value.auth_international_rate_eligibility has no time in whole seconds, or no country of two letters"
	from, timed := seconds(info.get("start_time"))
	var exceptions []events.CountryFrom
	for raw := range elements(info.get("exception_countries")) {
		exception := parseObject(raw)
		except := events.CountryFrom{Country: country(text(exception.get("country_code")))}
		var known bool
		except.From, known = seconds(exception.get("start_time"))
		timed = timed && known && except.Country != ""
		exceptions = append(exceptions, except)
	}
	if !timed {
		return told{}, rule
	}
	return single(func(a common) events.AuthInternationalPriceSet {
		return events.AuthInternationalPriceSet{ToldFact: a.ToldFact, From: from, Exceptions: exceptions}
	}), ""
}

func readLocation(value object) (told, string) {
	home := country(text(value.get("country")))
	if home == "" {
		return told{}, "value.country is not a country of two letters"
	}
	return single(func(a common) events.PrimaryLocationChanged {
		return events.PrimaryLocationChanged{ToldFact: a.ToldFact, Country: home}
	}), ""
}

// readTier takes the platform's count. Its time is the tier's own: of one told twice the smallest counts.
func readTier(info object) (told, string) {
	tier := events.VolumeTierTold{
		Category: events.Category(strings.ToLower(word(text(info.get("pricing_category"))))),
		Market:   region(text(info.get("region"))),
		Month:    text(info.get("effective_month")),
	}
	reached, timed := seconds(info.get("tier_update_time"))
	lower, upper, _ := strings.Cut(text(info.get("tier")), ":")
	var errs [2]error
	tier.Lower, errs[0] = strconv.ParseInt(lower, 10, 64)
	if upper != "MAX" {
		tier.Upper, errs[1] = strconv.ParseInt(upper, 10, 64)
	}
	_, month := time.Parse("2006-01", tier.Month)
	if tier.Category == "" || tier.Market == "" || month != nil || !timed || errs[0] != nil || errs[1] != nil {
		return told{}, "value.volume_tier_info lacks a category, region, month, tier or time"
	}
	return single(func(a common) events.VolumeTierTold {
		e := tier // several accounts may be told of it at once
		e.ToldFact, e.ToldAt = a.ToldFact, reached
		return e
	}), ""
}

func readReview(value object) (told, string) {
	decision := word(text(value.get("decision")))
	if decision == "" {
		return told{}, "value.decision is missing or not a word"
	}
	return noted("", "account_review_update", decision, ""), ""
}

func readAlert(value object) (told, string) {
	info := parseObject(value.get("alert_info"))
	kind := word(text(info.get("alert_type")))
	if kind == "" {
		return told{}, "value.alert_info.alert_type is missing or not a word"
	}
	return noted("", "account_alerts", kind, word(text(info.get("alert_status")))), ""
}

func readSecurity(value object) (told, string) {
	display, event := digitsOf(text(value.get("display_phone_number"))), word(text(value.get("event")))
	switch {
	case display == "":
		return told{}, ruleDisplay
	case event == "":
		return told{}, ruleEvent
	}
	return noted(display, "security", event, ""), ""
}

func readCapability(value object) (told, string) {
	limit, found := messagingLimit(value)
	switch {
	case !found && slices.ContainsFunc(limitNames, func(name string) bool { return value.get(name) != nil }):
		return told{}, "value names no limit that is known"
	case !found:
		return noted("", "business_capability_update", "", ""), ""
	}
	return single(func(a common) events.MessagingLimitChanged {
		return events.MessagingLimitChanged{ToldFact: a.ToldFact, Limit: limit}
	}), ""
}

// upgraded is how many messages per second a number may send after the platform's one upgrade.
const upgraded = 1000

func readNumberQuality(value object) (told, string) {
	t := told{display: digitsOf(text(value.get("display_phone_number")))}
	quality := events.NumberQualityChanged{
		Event: word(text(value.get("event"))), Quality: word(text(value.get("quality_rating"))),
	}
	switch {
	case t.display == "":
		return told{}, ruleDisplay
	case quality.Event == "":
		return told{}, ruleEvent
	case quality.Event == "THROUGHPUT_UPGRADE":
		quality.PerSecond = upgraded
	}
	limit, limited := messagingLimit(value)
	t.facts = func(a common) []events.ToldEvent {
		e := quality
		e.ToldFact, e.PhoneNumberID = a.ToldFact, a.phoneNumberID
		facts := []events.ToldEvent{e}
		if limited {
			facts = append(facts, events.MessagingLimitChanged{ToldFact: a.ToldFact, Limit: limit})
		}
		return facts
	}
	return t, ""
}

func readNumberName(value object) (told, string) {
	t := told{display: digitsOf(text(value.get("display_phone_number")))}
	decided := events.NumberNameDecided{
		Decision: word(text(value.get("decision"))), Reason: reasonOf(value.get("rejection_reason")),
	}
	switch {
	case t.display == "":
		return told{}, ruleDisplay
	case decided.Decision == "":
		return told{}, "value.decision is missing or not a word"
	}
	t.facts = func(a common) []events.ToldEvent {
		e := decided
		e.ToldFact, e.PhoneNumberID = a.ToldFact, a.phoneNumberID
		return []events.ToldEvent{e}
	}
	return t, ""
}

// limitNames are the platform's names for a messaging limit, the newest first.
var limitNames = []string{"max_daily_conversations_per_business", "max_daily_conversation_per_phone", "current_limit"}

// messagingLimit reads a messaging limit: a number, or a word such as TIER_2K. Without end it is 0.
func messagingLimit(value object) (limit int64, found bool) {
	for _, name := range limitNames {
		s := strings.TrimPrefix(text(value.get(name)), "TIER_")
		if s == "UNLIMITED" || s == "-1" {
			return 0, true
		}
		digits, thousands := strings.CutSuffix(s, "K")
		limit, err := strconv.ParseInt(digits, 10, 32)
		if err != nil || limit < 1 {
			continue
		}
		if thousands {
			limit *= 1000
		}
		return limit, true
	}
	return 0, false
}

// reasonOf is a word, "" for the platform's ways to give none.
func reasonOf(value []byte) string {
	if s := word(text(value)); s != "NONE" {
		return s
	}
	return ""
}

// country accepts two capital letters, "" for anything else.
func country(s string) string {
	if len(s) == 2 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" {
		return s
	}
	return ""
}

// region accepts the name of a market, such as Rest of Latin America, "" for anything else.
func region(s string) string {
	if word(strings.ReplaceAll(strings.ReplaceAll(s, " ", ""), "&", "")) == "" {
		return ""
	}
	return s
}
