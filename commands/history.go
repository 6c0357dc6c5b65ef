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
	command id.Command
	digest  string
	at      events.Position // of the command's last event
}

// note remembers the command of an event. Those without a digest cannot be repeated by their id.
func (h *history) note(command id.Command, digest string, at events.Position) {
	if digest == "" {
		return
	}
	for i := range h.past {
		if h.past[i].command == command {
			h.past[i].at = at
			return
		}
	}
	added := pastCommand{command, digest, at}
	if len(h.past) < remembered {
		h.past = append(h.past, added)
		return
	}
	h.past[h.oldest] = added
	h.oldest = (h.oldest + 1) % remembered
}

// find returns where a repeated command was recorded.
func (h *history) find(stream string, command id.Command, digest string) (at events.Position, repeated bool, err error) {
	if digest == "" {
		return events.Start, false, nil
	}
	for i := range h.past {
		if h.past[i].command != command {
			continue
		}
		if h.past[i].digest != digest {
			return events.Start, false, &CommandReusedError{command, stream}
		}
		return h.past[i].at, true, nil
	}
	return events.Start, false, nil
}
