package api

import (
	"daybook/events"
	"daybook/events/id"
)

// Idempotent is what every command takes.
type Idempotent struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"255" pattern:"^[!-~]+$" patternDescription:"1 to 255 visible ASCII characters" doc:"A key of the caller's choice that names this request: a repeat changes nothing and gets the same answer, for as long as it is among the last 256 named requests on what it changed (the account, its devices, the conversation, or the rate cards of a currency). The same key with another request on it is refused." example:"order-4711-ready"`
}

// Identity is the key and what it is unique within: commands that belong to no account yet share one scope.
func (c Idempotent) Identity() (scope, key string) { return "installation", c.IdempotencyKey }

// OnAccount is what every command to an account takes.
type OnAccount struct {
	Idempotent

	ID id.Account `path:"id" format:"uuid" doc:"The account."`
}

// Identity is the key within the account, whatever the route.
func (c OnAccount) Identity() (scope, key string) { return c.ID.String(), c.IdempotencyKey }

// Owner is whose books the command is about.
func (c OnAccount) Owner() id.Account { return c.ID }

// OfAccount is what every query about an account takes.
type OfAccount struct {
	Account id.Account `query:"account" required:"true" format:"uuid" doc:"The account."`
}

// Owner is whose books the query is about.
func (q OfAccount) Owner() id.Account { return q.Account }

// OnDevice is what every command to a device takes.
type OnDevice struct {
	OnAccount

	Device id.Device `path:"device" format:"uuid" doc:"The device."`
}

// OnMessage is what every command to a message takes.
type OnMessage struct {
	OnAccount

	Message id.Message `path:"message" format:"uuid" doc:"The message."`
}

// Waiting is what every query takes.
type Waiting struct {
	WaitFor string `query:"wait_for" pattern:"^[0-9]{1,20}(@[0-9A-Fa-f-]{36})?$" patternDescription:"a position, or a token <position>@<store id>" doc:"Answer from a state not older than this position or token, as a command returned it. The wait is bounded." example:"4711"`
}

// Paged is what every list takes.
type Paged struct {
	After events.Position `query:"after" maximum:"9223372036854774784" doc:"Position of the last entry already seen: next of the page before." example:"4711"`
	Limit int             `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many entries at most."`
}

// Positions is the header in which every query says how far each projection was that it read.
type Positions struct {
	Read string `header:"Daybook-Projection-Position" doc:"How far each projection was, at least: name=position, comma-separated." example:"audit=4711"`
}
