package whatsapp_test

import (
	"context"
	"encoding/binary"
	"errors"
	"iter"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/whatsapp"
	"daybook/commands"
	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
)

// desk is everything that a redriver talks to. Item n, from 1, stands at position 10 n and is about the number n.
type desk struct {
	whatsapp.Vault

	mu       sync.Mutex
	ready    int
	homeless map[int]bool  // no account claims their number
	broken   map[int]error // asking for their number fails
	away     error         // of the list itself
	tries    map[int][]time.Time
	closed   map[int]bool
	asked    int
	drove    []commands.Meta
}

func newDesk(ready int) *desk {
	return &desk{ready: ready, homeless: map[int]bool{}, broken: map[int]error{}, tries: map[int][]time.Time{}, closed: map[int]bool{}}
}

// kept is the id of an item: its number, readable from the id.
func kept(n int) (quarantined id.Quarantine) {
	binary.BigEndian.PutUint32(quarantined.UUID[12:], uint32(n))
	return quarantined
}

func numberOf(quarantined string) int {
	n, err := strconv.ParseUint(quarantined[len(quarantined)-8:], 16, 32)
	if err != nil {
		return 0
	}
	return int(n)
}

func (d *desk) Party(context.Context, id.Conversation) (conversation.Party, bool, error) {
	return conversation.Party{}, false, nil
}

func (d *desk) list(_ context.Context, after events.Position, limit int) ([]whatsapp.Waiting, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	var page []whatsapp.Waiting
	for n := int(after)/10 + 1; n <= d.ready && len(page) < limit; n++ {
		if !d.closed[n] {
			page = append(page, whatsapp.Waiting{ID: kept(n), Position: events.Position(10 * n)})
		}
	}
	return page, d.away
}

func (d *desk) ReadStream(_ context.Context, stream string, _ uint64) iter.Seq2[events.Record, error] {
	return func(yield func(events.Record, error) bool) {
		n := numberOf(strings.TrimPrefix(stream, "quarantine-"))
		p, err := events.Encode(id.Event{}, events.UpdateQuarantined{QuarantineID: kept(n), Body: events.Sealed(strconv.Itoa(n))}, events.Envelope{})
		yield(events.Record{Stream: stream, Type: p.Type, Data: p.Data, Metadata: p.Metadata}, err)
	}
}

func (d *desk) Open(_ context.Context, body events.Sealed, _ id.Fact, _ string) ([]byte, error) {
	text := batch("messages", `{"from":"393900000001","id":"a","timestamp":"1759312800","type":"text"}`)
	return []byte(strings.Replace(string(text), sampleNumber, string(body), 1)), nil
}

func (d *desk) NumberOwner(_ context.Context, phoneNumberID string) (id.Account, bool, error) {
	n, err := strconv.Atoi(phoneNumberID)
	if err != nil {
		return id.Account{}, false, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tries[n] = append(d.tries[n], time.Now())
	return id.Derive[id.Account]("test", phoneNumberID), !d.homeless[n], d.broken[n]
}

func (d *desk) WamidHash(wamid string) events.WamidHash { return events.WamidHash(wamid) }

func (d *desk) Digest(_ string, data []byte) string { return string(data) }

func (d *desk) Customers(_ context.Context, _ id.Account, people []events.Person) ([]id.Customer, error) {
	return make([]id.Customer, len(people)), nil
}

func (d *desk) Keys(_ context.Context, scopes []events.KeyScope) (map[events.KeyScope]events.DataKey, error) {
	keys := map[events.KeyScope]events.DataKey{}
	for _, scope := range scopes {
		key, err := events.NewDataKey(id.New[id.Key](), make([]byte, 32))
		if err != nil {
			return nil, err
		}
		keys[scope] = key
	}
	return keys, nil
}

func (d *desk) RecordUpdates(context.Context, commands.Meta, commands.Delivery) (commands.Outcome, error) {
	return commands.Outcome{}, nil
}

func (d *desk) WABAHolders(context.Context, string) ([]commands.Holder, error) {
	return nil, errUnexpected
}

func (d *desk) Commands(context.Context, id.Account) ([]events.CommandConfigured, error) {
	return nil, errUnexpected
}

func (d *desk) RecordTold(context.Context, commands.Meta, commands.Told) (string, error) {
	return "", errUnexpected
}

func (d *desk) Quarantine(context.Context, commands.Meta, events.UpdateQuarantined) (events.Position, error) {
	return events.Start, errUnexpected
}

func (d *desk) MarkRedriven(_ context.Context, meta commands.Meta, quarantined id.Quarantine, _ string) (events.Position, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.drove = append(d.drove, meta)
	d.closed[numberOf(quarantined.String())] = true
	return events.Start, nil
}

// work runs a redriver in a bubble of synctest and returns its signal.
func (d *desk) work(t *testing.T) (wake chan<- struct{}) {
	t.Helper()
	signal := make(chan struct{}, 1)
	redriver := &whatsapp.Redriver{
		Ingester: &whatsapp.Ingester{Recorder: d, Vault: d, Now: time.Now}, Streams: d, Ready: d.list, Wake: signal, Log: discard(),
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- redriver.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		require.ErrorIs(t, <-done, context.Canceled)
	})
	synctest.Wait()
	return signal
}

// look gives the test the desk to itself.
func (d *desk) look(see func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	see()
}

// pass lets time go by on the bubble's clock.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// TestAnUpdateWithoutAPlaceHasItsTurnAgain: ever later, whatever signals come, until it has one; no restart is needed.
func TestAnUpdateWithoutAPlaceHasItsTurnAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(1)
		d.homeless[1] = true
		began := time.Now()
		wake := d.work(t)
		for range 300 {
			pass(7300 * time.Millisecond)
			wake <- struct{}{}
		}
		pass(0)
		d.look(func() {
			pauses := []int{}
			last := began
			for _, moment := range d.tries[1] {
				pauses = append(pauses, int(moment.Sub(last).Seconds()))
				last = moment
			}
			require.Equal(t, []int{0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600}, pauses)
			d.homeless[1] = false
		})
		pass(10 * time.Minute)
		d.look(func() {
			require.True(t, d.closed[1])
			require.Equal(t, events.Actor("policy:redrive"), d.drove[0].Actor)
			require.Equal(t, "policy:redrive", d.drove[0].Source)
		})
	})
}

// TestUpdatesThatFailHideNone: however many stand before them, updates that have a place find it at once. What a part
// keeps from its place is not made to wait as long as what has none.
func TestUpdatesThatFailHideNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const failing = 600 // more than two pages
		d := newDesk(failing + 2)
		for n := 1; n <= failing; n += 2 {
			d.broken[n], d.homeless[n+1] = errUnexpected, true
		}
		began := time.Now()
		wake := d.work(t)
		d.look(func() {
			require.True(t, d.closed[failing+1] && d.closed[failing+2])
			require.Equal(t, 3, d.asked, "pages")
			for n := 1; n <= failing; n++ {
				require.Len(t, d.tries[n], 1)
			}
			d.ready++
		})
		wake <- struct{}{}
		synctest.Wait()
		d.look(func() {
			require.True(t, d.closed[failing+3], "while the others pause")
			require.Len(t, d.tries[failing], 1)
			require.Equal(t, began, time.Now())
		})
		pass(5 * time.Minute)
		d.look(func() { clear(d.broken) })
		pass(30 * time.Second)
		d.look(func() {
			for n := 1; n <= failing; n++ {
				require.Equal(t, n%2 == 1, d.closed[n])
			}
		})
	})
}

// TestTheReadModelIsAwayForAWhile: nothing is lost, and nobody knocks all the time.
func TestTheReadModelIsAwayForAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(1)
		d.away = errors.New("the read model is away")
		d.work(t)
		pass(time.Hour)
		d.look(func() {
			require.Less(t, d.asked, 140)
			d.away = nil
		})
		pass(30 * time.Second)
		asked := 0
		d.look(func() {
			require.True(t, d.closed[1])
			asked = d.asked
		})
		pass(24 * time.Hour)
		d.look(func() { require.Equal(t, asked, d.asked, "nothing is ready, nobody asks") })
	})
}
