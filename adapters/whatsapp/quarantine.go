package whatsapp

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"daybook/events"
	"daybook/events/id"
)

// parked is an item that has no place, and why.
type parked struct {
	*item

	id     id.Quarantine
	reason events.QuarantineReason
	detail string
	hash   events.WamidHash // what it waits for, when it waits for a message
}

// setAside parks an item. Its id is a keyed digest of the item alone, so that a repeat has the same one in any batch.
func (w *work) setAside(it *item, reason events.QuarantineReason, detail string, hash events.WamidHash) {
	quarantined := id.Derive[id.Quarantine]("quarantine", w.Vault.Digest("quarantine", it.canonical()))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.parked = append(w.parked, parked{it, quarantined, reason, detail, hash})
}

// parkedScope is a key of the item's own, so that it can be destroyed alone. The account that claims the number wraps
// it; while nobody does, the installation.
func (w *work) parkedScope(p *parked) events.KeyScope {
	return events.KeyScope{
		Account: w.owners[p.phoneNumberID], Subject: p.id.UUID, Class: events.ClassQuarantine, Year: w.receivedAt.Year(),
	}
}

// park keeps every item that has no place. Who is named in it is known before it is kept: an erasure in between
// finds an entry too many, never one too few.
func (w *work) park(ctx context.Context) error {
	if len(w.parked) == 0 {
		return nil
	}
	scopes := make([]events.KeyScope, len(w.parked))
	kept := make(map[id.Quarantine]*parked, len(w.parked))
	for i := range w.parked {
		p := &w.parked[i]
		scopes[i] = w.parkedScope(p)
		kept[p.id] = p
	}
	if err := w.fetchKeys(ctx, scopes); err != nil {
		return err
	}
	if err := w.index(ctx, kept); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelMax)
	for _, p := range kept {
		group.Go(func() error {
			if _, err := w.Recorder.Quarantine(ctx, w.meta, w.quarantined(p)); err != nil {
				return fmt.Errorf("keeping update %s: %w", p.id, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// index tells the vault who is named in what.
func (w *work) index(ctx context.Context, kept map[id.Quarantine]*parked) error {
	named := make(map[id.Key][]events.Person, len(kept))
	for _, p := range kept {
		if people := p.people(); len(people) > 0 {
			named[w.keys[w.parkedScope(p)].ID()] = people
		}
	}
	if len(named) == 0 {
		return nil
	}
	if err := w.Vault.IndexQuarantine(ctx, named); err != nil {
		return fmt.Errorf("indexing %d quarantined updates: %w", len(named), err)
	}
	return nil
}

// quarantined is the event of a parked item: what routes it in clear, all of it sealed.
func (w *work) quarantined(p *parked) events.UpdateQuarantined {
	return events.UpdateQuarantined{
		QuarantineID: p.id, Reason: p.reason, Detail: p.detail, Field: word(p.fieldName), Kind: p.kind(),
		WABAID: number(p.wabaID), PhoneNumberID: number(p.phoneNumberID), WamidHash: p.hash, ReceivedAt: w.receivedAt,
		Body: w.keys[w.parkedScope(p)].Seal(id.Of[id.Fact](p.id), "body", pack(p.delivery())),
	}
}

// plainMax is what is sealed as it is, in bytes. Sealed text is a third longer, and an event store takes no append over
// 1 MiB. The platform's messages are far smaller; a chunk of history may not be.
const plainMax = 512 << 10

// gzipMagic tells a packed body from a plain one, which is JSON.
const gzipMagic = "\x1f\x8b"

// pack makes a large body smaller.
func pack(body []byte) []byte {
	if len(body) <= plainMax {
		return body
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(body); err != nil || z.Close() != nil {
		return body // unreachable: a buffer takes everything
	}
	return packed.Bytes()
}

// unpack is the inverse of pack.
func unpack(body []byte) ([]byte, error) {
	if !bytes.HasPrefix(body, []byte(gzipMagic)) {
		return body, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z) // of our own packing: bounded by the size of a delivery
}
