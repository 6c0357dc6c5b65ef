package policies

import (
	"context"
	"errors"
	"fmt"
	"time"

	"daybook/commands"
	"daybook/domain/content"
	"daybook/domain/timer"
	"daybook/events"
	"daybook/events/id"
)

// ContentName is the name of the policy that NewContent returns.
const ContentName = "content"

const contentShards = 4

// ContentCommands schedule downloads and record how they end.
type ContentCommands interface {
	SetTimer(ctx context.Context, meta commands.Meta, c timer.Set) (events.Position, error)
	ScheduleContent(ctx context.Context, meta commands.Meta, owner id.Account, device id.Device, at time.Time) (events.Position, error)
	ContentDue(ctx context.Context, owner id.Account, device id.Device, fired id.Timer) (commands.ContentTurn, bool, error)
	EndContentTurn(ctx context.Context, meta commands.Meta, t commands.ContentTurn, failure string) (events.Position, error)
}

// Downloads bring content to devices. The same download again does no harm.
type Downloads interface {
	// Download brings what is there to a device. A *DownloadError says why it could not.
	Download(ctx context.Context, t commands.ContentTurn) error
}

// DownloadError is why content could not be downloaded.
type DownloadError struct{ Code string }

func (e *DownloadError) Error() string { return "content was not downloaded: " + e.Code }

// unreachable is the code of every failure that has none.
const unreachable = "unreachable"

// refreshing has each linked device download the account's content: at once, every 31 days, and five minutes after a failure.
type refreshing struct {
	commands  ContentCommands
	downloads Downloads
}

// NewContent returns the policy that keeps the content of devices fresh.
func NewContent(c ContentCommands, d Downloads) Policy { return refreshing{c, d} }

func (refreshing) Name() string { return ContentName }
func (refreshing) Shards() int  { return contentShards }
func (refreshing) Handles(event string) bool {
	switch event {
	case "DeviceLinked", "ContentRefreshScheduled", "ContentRefreshed", "ContentRefreshFailed", "TimerFired":
		return true
	}
	return false
}

// Shard keeps what is of one account in order.
func (refreshing) Shard(_ context.Context, in *Input) (int, error) {
	return int(in.Envelope.Account.UUID[15]) % contentShards, nil
}

func (r refreshing) React(ctx context.Context, _ int, inputs []*Input) error {
	for _, in := range inputs {
		if err := r.react(ctx, in); err != nil {
			return fmt.Errorf("refreshing content after %s@%d: %w", in.Stream, in.Revision, err)
		}
	}
	return nil
}

func (r refreshing) react(ctx context.Context, in *Input) (err error) {
	meta := metaOf(ContentName, in.ID)
	switch e := in.Event.(type) {
	case events.DeviceLinked:
		_, err = r.commands.ScheduleContent(ctx, meta, e.AccountID, e.DeviceID, in.Envelope.RecordedAt)
	case events.TimerFired:
		if e.Kind == events.TimerContentRefresh {
			err = r.refresh(ctx, meta, in.Envelope.Account, e)
		}
	default:
		if next, follows := content.Next(in.Event); follows {
			_, err = r.commands.SetTimer(ctx, meta, next)
		}
	}
	return err
}

func (r refreshing) refresh(ctx context.Context, meta commands.Meta, owner id.Account, e events.TimerFired) error {
	device, err := id.Parse[id.Device](e.Subject)
	if err != nil {
		return err
	}
	due, open, err := r.commands.ContentDue(ctx, owner, device, e.TimerID)
	if err != nil || !open {
		return err
	}
	failure := ""
	if err := r.downloads.Download(ctx, due); err != nil {
		if ctx.Err() != nil {
			return err
		}
		failure = unreachable
		if told, ok := errors.AsType[*DownloadError](err); ok {
			failure = told.Code
		}
	}
	_, err = r.commands.EndContentTurn(ctx, meta, due, failure)
	return err
}
