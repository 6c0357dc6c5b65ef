package api

import (
	"time"

	"daybook/events"
	"daybook/events/id"
)

// OnUser is what every command to a user takes.
type OnUser struct {
	OnAccount

	User id.User `path:"user" format:"uuid" doc:"The user."`
}

// OnKey is what every command to a key takes.
type OnKey struct {
	OnAccount

	Key id.APIKey `path:"key" format:"uuid" doc:"The key, by its id: what stands between the second and the third dot of its text."`
}

// AddUser lets somebody work for the account.
type AddUser struct {
	Name  string   `json:"name"  doc:"What people call them: 1 to 50 characters, unique among the account's users, whatever the case." example:"Giulia"`
	Roles []string `json:"roles" nullable:"false" doc:"What they may do: owner, agent, compliance, billing, developer, auditor. The first user is an owner." example:"[\"agent\"]"`
}

// UserAdded answers AddUser.
type UserAdded struct {
	Recorded

	ID id.User `json:"id" format:"uuid" doc:"The user."`
}

// ChangeRoles gives a user these roles and no others.
type ChangeRoles struct {
	Roles []string `json:"roles" nullable:"false" doc:"All that they may do from now on. One owner stays." example:"[\"agent\",\"billing\"]"`
}

// IssueKey gives a user a key to this API.
type IssueKey struct {
	Label     string    `json:"label" doc:"What it is for: 1 to 50 characters." example:"till 2"`
	Scopes    []string  `json:"scopes" nullable:"false" doc:"What it may do, of the user's roles. A role that the user loses later is lost to the key, too." example:"[\"agent\"]"`
	DeviceID  id.Device `json:"device_id,omitzero" format:"uuid" doc:"The only device that it writes with; any, when left out."`
	ExpiresAt time.Time `json:"expires_at" doc:"When it ends; within a year from now." example:"2026-12-31T23:00:00Z"`
}

// KeyIssued answers IssueKey.
type KeyIssued struct {
	Recorded

	ID  id.APIKey `json:"id" format:"uuid" doc:"The key."`
	Key string    `json:"key,omitempty" doc:"Its text, which goes into the header Authorization: Bearer. It is shown this once and kept nowhere; a repeat of the request is answered without it." example:"dbk1.…"`
}

// Users is who works for an account.
type Users struct {
	Users []User `json:"users" nullable:"false" doc:"By name."`
}

// User is somebody who works for an account.
type User struct {
	ID    id.User       `json:"id"    format:"uuid" doc:"The user. In the trail, what they do with a key has the actor user:<id>/key:<id>."`
	Name  string        `json:"name"  doc:"What people call them." example:"Giulia"`
	Roles []events.Role `json:"roles" nullable:"false" doc:"What they may do." example:"[\"agent\"]"`
	Keys  []Key         `json:"keys"  nullable:"false" doc:"All that were issued, newest first."`
}

// Key is a key to this API, without its secret.
type Key struct {
	ID        id.APIKey     `json:"id"        format:"uuid" doc:"The key."`
	Label     string        `json:"label"     doc:"What it is for." example:"till 2"`
	Scopes    []events.Role `json:"scopes"    nullable:"false" doc:"What it may do as far as the user may." example:"[\"agent\"]"`
	DeviceID  id.Device     `json:"device_id,omitzero" format:"uuid" doc:"The only device that it writes with; any, when missing."`
	IssuedAt  time.Time     `json:"issued_at"  doc:"When it was issued."`
	ExpiresAt time.Time     `json:"expires_at" doc:"When it ends, or ended."`
	Revoked   bool          `json:"revoked"    doc:"Whether it was ended before."`
}
