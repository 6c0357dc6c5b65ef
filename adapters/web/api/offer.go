package api

import (
	"encoding/json"

	"daybook/events"
	"daybook/events/id"
)

// AccountPath is what a query about an account takes that stands for one thing.
type AccountPath struct {
	ID id.Account `path:"id" format:"uuid" doc:"The account."`
}

// Owner is whose books the query is about.
func (q AccountPath) Owner() id.Account { return q.ID }

// Photo names the profile photo.
type Photo struct {
	MediaSHA256 string `json:"media_sha256" doc:"SHA-256 of the photo's bytes in 64 lower-case hex digits; empty removes the photo." example:"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"`
}

// Verdict is a decision on whether the account is the business that it says it is.
type Verdict struct {
	Outcome string `json:"outcome"          doc:"verified or rejected, when it was requested; revoked, when it was verified." example:"verified"`
	Method  string `json:"method,omitempty" doc:"How it was confirmed, in a word. With verified." example:"register"`
	Badge   bool   `json:"badge,omitempty"  doc:"Whether the icon is shown beside the name. With verified."`
	Reason  string `json:"reason,omitempty" doc:"Why not, in a word. With rejected and revoked." example:"documents"`
}

// Feature opens or closes a feature.
type Feature struct {
	Enabled bool `json:"enabled" doc:"Whether the account has it."`
}

// LocalizedText is a text in one language.
type LocalizedText struct {
	Language string `json:"language" doc:"Such as it or pt_BR." example:"it"`
	Text     string `json:"text"     doc:"1 to 4,096 characters."`
}

// Command is what customers may type after a slash, and what is answered.
type Command struct {
	Command string          `json:"command"        doc:"1 to 32 characters without spaces and without the slash; unique whatever its case." example:"menu"`
	Hint    string          `json:"hint,omitempty" doc:"Shown beside it while it is typed; at most 256 characters."`
	Replies []LocalizedText `json:"replies"        nullable:"false" doc:"The answer by language. The first is for languages that are not listed."`
}

// AutoReply is what is answered without anybody writing it.
type AutoReply struct {
	Replies []LocalizedText `json:"replies" nullable:"false" doc:"The answer by language. The first is for languages that are not listed."`
}

// Notice is what the platform tells all businesses.
type Notice struct {
	Locales []LocalizedText `json:"locales" nullable:"false" doc:"The notice by language. The first is for languages that are not listed."`
}

// NoticePublished answers a published notice.
type NoticePublished struct {
	Recorded

	ID id.Message `json:"id" format:"uuid" doc:"The notice."`
}

// Notices lists the platform's notices.
type Notices struct {
	Notices []ShownNotice `json:"notices" nullable:"false" doc:"The newest 100, oldest first."`
}

// ShownNotice is one notice as businesses read it.
type ShownNotice struct {
	Notice

	ID id.Message `json:"id" format:"uuid" doc:"The notice."`
}

// Account is an account as it is now.
type Account struct {
	ID           id.Account       `json:"id"           format:"uuid" doc:"The account."`
	Usable       bool             `json:"usable"       doc:"Whether the current terms are accepted; if not, nothing else can be done first."`
	Sendable     bool             `json:"sendable"     doc:"Whether the account may send: it is not suspended."`
	Verification string           `json:"verification" doc:"unverified, pending, verified, rejected or revoked." example:"verified"`
	Badge        bool             `json:"badge"        doc:"Whether the icon is shown beside the name."`
	Premium      bool             `json:"premium"      doc:"Whether the larger limits hold now."`
	Features     []events.Feature `json:"features"     nullable:"false" doc:"The features that are open to the account."`
	Commands     []Command        `json:"commands"     nullable:"false" doc:"What customers may type after a slash."`
	AutoReplies  []AutomaticReply `json:"auto_replies" nullable:"false" doc:"What is answered without anybody writing it."`
}

// AutomaticReply is an automatic reply and what it answers to.
type AutomaticReply struct {
	AutoReply

	Trigger events.AutoTrigger `json:"trigger" doc:"first_message, away or welcome."`
}

// SubmitTemplate enters a template as it was submitted to the platform.
type SubmitTemplate struct {
	Name       string          `json:"name"       doc:"Small letters, digits and _, at most 512." example:"order_shipped"`
	Language   string          `json:"language"   doc:"Such as it or pt_BR." example:"it"`
	Category   events.Category `json:"category"   doc:"marketing, utility or authentication." example:"utility"`
	Components json.RawMessage `json:"components" doc:"The list of components, in the platform's form."`
}

// TemplateSubmitted answers SubmitTemplate.
type TemplateSubmitted struct {
	Recorded

	ID id.Template `json:"id" format:"uuid" doc:"The template."`
}

// Templates lists an account's templates.
type Templates struct {
	Templates []KnownTemplate      `json:"templates" nullable:"false" doc:"In the order of name and language."`
	Positions []ProjectionPosition `json:"positions" nullable:"false" doc:"How far each projection was that this was read from."`
}

// KnownTemplate is one template as far as the platform has told of it.
type KnownTemplate struct {
	ID       id.Template     `json:"id"       format:"uuid" doc:"The template."`
	Name     string          `json:"name"     doc:"Its name."`
	Language string          `json:"language" doc:"Its language."`
	Category events.Category `json:"category" doc:"The category that was told last; empty when none was."`
	Status   string          `json:"status"   doc:"The platform's word that was told last, PENDING before the first, empty when the platform has not judged it." example:"APPROVED"`
	Quality  string          `json:"quality"  doc:"The platform's word that was told last; empty before the first." example:"GREEN"`
}
