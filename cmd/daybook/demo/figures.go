package demo

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"daybook/adapters/web/client"
)

// figures reads how many messages were written in each half of the month, and what became of them.
func (p *player) figures(ctx context.Context) (map[row]figure, error) {
	read, err := p.API.MessageAnalytics(ctx, client.AnalyticsFilter{
		Account: p.business.account, From: p.begins, To: p.ends, Bucket: "day", By: []string{"category"},
	}, client.WaitFor(p.last))
	if err != nil {
		return nil, fmt.Errorf("reading the figures: %w", err)
	}
	figures := map[row]figure{}
	for _, r := range read.Figures {
		at := row{r.Category, !r.Start.Before(p.changes)}
		figures[at] = figures[at].plus(figure{
			received: r.Received, sent: r.Sent, delivered: r.Delivered, read: r.Read, failed: r.Failed,
			answers: r.Answers, waited: time.Duration(r.AnswerSeconds) * time.Second,
		})
	}
	return figures, nil
}

// showFigures prints them.
func (p *player) showFigures(ctx context.Context) error {
	figures, err := p.figures(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(p.Out, "What was written in each half of the month, and what became of it")
	w := tabwriter.NewWriter(p.Out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "%-16s\twritten\tsent\tdelivered\tread\tfailed\tanswers\tmean time to answer\t\n", "")
	for _, category := range []string{authentication, marketing, service, utility} {
		for _, changed := range []bool{false, true} {
			f, half := figures[row{category, changed}], "to 30 Sep"
			if changed {
				half = "from 1 Oct"
			}
			mean := "·"
			if f.answers > 0 {
				mean = (f.waited / time.Duration(f.answers)).Round(time.Second).String()
			}
			fmt.Fprintf(w, "%-16s\t%s\t%d\t%d\t%d\t%d\t%s\t%s\t\n", category, half, f.sent, f.delivered, f.read, f.failed, cell(f.answers, count), mean)
		}
	}
	return w.Flush()
}
