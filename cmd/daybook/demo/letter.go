package demo

import (
	"math/rand/v2"
	"time"

	"daybook/events/id"
)

// question is a message of a customer's.
type question struct {
	from person
	at   time.Time
	text string
	ad   bool // the customer came from an advertisement
}

// The categories of letters.
const (
	marketing      = "marketing"
	utility        = "utility"
	authentication = "authentication"
	service        = "service" // free-form text; all others are templates
)

// letter is a message of the business's, and what becomes of it. The plan decides all of it but the last fields.
type letter struct {
	to         person
	device     int // index into the business's devices
	category   string
	text       string // or the template's name
	at         time.Time
	acceptedAt time.Time
	fate       fate
	tellings   []telling
	silent     bool // the platform tells nothing of its price

	id           id.Message
	conversation id.Conversation
	wamid        string
	deviceName   string
	told         []string      // the statuses, once each
	open         bool          // written while the service window was open
	answers      bool          // the first word after a question
	waited       time.Duration // which had waited so long
	adFree       bool          // the platform said that it is free because the customer came from an advertisement
	unpriced     bool          // its delivery was told before any rate card was known
}

// telling is one delivery of the platform's, with what it tells of a letter.
type telling struct {
	at       time.Time
	statuses []status
}

type status struct {
	word string
	at   time.Time
}

// fate is what becomes of a letter.
type fate int

const (
	readInTime    fate = iota // sent, delivered, read
	deliveredOnly             // sent, delivered
	readAtOnce                // sent, read: the platform skips delivered
	outOfOrder                // read, delivered, sent, in one delivery
	toldTwice                 // every status twice
	toldEarly                 // sent, delivered, before we know the platform's id
	phoneOff                  // sent; delivered hours later
	failed                    // sent, failed
	failedOnOne               // sent, failed on one of the customer's devices, delivered on another
)

var fates = []fate{
	readInTime, readInTime, readInTime, readInTime, deliveredOnly, deliveredOnly,
	readAtOnce, outOfOrder, toldTwice, toldEarly, phoneOff, failed, failedOnOne,
}

// words lists the statuses that the platform tells, in its order.
func (f fate) words() []string {
	switch f {
	case deliveredOnly, toldEarly, phoneOff:
		return []string{"sent", "delivered"}
	case readAtOnce:
		return []string{"sent", "read"}
	case outOfOrder:
		return []string{"read", "delivered", "sent"}
	case toldTwice:
		return []string{"sent", "delivered", "sent", "read", "delivered", "read"}
	case failed:
		return []string{"sent", "failed"}
	case failedOnOne:
		return []string{"sent", "failed", "delivered"}
	default:
		return []string{"sent", "delivered", "read"}
	}
}

// delays is when a status happens, after the message was written.
var delays = map[string]time.Duration{
	"sent": time.Second, "failed": 2 * time.Second, "delivered": 3 * time.Second, "read": 40 * time.Second,
}

// meet gives the letter its fate: what the platform tells of it, and when.
func (l *letter) meet(f fate, random *rand.Rand) *letter {
	l.fate, l.acceptedAt = f, l.at
	all := telling{}
	for _, word := range f.words() {
		s := status{word, l.at.Add(delays[word])}
		all.statuses = append(all.statuses, s)
		all.at = latest(all.at, s.at.Add(time.Second))
	}
	switch f { //nolint:exhaustive // all others are told at once
	case toldEarly:
		l.acceptedAt = all.at.Add(2 * time.Second)
	case phoneOff:
		on := l.at.Add(time.Duration(1+random.IntN(11*60)) * time.Minute)
		l.tellings = []telling{{l.at.Add(2 * time.Second), all.statuses[:1]}, {on.Add(time.Second), []status{{"delivered", on}}}}
		return l
	}
	l.tellings = []telling{all}
	return l
}

// ends is the status that counts in the end.
func (l *letter) ends() string {
	switch {
	case l.when("read") != nil:
		return "read"
	case l.when("delivered") != nil:
		return "delivered"
	default:
		return "failed"
	}
}

// when is the time of a status, nil if it never came.
func (l *letter) when(word string) *time.Time {
	for _, t := range l.tellings {
		for _, s := range t.statuses {
			if s.word == word {
				return &s.at
			}
		}
	}
	return nil
}

// delivered is when the letter reached the customer, nil if it never did. Who reads it has it.
func (l *letter) delivered() *time.Time {
	if at := l.when("delivered"); at != nil {
		return at
	}
	return l.when("read")
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
