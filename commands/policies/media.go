package policies

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"daybook/commands"
	"daybook/domain/conversation"
	"daybook/domain/media"
	"daybook/domain/timer"
	"daybook/events"
	"daybook/events/id"
)

// MediaName is the name of the policy that NewMedia returns.
const MediaName = "media"

// A file is in memory while it is sealed: few are fetched at once.
const (
	mediaShards = 4
	mediaAtOnce = 2
)

// MediaCommands is what fetching files asks of the write side.
type MediaCommands interface {
	MediaWanted(ctx context.Context, message id.Message) (bool, error)
	KeepMedia(ctx context.Context, meta commands.Meta, k media.Kept) (events.Position, error)
	MissMedia(ctx context.Context, meta commands.Meta, m media.Missed) (events.Position, error)
	SetTimer(ctx context.Context, meta commands.Meta, c timer.Set) (events.Position, error)
}

// fetching gets the files of customers' messages as soon as they are received. What was fetched follows from the file's own
// stream; one that is fetched again because a crash came between is kept under another name beside.
type fetching struct {
	streams  Streams
	commands MediaCommands
	store    MediaStore
}

// NewMedia returns the policy that fetches the files of customers' messages, and tries again what could not be fetched.
func NewMedia(streams Streams, c MediaCommands, store MediaStore) Policy {
	return &fetching{streams, c, store}
}

func (*fetching) Name() string { return MediaName }
func (*fetching) Shards() int  { return mediaShards }

func (*fetching) Handles(eventType string) bool {
	switch eventType {
	case events.NameOf[events.MessageReceived](), events.NameOf[events.MediaMissing](), events.NameOf[events.TimerFired]():
		return true
	}
	return false
}

func (*fetching) Shard(_ context.Context, in *Input) (int, error) {
	return accountShard(in.Envelope.Account) % mediaShards, nil
}

func (f *fetching) React(ctx context.Context, _ int, inputs []*Input) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(mediaAtOnce)
	for _, in := range inputs {
		group.Go(func() error { return f.follow(ctx, in) })
	}
	return group.Wait()
}

func (f *fetching) follow(ctx context.Context, in *Input) error {
	switch e := in.Event.(type) {
	case events.MessageReceived:
		if e.Media != "" {
			return f.fetch(ctx, in, e)
		}
	case events.MediaMissing:
		if e.RetryAt == nil {
			return nil
		}
		_, err := f.commands.SetTimer(ctx, metaOf(MediaName, in.ID), timer.Set{
			Account: in.Envelope.Account, Kind: events.TimerMediaRetry, Stream: conversation.Stream(e.ConversationID),
			Subject: e.MessageID.String(), Ordinal: e.Attempt, Due: *e.RetryAt,
		})
		return err
	case events.TimerFired:
		if e.Kind != events.TimerMediaRetry {
			return nil
		}
		received, err := written(ctx, f.streams, e.Stream, func(r events.MessageReceived) bool { return r.MessageID.String() == e.Subject })
		if err != nil || received == nil {
			return err
		}
		return f.fetch(ctx, in, *received)
	}
	return nil
}

// fetch gets the file of a message, if it is not here and not given up.
func (f *fetching) fetch(ctx context.Context, in *Input, e events.MessageReceived) error {
	wanted, err := f.commands.MediaWanted(ctx, e.MessageID)
	if err != nil || !wanted {
		return err
	}
	account := in.Envelope.Account
	stored, failure := f.store.Fetch(ctx, File{Account: account, Customer: e.CustomerID, Message: e.MessageID, Content: e.Content})
	if err = ctx.Err(); err != nil {
		return err
	}
	meta, file := metaOf(MediaName, in.ID), media.File{Account: account, Conversation: e.ConversationID, Message: e.MessageID}
	if failure == nil {
		_, err = f.commands.KeepMedia(ctx, meta, media.Kept{File: file, SHA256: stored.SHA256, Bytes: stored.Bytes, MediaType: stored.MediaType})
		return err
	}
	missed := media.Missed{File: file}
	if missing, is := errors.AsType[*MissingError](failure); is {
		missed.Code, missed.Refused = missing.Code, true
	}
	_, err = f.commands.MissMedia(ctx, meta, missed)
	return err
}
