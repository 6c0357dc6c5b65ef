package demo

import (
	"context"
	"fmt"
	"time"
)

// Load sets the business up and plays a week up to yesterday evening.
func Load(ctx context.Context, stage Stage) error {
	p := newPlayer(stage)
	_, err := p.week(ctx)
	return err
}

// Play is the whole demonstration: the business, the week, the sample deliveries, the contested message, and the check
// that it all adds up. The error says what does not.
func Play(ctx context.Context, stage Stage, samples [][]byte) error {
	p := newPlayer(stage)
	fmt.Fprintln(p.Out, "A firm with named devices, and a week of messages")
	contested, err := p.week(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.Out, "  %d deliveries posted, %d messages written\n\n", p.tally.posted, len(p.tally.sent))

	fmt.Fprintf(p.Out, "%d deliveries of every shape the platform sends, each posted twice\n", len(samples))
	if err := p.playSamples(ctx, samples); err != nil {
		return err
	}
	if err := p.showContested(ctx, contested); err != nil {
		return err
	}
	return p.check(ctx)
}

// week plays seven days. The contested message is one that "iPhone Mario" wrote; the device has another name since.
func (p *player) week(ctx context.Context) (contested sentMessage, err error) {
	zone, err := time.LoadLocation(timezone)
	if err != nil {
		return contested, err
	}
	defer p.Clock.run()
	today := time.Now().In(zone)
	start := time.Date(today.Year(), today.Month(), today.Day()-7, 0, 0, 0, 0, zone)
	p.Clock.advance(start)
	if err := p.setUp(ctx); err != nil {
		return contested, err
	}
	episodes := week(seed, start, people(60), len(p.business.devices), p.PerDay)
	middle := len(episodes) / 2
	quarrel := &episodes[middle]
	quarrel.device, quarrel.fate, quarrel.template = 0, readInTime, false
	quarrel.question, quarrel.answer = "I was promised a refund. Where is it?", "There is no refund. Do not write again."
	for i, e := range episodes {
		sent, err := p.play(ctx, e)
		if err != nil {
			return contested, fmt.Errorf("exchange %d of %d: %w", i+1, len(episodes), err)
		}
		if i == middle {
			contested = sent
		}
		p.Progress(i+1, len(episodes))
	}
	mario := &p.business.devices[0]
	if _, err := p.API.RenameDevice(ctx, p.business.account, mario.id, "iPhone Banco"); err != nil {
		return contested, fmt.Errorf("renaming a device: %w", err)
	}
	mario.name = "iPhone Banco"
	p.count("DeviceRenamed")
	return contested, nil
}
