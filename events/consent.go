package events

import (
	"time"

	"daybook/events/id"
)

// ConsentSource is through what a customer said something about the messages to be sent.
type ConsentSource string

// The sources.
const (
	SourceForm        ConsentSource = "form"             // a site, an app or a shop, where the customer gave the number (S24)
	SourceMessage     ConsentSource = "message"          // in words, in a message
	SourceKeyword     ConsentSource = "keyword"          // a message that is a keyword and nothing else
	SourceButton      ConsentSource = "button"           // of a message
	SourcePreferences ConsentSource = "user_preferences" // the platform's own settings
	SourceAgent       ConsentSource = "agent"            // told to an employee, who recorded it
	SourcePage        ConsentSource = "page"             // the customer's own page
)

// Volume is how many messages a customer wants to receive from a business (S45, S61).
type Volume string

// The volumes.
const (
	VolumeAll   Volume = "all"
	VolumeFewer Volume = "fewer" // marketing at most once in seven days
	VolumeNone  Volume = "none"  // private messages only: nothing but answers in the open service window
)

// CustomerOptedIn records that a customer wants the messages of a category. Evidence belongs to the fact FactID.
type CustomerOptedIn struct{ ConsentFact }

// CustomerOptedOut records that a customer does not want the messages of a category any more.
type CustomerOptedOut struct{ ConsentFact }

// ConsentFact is what a customer said of one category, through what, and what shows it.
type ConsentFact struct {
	ConversationID id.Conversation `json:"conversation_id"`
	CustomerID     id.Customer     `json:"customer_id"`
	FactID         id.Fact         `json:"fact_id"`
	Category       Category        `json:"category"`
	Source         ConsentSource   `json:"source"`
	At             time.Time       `json:"at"`
	MessageID      *id.Message     `json:"message_id,omitempty"` // the message in which it was said
	Evidence       Sealed          `json:"evidence,omitempty"`   // path "evidence": the form, the words, the place
}

// MessageVolumeSet records how much a customer wants to receive, and of what. What it does not name is not wanted.
type MessageVolumeSet struct {
	ConversationID id.Conversation `json:"conversation_id"`
	CustomerID     id.Customer     `json:"customer_id"`
	FactID         id.Fact         `json:"fact_id"`
	Level          Volume          `json:"level"`
	Categories     []Category      `json:"categories,omitempty"` // none named: all categories (S46)
	At             time.Time       `json:"at"`
}

// BusinessBlocked records that a customer blocks the business number, as any contact can be blocked: from then on
// nothing is sent (S28, S43).
type BusinessBlocked struct{ BlockFact }

// BusinessUnblocked takes the block back.
type BusinessUnblocked struct{ BlockFact }

// BlockFact is a customer's decision about the business number as a whole.
type BlockFact struct {
	ConversationID id.Conversation `json:"conversation_id"`
	CustomerID     id.Customer     `json:"customer_id"`
	FactID         id.Fact         `json:"fact_id"`
	Source         ConsentSource   `json:"source"`
	At             time.Time       `json:"at"`
}

// SpamReported records that a customer reports a message, or the business, as spam (S44). It stops nothing by itself.
type SpamReported struct {
	ConversationID id.Conversation `json:"conversation_id"`
	CustomerID     id.Customer     `json:"customer_id"`
	FactID         id.Fact         `json:"fact_id"`
	MessageID      *id.Message     `json:"message_id,omitempty"`
	Reason         SpamReason      `json:"reason"`
	At             time.Time       `json:"at"`
}

// SpamReason is why a customer reports spam: a word of a list, never prose.
type SpamReason string

// The reasons.
const (
	SpamUnwanted  SpamReason = "unwanted" // never asked for
	SpamTooOften  SpamReason = "too_often"
	SpamMisleads  SpamReason = "misleading"
	SpamOffends   SpamReason = "offensive"
	SpamByKeyword SpamReason = "keyword" // a message that is a keyword and nothing else
)

func (CustomerOptedIn) isEvent()   {}
func (CustomerOptedOut) isEvent()  {}
func (MessageVolumeSet) isEvent()  {}
func (BusinessBlocked) isEvent()   {}
func (BusinessUnblocked) isEvent() {}
func (SpamReported) isEvent()      {}
