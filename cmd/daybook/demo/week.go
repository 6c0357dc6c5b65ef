package demo

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// episode is one exchange: a customer asks, an employee answers from a device, the platform reports.
type episode struct {
	customer  person
	asksAt    time.Time
	question  string
	repliesAt time.Time
	device    int // index into the business's devices
	answer    string
	template  bool // a utility template goes out as well, an hour later
	fate      fate
}

// person is an invented customer. The numbers are reserved for fiction or all zeros.
type person struct{ name, number string }

// fate is what becomes of an answer.
type fate int

const (
	readInTime    fate = iota // sent, delivered, read
	deliveredOnly             // sent, delivered
	readAtOnce                // sent, read: the platform skips delivered
	outOfOrder                // read, delivered, sent, in one delivery
	toldTwice                 // every status twice
	toldEarly                 // sent, delivered, before we know the platform's id
	failed                    // sent, failed
)

// words lists the statuses that the platform tells, in its order.
func (f fate) words() []string {
	switch f {
	case deliveredOnly, toldEarly:
		return []string{"sent", "delivered"}
	case readAtOnce:
		return []string{"sent", "read"}
	case outOfOrder:
		return []string{"read", "delivered", "sent"}
	case toldTwice:
		return []string{"sent", "delivered", "sent", "read", "delivered", "read"}
	case failed:
		return []string{"sent", "failed"}
	default:
		return []string{"sent", "delivered", "read"}
	}
}

// ends is the status that counts in the end.
func (f fate) ends() string {
	switch f {
	case deliveredOnly, toldEarly:
		return "delivered"
	case failed:
		return "failed"
	default:
		return "read"
	}
}

var (
	givenNames = []string{"Ada", "Bruno", "Chiara", "Dario", "Elena", "Fabio", "Giulia", "Hana", "Ivo", "Lena"}
	surnames   = []string{"Rossi", "Bianchi", "Conti", "Greco", "Marino", "Novak"}
	questions  = []string{
		"When will my order arrive?", "Are you open on Sunday?", "The parcel is damaged, what can I do?",
		"Can I change the delivery address?", "Do you have it in blue?", "I never got an invoice.",
	}
	answers = []string{
		"It leaves today and arrives tomorrow morning.", "Yes, from nine to one.", "We are sorry. A new one is on its way.",
		"Done, the new address is on the label.", "Blue is back on Thursday.", "Here it is, in your mailbox.",
	}
	fates = []fate{readInTime, readInTime, readInTime, readInTime, deliveredOnly, deliveredOnly, readAtOnce, outOfOrder, toldTwice, toldEarly, failed}
)

// week plans seven days of exchanges that begin at start, in order of time. The same seed gives the same week.
func week(seed uint64, start time.Time, customers []person, devices, perDay int) []episode {
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a demo wants the same numbers every time
	var episodes []episode
	for day := range 7 {
		opening := start.AddDate(0, 0, day).Add(9 * time.Hour)
		for range perDay {
			topic := random.IntN(len(questions))
			asksAt := opening.Add(time.Duration(random.IntN(9*60*60)) * time.Second)
			episodes = append(episodes, episode{
				customer:  customers[random.IntN(len(customers))],
				asksAt:    asksAt,
				question:  questions[topic],
				repliesAt: asksAt.Add(time.Duration(1+random.IntN(20)) * time.Minute),
				device:    random.IntN(devices),
				answer:    answers[topic],
				template:  random.IntN(4) == 0,
				fate:      fates[random.IntN(len(fates))],
			})
		}
	}
	slices.SortStableFunc(episodes, func(a, b episode) int { return cmp.Compare(a.asksAt.Unix(), b.asksAt.Unix()) })
	return episodes
}

// people invents at most 400 customers in four countries.
func people(n int) []person {
	formats := []string{"393900000%03d", "447700900%03d", "165055501%02d", "5511900000%03d"}
	invented := make([]person, n)
	for i := range invented {
		invented[i] = person{
			name:   givenNames[i%len(givenNames)] + " " + surnames[i/len(givenNames)%len(surnames)],
			number: fmt.Sprintf(formats[i%len(formats)], i/len(formats)),
		}
	}
	return invented
}
