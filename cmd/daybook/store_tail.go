package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"daybook/adapters/embedded"
	"daybook/events"
	"daybook/events/id"
)

func storeTailCommand() *cobra.Command {
	var t tail
	command := storeFlag(&cobra.Command{
		Use:   "tail",
		Short: "List the last events of the log, oldest first",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return withStore(command, func(store eventStore) error {
				return t.print(command.Context(), command.OutOrStdout(), store)
			})
		},
	})
	t.lines = 10
	command.Flags().VarP(&parsed[int]{&t.lines, lineCount, "10"}, "lines", "n", "how many")
	command.Flags().BoolVarP(&t.follow, "follow", "f", false, "go on with what is appended, until stopped")
	command.Flags().BoolVar(&t.system, "system", false, `with the streams of the database, whose names begin with "$"`)
	return command
}

// tail is what of the end of a log is shown.
type tail struct {
	lines  int
	follow bool
	system bool
}

func (t *tail) print(ctx context.Context, out io.Writer, store eventStore) error {
	head, err := store.Head(ctx)
	if err != nil {
		return err
	}
	if _, alone := store.(*embedded.Store); alone && t.follow {
		return errors.New("nobody serves this store, so nobody appends to it; while it is followed here, nobody could: " +
			"--follow wants one that is served")
	}
	last, err := t.last(ctx, store, head)
	if err != nil {
		return err
	}
	for i := range last {
		if err = printLine(out, &last[i]); err != nil {
			return err
		}
	}
	if !t.follow {
		return nil
	}
	for batch, err := range store.SubscribeAll(ctx, head, 100) {
		if err != nil {
			return err
		}
		for i := range batch {
			if !t.shows(&batch[i]) {
				continue
			}
			if err = printLine(out, &batch[i]); err != nil {
				return err
			}
		}
	}
	return nil // it was stopped
}

func (t *tail) shows(r *events.Record) bool { return t.system || !events.SystemStream(r.Stream) }

// last returns the last records up to the head, oldest first. It reads no more than it needs.
func (t *tail) last(ctx context.Context, store eventReader, head events.Position) ([]events.Record, error) {
	var last []events.Record
	for r, err := range store.ReadAllBack(ctx, ^events.Position(0)) { // only this one need not be a record's
		if err != nil {
			return nil, err
		}
		if len(last) >= t.lines {
			break
		}
		if r.Position <= head && t.shows(&r) {
			last = append(last, r)
		}
	}
	slices.Reverse(last)
	return last, nil
}

func printLine(out io.Writer, r *events.Record) error {
	_, err := fmt.Fprintf(out, "%d\t%s\t%s\t%s@%d\n",
		r.Position, r.Created.UTC().Format(time.RFC3339), shown(r.Type), shown(r.Stream), r.Revision)
	return err
}

func storeCatCommand() *cobra.Command {
	var from uint64
	command := storeFlag(&cobra.Command{
		Use:   "cat STREAM",
		Short: "Print the events of a stream, as JSON, one a line",
		Args:  cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			return withStore(command, func(store eventStore) error {
				return printStream(command.Context(), command.OutOrStdout(), store, arguments[0], from)
			})
		},
	})
	command.Flags().Var(&parsed[uint64]{&from, revision, "0"}, "from", "begin with this revision")
	return command
}

func lineCount(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, errors.New("expected a number, 0 or more")
	}
	return n, nil
}

func revision(text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, errors.New("expected a revision: 0, 1, 2, …")
	}
	return n, nil
}

// line is an event as JSON. What is not JSON itself is given as base64.
type line struct {
	Stream         string          `json:"stream"`
	Revision       uint64          `json:"revision"`
	Position       events.Position `json:"position"`
	ID             id.Event        `json:"id"`
	Type           string          `json:"type"`
	Created        time.Time       `json:"created"`
	Data           json.RawMessage `json:"data,omitempty"`
	DataBase64     []byte          `json:"data_base64,omitempty"`
	Metadata       json.RawMessage `json:"metadata,omitempty"`
	MetadataBase64 []byte          `json:"metadata_base64,omitempty"`
}

func printStream(ctx context.Context, out io.Writer, store eventStore, stream string, from uint64) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	found := false
	for r, err := range store.ReadStream(ctx, stream, from) {
		if err != nil {
			return err
		}
		found = true
		l := line{Stream: r.Stream, Revision: r.Revision, Position: r.Position, ID: r.ID, Type: r.Type, Created: r.Created.UTC()}
		l.Data, l.DataBase64 = readable(r.Data, r.Binary)
		l.Metadata, l.MetadataBase64 = readable(r.Metadata, false)
		if err = encoder.Encode(l); err != nil {
			return err
		}
	}
	if found || ctx.Err() != nil {
		return ctx.Err()
	}
	_, there, err := store.ReadLast(ctx, stream)
	if err == nil && !there {
		return fmt.Errorf("there is no stream %s", shown(stream))
	}
	return err
}

// readable splits bytes into JSON and what is none.
func readable(raw []byte, binary bool) (json.RawMessage, []byte) {
	if !binary && utf8.Valid(raw) && json.Valid(raw) {
		return bytes.Clone(raw), nil
	}
	return nil, raw
}
