package commands

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"daybook/domain"
	"daybook/events"
	"daybook/events/id"
)

// maxReason bounds what somebody says of why, in characters.
const maxReason = 500

// SkipProjectionEvent records that an event is skipped, before it is: in the books of the account whose event it is, or in
// the installation's own. A repeat of the command is the same event.
func (h *Handler) SkipProjectionEvent(ctx context.Context, meta Meta, skipped events.ProjectionEventSkipped) (events.Position, error) {
	now := h.now().UTC().Round(0)
	owner, proposed, err := h.proposeSkip(ctx, meta, skipped, now)
	if err != nil {
		return events.Start, err
	}
	return h.appendAccess(ctx, events.AccessStream(owner, now), proposed)
}

// ReadProjectionAsOf records that rows of the past are read, before they are.
func (h *Handler) ReadProjectionAsOf(ctx context.Context, meta Meta, read events.ProjectionReadAsOf) (events.Position, error) {
	var installation id.Account
	return h.recordAccess(ctx, meta, installation, "ReadProjectionAsOf", read)
}

// OpenMessageInfo records that somebody is shown who wrote a message of the account, before that is shown.
func (h *Handler) OpenMessageInfo(ctx context.Context, meta Meta, owner id.Account, opened events.MessageInfoOpened) (events.Position, error) {
	return h.recordAccess(ctx, meta, owner, "OpenMessageInfo", opened)
}

// IssueCustomerLink records that somebody is given a link for a customer of the account, before that is given.
func (h *Handler) IssueCustomerLink(ctx context.Context, meta Meta, owner id.Account, issued events.CustomerLinkIssued) (events.Position, error) {
	return h.recordAccess(ctx, meta, owner, "IssueCustomerLink", issued)
}

func (h *Handler) recordAccess(ctx context.Context, meta Meta, owner id.Account, name string, event events.Event) (events.Position, error) {
	now := h.now().UTC().Round(0)
	proposed, err := propose(newRequest(meta, owner, name, event).envelope("", now), []events.Event{event})
	if err != nil {
		return events.Start, err
	}
	return h.appendAccess(ctx, events.AccessStream(owner, now), proposed)
}

func (h *Handler) appendAccess(ctx context.Context, stream string, proposed []events.Proposed) (events.Position, error) {
	appended, err := h.store.Append(ctx, stream, events.Any, proposed)
	if err != nil {
		return events.Start, fmt.Errorf("appending to %s: %w", stream, err)
	}
	return appended.Position, nil
}

// SkippedBefore finds what the same command recorded on the day of an instant. Only commands that have an id are found.
func (h *Handler) SkippedBefore(ctx context.Context, meta Meta, skipped events.ProjectionEventSkipped, on time.Time) (events.Position, bool, error) {
	if meta.Command.IsZero() {
		return events.Start, false, nil
	}
	owner, proposed, err := h.proposeSkip(ctx, meta, skipped, on)
	if err != nil {
		return events.Start, false, err
	}
	stream := events.AccessStream(owner, on)
	for record, err := range h.store.ReadStream(ctx, stream, 0) {
		if err != nil {
			return events.Start, false, fmt.Errorf("reading %s: %w", stream, err)
		}
		if record.ID == proposed[0].ID {
			return record.Position, true, nil
		}
	}
	return events.Start, false, ctx.Err()
}

func (h *Handler) proposeSkip(ctx context.Context, meta Meta, skipped events.ProjectionEventSkipped, now time.Time) (id.Account, []events.Proposed, error) {
	if err := checkReason(skipped.Reason); err != nil {
		return id.Account{}, nil, err
	}
	owner, err := h.accountOf(ctx, skipped.Stream, skipped.Revision)
	if err != nil {
		return owner, nil, err
	}
	r := newRequest(meta, owner, "SkipProjectionEvent", skipped)
	digest, err := r.digest()
	if err != nil {
		return owner, nil, err
	}
	proposed, err := propose(r.envelope(digest, now), []events.Event{skipped})
	return owner, proposed, err
}

// checkReason keeps a reason fit for one line of a list.
func checkReason(reason string) error {
	switch {
	case strings.TrimSpace(reason) == "":
		return domain.Malformed("ReasonRequired", "reason", "reason: required: say why the event is skipped")
	case utf8.RuneCountInString(reason) > maxReason:
		return domain.Malformed("ReasonLength", "reason", "reason: expected at most %d characters", maxReason)
	case !utf8.ValidString(reason) || strings.ContainsFunc(reason, unicode.IsControl):
		return domain.Malformed("ReasonInvalid", "reason", "reason: expected one line of text")
	}
	return nil
}

// accountOf reads whose event it is; zero when it does not say, which is not unusual of an event that is skipped.
func (h *Handler) accountOf(ctx context.Context, stream string, revision uint64) (id.Account, error) {
	for record, err := range h.store.ReadStream(ctx, stream, revision) {
		if err != nil {
			return id.Account{}, fmt.Errorf("reading %s@%d: %w", stream, revision, err)
		}
		if record.Revision != revision {
			break
		}
		envelope, _ := events.DecodeEnvelope(record.Metadata) // what cannot be read names no account
		return envelope.Account, nil
	}
	return id.Account{}, ctx.Err()
}
