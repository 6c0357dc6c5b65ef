package policies

import (
	"context"
	"fmt"

	"daybook/events"
	"daybook/events/id"
)

// MediaStore keeps the files of customers' messages, which the platform forgets.
type MediaStore interface {
	// Fetch gets the file of a message from the platform and keeps it, sealed. A
	// *MissingError says that the platform does not give it; after any other error it may be there and be tried again.
	Fetch(ctx context.Context, f File) (Stored, error)
}

// File is what the platform said of a file: the message that it belongs to.
type File struct {
	Account  id.Account
	Customer id.Customer
	Message  id.Message
	Content  events.Sealed // path "content" of the fact that has the message's id
}

// Stored is a file that is kept.
type Stored struct {
	SHA256    string // of the sealed bytes
	Bytes     int64  // before sealing
	MediaType string
}

// MissingError says that there is no such file, or none that may be kept.
type MissingError struct {
	Code int // the platform's; 0: it told none
	Rule string
}

func (e *MissingError) Error() string {
	if e.Code != 0 {
		return fmt.Sprintf("the platform does not give the file: code %d", e.Code)
	}
	return "the file cannot be kept: " + e.Rule
}
