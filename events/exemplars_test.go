package events_test

import (
	"encoding/binary"
	"time"

	"github.com/google/uuid"

	"daybook/events"
	"daybook/events/id"
	"daybook/events/money"
)

// exemplars holds, for every catalogue entry, what each stored version decodes to today; the last one is the current
// version with every field filled. Golden files and exemplars of past versions stay as long as the catalogue does.
func exemplars() map[string][]events.Event {
	return map[string][]events.Event{
		"StoreCreated": {events.StoreCreated{StoreID: of[id.Store](10)}},
		"VaultBound":   {events.VaultBound{VaultID: "v1:00000000000000000000000000000011"}},

		"StoreSealed":   {events.StoreSealed{}},
		"StoreUnsealed": {events.StoreUnsealed{}},
		"CopyBegun":     {events.CopyBegun{From: of[id.Store](10)}},
		"CopyFinished": {events.CopyFinished{
			From: of[id.Store](10), Events: 20000, Digest: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		}},

		"AccountRegistered": {events.AccountRegistered{
			AccountID: of[id.Account](1), Name: "Trattoria «Da Mario» <Roma> & figli", Kind: events.AccountApp,
			Country: "IT", Currency: "EUR", Timezone: "Europe/Rome", WABAID: "900100200300400",
			Numbers:     []events.BusinessNumber{{PhoneNumberID: "900555000111222", DisplayPhoneNumber: "390655500100"}},
			PortfolioID: of[id.Account](5), Platform: true,
		}},
		"TermsAccepted": {events.TermsAccepted{
			AccountID: of[id.Account](1), TermsVersion: "2026-01", PrivacyVersion: "2026-02", AcceptedAt: at(1),
		}},
		"ProfileUpdated": {events.ProfileUpdated{
			AccountID: of[id.Account](1), Website: "https://example.com/?a=1&b=2", Address: "Via Appia 1, Roma",
			Email: "info@example.com", Description: "Cucina romana",
		}},
		"ProfilePhotoChanged": {events.ProfilePhotoChanged{
			AccountID: of[id.Account](1), MediaSHA256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		}},
		"PremiumSubscribed": {events.PremiumSubscribed{AccountID: of[id.Account](1), ValidFrom: at(2)}},
		"PremiumCancelled":  {events.PremiumCancelled{AccountID: of[id.Account](1), EffectiveAt: at(3)}},
		"NumberClaimed":     {events.NumberClaimed{AccountID: of[id.Account](1), PhoneNumberID: "900555000111222"}},

		"UserAdded": {events.UserAdded{
			AccountID: of[id.Account](1), UserID: of[id.User](60), Name: "Giulia «Banco»",
			Roles: []events.Role{events.RoleAgent, events.RoleOwner},
		}},
		"UserRolesChanged": {events.UserRolesChanged{
			AccountID: of[id.Account](1), UserID: of[id.User](60), Roles: []events.Role{events.RoleOwner},
			PreviousRoles: []events.Role{events.RoleAgent, events.RoleOwner},
		}},
		"UserRemoved": {events.UserRemoved{AccountID: of[id.Account](1), UserID: of[id.User](60)}},
		"APIKeyIssued": {events.APIKeyIssued{
			AccountID: of[id.Account](1), KeyID: of[id.APIKey](61), UserID: of[id.User](60), Label: "till 2",
			SecretSHA256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
			Scopes:       []events.Role{events.RoleAgent}, DeviceID: new(of[id.Device](20)), IssuedAt: at(1), ExpiresAt: at(9),
		}},
		"APIKeyRevoked": {events.APIKeyRevoked{
			AccountID: of[id.Account](1), KeyID: of[id.APIKey](61), UserID: of[id.User](60), RevokedAt: at(8),
		}},
		"WABAClaimed":    {events.WABAClaimed{AccountID: of[id.Account](1), WABAID: "900100200300400"}},
		"TermsPublished": {events.TermsPublished{TermsVersion: "2026-01", PrivacyVersion: "2026-02"}},

		"VerificationRequested": {events.VerificationRequested{AccountID: of[id.Account](1)}},
		"BusinessVerified":      {events.BusinessVerified{AccountID: of[id.Account](1), Method: "register", Badge: true}},
		"VerificationRejected":  {events.VerificationRejected{AccountID: of[id.Account](1), Reason: "documents"}},
		"VerificationRevoked":   {events.VerificationRevoked{AccountID: of[id.Account](1), Reason: "sold"}},
		"FeatureChanged":        {events.FeatureChanged{AccountID: of[id.Account](1), Feature: events.FeatureCampaigns, Enabled: true}},
		"CommandConfigured": {events.CommandConfigured{
			AccountID: of[id.Account](1), Command: "menu", Hint: "What is for lunch", Replies: localized(),
		}},
		"CommandRemoved": {events.CommandRemoved{AccountID: of[id.Account](1), Command: "menu"}},
		"AutoReplyConfigured": {events.AutoReplyConfigured{
			AccountID: of[id.Account](1), Trigger: events.TriggerAway, Replies: localized(),
		}},
		"AutoReplyRemoved": {events.AutoReplyRemoved{AccountID: of[id.Account](1), Trigger: events.TriggerAway}},
		"PlatformNoticePublished": {events.PlatformNoticePublished{
			AccountID: of[id.Account](1), NoticeID: of[id.Message](6), Locales: localized(),
		}},

		"MessagingLimitChanged": {events.MessagingLimitChanged{ToldFact: told(), Limit: 2000}},
		"NumberQualityChanged": {events.NumberQualityChanged{
			ToldFact: told(), PhoneNumberID: "900555000111222", Event: "THROUGHPUT_UPGRADE", Quality: "GREEN", PerSecond: 1000,
		}},
		"NumberNameDecided": {events.NumberNameDecided{
			ToldFact: told(), PhoneNumberID: "900555000111222", Decision: "REJECTED", Reason: "NAME_FORMAT_UNACCEPTABLE",
		}},
		"AccountRestricted": {events.AccountRestricted{
			ToldFact: told(), Kind: "RESTRICTED_BIZ_INITIATED_MESSAGING", Until: new(at(16)),
		}},
		"AccountSuspended":  {events.AccountSuspended{ToldFact: told(), Reason: events.SuspendedDisabled}},
		"AccountReinstated": {events.AccountReinstated{ToldFact: told(), Reason: events.SuspendedDisabled}},
		"PlatformTold": {events.PlatformTold{
			ToldFact: told(), Field: "account_alerts", Event: "INCREASED_CAPABILITIES_ELIGIBILITY_DEFERRED",
			Detail: "ACTIVE", PhoneNumberID: "900555000111222", Codes: []int{130429},
		}},
		"AuthInternationalPriceSet": {events.AuthInternationalPriceSet{
			ToldFact: told(), From: at(17), Exceptions: []events.CountryFrom{{Country: "ID", From: at(18)}},
		}},
		"PrimaryLocationChanged": {events.PrimaryLocationChanged{ToldFact: told(), Country: "IT"}},
		"VolumeTierTold": {events.VolumeTierTold{
			ToldFact: told(), Category: events.Utility, Market: "India", Month: "2026-10", Lower: 25000001, Upper: 50000000,
		}},

		"TemplateSubmitted": {events.TemplateSubmitted{
			AccountID: of[id.Account](1), TemplateID: of[id.Template](7), Name: "october_offer", Language: "it",
			Category: events.Marketing, Components: []byte(`[{"type":"BODY","text":"Ciao {{1}}"}]`), Source: events.TemplateByPlatform,
		}},
		"TemplateStatusChanged": {events.TemplateStatusChanged{
			ToldFact: told(), TemplateID: of[id.Template](7), PlatformID: "900955690812983", Status: "PAUSED", Reason: "FIRST_PAUSE",
			Category: events.Marketing, Until: new(at(19)),
		}},
		"TemplateCategoryChanged": {events.TemplateCategoryChanged{
			ToldFact: told(), TemplateID: of[id.Template](7), From: events.Utility, To: events.Marketing, EffectiveAt: at(20), Notice: true,
		}},
		"TemplateQualityChanged": {events.TemplateQualityChanged{
			ToldFact: told(), TemplateID: of[id.Template](7), From: "GREEN", To: "YELLOW",
		}},
		"TemplateEdited": {events.TemplateEdited{
			ToldFact: told(), TemplateID: of[id.Template](7), Components: []byte(`[{"type":"BODY","text":"Ciao {{1}}, 20%"}]`),
		}},

		"DeviceLinked": {events.DeviceLinked{
			AccountID: of[id.Account](1), DeviceID: of[id.Device](20), Kind: events.Smartphone, Platform: "ios",
			Name: "iPhone Mario",
		}},
		"DeviceRenamed": {events.DeviceRenamed{
			AccountID: of[id.Account](1), DeviceID: of[id.Device](20), Name: "Front desk", PreviousName: "iPhone Mario",
		}},
		"DeviceUnlinked": {events.DeviceUnlinked{
			AccountID: of[id.Account](1), DeviceID: of[id.Device](20), Reason: events.UnlinkedByInactivity,
		}},

		"ConversationStarted": {events.ConversationStarted{
			ConversationID: of[id.Conversation](30), AccountID: of[id.Account](1), PhoneNumberID: "900555000111222",
			CustomerID: of[id.Customer](31), Entry: events.EntryAd,
		}},
		"MessageReceived": {events.MessageReceived{
			ConversationID: of[id.Conversation](30), MessageID: of[id.Message](32), CustomerID: of[id.Customer](31),
			WamidHash: "w1:aa", Kind: "text", SentAt: at(4), WindowUntil: at(5), ReplyTo: "w1:bb", Referral: "ad",
			Intent: events.IntentCommand, Command: "/orari", Media: "image",
			Dialling: events.Dialling{Prefix: "39", Country: "IT"},
			Wamid:    sealed, From: sealed, Contact: sealed, Content: sealed,
		}},
		"MessageQueued": {events.MessageQueued{
			ConversationID: of[id.Conversation](30), MessageID: of[id.Message](33), CustomerID: of[id.Customer](31),
			DeviceID: of[id.Device](20), DeviceName: "iPhone Mario", RegistryRevision: 7, Kind: "template",
			Category: events.Utility, Template: &events.Template{Name: "order_shipped", Language: "it"}, Locale: "it", QueuedAt: at(6),
			WindowUntil: new(at(7)), EntryPointUntil: new(at(12)), AnswersSince: new(at(4)), Market: "North America",
			Campaign: campaign(), Automatic: "away", Notice: true,
			Dialling: events.Dialling{Prefix: "1650", Country: "US"}, To: sealed, Content: sealed,
		}},
		"MessageAccepted": {events.MessageAccepted{
			ConversationID: of[id.Conversation](30), MessageID: of[id.Message](33), CustomerID: of[id.Customer](31),
			PhoneNumberID: "900555000111222", WamidHash: "w1:cc", AcceptedAt: at(8), Held: "paused", Reconciled: true,
			Wamid: sealed,
		}},
		"MessageSent":      {events.MessageSent{StatusFact: statusFact()}},
		"MessageDelivered": {events.MessageDelivered{StatusFact: statusFact()}},
		"MessageRead":      {events.MessageRead{StatusFact: statusFact()}},
		"MessagePlayed":    {events.MessagePlayed{StatusFact: statusFact()}},
		"MessageFailed": {events.MessageFailed{
			StatusFact: statusFact(),
			Errors:     []events.PlatformError{{Code: 131026}, {Code: 131049}},
		}},
		"StatusTimeCorrected": {events.StatusTimeCorrected{
			StatusFact: statusFact(), Status: events.StatusDelivered, PreviousAt: at(12),
		}},
		"PricingTold": {events.PricingTold{StatusFact: statusFact(), Status: events.StatusRead}},

		"EntryPointWindowOpened": {events.EntryPointWindowOpened{ConversationID: of[id.Conversation](30), EntryPoint: entryPoint()}},
		"MessageEchoed": {events.MessageEchoed{
			ConversationID: of[id.Conversation](30), MessageID: of[id.Message](36), CustomerID: of[id.Customer](31),
			PhoneNumberID: "900555000111222", WamidHash: "w1:ee", Kind: "text", SentAt: at(4), DeviceID: new(of[id.Device](20)),
			Dialling: events.Dialling{Prefix: "39", Country: "IT"}, Wamid: sealed, To: sealed, Content: sealed,
		}},
		"MessageImported": {events.MessageImported{
			ConversationID: of[id.Conversation](30), MessageID: of[id.Message](37), CustomerID: of[id.Customer](31),
			WamidHash: "w1:ff", Outbound: true, Kind: "text", SentAt: at(1), ImportedAt: at(4), Status: events.StatusRead,
			Wamid: sealed, Content: sealed,
		}},
		"CustomerIdentified": {events.CustomerIdentified{
			ConversationID: of[id.Conversation](30), CustomerID: of[id.Customer](31), FactID: of[id.Fact](60), At: at(4),
			Card: sealed, Name: sealed,
		}},
		"CustomerNumberChanged": {events.CustomerNumberChanged{
			ConversationID: of[id.Conversation](30), CustomerID: of[id.Customer](31), FactID: of[id.Fact](61), At: at(4),
			Dialling: events.Dialling{Prefix: "39", Country: "IT"}, From: sealed, To: sealed,
		}},
		"CustomerOptedIn":  {events.CustomerOptedIn{ConsentFact: consentFact()}},
		"CustomerOptedOut": {events.CustomerOptedOut{ConsentFact: consentFact()}},
		"MessageVolumeSet": {events.MessageVolumeSet{
			ConversationID: of[id.Conversation](30), CustomerID: of[id.Customer](31), FactID: of[id.Fact](63),
			Level: events.VolumeFewer, Categories: []events.Category{events.Utility}, At: at(4),
		}},
		"BusinessBlocked":   {events.BusinessBlocked{BlockFact: blockFact()}},
		"BusinessUnblocked": {events.BusinessUnblocked{BlockFact: blockFact()}},
		"SpamReported": {events.SpamReported{
			ConversationID: of[id.Conversation](30), CustomerID: of[id.Customer](31), FactID: of[id.Fact](65),
			MessageID: new(of[id.Message](33)), Reason: events.SpamTooOften, At: at(4),
		}},
		"DispatchStarted": {events.DispatchStarted{
			ConversationID: of[id.Conversation](30), MessageID: of[id.Message](33), Attempt: 2, StartedAt: at(7),
		}},
		"DispatchFailed": {events.DispatchFailed{
			ConversationID: of[id.Conversation](30), MessageID: of[id.Message](33), CustomerID: of[id.Customer](31), Attempt: 2,
			Code: 130429, Rejection: "OptedOut", RetryAt: new(at(9)), FailedAt: at(8), Sending: statusFact().Sending,
		}},
		"DispatchUnknown": {events.DispatchUnknown{
			ConversationID: of[id.Conversation](30), MessageID: of[id.Message](33), Attempt: 2, Cause: events.CauseTimeout, At: at(8),
		}},
		"DispatchDeferred": {events.DispatchDeferred{
			ConversationID: of[id.Conversation](30), MessageID: of[id.Message](33), Until: at(9), Cause: events.CausePairRate, At: at(8),
		}},
		"MessageExpired": {events.MessageExpired{
			ConversationID: of[id.Conversation](30), MessageID: of[id.Message](33), CustomerID: of[id.Customer](31),
			ExpiredAt: at(12), Sending: statusFact().Sending,
		}},
		"MediaStored": {events.MediaStored{
			ConversationID: of[id.Conversation](30), MessageID: of[id.Message](32),
			SHA256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", Bytes: 4096, MediaType: "image/jpeg", StoredAt: at(5),
		}},
		"MediaMissing": {events.MediaMissing{
			ConversationID: of[id.Conversation](30), MessageID: of[id.Message](32), Code: 404, Attempt: 1, RetryAt: new(at(10)), MissedAt: at(5),
		}},
		"ConversationCarriedForward": {carriedForward()},
		"MessageRecalled": {events.MessageRecalled{
			ConversationID: of[id.Conversation](30), OpenMessage: openMessage(),
		}},

		"CampaignDrafted": {events.CampaignDrafted{
			CampaignID: of[id.Campaign](50), AccountID: of[id.Account](1), PhoneNumberID: "900555000111222", Name: "Autumn sale",
			Template: "autumn_sale", Category: events.Marketing, Locales: []string{"it", "en"}, DefaultLocale: "en",
			Parameters: []events.CampaignParameter{{Place: 1, Source: events.ParameterName, Text: "20 %", Fallback: "friend"}},
		}},
		"AudienceTaken": {events.AudienceTaken{
			CampaignID: of[id.Campaign](50), AudienceID: of[id.Audience](51), Chunk: 3, SHA256: "9f86d0",
			Recipients: []events.Recipient{{
				CustomerID: of[id.Customer](31), Dialling: events.Dialling{Prefix: "1650", Country: "US"}, Locale: "en_US",
				To: found("from"), Name: new(found("name")),
			}},
		}},
		"AudienceSet": {events.AudienceSet{
			CampaignID: of[id.Campaign](50), AudienceID: of[id.Audience](51), Segment: `{"locale":"it"}`, Recipients: 1501, Chunks: 4,
			SHA256: "9f86d0", TakenAt: at(3),
		}},
		"CampaignScheduled": {events.CampaignScheduled{
			CampaignID: of[id.Campaign](50), LocalTime: "2026-12-01T09:00", Timezone: "Europe/Rome", StartsAt: at(10), EndsAt: at(20),
			DeviceID: of[id.Device](20), DeviceName: "iPhone Mario", RegistryRevision: 7,
		}},
		"BudgetSet":         {events.BudgetSet{CampaignID: of[id.Campaign](50), Limit: euros(150_000), Running: true}},
		"CampaignApproved":  {events.CampaignApproved{CampaignID: of[id.Campaign](50)}},
		"CampaignStarted":   {events.CampaignStarted{CampaignID: of[id.Campaign](50), StartedAt: at(10)}},
		"CampaignPaused":    {events.CampaignPaused{CampaignID: of[id.Campaign](50), Reason: events.PausedByTemplate}},
		"CampaignResumed":   {events.CampaignResumed{CampaignID: of[id.Campaign](50)}},
		"CampaignCancelled": {events.CampaignCancelled{CampaignID: of[id.Campaign](50)}},
		"BudgetReserved": {events.BudgetReserved{
			CampaignID: of[id.Campaign](50), Chunk: 3, From: 100, To: 102, Amount: euros(125_000),
			Rates: []events.ReservedRate{{Market: "Brazil", Micros: 62_500}}, Recipients: []int{1, 1},
		}},
		"BudgetExhausted": {events.BudgetExhausted{
			CampaignID: of[id.Campaign](50), Chunk: 3, From: 102, Spent: euros(1), Reserved: euros(125_000), Limit: euros(150_000),
		}},
		"RecipientsWritten": {events.RecipientsWritten{
			CampaignID: of[id.Campaign](50), Chunk: 3, From: 100,
			Outcomes: []events.RecipientOutcome{{MessageID: new(of[id.Message](33)), Skipped: events.SkipBlocked}},
		}},
		"ReservationUsed": {events.ReservationUsed{
			CampaignID: of[id.Campaign](50), Chunk: 3, From: 100, To: 102, Written: 1,
			Skipped: []events.SkipCount{{Reason: events.SkipBlocked, Count: 1}}, Released: euros(62_500),
		}},
		"CampaignCharged": {events.CampaignCharged{
			CampaignID: of[id.Campaign](50), Source: events.Ref{Stream: billingStream, Revision: 9}, Charged: 1, Amount: euros(61_000),
			Held: euros(62_500), Markets: []events.MarketAmount{{Market: "Brazil", Charged: 1, Micros: 61_000}},
		}},
		"OutcomesCounted": {events.OutcomesCounted{
			CampaignID: of[id.Campaign](50), Source: events.Ref{Stream: "conversation-00000000-0000-4000-8000-000000000030", Revision: 4},
			Failed: 2, Expired: 1, Released: euros(62_500),
		}},
		"CampaignCompleted": {events.CampaignCompleted{
			CampaignID: of[id.Campaign](50), Written: 1500, Skipped: []events.SkipCount{{Reason: events.SkipOptedOut, Count: 1}},
			Rest: &events.SkipCount{Reason: events.SkipBudget, Count: 1},
		}},
		"RateCardImported": {events.RateCardImported{
			Currency: "EUR", EffectiveFrom: "2026-10-01",
			FileSHA256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", Sources: []string{"the platform's card"},
			Markets: []events.MarketRates{{
				Market: "North America", Countries: []string{"US", "CA"}, Prefixes: []string{"1"},
				Rates: []events.Rate{{
					Category: events.Utility, Micros: new(int64(3400)), Tiers: []events.RateTier{{From: 100_001, Micros: 3100}},
				}},
			}},
		}},
		"RatesAwaited": {events.RatesAwaited{Currency: "EUR", Stream: billingStream}},

		"MessageCharged": {events.MessageCharged{
			Delivery: delivered(), Charge: charge(), Held: &events.Ref{Stream: billingStream, Revision: 2}, WasDeliveredAt: new(at(11)),
		}},
		"ChargePending": {events.ChargePending{
			Delivery: delivered(), Reason: events.RateUnavailable, Currency: "EUR", Day: "2026-10-05", Policy: "P3",
			Category: events.Utility, Market: "North America", MarketBasis: events.MarketByPrefix,
			Held: &events.Ref{Stream: billingStream, Revision: 2},
			Was:  new(charge()), Charged: &events.Ref{Stream: billingStream, Revision: 1}, WasDeliveredAt: new(at(11)),
		}},
		"ChargeAdjusted": {events.ChargeAdjusted{
			Delivery: delivered(), Charge: charge(), Was: new(charge()), Held: &events.Ref{Stream: billingStream, Revision: 2},
			WasDeliveredAt: at(11), Charged: events.Ref{Stream: billingStream, Revision: 3},
		}},
		"BatchRated": {events.BatchRated{
			Source: events.Ref{Stream: "conversation-00000000-0000-4000-8000-000000000030", Revision: 4}, Charged: 2,
			Totals: []events.PeriodTotal{{
				Amount: money.Amount{Micros: 3400, Currency: "EUR"}, Market: "North America", Category: events.Utility, Paid: 1, Free: 1,
			}},
			Allowances: []events.AllowanceUsed{{PhoneNumberID: "900555000111222", Used: 1}},
			Pending:    1, PendingSince: new(uint64(2)), Closed: true,
		}},
		"ChargeDiscrepancyFound": {events.ChargeDiscrepancyFound{
			Delivery: delivered(), Charged: events.Ref{Stream: billingStream, Revision: 3}, Ours: events.BasisFreeEntryPoint,
			Platform: events.BasisRegular, OurCategory: events.Utility, PlatformCategory: events.Marketing,
		}},
		"PeriodClosingRequested": {events.PeriodClosingRequested{Portfolio: of[id.Account](1), Month: "2026-10", RequestedAt: at(15)}},
		"PeriodClosed": {events.PeriodClosed{
			Portfolio: of[id.Account](1), Month: "2026-10", ClosedAt: at(16), Lines: 100_001, Adjusted: 2,
		}},

		"StaffMessageSent": {events.StaffMessageSent{
			AccountID: of[id.Account](1), MessageID: of[id.Message](71), DeviceID: of[id.Device](20), DeviceName: "iPhone Mario",
			ToDeviceID: of[id.Device](21), ToDeviceName: "Samsung Luigi", RegistryRevision: 3, SentAt: at(1), Content: sealed,
		}},

		"ContentPublished": {events.ContentPublished{AccountID: of[id.Account](1), PackageVersion: edition()}},
		"ContentRefreshScheduled": {events.ContentRefreshScheduled{
			AccountID: of[id.Account](1), DeviceID: of[id.Device](20), NextAt: at(1),
		}},
		"ContentRefreshed": {events.ContentRefreshed{
			AccountID: of[id.Account](1), DeviceID: of[id.Device](20), Turn: 1, Packages: []events.PackageVersion{edition()},
			RefreshedAt: at(2), NextAt: at(3),
		}},
		"ContentRefreshFailed": {events.ContentRefreshFailed{
			AccountID: of[id.Account](1), DeviceID: of[id.Device](20), Turn: 2, Attempt: 1, Code: "unreachable", FailedAt: at(4), RetryAt: at(5),
		}},

		"TimerSet": {events.TimerSet{
			TimerID: of[id.Timer](70), Kind: events.TimerMessageTTL, Due: at(1), Stream: "conversation-1", Subject: "2",
		}},
		"TimerFired": {events.TimerFired{
			TimerID: of[id.Timer](70), Kind: events.TimerMessageTTL, Due: at(1), Stream: "conversation-1", Subject: "2", FiredAt: at(2),
		}},
		"TimerCancelled": {events.TimerCancelled{TimerID: of[id.Timer](70)}},

		"UpdateQuarantined": {events.UpdateQuarantined{
			QuarantineID: of[id.Quarantine](40), Reason: events.UnknownMessage, Detail: "no message is bound to this id",
			Field: "messages", Kind: "status", WABAID: "900100200300400", PhoneNumberID: "900555000111222",
			WamidHash: "w1:dd", ReceivedAt: at(13), Body: sealed,
		}},
		"UpdateRedriven": {events.UpdateRedriven{
			QuarantineID: of[id.Quarantine](40), Stream: "conversation-00000000-0000-4000-8000-000000000030",
			RedrivenAt: at(14),
		}},

		"ProjectionEventSkipped": {events.ProjectionEventSkipped{
			Projection: "messages", Schema: "messages_v3", Key: "00000000-0000-4000-8000-000000000030",
			Stream: "conversation-00000000-0000-4000-8000-000000000030", Revision: 4, EventType: "MessageAccepted",
			Reason: "told twice by <mistake>",
		}},
		"CustomerLinkIssued": {events.CustomerLinkIssued{ConversationID: of[id.Conversation](30), Until: at(9)}},
		"MessageInfoOpened":  {events.MessageInfoOpened{MessageID: of[id.Message](33), ConversationID: of[id.Conversation](30)}},
		"ProjectionReadAsOf": {events.ProjectionReadAsOf{
			Projection: "messages", Version: 3, Table: "recipients", Rows: 7,
			After: &events.Ref{Stream: "conversation-00000000-0000-4000-8000-000000000030", Revision: 4},
		}},
	}
}

func told() events.ToldFact {
	return events.ToldFact{AccountID: of[id.Account](1), FactID: of[id.Fact](8), ToldAt: at(15), Raw: sealed}
}

func localized() []events.LocalizedReply {
	return []events.LocalizedReply{{Language: "it", Text: "A più tardi"}, {Language: "en_US", Text: "See you later"}}
}

func statusFact() events.StatusFact {
	return events.StatusFact{
		ConversationID: of[id.Conversation](30), MessageID: of[id.Message](33), RecipientID: of[id.Customer](31),
		FactID: of[id.Fact](34), At: at(10),
		Pricing: &events.Pricing{Billable: new(true), Model: "PMP", Type: "regular", Category: "marketing"},
		Origin:  &events.Origin{PlatformID: "f00d", Type: "referral_conversion", ExpiresAt: new(at(11))},
		Sending: events.Sending{
			PhoneNumberID: "900555000111222", DeviceID: of[id.Device](20), Category: events.Utility, QueuedAt: at(6),
			WindowUntil: new(at(7)), EntryPointUntil: new(at(12)), Market: "North America",
			Campaign: campaign(), Dialling: events.Dialling{Prefix: "1650", Country: "US"},
		},
		Delivery: &events.Delivery{
			At: at(10), Inferred: true, Pricing: &events.Pricing{Billable: new(true), Model: "PMP", Type: "regular", Category: "marketing"},
			FirstAt: new(at(11)), Within: new(of[id.Message](35)), Late: true,
		},
		ShowsSent: true,
		Raw:       sealed,
	}
}

func entryPoint() events.EntryPoint {
	return events.EntryPoint{
		OriginID: of[id.Message](32), ReplyID: of[id.Message](33), OpenedAt: at(6), Until: at(12), Basis: events.EntryPointComputed,
	}
}

func consentFact() events.ConsentFact {
	return events.ConsentFact{
		ConversationID: of[id.Conversation](30), CustomerID: of[id.Customer](31), FactID: of[id.Fact](62), Category: events.Marketing,
		Source: events.SourceForm, At: at(4), MessageID: new(of[id.Message](32)), Evidence: sealed,
	}
}

func blockFact() events.BlockFact {
	return events.BlockFact{
		ConversationID: of[id.Conversation](30), CustomerID: of[id.Customer](31), FactID: of[id.Fact](64),
		Source: events.SourcePage, At: at(4),
	}
}

func carriedForward() events.ConversationCarriedForward {
	return events.ConversationCarriedForward{
		ConversationID: of[id.Conversation](30), AccountID: of[id.Account](1), PhoneNumberID: "900555000111222",
		CustomerID: of[id.Customer](31), Book: 1, Events: 5000, ClosedAt: at(13),
		WindowUntil: new(at(7)), AnsweredAt: new(at(6)), WaitingSince: new(at(4)), AdMessageID: new(of[id.Message](32)),
		AdAskedAt: new(at(4)), EntryPoint: new(entryPoint()),
		Consent: events.Consent{
			Choices: []events.Choice{{Category: events.Marketing, Wanted: true, At: at(4)}}, Blocked: true,
			Level: events.VolumeFewer, Categories: []events.Category{events.Utility}, LevelAt: new(at(6)), MarketingAt: new(at(7)),
		},
		IdentifiedBy: new(of[id.Fact](60)), IdentifiedAt: new(at(4)), NumberChangedAt: new(at(5)),
		Open:      []events.OpenMessage{openMessage()},
		Received:  []events.ReceivedMessage{{MessageID: of[id.Message](32), SentAt: at(4)}},
		Platform:  []events.PlatformConversation{{Platform: of[id.Message](38), OpenerID: of[id.Message](35)}},
		Campaigns: []id.Campaign{of[id.Campaign](50)},
		Commands: []events.PastCommand{{
			Command: of[id.Command](4), Digest: "f2ca1bb6c7e907d06dafe4687e579fce76b37e4e93b7605022da52e6ccc26fd2", Book: 1, Revision: 4711,
		}},
	}
}

func openMessage() events.OpenMessage {
	return events.OpenMessage{
		MessageID: of[id.Message](33), Sending: statusFact().Sending, Wamid: new(of[id.Message](39)), Accepted: true, Echoed: true, Ended: true,
		Dispatch: &events.Dispatch{State: "waiting", Attempt: 2, NotBefore: new(at(9))}, Platform: new(of[id.Message](38)),
		Receipts: []events.ReceiptTold{{
			RecipientID: of[id.Customer](31), Steps: []events.StepTold{{Status: events.StatusSent, At: at(10), Worded: true}},
			FirstAt: new(at(11)), Pricing: statusFact().Pricing,
		}},
	}
}

func campaign() *events.CampaignRef {
	return &events.CampaignRef{CampaignID: of[id.Campaign](50), Chunk: 3, Reserved: 79500}
}

func euros(micros int64) money.Amount { return money.Amount{Micros: micros, Currency: "EUR"} }

func found(path string) events.Found {
	return events.Found{FactID: of[id.Fact](60), Path: path, Sealed: sealed}
}

const billingStream = "billing-00000000-0000-4000-8000-000000000001-2026-10"

func delivered() events.Delivered {
	return events.Delivered{
		ConversationID: of[id.Conversation](30), MessageID: of[id.Message](33), RecipientID: of[id.Customer](31),
		PhoneNumberID: "900555000111222", Dialling: events.Dialling{Prefix: "1650", Country: "US"}, Category: events.Utility,
		QueuedAt: at(6), WindowUntil: new(at(7)), EntryPointUntil: new(at(12)), Campaign: campaign(), DeliveredAt: at(10), Inferred: true,
		Pricing: &events.Pricing{Billable: new(true), Model: "PMP", Type: "regular", Category: "utility"}, Within: new(of[id.Message](35)),
		Source: events.Ref{Stream: "conversation-00000000-0000-4000-8000-000000000030", Revision: 4},
	}
}

func charge() events.Charge {
	return events.Charge{
		Amount: money.Amount{Micros: 3400, Currency: "EUR"}, Basis: events.BasisRegular, Policy: "P3", Day: "2026-10-05",
		Category: events.Utility, Market: "North America", MarketBasis: events.MarketByPrefix, Rated: events.Utility,
		Card: &events.Ref{Stream: "ratecards-EUR", Revision: 1}, CardFrom: "2026-10-01", Tier: 1, Ordinal: 7, Provisional: true,
		Late: true, Expected: events.BasisFreeWindow, ExpectedCategory: events.Marketing,
	}
}

// sealed has the right form; what it says does not matter here.
const sealed events.Sealed = "sealed:1:00000000-0000-4000-8000-000000000050:" +
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA:c2VhbGVkIGJ5dGVz"

// of makes the n-th identifier of a kind.
func of[T id.ID[K], K any](n uint64) T {
	u := uuid.UUID{6: 0x40, 8: 0x80}
	binary.BigEndian.PutUint32(u[12:], uint32(n))
	return T{UUID: u}
}

// at is the n-th minute of the day that the exemplars play on.
func at(n int) time.Time { return time.Date(2026, 10, 5, 10, n, 0, 0, time.UTC) }

func edition() events.PackageVersion {
	return events.PackageVersion{
		Package: "menu", Locale: "it", Version: 2, SHA256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
	}
}
