package events

import (
	"encoding/json"
	"time"

	"daybook/events/id"
)

// TemplateSource is where we know a template from.
type TemplateSource string

// The sources.
const (
	TemplateBySubmission TemplateSource = "submitted" // the business entered it here
	TemplateByPlatform   TemplateSource = "told"      // the platform told something of it first
)

// TemplateSubmitted makes a template known: a text in one language that the platform approves. Its words are the business's
// own and stand in clear.
type TemplateSubmitted struct {
	AccountID  id.Account      `json:"account_id"`
	TemplateID id.Template     `json:"template_id"`
	Name       string          `json:"name"`
	Language   string          `json:"language"`
	Category   Category        `json:"category,omitempty"`   // none: the platform did not tell
	Components json.RawMessage `json:"components,omitempty"` // in the platform's form; none: the platform did not tell
	Source     TemplateSource  `json:"source"`
}

// TemplateStatusChanged is the platform's word on whether a template may be sent.
type TemplateStatusChanged struct {
	ToldFact

	TemplateID id.Template `json:"template_id"`
	PlatformID string      `json:"platform_id,omitempty"`
	Status     string      `json:"status"` // the platform's word, such as APPROVED or PAUSED
	Reason     string      `json:"reason,omitempty"`
	Category   Category    `json:"category,omitempty"` // that it has then; none: the platform did not tell
	Until      *time.Time  `json:"until,omitempty"`    // of a pause: when the platform means to end it
}

// TemplateCategoryChanged is another category, and with it another price, from an instant on.
type TemplateCategoryChanged struct {
	ToldFact

	TemplateID  id.Template `json:"template_id"`
	From        Category    `json:"from,omitempty"`
	To          Category    `json:"to"`
	EffectiveAt time.Time   `json:"effective_at"`
	// Notice: the change is only announced. The template keeps its category until the platform says that it was changed:
	// the business may object until then.
	Notice bool `json:"notice,omitempty"`
}

// TemplateQualityChanged is what customers' reactions made of a template. Words are the platform's.
type TemplateQualityChanged struct {
	ToldFact

	TemplateID id.Template `json:"template_id"`
	From       string      `json:"from,omitempty"`
	To         string      `json:"to"`
}

// TemplateEdited is the whole text of a template after a change.
type TemplateEdited struct {
	ToldFact

	TemplateID id.Template     `json:"template_id"`
	Components json.RawMessage `json:"components"` // in the platform's form
}

func (TemplateSubmitted) isEvent()       {}
func (TemplateStatusChanged) isEvent()   {}
func (TemplateCategoryChanged) isEvent() {}
func (TemplateQualityChanged) isEvent()  {}
func (TemplateEdited) isEvent()          {}
