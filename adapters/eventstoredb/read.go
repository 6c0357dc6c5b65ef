package eventstoredb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"daybook/events"
)

// ReadStream yields the records of one stream from a revision on (inclusive), up to its end as the server finds it. A
// missing or soft-deleted stream yields nothing; what $maxCount, $maxAge or $tb hide is not shown. When the connection
// is lost it goes on after the last record. It ends with an error when ctx is done, the store is closed (ErrClosed), the
// stream is tombstoned (*DeletedError), no server gives an answer for too long (*UnavailableError), or it is not allowed
// (*AccessError).
func (s *Store) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[events.Record, error] {
	return s.oneByOne(ctx, reading{doing: "reading " + stream, stream: stream}, func(ctx context.Context, r *reading, f *flow) error {
		next := min(from, math.MaxInt64)
		return s.receive(ctx, r, f,
			func(ctx context.Context, client *esdb.Client) (source, error) {
				options := esdb.ReadStreamOptions{Direction: esdb.Forwards, From: esdb.Revision(next)}
				return fromReader(client.ReadStream(ctx, stream, options, math.MaxInt64))
			},
			func(record events.Record) error {
				if record.Revision < next {
					return nil
				}
				if err := f.put(ctx, record); err != nil {
					return err
				}
				next = record.Revision + 1
				r.tries.progress()
				return nil
			})
	})
}

// ReadAll yields the records after a position, in log order, up to the head as it is when reading starts, with the
// system's own records, links as they are, and what metadata hides in streams. Errors are those of ReadStream.
func (s *Store) ReadAll(ctx context.Context, after events.Position) iter.Seq2[events.Record, error] {
	return s.oneByOne(ctx, reading{doing: "reading the log", stream: "$all"}, func(ctx context.Context, r *reading, f *flow) error {
		head, err := s.Head(ctx)
		if err != nil || after >= head {
			return err
		}
		last := after
		return s.receive(ctx, r, f,
			func(ctx context.Context, client *esdb.Client) (source, error) {
				options := esdb.ReadAllOptions{Direction: esdb.Forwards, From: toAllPosition(last)}
				return fromReader(client.ReadAll(ctx, options, math.MaxInt64))
			},
			func(record events.Record) error {
				if record.Position <= last { // a read begins with the record at its position
					return nil
				}
				if record.Position > head {
					return errEnough
				}
				if err := f.put(ctx, record); err != nil {
					return err
				}
				last = record.Position
				r.tries.progress()
				return nil
			})
	})
}

// ReadAllBack yields the records before a position, the newest first. Before ^events.Position(0) are all: then reading
// begins with the head. Any other position has to be that of a record, or EventStoreDB may refuse it. Otherwise it is as
// ReadAll.
func (s *Store) ReadAllBack(ctx context.Context, before events.Position) iter.Seq2[events.Record, error] {
	return s.oneByOne(ctx, reading{doing: "reading the log backwards", stream: "$all"}, func(ctx context.Context, r *reading, f *flow) error {
		last := before
		return s.receive(ctx, r, f,
			func(ctx context.Context, client *esdb.Client) (source, error) {
				options := esdb.ReadAllOptions{Direction: esdb.Backwards, From: esdb.End{}}
				if last != ^events.Position(0) {
					options.From = toAllPosition(last)
				}
				return fromReader(client.ReadAll(ctx, options, math.MaxInt64))
			},
			func(record events.Record) error {
				if record.Position >= last {
					return nil
				}
				if err := f.put(ctx, record); err != nil {
					return err
				}
				last = record.Position
				r.tries.progress()
				return nil
			})
	})
}

// ReadLast returns the last record of a stream, and false if it is missing, soft-deleted, or nothing of it is visible.
// It takes no longer for a long stream. Errors are those of ReadStream.
func (s *Store) ReadLast(ctx context.Context, stream string) (last events.Record, found bool, err error) {
	err = s.readShortly(ctx, "reading the end of "+stream, stream,
		func(ctx context.Context, client *esdb.Client) (err error) {
			last, found, err = peek(ctx, client, stream, esdb.Backwards, esdb.End{})
			return err
		})
	return last, found, err
}

// Head returns the position of the last record that the server shows. Errors are those of ReadStream.
func (s *Store) Head(ctx context.Context) (head events.Position, err error) {
	err = s.readShortly(ctx, "reading the head", "$all",
		func(ctx context.Context, client *esdb.Client) error {
			options := esdb.ReadAllOptions{Direction: esdb.Backwards, From: esdb.End{}}
			reader, err := client.ReadAll(ctx, options, 1)
			if err != nil {
				return err
			}
			last, _, err := first(reader)
			head = last.Position
			return err
		})
	return head, err
}

// readShortly makes a call until it is answered.
func (s *Store) readShortly(
	ctx context.Context, doing, stream string, call func(context.Context, *esdb.Client) error,
) error {
	if !s.begin() {
		return fmt.Errorf("%s: %w", doing, ErrClosed)
	}
	defer s.working.Done()
	ctx, stop := s.untilClosed(ctx)
	defer stop()
	r := reading{doing: doing, stream: stream, tries: tries{options: &s.options}}
	for {
		err := s.lines.useShortly(ctx, ctx, func(ctx context.Context, client *esdb.Client) error {
			ctx, cancel := context.WithTimeout(ctx, *s.lines.config.DefaultDeadline)
			defer cancel()
			return call(ctx, client)
		})
		if err == nil || !r.again(ctx, err) {
			return r.outcome(ctx, err)
		}
	}
}

// peek reads one record of a stream; false if there is none to see.
func peek(
	ctx context.Context, client *esdb.Client, stream string, direction esdb.Direction, from esdb.StreamPosition,
) (events.Record, bool, error) {
	reader, err := client.ReadStream(ctx, stream, esdb.ReadStreamOptions{Direction: direction, From: from}, 1)
	if err != nil {
		return events.Record{}, false, err
	}
	return first(reader)
}

func first(reader *esdb.ReadStream) (events.Record, bool, error) {
	defer reader.Close()
	resolved, err := reader.Recv()
	if errors.Is(err, io.EOF) || hasCode(err, esdb.ErrorCodeResourceNotFound) {
		return events.Record{}, false, nil
	}
	if err != nil {
		return events.Record{}, false, err
	}
	record, err := toRecord(resolved)
	return record, err == nil, err
}

// fromReader makes a source of a bounded read. A missing stream has no records.
func fromReader(reader *esdb.ReadStream, err error) (source, error) {
	if err != nil {
		return nil, err
	}
	return func() (*esdb.ResolvedEvent, error) {
		resolved, err := reader.Recv()
		if hasCode(err, esdb.ErrorCodeResourceNotFound) {
			return nil, io.EOF
		}
		return resolved, err
	}, nil
}
