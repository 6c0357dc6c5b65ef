package main

import (
	"errors"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"daybook/events"
)

// parsed is a flag whose text is read into a value when it is given. What is wrong with the text is told with the flag's
// name; an empty text is no way to leave a flag out.
type parsed[T any] struct {
	into *T
	read func(text string) (T, error)
	text string // as it was given, or what stands for not given
}

func textFlag[T any](into *T, read func(text string) (T, error)) *parsed[T] {
	return &parsed[T]{into: into, read: read}
}

// Set implements pflag.Value.
func (p *parsed[T]) Set(text string) error {
	value, err := p.read(text)
	if err != nil {
		return err
	}
	*p.into, p.text = value, text
	return nil
}

// String implements pflag.Value.
func (p *parsed[T]) String() string { return p.text }

// Type implements pflag.Value.
func (*parsed[T]) Type() string { return "string" }

// listFlags are those of a list: which part of time, and which page. The verb says what it is that happens at a time.
func listFlags(command *cobra.Command, verb string, from, to *time.Time, after *events.Position, limit *int) {
	flags := command.Flags()
	flags.Var(textFlag(from, instant), "from", "only what "+verb+" at or after this instant (RFC 3339)")
	flags.Var(textFlag(to, instant), "to", "only what "+verb+" before this instant (RFC 3339)")
	flags.Uint64Var((*uint64)(after), "after", 0, "go on after this position")
	*limit = 100
	flags.Var(&parsed[int]{limit, pageSize, "100"}, "limit", "most entries to list, at most 1000")
}

// instant reads a time. The zero time is none: elsewhere it means that no time was given.
func instant(text string) (time.Time, error) {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, errors.New("expected an RFC 3339 instant such as 2026-10-05T10:42:07Z")
	}
	if year := at.UTC().Year(); year < 1970 || year > 9999 {
		return at, errors.New("expected an instant of the years 1970 to 9999")
	}
	return at, nil
}

func pageSize(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 1000 {
		return 0, errors.New("expected a number between 1 and 1000")
	}
	return n, nil
}
