package commands

import (
	"fmt"

	"daybook/events"
	"daybook/events/id"
)

// remembered is how many commands of a stream can be recognised when they are repeated.
const remembered = 256

// CommandReusedError says that a command id came again with another request.
type CommandReusedError struct {
	Command id.Command
	Stream  string
}

func (e *CommandReusedError) Error() string {
	return fmt.Sprintf("command %s was already used for another request on %s", e.Command, e.Stream)
}

// history is the commands of a stream that may be repeated, newest last until it is full, then as a ring.
type history struct {
	past   []pastCommand
	oldest int // where the next one goes once full
}

type pastCommand struct {
	command  id.Command
	digest   string
	at       events.Position // of the command's last event; Start when it stands in an older book, and is to be looked up
	book     int
	revision uint64
}

// note remembers the command of an event. Those without a digest cannot be repeated by their id.
func (h *history) note(c pastCommand) {
	if c.digest == "" {
		return
	}
	for i := range h.past {
		if h.past[i].command == c.command {
			h.past[i] = c
			return
		}
	}
	if len(h.past) < remembered {
		h.past = append(h.past, c)
		return
	}
	h.past[h.oldest] = c
	h.oldest = (h.oldest + 1) % remembered
}

// find returns a repeated command; nil when it is none.
func (h *history) find(stream string, command id.Command, digest string) (*pastCommand, error) {
	if digest == "" {
		return nil, nil //nolint:nilnil // no repeat, no error
	}
	for i := range h.past {
		if h.past[i].command != command {
			continue
		}
		if h.past[i].digest != digest {
			return nil, &CommandReusedError{command, stream}
		}
		return &h.past[i], nil
	}
	return nil, nil //nolint:nilnil // no repeat, no error
}

// list is the commands, oldest first, as the next book takes them over.
func (h *history) list() []events.PastCommand {
	var list []events.PastCommand
	for i := range h.past {
		c := h.past[(h.oldest+i)%len(h.past)]
		list = append(list, events.PastCommand{Command: c.command, Digest: c.digest, Book: c.book, Revision: c.revision})
	}
	return list
}

// takeOver remembers the commands of older books, where they are not known.
func (h *history) takeOver(list []events.PastCommand) {
	for _, c := range list {
		if past, err := h.find("", c.Command, c.Digest); past == nil && err == nil {
			h.note(pastCommand{command: c.Command, digest: c.Digest, book: c.Book, revision: c.Revision})
		}
	}
}
