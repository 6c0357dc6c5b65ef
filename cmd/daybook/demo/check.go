package demo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
)

// check holds the book against the player's own count and the recount. It names everything that is off.
func (p *player) check(ctx context.Context) error {
	fmt.Fprintln(p.Out, "Does it add up? A recount from the list of what was sent and the platform's price list says so:")
	return errors.Join(
		p.checkFacts(ctx),
		p.verdict("messages show their device, their last status and their price", p.checkMessages)(ctx),
		p.verdict("balances of the ledger equal the recount, to the millionth", p.checkAllBalances)(ctx),
		p.verdict("of them at the end of September", p.checkSeptember)(ctx),
		p.verdict("postings add up: by fact to zero, by account to its balance, by message to its price", p.checkPostings)(ctx),
		p.verdict("lines of figures equal the recount", p.checkFigures)(ctx),
	)
}

// verdict prints how many things were checked, and whether they were right.
func (p *player) verdict(what string, check func(context.Context) (int, error)) func(context.Context) error {
	return func(ctx context.Context) error {
		n, err := check(ctx)
		word := "ok"
		if err != nil {
			word = "WRONG"
		}
		fmt.Fprintf(p.Out, "  %d %s: %s\n", n, what, word)
		return err
	}
}

// checkFacts counts the events of the audit trail.
func (p *player) checkFacts(ctx context.Context) error {
	booked, err := p.booked(ctx)
	if err != nil {
		return err
	}
	var wrong []error
	w := tabwriter.NewWriter(p.Out, 0, 0, 2, ' ', 0)
	for _, fact := range slices.Sorted(maps.Keys(p.tally.facts)) {
		verdict := "ok"
		if booked[fact] != p.tally.facts[fact] {
			verdict = "WRONG"
			wrong = append(wrong, fmt.Errorf("%s: played %d, booked %d", fact, p.tally.facts[fact], booked[fact]))
		}
		fmt.Fprintf(w, "  %s\tplayed %d\tbooked %d\t%s\n", fact, p.tally.facts[fact], booked[fact], verdict)
	}
	return errors.Join(append(wrong, w.Flush())...)
}

// checkMessages looks at every message as its owner sees it.
func (p *player) checkMessages(ctx context.Context) (int, error) {
	priced, err := recount(p.Cards, p.tally.letters, p.zone)
	if err != nil {
		return 0, err
	}
	var wrong []error
	for _, l := range p.tally.letters {
		info, err := p.API.MessageInfo(ctx, l.id, client.WaitFor(p.last))
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		if info.Device == nil || info.Device.NameAtSend != l.deviceName || info.Status != l.ends() {
			wrong = append(wrong, fmt.Errorf("message %s: %+v %s, but %s wrote it and it was %s", l.id, info.Device, info.Status, l.deviceName, l.ends()))
		}
		if c, delivered := priced[l]; delivered {
			wrong = append(wrong, checkCharge(info, c))
		} else if len(info.Cost) > 0 || info.Unpriced > 0 {
			wrong = append(wrong, fmt.Errorf("message %s was not delivered and costs %v", l.id, info.Cost))
		}
	}
	return len(p.tally.letters), errors.Join(wrong...)
}

func checkCharge(info api.MessageInfo, c costs) error {
	charge, err := chargeOf(info)
	if err != nil {
		return err
	}
	if *charge.Micros != c.micros || charge.Basis != c.basis || charge.Market != c.market {
		return fmt.Errorf("message %s: recounted %d %s %s, booked %d %s %s",
			info.ID, c.micros, c.basis, c.market, *charge.Micros, charge.Basis, charge.Market)
	}
	return nil
}

func (p *player) checkAllBalances(ctx context.Context) (int, error) {
	return p.checkBalances(ctx, nil, true)
}

func (p *player) checkSeptember(ctx context.Context) (int, error) {
	return p.checkBalances(ctx, &p.changes, true)
}

func (p *player) checkFigures(ctx context.Context) (int, error) {
	booked, err := p.figures(ctx)
	return len(booked), errors.Join(err, differences(countFigures(p.tally, p.changes), booked, row.String))
}

// booked counts the facts in the audit trail, by type.
func (p *player) booked(ctx context.Context) (map[string]int, error) {
	counts := map[string]int{}
	filter := client.AuditFilter{Limit: 1000}
	for {
		page, err := p.API.AuditEntries(ctx, filter)
		if err != nil {
			return nil, fmt.Errorf("reading the audit trail: %w", err)
		}
		for _, e := range page.Entries {
			counts[e.Type]++
		}
		if page.Next == nil {
			return counts, nil
		}
		filter.After = *page.Next
	}
}

// settleTime bounds how long the book may take to be complete after the last request.
const settleTime = 30 * time.Second

// settle waits until what came too early has been driven again, everything is rated, and every projection has read
// everything.
func (p *player) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		state, err := p.API.Projections(ctx)
		if err != nil {
			return fmt.Errorf("reading the projections: %w", err)
		}
		waiting, err := p.API.Quarantine(ctx, client.QuarantineFilter{Open: true, Limit: 1000}, client.WaitFor(state.Head))
		if err != nil {
			return fmt.Errorf("reading the quarantine: %w", err)
		}
		open := len(waiting.Entries)
		if wanted := p.tally.facts["UpdateQuarantined"] - p.tally.facts["UpdateRedriven"]; open == wanted && behind(state) == 0 {
			p.last = state.Head
			_, err = p.balances(ctx, nil) // rating was waited for, too
			return err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("after %s, %d updates are open in quarantine and %d projections behind", settleTime, open, behind(state))
		}
	}
}

func behind(state api.Projections) (n int) {
	for _, projection := range state.Projections {
		if projection.Position < state.Head {
			n++
		}
	}
	return n
}
