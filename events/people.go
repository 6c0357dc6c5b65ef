package events

import (
	"time"

	"daybook/events/id"
)

// Role is what a person, or a key, may do in one account. Nobody without a role may do anything.
type Role string

// The roles.
const (
	RoleOwner      Role = "owner"      // everything in the account; alone opens message info (S7)
	RoleAgent      Role = "agent"      // reads and writes conversations
	RoleCompliance Role = "compliance" // reads the trail and the books; writes nothing
	RoleBilling    Role = "billing"    // reads the books; decides on budgets
	RoleDeveloper  Role = "developer"  // writes messages and campaigns by the API; templates
	RoleAuditor    Role = "auditor"    // reads what compliance reads, and who read it
)

// Roles lists all roles.
func Roles() []Role {
	return []Role{RoleOwner, RoleAgent, RoleCompliance, RoleBilling, RoleDeveloper, RoleAuditor}
}

// UserAdded says that somebody works for the account. Employees are the business's own records and stand in clear, as
// devices do; no mail address and no number of theirs does.
type UserAdded struct {
	AccountID id.Account `json:"account_id"`
	UserID    id.User    `json:"user_id"`
	Name      string     `json:"name"`  // 1 to 50 characters; unique among the account's users, whatever the case
	Roles     []Role     `json:"roles"` // sorted, at least one
}

// UserRolesChanged gives a user other roles. What the user's keys may do changes with them.
type UserRolesChanged struct {
	AccountID     id.Account `json:"account_id"`
	UserID        id.User    `json:"user_id"`
	Roles         []Role     `json:"roles"`
	PreviousRoles []Role     `json:"previous_roles"`
}

// UserRemoved ends a user, and all keys of that user with it. The name becomes free; the id does not.
type UserRemoved struct {
	AccountID id.Account `json:"account_id"`
	UserID    id.User    `json:"user_id"`
}

// APIKeyIssued gives a user a key to the API. At most two of a user's keys live at once: one, and the next.
type APIKeyIssued struct {
	AccountID    id.Account `json:"account_id"`
	KeyID        id.APIKey  `json:"key_id"`
	UserID       id.User    `json:"user_id"`
	Label        string     `json:"label"`               // what it is for, in the words of whoever asked for it
	SecretSHA256 string     `json:"secret_sha256"`       // hex, of 256 random bits: the secret itself was shown once and is stored nowhere
	Scopes       []Role     `json:"scopes"`              // sorted; the key may do what these and the user's roles of the moment both permit
	DeviceID     *id.Device `json:"device_id,omitempty"` // the only device that the key writes with; missing: any
	IssuedAt     time.Time  `json:"issued_at"`
	ExpiresAt    time.Time  `json:"expires_at"` // exclusive; at most a year after issue
}

// APIKeyRevoked ends a key before its time.
type APIKeyRevoked struct {
	AccountID id.Account `json:"account_id"`
	KeyID     id.APIKey  `json:"key_id"`
	UserID    id.User    `json:"user_id"`
	RevokedAt time.Time  `json:"revoked_at"`
}

func (UserAdded) isEvent()        {}
func (UserRolesChanged) isEvent() {}
func (UserRemoved) isEvent()      {}
func (APIKeyIssued) isEvent()     {}
func (APIKeyRevoked) isEvent()    {}
