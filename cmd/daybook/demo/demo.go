package demo

import (
	"context"
	"fmt"
)

// Load sets the business up and plays the month.
func Load(ctx context.Context, stage Stage) error {
	p, err := newPlayer(stage)
	if err != nil {
		return err
	}
	return p.month(ctx)
}

// Play is the whole demonstration: the business, the month, the sample deliveries, the contested message, what it all
// cost, and the check that it adds up. The error says what does not.
func Play(ctx context.Context, stage Stage, samples [][]byte) error {
	p, err := newPlayer(stage)
	if err != nil {
		return err
	}
	fmt.Fprintln(p.Out, "A firm with named devices, and its messages from 16 September to 15 October 2026.")
	fmt.Fprintln(p.Out, "It is always this month: on 1 October the platform changed its rates, and what it charges for.")
	if err := p.month(ctx); err != nil {
		return err
	}
	fmt.Fprintf(p.Out, "  %d deliveries posted, %d messages written\n\n", p.tally.posted, len(p.tally.letters))
	fmt.Fprintf(p.Out, "%d deliveries of every shape the platform sends, each posted twice\n", len(samples))
	if err := p.playSamples(ctx, samples); err != nil {
		return err
	}
	if err := p.settle(ctx); err != nil {
		return err
	}
	for _, show := range []func(context.Context) error{p.showContested, p.showMidnight, p.showBalances, p.showFigures} {
		if err := show(ctx); err != nil {
			return err
		}
		fmt.Fprintln(p.Out)
	}
	return p.check(ctx)
}

// month plays the thirty days. The contested message is one that "iPhone Mario" wrote; the device has another name since.
func (p *player) month(ctx context.Context) error {
	defer p.Clock.run()
	p.Clock.advance(p.begins)
	if err := p.setUp(ctx); err != nil {
		return err
	}
	if err := p.playUntil(ctx, p.cards); err != nil {
		return err
	}
	if err := p.bringCards(ctx); err != nil {
		return err
	}
	if err := p.playUntil(ctx, p.newCards); err != nil {
		return err
	}
	if err := p.announceCards(ctx); err != nil {
		return err
	}
	if err := p.playUntil(ctx, p.ends); err != nil {
		return err
	}
	return p.rename(ctx)
}

// rename is the last act: it tells a business that was loaded whole from one that was not.
func (p *player) rename(ctx context.Context) error {
	mario := &p.business.devices[0]
	if _, err := p.API.RenameDevice(ctx, p.business.account, mario.id, "iPhone Banco"); err != nil {
		return fmt.Errorf("renaming a device: %w", err)
	}
	mario.name = "iPhone Banco"
	p.count("DeviceRenamed")
	return nil
}
