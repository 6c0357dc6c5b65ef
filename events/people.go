package events

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
