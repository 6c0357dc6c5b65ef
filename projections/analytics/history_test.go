package analytics_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
	"daybook/projections/analytics"
	"daybook/projections/projectiontest"
	figures "daybook/readmodels/analytics"
)

// Whatever happens in a conversation, and in whatever order and however often the platform tells it, the figures are
// those that counting by hand gives.
func TestFiguresEqualACountByHand(t *testing.T) {
	t.Parallel()
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		if runs++; runs > 8 { // each has a store and a database of its own
			return
		}
		h := begin()
		for range rapid.IntRange(1, 300).Draw(rt, "steps") {
			h.step(rt)
		}
		s := projectiontest.For(t, analytics.Define).Given("account-"+account.String(), registered("Asia/Kolkata"))
		s.Given(conversation.Stream(party.Conversation), h.recorded...).Settle()
		rows, err := figures.Messages(t.Context(), s.Pool(), s.Schema(), figures.Filter{
			Account: account, Bucket: figures.ByHour, By: []string{figures.ByMarket, figures.ByDevice, figures.ByCategory},
		})
		require.NoError(t, err)
		got := map[part]figures.Figures{}
		for _, row := range rows {
			got[part{row.Start.UTC(), row.DeviceID, row.Category, row.Market}] = row.Figures
		}
		require.Equal(rt, h.count(), got)
	})
}

var party = conversation.Party{
	Conversation: conversation.IDOf("900555", anna), Account: account, PhoneNumberID: "900555", Customer: anna,
}

// history is what happened between the business and Anna: for the conversation, and as anybody would note it.
type history struct {
	state    conversation.State
	now      time.Time
	recorded []events.Event

	letters []note
	told    map[step]bool
	asked   []time.Time
	waiting *time.Time
}

type note struct {
	message id.Message
	part    part
	waited  *time.Duration // what it answers
}

// part is a bucket with all its dimensions.
type part struct {
	start    time.Time
	device   id.Device
	category string
	market   string
}

type step struct {
	letter    int
	recipient id.Customer
	status    events.Status
}

func begin() *history {
	h := &history{now: written, told: map[step]bool{}}
	h.record([]events.Event{events.CustomerOptedIn{ConsentFact: events.ConsentFact{
		ConversationID: party.Conversation, CustomerID: anna, Category: events.Marketing, Source: events.SourceForm, At: written,
	}}})
	return h
}

func (h *history) step(t *rapid.T) {
	h.now = h.now.Add(time.Duration(rapid.IntRange(1, 2400).Draw(t, "seconds")) * time.Second)
	switch what := rapid.IntRange(0, 9).Draw(t, "what"); {
	case what == 0:
		h.ask()
	case what <= 2 || len(h.letters) == 0:
		h.write(t)
	default:
		h.tell(t)
	}
}

func (h *history) record(decided []events.Event) {
	for _, e := range decided {
		h.state = conversation.Evolve(h.state, e)
	}
	h.recorded = append(h.recorded, decided...)
}

func (h *history) ask() {
	n := strconv.Itoa(len(h.recorded))
	decided, _ := h.state.Record(party, []conversation.Update{conversation.Inbound{
		MessageID: id.Derive[id.Message]("in", n), WamidHash: events.WamidHash("w1:in" + n), Kind: "text", SentAt: h.now,
	}}, h.now)
	h.record(decided)
	h.asked = append(h.asked, h.now)
	if h.waiting == nil {
		h.waiting = new(h.now)
	}
}

func (h *history) write(t *rapid.T) {
	device := rapid.SampledFrom([]id.Device{phone, tablet}).Draw(t, "device")
	category := rapid.SampledFrom([]events.Category{events.Marketing, events.Utility}).Draw(t, "category")
	market := rapid.SampledFrom([]string{"Italy", "Rest of Africa", ""}).Draw(t, "market")
	message := id.Derive[id.Message]("out", strconv.Itoa(len(h.letters)))
	decided, err := h.state.Send(conversation.Send{
		Account: account, PhoneNumberID: party.PhoneNumberID, CustomerID: anna, MessageID: message, DeviceID: device,
		Kind: "template", Category: category, Template: &events.Template{Name: "offer", Language: "it"},
		To: "sealed to", Content: "sealed content",
	}, conversation.Sender{DeviceID: device, Name: "a device", Market: market}, h.now)
	require.NoError(t, err)
	h.record(decided)
	written := note{message: message, part: part{hourOf(h.now), device, string(category), market}}
	if h.waiting != nil {
		written.waited, h.waiting = new(h.now.Sub(*h.waiting)), nil
	}
	h.letters = append(h.letters, written)
}

// tell is one delivery of the platform's: several statuses, of times in any order, perhaps told before.
func (h *history) tell(t *rapid.T) {
	var updates []conversation.Update
	for range rapid.IntRange(1, 8).Draw(t, "updates") {
		s := step{
			rapid.IntRange(0, len(h.letters)-1).Draw(t, "letter"),
			rapid.SampledFrom([]id.Customer{anna, bruno}).Draw(t, "recipient"),
			rapid.SampledFrom([]events.Status{
				events.StatusSent, events.StatusDelivered, events.StatusRead, events.StatusPlayed, events.StatusFailed,
			}).Draw(t, "status"),
		}
		u := conversation.StatusUpdate{
			MessageID: h.letters[s.letter].message, RecipientID: s.recipient, Status: s.status,
			At: h.now.Add(-time.Duration(rapid.IntRange(0, 5000).Draw(t, "ago")) * time.Second),
		}
		if rapid.Bool().Draw(t, "priced") {
			u.Pricing = &events.Pricing{Type: "regular"}
		}
		updates = append(updates, u)
		h.told[s] = true
	}
	decided, unplaced := h.state.Record(party, updates, h.now)
	require.Empty(t, unplaced)
	h.record(decided)
}

// hourOf is the hour in India, which begins at half past of the rest of the world.
func hourOf(at time.Time) time.Time {
	return at.Add(30 * time.Minute).Truncate(time.Hour).Add(-30 * time.Minute)
}

// count goes through what was noted, message by message.
func (h *history) count() map[part]figures.Figures {
	sums := map[part]figures.Figures{}
	for _, at := range h.asked {
		f := sums[part{start: hourOf(at)}]
		f.Received++
		sums[part{start: hourOf(at)}] = f
	}
	for n, letter := range h.letters {
		f := sums[letter.part]
		for _, to := range []id.Customer{anna, bruno} {
			told := func(status events.Status) bool { return h.told[step{n, to, status}] }
			delivered := told(events.StatusDelivered) || told(events.StatusRead) || told(events.StatusPlayed)
			add(&f.Sent, told(events.StatusSent) || delivered)
			add(&f.Delivered, delivered)
			add(&f.Read, told(events.StatusRead))
			add(&f.Failed, told(events.StatusFailed))
		}
		if letter.waited != nil {
			f.Answers, f.AnswerSeconds = f.Answers+1, f.AnswerSeconds+int64(letter.waited.Seconds())
		}
		if f != (figures.Figures{}) {
			sums[letter.part] = f
		}
	}
	return sums
}

func add(counter *int64, happened bool) {
	if happened {
		*counter++
	}
}
