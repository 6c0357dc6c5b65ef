package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"daybook/events"
)

func storeCensusCommand() *cobra.Command {
	return storeFlag(&cobra.Command{
		Use:   "census",
		Short: "Count every type and version of event that is stored; an error when one is missing or cannot be read",
		Long: "Count every type and version of event that is stored, by reading all of it. It is an error when this binary cannot " +
			"read one of them, or when streams are deleted, or something of them is hidden or missing.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return withStore(command, func(store eventStore) error {
				c, err := takeCensus(command.Context(), store)
				if err != nil {
					return err
				}
				return c.print(command.OutOrStdout(), command.ErrOrStderr())
			})
		},
	})
}

// census is what kinds of events a store holds, and what is wrong with its streams.
type census struct {
	kinds   map[stored]*kindCount
	next    map[string]uint64 // revision that each stream goes on with
	rules   rules             // the streams that are deleted, or whose newest metadata hides something
	missing map[string]string // streams of which something is missing, and what
}

// stored is a stored name with the schema version in the envelope; version 0 is an event without an envelope of ours.
type stored struct {
	name    string
	version int
}

type kindCount struct {
	events      int
	first, last string // stream@revision, and when
	unreadable  int
	reason      string // of the first that is
}

func takeCensus(ctx context.Context, store eventStore) (*census, error) {
	c := &census{kinds: map[stored]*kindCount{}, next: map[string]uint64{}, rules: rules{}, missing: map[string]string{}}
	for r, err := range store.ReadAll(ctx, events.Start) {
		if err != nil {
			return nil, err
		}
		c.add(&r)
	}
	return c, ctx.Err()
}

func (c *census) add(r *events.Record) {
	c.rules.take(r)
	switch {
	case events.SystemStream(r.Stream):
		return
	case tombstone(r):
		delete(c.missing, r.Stream) // nothing is missing that it does not say
		return
	}
	if want := c.next[r.Stream]; r.Revision != want && c.missing[r.Stream] == "" {
		c.missing[r.Stream] = fmt.Sprintf("lacks what was before revision %d, from %d on", r.Revision, want)
	}
	if _, known := c.next[r.Stream]; !known {
		r.Stream = strings.Clone(r.Stream) // it may lie in the memory of many records
	}
	c.next[r.Stream] = r.Revision + 1
	c.count(r)
}

func (c *census) count(r *events.Record) {
	_, envelope, err := events.DecodeRecord(*r)
	kind := stored{r.Type, envelope.Version}
	if known, bad := events.DecodeEnvelope(r.Metadata); bad == nil {
		kind.version = known.Version
	}
	at := fmt.Sprintf("%s@%d %s", shown(r.Stream), r.Revision, r.Created.UTC().Format(time.RFC3339))
	n := c.kinds[kind]
	if n == nil {
		kind.name = strings.Clone(kind.name)
		n = &kindCount{first: at}
		c.kinds[kind] = n
	}
	n.events++
	n.last = at
	if err == nil {
		return
	}
	if n.unreadable++; n.reason == "" {
		n.reason = fmt.Sprintf("%s: %s", at, err)
	}
}

func (c *census) print(out, warnings io.Writer) error {
	w := table(out, "TYPE", "VERSION", "EVENTS", "FIRST", "LAST")
	kinds := slices.SortedFunc(maps.Keys(c.kinds), func(a, b stored) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.version, b.version))
	})
	var wrong []error
	for _, kind := range kinds {
		n := c.kinds[kind]
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\n", shown(kind.name), kind.versionText(), n.events, n.first, n.last)
		if n.unreadable > 0 {
			wrong = append(wrong, fmt.Errorf("this binary cannot read %s version %s (%d of %d events), the first of them %s",
				shown(kind.name), kind.versionText(), n.unreadable, n.events, n.reason))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if n := len(c.missing) + len(c.rules); n > 0 {
		wrong = append(wrong, fmt.Errorf("of %d streams something is deleted, hidden or missing", n))
	}
	for _, stream := range slices.Sorted(maps.Keys(c.missing)) {
		fmt.Fprintf(warnings, "warning: stream %s %s\n", shown(stream), c.missing[stream])
	}
	for _, stream := range slices.Sorted(maps.Keys(c.rules)) {
		fmt.Fprintf(warnings, "warning: stream %s %s\n", shown(stream), c.rules[stream].says)
	}
	return errors.Join(wrong...)
}

func (s stored) versionText() string {
	if s.version == 0 {
		return "none"
	}
	return strconv.Itoa(s.version)
}
