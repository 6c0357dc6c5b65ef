package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	jsonv2 "github.com/go-json-experiment/json"

	"daybook/events/id"
)

// Event is one fact of the catalogue, held by value.
type Event interface{ isEvent() }

// ErrUnknownType says that a stored (type, version) is not in this binary's catalogue.
var ErrUnknownType = errors.New("unknown event type or version")

// catalogue is the table of stored names. A name, once stored, stays for ever, whatever the Go type is called.
var catalogue = newCatalogue(
	entry[StoreCreated]("StoreCreated"),
	entry[VaultBound]("VaultBound"),
	entry[StoreSealed]("StoreSealed"),
	entry[StoreUnsealed]("StoreUnsealed"),
	entry[CopyBegun]("CopyBegun"),
	entry[CopyFinished]("CopyFinished"),

	entry[AccountRegistered]("AccountRegistered"),
	entry[TermsAccepted]("TermsAccepted"),
	entry[ProfileUpdated]("ProfileUpdated"),
	entry[ProfilePhotoChanged]("ProfilePhotoChanged"),
	entry[PremiumSubscribed]("PremiumSubscribed"),
	entry[PremiumCancelled]("PremiumCancelled"),
	entry[NumberClaimed]("NumberClaimed"),
	entry[WABAClaimed]("WABAClaimed"),
	entry[TermsPublished]("TermsPublished"),
	entry[VerificationRequested]("VerificationRequested"),
	entry[BusinessVerified]("BusinessVerified"),
	entry[VerificationRejected]("VerificationRejected"),
	entry[VerificationRevoked]("VerificationRevoked"),
	entry[FeatureChanged]("FeatureChanged"),
	entry[CommandConfigured]("CommandConfigured"),
	entry[CommandRemoved]("CommandRemoved"),
	entry[AutoReplyConfigured]("AutoReplyConfigured"),
	entry[AutoReplyRemoved]("AutoReplyRemoved"),
	entry[PlatformNoticePublished]("PlatformNoticePublished"),

	entry[MessagingLimitChanged]("MessagingLimitChanged"),
	entry[NumberQualityChanged]("NumberQualityChanged"),
	entry[NumberNameDecided]("NumberNameDecided"),
	entry[AccountRestricted]("AccountRestricted"),
	entry[AccountSuspended]("AccountSuspended"),
	entry[AccountReinstated]("AccountReinstated"),
	entry[PlatformTold]("PlatformTold"),
	entry[AuthInternationalPriceSet]("AuthInternationalPriceSet"),
	entry[PrimaryLocationChanged]("PrimaryLocationChanged"),
	entry[VolumeTierTold]("VolumeTierTold"),

	entry[TemplateSubmitted]("TemplateSubmitted"),
	entry[TemplateStatusChanged]("TemplateStatusChanged"),
	entry[TemplateCategoryChanged]("TemplateCategoryChanged"),
	entry[TemplateQualityChanged]("TemplateQualityChanged"),
	entry[TemplateEdited]("TemplateEdited"),

	entry[UserAdded]("UserAdded"),
	entry[UserRolesChanged]("UserRolesChanged"),
	entry[UserRemoved]("UserRemoved"),
	entry[APIKeyIssued]("APIKeyIssued"),
	entry[APIKeyRevoked]("APIKeyRevoked"),

	entry[DeviceLinked]("DeviceLinked"),
	entry[DeviceRenamed]("DeviceRenamed"),
	entry[DeviceUnlinked]("DeviceUnlinked"),

	entry[ConversationStarted]("ConversationStarted"),
	entry[MessageReceived]("MessageReceived"),
	entry[MessageQueued]("MessageQueued"),
	entry[MessageAccepted]("MessageAccepted"),
	entry[MessageSent]("MessageSent"),
	entry[MessageDelivered]("MessageDelivered"),
	entry[MessageRead]("MessageRead"),
	entry[MessagePlayed]("MessagePlayed"),
	entry[MessageFailed]("MessageFailed"),
	entry[StatusTimeCorrected]("StatusTimeCorrected"),
	entry[PricingTold]("PricingTold"),
	entry[EntryPointWindowOpened]("EntryPointWindowOpened"),
	entry[MessageEchoed]("MessageEchoed"),
	entry[MessageImported]("MessageImported"),
	entry[CustomerIdentified]("CustomerIdentified"),
	entry[CustomerNumberChanged]("CustomerNumberChanged"),
	entry[CustomerOptedIn]("CustomerOptedIn"),
	entry[CustomerOptedOut]("CustomerOptedOut"),
	entry[MessageVolumeSet]("MessageVolumeSet"),
	entry[BusinessBlocked]("BusinessBlocked"),
	entry[BusinessUnblocked]("BusinessUnblocked"),
	entry[SpamReported]("SpamReported"),
	entry[DispatchStarted]("DispatchStarted"),
	entry[DispatchFailed]("DispatchFailed"),
	entry[DispatchUnknown]("DispatchUnknown"),
	entry[DispatchDeferred]("DispatchDeferred"),
	entry[MessageExpired]("MessageExpired"),
	entry[MediaStored]("MediaStored"),
	entry[MediaMissing]("MediaMissing"),
	entry[ConversationCarriedForward]("ConversationCarriedForward"),
	entry[MessageRecalled]("MessageRecalled"),

	entry[CampaignDrafted]("CampaignDrafted"),
	entry[AudienceTaken]("AudienceTaken"),
	entry[AudienceSet]("AudienceSet"),
	entry[CampaignScheduled]("CampaignScheduled"),
	entry[BudgetSet]("BudgetSet"),
	entry[CampaignApproved]("CampaignApproved"),
	entry[CampaignStarted]("CampaignStarted"),
	entry[CampaignPaused]("CampaignPaused"),
	entry[CampaignResumed]("CampaignResumed"),
	entry[CampaignCancelled]("CampaignCancelled"),
	entry[BudgetReserved]("BudgetReserved"),
	entry[BudgetExhausted]("BudgetExhausted"),
	entry[RecipientsWritten]("RecipientsWritten"),
	entry[ReservationUsed]("ReservationUsed"),
	entry[CampaignCharged]("CampaignCharged"),
	entry[OutcomesCounted]("OutcomesCounted"),
	entry[CampaignCompleted]("CampaignCompleted"),

	entry[RateCardImported]("RateCardImported"),
	entry[RatesAwaited]("RatesAwaited"),

	entry[MessageCharged]("MessageCharged"),
	entry[ChargePending]("ChargePending"),
	entry[ChargeAdjusted]("ChargeAdjusted"),
	entry[BatchRated]("BatchRated"),
	entry[ChargeDiscrepancyFound]("ChargeDiscrepancyFound"),
	entry[PeriodClosingRequested]("PeriodClosingRequested"),
	entry[PeriodClosed]("PeriodClosed"),

	entry[StaffMessageSent]("StaffMessageSent"),

	entry[ContentPublished]("ContentPublished"),
	entry[ContentRefreshScheduled]("ContentRefreshScheduled"),
	entry[ContentRefreshed]("ContentRefreshed"),
	entry[ContentRefreshFailed]("ContentRefreshFailed"),

	entry[TimerSet]("TimerSet"),
	entry[TimerFired]("TimerFired"),
	entry[TimerCancelled]("TimerCancelled"),

	entry[UpdateQuarantined]("UpdateQuarantined"),
	entry[UpdateRedriven]("UpdateRedriven"),

	entry[ProjectionEventSkipped]("ProjectionEventSkipped"),
	entry[ProjectionReadAsOf]("ProjectionReadAsOf"),
	entry[MessageInfoOpened]("MessageInfoOpened"),
	entry[CustomerLinkIssued]("CustomerLinkIssued"),
)

// Upcaster rewrites the data of one version into the next.
type Upcaster func(json.RawMessage) (json.RawMessage, error)

// kind is one row of the catalogue: the stored name, how to read it, and how older versions become readable.
type kind struct {
	name      string
	goType    reflect.Type
	upcasters []Upcaster // upcasters[i] turns version i+1 into version i+2
	decode    func([]byte) (Event, error)
}

// version is the current one: version 1 and one more for each upcaster, so the chain cannot have holes.
func (k *kind) version() int { return 1 + len(k.upcasters) }

func entry[E Event](name string, upcasters ...Upcaster) kind {
	plain := scannerOf[E]()
	return kind{name, reflect.TypeFor[E](), upcasters, func(data []byte) (Event, error) {
		if plain != nil {
			if e, ok := plain(data); ok {
				return e, nil
			}
		}
		var e E
		err := jsonv2.Unmarshal(data, &e) // replays decode millions: nearly three times as fast as encoding/json
		return e, err
	}}
}

type table struct {
	byName map[string]*kind
	byType map[reflect.Type]*kind
	names  []string // in catalogue order
}

func newCatalogue(kinds ...kind) *table {
	t := &table{byName: map[string]*kind{}, byType: map[reflect.Type]*kind{}}
	for _, k := range kinds {
		t.add(k)
	}
	return t
}

func (t *table) add(k kind) {
	if t.byName[k.name] != nil || t.byType[k.goType] != nil {
		panic("events: " + k.name + " is in the catalogue twice")
	}
	t.byName[k.name], t.byType[k.goType] = &k, &k
	t.names = append(t.names, k.name)
}

// Rehearse adds an event to the catalogue of a test's process: old versions can be tried before a store holds any. Call it
// in TestMain, before anything is encoded or decoded: the catalogue has no lock.
func Rehearse[E Event](name string, upcasters ...Upcaster) {
	catalogue.add(entry[E](name, upcasters...))
}

// Names lists the stored names of the catalogue.
func Names() []string { return append([]string(nil), catalogue.names...) }

// NameOf returns the stored name of E; empty when that is not in the catalogue, as a pointer or an interface never is.
func NameOf[E Event]() string {
	if k := catalogue.byType[reflect.TypeFor[E]()]; k != nil {
		return k.name
	}
	return ""
}

// Encode turns an event and its envelope into bytes. The envelope's version is filled in.
func Encode(eventID id.Event, e Event, envelope Envelope) (Proposed, error) {
	name, version, data, err := catalogue.encode(e)
	if err != nil {
		return Proposed{}, err
	}
	envelope.Version = version
	metadata, err := EncodeEnvelope(envelope)
	if err != nil {
		return Proposed{}, fmt.Errorf("encoding envelope of %s: %w", name, err)
	}
	return Proposed{ID: eventID, Type: name, Data: data, Metadata: metadata}, nil
}

// Decode reads the data of a stored type and version and returns it as the current version's struct.
// The error is ErrUnknownType when the name, or a version newer than this binary's, is not in the catalogue.
func Decode(name string, version int, data []byte) (Event, error) {
	return catalogue.decode(name, version, data)
}

func (t *table) encode(e Event) (name string, version int, data []byte, err error) {
	k := t.byType[reflect.TypeOf(e)]
	if k == nil {
		return "", 0, nil, fmt.Errorf("encoding %T: %w", e, ErrUnknownType)
	}
	if fast, ok := e.(appender); ok {
		if data, ok = fast.appendJSON(make([]byte, 0, roomyEvent)); ok {
			return k.name, k.version(), data, nil
		}
	}
	if data, err = json.Marshal(e); err != nil {
		return "", 0, nil, fmt.Errorf("encoding %s: %w", k.name, err)
	}
	return k.name, k.version(), data, nil
}

func (t *table) decode(name string, version int, data []byte) (Event, error) {
	k := t.byName[name]
	if k == nil || version < 1 || version > k.version() {
		return nil, fmt.Errorf("decoding %q version %d: %w", name, version, ErrUnknownType)
	}
	for from := version; from < k.version(); from++ {
		upcast, err := k.upcasters[from-1](data)
		if err != nil {
			return nil, fmt.Errorf("upcasting %s from version %d: %w", name, from, err)
		}
		data = upcast
	}
	e, err := k.decode(data)
	if err != nil {
		return nil, fmt.Errorf("decoding %s version %d: %w", name, version, err)
	}
	return e, nil
}

// DecodeRecord reads a record whole, as the current version's struct, with its envelope. Errors are those of
// DecodeEnvelope and Decode.
func DecodeRecord(r Record) (Event, Envelope, error) {
	envelope, err := DecodeEnvelope(r.Metadata)
	if err != nil {
		return nil, Envelope{}, err
	}
	event, err := Decode(r.Type, envelope.Version, r.Data)
	return event, envelope, err
}
