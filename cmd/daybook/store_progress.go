package main

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"daybook/cmd/daybook/storecopy"
)

// progress shows how far a copy is: as a bar on a terminal, and elsewhere as a line now and then.
type progress struct {
	out      io.Writer
	now      func() time.Time
	terminal bool

	bar     *progressbar.ProgressBar
	phase   storecopy.Phase
	began   time.Time // the phase
	offset  storecopy.Progress
	last    storecopy.Progress
	printed time.Time
}

// How often a line comes, and how often the bar is drawn.
const (
	printEvery = 5 * time.Second
	drawEvery  = 100 * time.Millisecond
)

func newProgress(out io.Writer, now func() time.Time) *progress {
	return &progress{out: out, now: now, terminal: isTerminal(out)}
}

// show is called for every event, so it does little for most.
func (p *progress) show(at storecopy.Progress) {
	if at.Phase != p.phase {
		p.end()
		p.begin(at)
	}
	p.last = at
	now := p.now()
	switch since := now.Sub(p.printed); {
	case p.terminal && since >= drawEvery:
		p.printed = now
		p.draw()
	case !p.terminal && since >= printEvery:
		p.printed = now
		fmt.Fprintln(p.out, p.line(now))
	}
}

func (p *progress) draw() {
	p.bar.Describe(fmt.Sprintf("%s, %d events", p.phase, p.last.Events))
	_ = p.bar.Set64(int64(p.last.At - p.offset.At)) // it is only shown
}

// begin begins a phase. A copy that goes on does not begin at the beginning of the log. Positions are near enough to bytes.
func (p *progress) begin(at storecopy.Progress) {
	p.phase, p.began, p.printed, p.offset = at.Phase, p.now(), p.now(), at
	if p.terminal {
		p.bar = progressbar.NewOptions64(max(int64(at.Of-at.At), 1), progressbar.OptionSetWriter(p.out), progressbar.OptionShowBytes(true),
			progressbar.OptionSetPredictTime(true), progressbar.OptionSetWidth(30))
	}
}

// end ends a phase, if there is one.
func (p *progress) end() {
	switch {
	case p.phase == "":
		return
	case p.terminal:
		p.draw()
		fmt.Fprintln(p.out)
	default:
		fmt.Fprintln(p.out, p.line(p.now()))
	}
	p.phase = ""
}

// line is how far the phase is, how fast, and how much time it needs at that pace.
func (p *progress) line(now time.Time) string {
	at, took := p.last, now.Sub(p.began)
	text := fmt.Sprintf("%s: %d events, %d %% of the log", at.Phase, at.Events, 100*at.At/max(at.Of, 1))
	if took < time.Second {
		return text
	}
	text += fmt.Sprintf(", %.0f events/s", float64(at.Events-p.offset.Events)/took.Seconds())
	if done := at.At - p.offset.At; done > 0 && at.At < at.Of {
		left := time.Duration(float64(took) * float64(at.Of-at.At) / float64(done))
		text += fmt.Sprintf(", %s left", left.Round(time.Second))
	}
	return text
}
