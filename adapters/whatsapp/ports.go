package whatsapp

import (
	"context"
	"iter"

	"daybook/commands"
	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
)

// Recorder takes what was understood. It retries on its own when others write to the same conversation, and a repeat
// of what is recorded already is success.
type Recorder interface {
	// NumberOwner says which account claims a business number.
	NumberOwner(ctx context.Context, phoneNumberID string) (account id.Account, found bool, err error)
	// WABAHolders says which accounts are billed through a WABA, and what numbers they have.
	WABAHolders(ctx context.Context, wabaID string) ([]commands.Holder, error)
	// Commands returns what customers of an account may type after a slash.
	Commands(ctx context.Context, account id.Account) ([]events.CommandConfigured, error)
	// RecordTold records what one update tells of an account or of a template, and returns the stream that it stands in.
	RecordTold(ctx context.Context, meta commands.Meta, told commands.Told) (stream string, err error)
	// Party says between whom a conversation is.
	Party(ctx context.Context, in id.Conversation) (party conversation.Party, found bool, err error)
	// RecordUpdates records the updates of one conversation, in their order, in one append.
	RecordUpdates(ctx context.Context, meta commands.Meta, delivery commands.Delivery) (commands.Outcome, error)
	// Quarantine keeps an update whole.
	Quarantine(ctx context.Context, meta commands.Meta, kept events.UpdateQuarantined) (events.Position, error)
	// MarkRedriven closes a quarantined update: it landed in the stream.
	MarkRedriven(ctx context.Context, meta commands.Meta, quarantined id.Quarantine, stream string) (events.Position, error)
}

// Vault turns personal data into what events may hold.
type Vault interface {
	// WamidHash stands for the platform's message id.
	WamidHash(wamid string) events.WamidHash
	// Digest is a keyed digest, in hexadecimal, of data under a label.
	Digest(label string, data []byte) string
	// Customers gets or creates the account's customers, in the order of people.
	Customers(ctx context.Context, account id.Account, people []events.Person) ([]id.Customer, error)
	// Keys gets or creates data keys.
	Keys(ctx context.Context, scopes []events.KeyScope) (map[events.KeyScope]events.DataKey, error)
	// Open reads a sealed value.
	Open(ctx context.Context, sealed events.Sealed, fact id.Fact, path string) ([]byte, error)
	// IndexQuarantine remembers who is named in what is sealed under which key, so that erasing a person reaches it.
	IndexQuarantine(ctx context.Context, named map[id.Key][]events.Person) error
}

// Routes finds the messages that platform ids are bound to. A binding that was durable before the call is found.
type Routes interface {
	Lookup(ctx context.Context, hashes []events.WamidHash) (map[events.WamidHash]Route, error)
}

// Route is where the statuses of one message belong.
type Route struct {
	Account       id.Account
	Conversation  id.Conversation
	Message       id.Message
	Recipient     id.Customer
	PhoneNumberID string
}

// Streams reads a stream from an inclusive revision. A missing stream yields nothing.
type Streams interface {
	ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[events.Record, error]
}
