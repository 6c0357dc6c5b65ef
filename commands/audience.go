package commands

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"time"

	"daybook/domain/campaign"
	"daybook/events"
	"daybook/events/id"
)

// Audience is whom a campaign is for.
type Audience struct {
	Segment    string                             // how it was chosen: the query in canonical JSON, or "list"
	Recipients iter.Seq2[events.Recipient, error] `json:"-"` // in order of their ids, nobody twice
}

// TakeAudience writes down whom a campaign is for, as it is now, chunk by chunk. Should it end before the last, nothing has
// changed: an audience counts once it is set, and chunks of another are of no use to anybody.
func (h *Handler) TakeAudience(ctx context.Context, meta Meta, owner id.Account, which id.Campaign, a Audience) (events.Position, error) {
	r := newRequest(meta, owner, "TakeAudience", []string{which.String(), a.Segment})
	set := events.AudienceSet{AudienceID: id.New[id.Audience](), Segment: a.Segment, Recipients: 1}
	decide := func(s campaign.State, now time.Time) ([]events.Event, error) {
		set.TakenAt = now
		return s.SetAudience(set)
	}
	if err := h.rehearseCampaign(ctx, r, which, decide); err != nil {
		return events.Start, err
	}
	set.Recipients = 0
	var digests []string
	for chunk, err := range chunks(a.Recipients) {
		if err != nil {
			return events.Start, err
		}
		taken := events.AudienceTaken{CampaignID: which, AudienceID: set.AudienceID, Chunk: set.Chunks, Recipients: chunk}
		if err = h.take(ctx, r, taken); err != nil {
			return events.Start, err
		}
		digests = append(digests, campaign.Digest(chunk))
		set.Chunks, set.Recipients = set.Chunks+1, set.Recipients+len(chunk)
		if set.Recipients > campaign.MaxRecipients {
			break // it is refused
		}
	}
	set.SHA256 = campaign.DigestOf(digests)
	return h.onCampaign(ctx, r, which, decide)
}

func (h *Handler) take(ctx context.Context, r request, taken events.AudienceTaken) error {
	_, err := h.chunks.execute(ctx, campaign.ChunkStream(taken.CampaignID, taken.Chunk), r.step(),
		func(c campaign.Chunk, _ time.Time) ([]events.Event, error) { return c.Take(taken) })
	return err
}

// chunks divides recipients, and ends at one that is out of order: who is in an audience twice would be counted twice.
func chunks(recipients iter.Seq2[events.Recipient, error]) iter.Seq2[[]events.Recipient, error] {
	return func(yield func([]events.Recipient, error) bool) {
		var chunk []events.Recipient
		var last id.Customer
		for r, err := range recipients {
			if err == nil && bytes.Compare(r.CustomerID.UUID[:], last.UUID[:]) <= 0 {
				err = fmt.Errorf("the audience has %s after %s", r.CustomerID, last)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			chunk, last = append(chunk, r), r.CustomerID
			if len(chunk) == campaign.ChunkSize {
				if !yield(chunk, nil) {
					return
				}
				chunk = nil
			}
		}
		if len(chunk) > 0 {
			yield(chunk, nil)
		}
	}
}
