package commands

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"daybook/domain"
	"daybook/domain/campaign"
	"daybook/domain/conversation"
	"daybook/domain/pricing"
	"daybook/domain/template"
	"daybook/events"
	"daybook/events/id"
)

// copiesAtOnce is how many of a campaign's messages are written at a time.
const copiesAtOnce = 64

// Copies seals the copies of a campaign.
type Copies interface {
	// Seal opens whom copies are for and what they are called, fills the places of the template, and seals both for the
	// messages. It returns one for each, in their order.
	Seal(ctx context.Context, owner id.Account, parameters []events.CampaignParameter, copies []Copy) ([]SealedCopy, error)
}

// Copy is a campaign's message to one recipient.
type Copy struct {
	Message   id.Message
	Recipient events.Recipient
}

// SealedCopy is the sealed part of a copy, which belongs to the fact that has the message's id, or why there is none.
type SealedCopy struct {
	To      events.Sealed
	Content events.Sealed
	Skipped events.SkipReason
}

// AdvanceCampaign does what a campaign has to do now: it starts it, holds money for the next recipients of a chunk and
// writes to them, or ends it. Turn is the one that has come, see campaign.TurnAfter; empty when something else happened.
//
// It may end anywhere, and be asked for again: money that is held is remembered, messages have the ids of campaign and
// customer, and what became of recipients is noted before the money that was held for them is. So nobody is written to
// twice, and nobody is forgotten.
func (h *Handler) AdvanceCampaign(ctx context.Context, meta Meta, which id.Campaign, turn string, copies Copies) error {
	if _, err := h.byItself(ctx, meta, "StartCampaign", which, func(s campaign.State, now time.Time) ([]events.Event, error) {
		return s.Start(now)
	}); err != nil {
		return err
	}
	s, err := h.Campaign(ctx, which)
	if err != nil || !s.Exists() {
		return err
	}
	run := &campaignRun{h, meta, which, copies, s}
	switch task, chunk, from, to := s.Next(h.now()); task {
	case campaign.Finish:
		_, err = h.byItself(ctx, meta, "FinishCampaign", which, func(s campaign.State, now time.Time) ([]events.Event, error) {
			return s.Finish(now)
		})
	case campaign.Write:
		err = run.write(ctx, chunk, from, to)
	case campaign.Reserve:
		if s.Goes(turn) {
			err = run.reserve(ctx, chunk, from, to)
		}
	case campaign.Nothing:
	}
	return err
}

// campaignRun is a campaign while it goes on.
type campaignRun struct {
	*Handler

	meta   Meta
	which  id.Campaign
	copies Copies
	state  campaign.State
}

// reserve holds money for the next recipients of a chunk, and writes to them.
func (r *campaignRun) reserve(ctx context.Context, chunk, from, to int) error {
	_, terms, err := r.sending(ctx, r.state.Account(), r.state.Drafted().PhoneNumberID)
	if refused(err) {
		return r.pause(ctx, events.PausedByPlatform)
	}
	if err != nil {
		return err
	}
	if stopped, err := r.templateStopped(ctx); err != nil || stopped {
		return err
	}
	recipients, _, err := r.recipients(ctx, chunk, from, to)
	if err != nil {
		return err
	}
	book, err := r.Book(ctx, terms.Currency)
	if err != nil {
		return err
	}
	prices := r.prices(book, terms, recipients)
	if _, err = r.byItself(ctx, r.meta, "ReserveBudget", r.which, func(s campaign.State, now time.Time) ([]events.Event, error) {
		return s.Reserve(chunk, from, prices, now)
	}); err != nil {
		return err
	}
	if r.state, err = r.Campaign(ctx, r.which); err != nil {
		return err
	}
	if task, chunk, from, to := r.state.Next(r.now()); task == campaign.Write {
		return r.write(ctx, chunk, from, to)
	}
	return nil
}

// prices is what messages to recipients can cost at most: written today, they may be delivered as long as they live.
func (r *campaignRun) prices(book *pricing.Book, terms pricing.Terms, recipients []events.Recipient) []campaign.Price {
	category, now := r.state.Drafted().Category, r.now()
	today, last := terms.Day(now), terms.Day(now.Add(category.Life()))
	byMarket := map[string]campaign.Price{}
	prices := make([]campaign.Price, len(recipients))
	for i, recipient := range recipients {
		market, found := book.Market(recipient.Dialling, today)
		if !found {
			continue
		}
		price, known := byMarket[market.Name]
		if !known {
			var rate pricing.Rate
			rate, price.Known = book.Highest(market.Name, category, today, last)
			price.Market, price.Micros = market.Name, rate.Micros
			byMarket[market.Name] = price
		}
		prices[i] = price
	}
	return prices
}

// recipients reads those of a chunk from one on up to another, and what became of them, if that is noted.
func (r *campaignRun) recipients(ctx context.Context, chunk, from, to int) (recipients []events.Recipient, outcomes []events.RecipientOutcome, err error) {
	stream := campaign.ChunkStream(r.which, chunk)
	err = r.chunks.look(ctx, stream, func(c campaign.Chunk, _ uint64) error {
		taken := c.Recipients(r.state.Audience().AudienceID)
		if len(taken) < to {
			return fmt.Errorf("%s has %d recipients, not %d", stream, len(taken), to)
		}
		recipients = taken[from:to]
		outcomes, _ = c.Outcomes(from, to)
		return nil
	})
	return recipients, outcomes, err
}

// write writes to those that money is held for, notes what became of them, and ends the reservation.
func (r *campaignRun) write(ctx context.Context, chunk, from, to int) error {
	recipients, outcomes, err := r.recipients(ctx, chunk, from, to)
	if err != nil {
		return err
	}
	if outcomes == nil {
		if outcomes, err = r.writeTo(ctx, chunk, recipients); err == nil {
			outcomes, err = r.note(ctx, chunk, from, outcomes)
		}
		if refused(err) {
			return r.pause(ctx, events.PausedByPlatform)
		}
		if err != nil {
			return err
		}
	}
	skipped := make([]events.SkipReason, len(outcomes))
	for i, outcome := range outcomes {
		skipped[i] = outcome.Skipped
	}
	_, err = r.byItself(ctx, r.meta, "UseReservation", r.which, func(s campaign.State, _ time.Time) ([]events.Event, error) {
		return s.Use(chunk, from, skipped)
	})
	return err
}

// note records what became of recipients, and returns what is recorded: another's word, if it came first.
func (r *campaignRun) note(ctx context.Context, chunk, from int, outcomes []events.RecipientOutcome) (noted []events.RecipientOutcome, err error) {
	request := newRequest(r.meta, r.state.Account(), "NoteRecipients", nil)
	written := events.RecipientsWritten{CampaignID: r.which, Chunk: chunk, From: from, Outcomes: outcomes}
	if _, err = r.chunks.execute(ctx, campaign.ChunkStream(r.which, chunk), request, func(c campaign.Chunk, _ time.Time) ([]events.Event, error) {
		return c.Write(written)
	}); err != nil {
		return nil, err
	}
	_, noted, err = r.recipients(ctx, chunk, from, from+len(outcomes))
	return noted, err
}

// writeTo writes to recipients, some at a time.
func (r *campaignRun) writeTo(ctx context.Context, chunk int, recipients []events.Recipient) ([]events.RecipientOutcome, error) {
	held, outcomes := r.state.Held(), make([]events.RecipientOutcome, len(recipients))
	for first := 0; first < len(recipients); first += copiesAtOnce {
		last := min(first+copiesAtOnce, len(recipients))
		sealed, err := r.seal(ctx, recipients[first:last])
		if err != nil {
			return nil, err
		}
		group, ctx := errgroup.WithContext(ctx)
		for i := first; i < last; i++ {
			group.Go(func() (err error) {
				ref := events.CampaignRef{CampaignID: r.which, Chunk: chunk, Reserved: held[i].Micros}
				if outcomes[i], err = r.writeOne(ctx, ref, held[i], recipients[i], sealed[i-first]); err != nil {
					err = fmt.Errorf("writing to %s: %w", recipients[i].CustomerID, err)
				}
				return err
			})
		}
		if err = group.Wait(); err != nil {
			return nil, err
		}
	}
	return outcomes, nil
}

// seal seals the copies of recipients. A campaign that has ended needs none.
func (r *campaignRun) seal(ctx context.Context, recipients []events.Recipient) ([]SealedCopy, error) {
	if !r.state.Writes(r.now()) {
		ended := make([]SealedCopy, len(recipients))
		for i := range ended {
			ended[i].Skipped = events.SkipEnded
		}
		return ended, nil
	}
	drafted, copies := r.state.Drafted(), make([]Copy, len(recipients))
	for i, recipient := range recipients {
		copies[i] = Copy{campaign.MessageID(r.which, recipient.CustomerID), recipient}
	}
	return r.copies.Seal(ctx, drafted.AccountID, drafted.Parameters, copies)
}

// writeOne writes to one recipient, or finds why not. Who was written to before, and would not be now, was.
func (r *campaignRun) writeOne(
	ctx context.Context, ref events.CampaignRef, held campaign.Price, to events.Recipient, sealed SealedCopy,
) (events.RecipientOutcome, error) {
	message := campaign.MessageID(r.which, to.CustomerID)
	skipped := sealed.Skipped
	if skipped == "" && !held.Known {
		skipped = events.SkipNoRate
	}
	if skipped == "" {
		err := r.send(ctx, ref, message, to, sealed)
		if skipped = skipReasons[domain.CodeOf(err)]; skipped == "" {
			return events.RecipientOutcome{MessageID: &message}, err
		}
		return events.RecipientOutcome{Skipped: skipped}, nil
	}
	if written, err := r.written(ctx, to.CustomerID); err != nil || written {
		return events.RecipientOutcome{MessageID: &message}, err
	}
	return events.RecipientOutcome{Skipped: skipped}, nil
}

// skipReasons are why a conversation refuses a copy, by the code of the rejection.
var skipReasons = map[string]events.SkipReason{
	"ConsentMissing": events.SkipNoOptIn, "OptedOut": events.SkipOptedOut, "Blocked": events.SkipBlocked,
	"VolumeLimited": events.SkipVolume, "TemplateNotSendable": events.SkipUnsendable, "CategoryMismatch": events.SkipUnsendable,
}

func (r *campaignRun) send(ctx context.Context, ref events.CampaignRef, message id.Message, to events.Recipient, sealed SealedCopy) error {
	drafted, scheduled := r.state.Drafted(), r.state.Scheduled()
	locale := campaign.Language(drafted, to.Locale)
	_, err := r.SendUnattended(ctx, r.meta, conversation.Send{
		Account: drafted.AccountID, PhoneNumberID: drafted.PhoneNumberID, CustomerID: to.CustomerID, MessageID: message,
		DeviceID: scheduled.DeviceID, Kind: "template", Category: drafted.Category,
		Template: &events.Template{Name: drafted.Template, Language: locale}, Locale: locale, Campaign: &ref,
		Notice: drafted.Category == events.Marketing, Dialling: to.Dialling, To: sealed.To, Content: sealed.Content,
	}, conversation.Sender{DeviceID: scheduled.DeviceID, Name: scheduled.DeviceName, RegistryRevision: scheduled.RegistryRevision})
	return err
}

// written tells whether the campaign has written to a customer.
func (r *campaignRun) written(ctx context.Context, to id.Customer) (written bool, err error) {
	stream := conversation.Stream(conversation.IDOf(r.state.Drafted().PhoneNumberID, to))
	err = r.conversations.look(ctx, stream, func(s conversation.State, _ uint64) error {
		written = s.WrittenBy(r.which)
		return nil
	})
	return written, err
}

// templateStopped pauses the campaign when its template cannot be sent in the default language, or is of another category.
func (r *campaignRun) templateStopped(ctx context.Context) (stopped bool, err error) {
	drafted := r.state.Drafted()
	known := template.IDOf(drafted.AccountID, template.Name{Name: drafted.Template, Language: drafted.DefaultLocale})
	var stop error
	err = r.templates.look(ctx, template.Stream(known), func(s template.State, _ uint64) error {
		if s.Known() {
			_, stop = s.Use(drafted.Category, r.now())
		}
		return nil
	})
	if err != nil || stop == nil {
		return false, err
	}
	return true, r.pause(ctx, events.PausedByTemplate)
}

// refused tells whether nothing can be written at all: the account may not send, or no longer has the number.
func refused(err error) bool { return domain.CodeOf(err) != "" }

func (r *campaignRun) pause(ctx context.Context, reason events.PauseReason) error {
	_, err := r.byItself(ctx, r.meta, "PauseCampaign", r.which, func(s campaign.State, _ time.Time) ([]events.Event, error) {
		if s.Phase() != campaign.Running {
			return nil, nil
		}
		return s.Pause(reason)
	})
	return err
}
