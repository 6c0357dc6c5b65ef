package demo

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"time"
)

// The month, in the business's time zone.
const (
	timezone = "Europe/Rome"
	monthDay = "2006-01-02 15:04:05"
	days     = 30
)

// calendar holds the moments that the month turns on.
type calendar struct {
	zone     *time.Location
	begins   time.Time // the first midnight
	cards    time.Time // the rate cards that are in force come in: the first day goes without
	newCards time.Time // those of the change come in
	changes  time.Time // the midnight of the change
	ends     time.Time // the last midnight
}

func newCalendar() (calendar, error) {
	zone, err := time.LoadLocation(timezone)
	if err != nil {
		return calendar{}, err
	}
	begins := time.Date(2026, time.September, 16, 0, 0, 0, 0, zone)
	return calendar{
		zone: zone, begins: begins, cards: begins.AddDate(0, 0, 1).Add(8 * time.Hour),
		newCards: begins.AddDate(0, 0, 12).Add(8 * time.Hour),
		changes:  time.Date(2026, time.October, 1, 0, 0, 0, 0, zone), ends: begins.AddDate(0, 0, days),
	}, nil
}

// plan is the month as it will be played. The same seed gives the same one.
type plan struct {
	calendar

	random  *rand.Rand
	crowd   []person
	devices int
	acts    []act // in order of time, once it is made

	midnight  []*letter // over which the prices change
	contested *letter
}

// act is one thing that happens.
type act struct {
	at   time.Time
	play func(context.Context, *player) error
}

func makePlan(c calendar, devices, perDay int) *plan {
	p := &plan{
		calendar: c, crowd: crowd(60), devices: devices,
		random: rand.New(rand.NewPCG(1, 0)), //nolint:gosec // a demo wants the same numbers every time
	}
	for day := range days {
		opening := c.begins.AddDate(0, 0, day).Add(9 * time.Hour)
		for range perDay {
			p.occasion(opening.Add(time.Duration(p.random.IntN(9*60*60))*time.Second), day)
		}
	}
	p.firstDay()
	p.windowCloses()
	p.quarrel()
	p.overMidnight()
	slices.SortStableFunc(p.acts, func(a, b act) int { return cmp.Compare(a.at.Unix(), b.at.Unix()) })
	return p
}

// occasion plans one reason to write.
func (p *plan) occasion(at time.Time, day int) {
	customer := p.crowd[p.random.IntN(len(p.crowd))]
	write := func(category, text string, at time.Time) {
		fate := fates[p.random.IntN(len(fates))]
		if fate == phoneOff && (day == 0 || day == days-1) {
			fate = deliveredOnly // so that the first day and the month end tidily
		}
		l := &letter{to: customer, device: p.random.IntN(p.devices), category: category, text: text, at: at, silent: p.random.IntN(6) == 0}
		p.write(l.meet(fate, p.random))
	}
	switch kind := p.random.IntN(10); kind {
	case 0:
		write(marketing, "autumn_offer", at)
	case 1:
		write(authentication, "login_code", at)
	case 2, 3:
		write(utility, "invoice_ready", at)
	default:
		topic := p.random.IntN(len(questions))
		if kind == 5 && p.random.IntN(3) == 0 { // a stranger, whom nobody answers
			p.ask(question{from: invent(british, 70+p.random.IntN(20)), at: at, text: questions[topic]})
			return
		}
		p.ask(question{from: customer, at: at, text: questions[topic], ad: p.random.IntN(20) == 0})
		answerAt := at.Add(time.Duration(3+p.random.IntN(18)) * time.Minute)
		if kind == 4 {
			p.ask(question{from: customer, at: at.Add(2 * time.Minute), text: "Hello?"})
		}
		write(service, answers[topic], answerAt)
		if kind > 7 {
			write(utility, "order_update", answerAt.Add(time.Minute))
		}
	}
}

var (
	questions = []string{
		"When will my order arrive?", "Are you open on Sunday?", "The parcel is damaged, what can I do?",
		"Can I change the delivery address?", "Do you have it in blue?", "I never got an invoice.",
	}
	answers = []string{
		"It leaves today and arrives tomorrow morning.", "Yes, from nine to one.", "We are sorry. A new one is on its way.",
		"Done, the new address is on the label.", "Blue is back on Thursday.", "Here it is, in your mailbox.",
	}
)

// firstDay plans what waits for a price in any case, because no rate card is known yet.
func (p *plan) firstDay() {
	at := p.begins.Add(18 * time.Hour)
	for i, l := range []*letter{
		{category: marketing, text: "autumn_offer", to: invent(british, 60)},
		{category: authentication, text: "login_code", to: invent(italian, 61)},
		{category: utility, text: "invoice_ready", to: invent(brazilian, 62)},
		{category: utility, text: "invoice_ready", to: invent(jamaican, 63)},
	} {
		l.at = at.Add(time.Duration(i) * time.Minute)
		p.write(l.meet(readInTime, p.random))
	}
}

// windowCloses plans two messages around the last instant of a service window, of which the platform says nothing: one
// that is written in it and delivered after it, and one that is written a second later.
func (p *plan) windowCloses() {
	customer, asked := invent(british, 91), p.begins.AddDate(0, 0, 4).Add(10*time.Hour)
	p.ask(question{from: customer, at: asked, text: questions[0]})
	answer := &letter{to: customer, category: service, text: answers[0], at: asked.Add(10 * time.Minute)}
	p.write(answer.meet(readInTime, p.random))
	for i := range 2 {
		l := &letter{to: customer, category: utility, text: "order_update", silent: true, at: asked.Add(serviceWindow + time.Duration(i)*time.Second)}
		p.write(l.meet(phoneOff, p.random))
	}
}

// quarrel plans the message that a customer will complain of. "iPhone Mario" wrote it.
func (p *plan) quarrel() {
	customer := invent(italian, 64)
	at := p.changes.AddDate(0, 0, 5).Add(10*time.Hour + 30*time.Minute)
	p.ask(question{from: customer, at: at, text: "I was promised a refund. Where is it?"})
	p.contested = &letter{to: customer, category: utility, text: "refund_refused", at: at.Add(12*time.Minute + 7*time.Second)}
	p.write(p.contested.meet(readInTime, p.random))
}

// overMidnight plans five messages that were written before the midnight of the change. What each costs depends on when
// it was delivered, not on when it was written, nor on when that was told.
func (p *plan) overMidnight() {
	at := p.changes.Add(-10 * time.Minute)
	add := func(l *letter, tellings ...telling) {
		l.at, l.acceptedAt, l.tellings = at, at, tellings
		p.midnight = append(p.midnight, l)
		p.write(l)
	}
	sent := status{"sent", at.Add(time.Second)}
	delivered := func(after time.Duration) telling {
		return telling{p.changes.Add(after + time.Second), []status{sent, {"delivered", p.changes.Add(after)}}}
	}
	offer := func(n int) *letter {
		return &letter{to: invent(mexican, n), device: 1, category: marketing, text: "autumn_offer"}
	}
	add(offer(65), delivered(-time.Second))
	add(offer(66), delivered(0))
	// Read after midnight, and only then does the platform tell that it was delivered before.
	add(offer(67), telling{p.changes.Add(20 * time.Minute), []status{{"read", p.changes.Add(19 * time.Minute)}}},
		telling{p.changes.Add(30 * time.Minute), delivered(-2 * time.Minute).statuses})
	add(&letter{to: invent(kazakh, 68), device: 2, category: utility, text: "invoice_ready"}, delivered(10*time.Minute))
	asking := invent(italian, 69)
	p.ask(question{from: asking, at: at.Add(-time.Hour), text: questions[0]})
	add(&letter{to: asking, device: 3, category: utility, text: "order_update"}, delivered(10*time.Minute))
}

func (p *plan) ask(q question) {
	p.add(q.at.Add(2*time.Second), func(ctx context.Context, on *player) error { return on.ask(ctx, q) })
}

// write plans the writing of a letter and all that follows.
func (p *plan) write(l *letter) {
	p.add(l.at, func(ctx context.Context, on *player) error { return on.write(ctx, l) })
	p.add(l.acceptedAt, func(ctx context.Context, on *player) error { return on.accept(ctx, l) })
	for _, t := range l.tellings {
		p.add(t.at, func(ctx context.Context, on *player) error { return on.tell(ctx, l, t) })
	}
}

func (p *plan) add(at time.Time, play func(context.Context, *player) error) {
	p.acts = append(p.acts, act{at, play})
}
