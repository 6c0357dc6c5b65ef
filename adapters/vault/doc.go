// Package vault is the second system of record: it alone can map a platform's name of a person to a customer, and it
// holds the keys that personal data in events is sealed under.
//
// It has a database and a role of its own. Nothing in it is an identity in clear: people are keyed hashes, and every key
// is wrapped. The chain is
//
//	master key (DAYBOOK_VAULT_KEY, or a file beside the data) wraps
//	  the installation key, for hashes that must never change, and one wrapping key per account, which wraps
//	    one data key per subject, record class and year, which seals events.Sealed values
//
// so that destroying a row at any level destroys what is below it, without touching a stored event. Back the vault up
// together with the event store, and the master key apart from both. Never reset it with read models.
//
// Errors of this package never contain an identity.
package vault
