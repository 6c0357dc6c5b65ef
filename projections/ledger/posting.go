package ledger

import (
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"daybook/events"
	"daybook/projections"
	"daybook/readmodels/ledger"
)

// posting moves so much of an asset from one account to another. It has two ends and one amount: there is no way to write
// one that does not balance.
type posting struct {
	debit, credit string
	asset         string
	amount        int64 // not negative; 0 moves nothing
	effective     time.Time
}

func (p posting) reversed() posting {
	p.debit, p.credit = p.credit, p.debit
	return p
}

// equal tells whether two postings move the same at the same time. Nothing is nothing, wherever it does not go.
func (p posting) equal(o posting) bool {
	if p.amount == 0 && o.amount == 0 {
		return true
	}
	return p.debit == o.debit && p.credit == o.credit && p.asset == o.asset && p.amount == o.amount &&
		p.effective.Equal(o.effective)
}

// book is the two tables that are always written together.
type book struct {
	entries  *projections.AppendTable[ledger.Entry]
	balances *projections.SumTable[ledger.BalanceRow]
	// known is what the chart was found to allow, by account and asset: a few hundred pairs, asked for millions of times.
	known map[[2]string]bool
}

func (b *book) allowed(account, asset string) error {
	pair := [2]string{account, asset}
	if b.known[pair] {
		return nil
	}
	err := allowed(account, asset)
	if err == nil {
		b.known[pair] = true
	}
	return err
}

// page is where the entries of one event are written.
type page struct {
	*book

	next ledger.Entry // without account, asset, amount
}

func (b *book) open(at projections.At, d events.Delivered) *page {
	return &page{b, ledger.Entry{
		Stream:      at.Stream,
		Revision:    at.Revision,
		Position:    uint64(at.Position),
		AccountID:   at.Envelope.Account,
		RecordedAt:  at.Envelope.RecordedAt,
		MessageID:   d.MessageID,
		RecipientID: d.RecipientID,
	}}
}

// post writes two entries for each posting that moves something.
func (p *page) post(kind string, all ...posting) error {
	for _, one := range all {
		if one.amount == 0 {
			continue
		}
		if err := p.move(kind, one); err != nil {
			return fmt.Errorf("posting %d %s from %s to %s: %w", one.amount, one.asset, one.credit, one.debit, err)
		}
	}
	return nil
}

// replace takes back what was posted and posts what is so instead, unless that is the same.
func (p *page) replace(was posting, kind string, is posting) error {
	if was.equal(is) {
		return nil
	}
	if err := p.post(ledger.Reversal, was.reversed()); err != nil {
		return err
	}
	return p.post(kind, is)
}

func (p *page) move(kind string, m posting) error {
	switch {
	case m.amount < 0:
		return errors.New("the amount is negative")
	case p.next.AccountID.IsZero():
		return errors.New("the event belongs to no account")
	}
	for _, side := range [2]struct {
		account string
		amount  int64
	}{{m.debit, m.amount}, {m.credit, -m.amount}} {
		if err := p.allowed(side.account, m.asset); err != nil {
			return err
		}
		if err := p.enter(kind, side.account, m.asset, side.amount, m.effective); err != nil {
			return err
		}
	}
	return nil
}

func (p *page) enter(kind, account, asset string, amount int64, effective time.Time) error {
	e := &p.next
	e.Kind, e.LedgerAccount, e.Asset, e.Amount, e.EffectiveAt = kind, account, asset, amount, effective
	if err := p.entries.Add(*e); err != nil {
		return err
	}
	e.N++
	return p.balances.Add(ledger.BalanceRow{
		AccountID: e.AccountID, LedgerAccount: account, Asset: asset,
		Day: pgtype.Date{Time: effective.UTC(), Valid: true}, Amount: amount, Entries: 1,
	})
}
