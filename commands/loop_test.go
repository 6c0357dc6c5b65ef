package commands_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/adapters/storetest"
	"daybook/commands"
	"daybook/domain"
	"daybook/domain/account"
	"daybook/domain/conversation"
	"daybook/domain/devices"
	"daybook/events"
	"daybook/events/id"
)

func tablet(name string) devices.Link {
	return devices.Link{Kind: "tablet", Platform: "ios", Name: name}
}

func TestARepeatedCommandReturnsWhatWasRecorded(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	first := commands.New(store, at(noon))
	owner, registered, err := first.RegisterAccount(t.Context(), command("register"), pizzeria())
	require.NoError(t, err)
	accepted, err := first.AcceptTerms(t.Context(), command("terms"), owner, "1", "1")
	require.NoError(t, err)
	device, linked, err := first.LinkDevice(t.Context(), command("link"), owner, tablet("iPad"))
	require.NoError(t, err)
	renamed, err := first.RenameDevice(t.Context(), command("rename"), owner, device, "iPad Mario")
	require.NoError(t, err)
	f := firm{account: owner, device: device, customer: id.NewRandom[id.Customer]()}
	sent, err := first.SendMessage(t.Context(), command("send"), f.template(1))
	require.NoError(t, err)
	unlinked, err := first.UnlinkDevice(t.Context(), command("unlink"), owner, device, events.UnlinkedByOwner)
	require.NoError(t, err)

	// The same again, here and in a process that has nothing cached: the same ids and positions, though by now the
	// rules would say no.
	for _, h := range []*commands.Handler{first, commands.New(store, at(noon.Add(time.Hour)))} {
		again, position, err := h.RegisterAccount(t.Context(), command("register"), pizzeria())
		require.NoError(t, err)
		require.Equal(t, owner, again)
		require.Equal(t, registered, position)
		position, err = h.AcceptTerms(t.Context(), command("terms"), owner, "1", "1")
		require.NoError(t, err)
		require.Equal(t, accepted, position)
		same, position, err := h.LinkDevice(t.Context(), command("link"), owner, tablet("iPad"))
		require.NoError(t, err)
		require.Equal(t, device, same)
		require.Equal(t, linked, position)
		position, err = h.RenameDevice(t.Context(), command("rename"), owner, device, "iPad Mario")
		require.NoError(t, err)
		require.Equal(t, renamed, position)
		resealed := f.template(1)
		resealed.Content = "sealed again, to other bytes"
		position, err = h.SendMessage(t.Context(), command("send"), resealed)
		require.NoError(t, err)
		require.Equal(t, sent, position)
		position, err = h.UnlinkDevice(t.Context(), command("unlink"), owner, device, events.UnlinkedByOwner)
		require.NoError(t, err)
		require.Equal(t, unlinked, position)

		var reused *commands.CommandReusedError
		_, err = h.AcceptTerms(t.Context(), command("terms"), owner, "2", "1")
		require.ErrorAs(t, err, &reused)
		require.Equal(t, command("terms").Command, reused.Command)
		require.Equal(t, account.Stream(owner), reused.Stream)
		_, err = h.UpdateProfile(t.Context(), command("terms"), owner, account.Profile{})
		require.ErrorAs(t, err, &reused)
		other := f.template(1)
		other.Category = events.Marketing
		_, err = h.SendMessage(t.Context(), command("send"), other)
		require.ErrorAs(t, err, &reused)
	}
}

// A process whose cache is behind must not take another request's append for its own, though the command id is the same.
func TestACommandIDReusedElsewhereIsNotedFromAStaleCache(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	here, elsewhere := commands.New(store, at(noon)), commands.New(store, at(noon))
	f := openFirm(t, here)
	_, err := elsewhere.RenameDevice(t.Context(), command("rename"), f.account, f.device, "a")
	require.NoError(t, err)
	_, err = here.RenameDevice(t.Context(), command("rename"), f.account, f.device, "b")
	var reused *commands.CommandReusedError
	require.ErrorAs(t, err, &reused)
	require.Len(t, read(t, store, devices.Stream(f.account)), 2)
}

func TestCommandsAreRememberedUpToALimit(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	h := commands.New(store, at(noon))
	f := openFirm(t, h)
	positions := make([]events.Position, commands.Remembered+3)
	rename := func(h *commands.Handler, n int) (position events.Position, err error) {
		return h.RenameDevice(t.Context(), command(strconv.Itoa(n)), f.account, f.device, "name "+strconv.Itoa(n))
	}
	for n := range positions {
		var err error
		positions[n], err = rename(h, n)
		require.NoError(t, err)
	}
	for _, h := range []*commands.Handler{h, commands.New(store, at(noon))} {
		for _, n := range []int{3, commands.Remembered, commands.Remembered + 1, commands.Remembered + 2} {
			again, err := rename(h, n)
			require.NoError(t, err)
			require.Equal(t, positions[n], again)
		}
	}
	forgotten, err := rename(h, 0)
	require.NoError(t, err)
	require.Greater(t, forgotten, positions[commands.Remembered+2], "decided anew")
}

// What other processes wrote shows: no rejection and no no-op stands on a stale state.
func TestAStaleCacheDoesNotRefuse(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	here, elsewhere := commands.New(store, at(noon)), commands.New(store, at(noon))
	f := openFirm(t, here)
	device, _, err := here.LinkDevice(t.Context(), api, f.account, tablet("iPad"))
	require.NoError(t, err)
	_, _, err = here.LinkDevice(t.Context(), api, f.account, tablet("iPad"))
	rejected(t, err, domain.Conflict, "DeviceNameTaken")
	_, err = elsewhere.RenameDevice(t.Context(), api, f.account, device, "iPad Luigi")
	require.NoError(t, err)
	_, _, err = here.LinkDevice(t.Context(), api, f.account, tablet("iPad"))
	require.NoError(t, err)

	_, err = here.RenameDevice(t.Context(), api, f.account, device, "iPad Mario")
	require.NoError(t, err)
	back, err := elsewhere.RenameDevice(t.Context(), api, f.account, device, "iPad Luigi") // a no-op on what it has cached
	require.NoError(t, err)
	all := read(t, store, devices.Stream(f.account))
	require.Equal(t, all[len(all)-1].Position, back)
	require.Equal(t, "iPad Luigi", all[len(all)-1].event.(events.DeviceRenamed).Name)

	// A status of a message that another process has queued finds its place.
	_, err = here.RecordUpdates(t.Context(), api, f.delivery(inbound(1, noon)))
	require.NoError(t, err)
	_, err = elsewhere.SendMessage(t.Context(), api, f.template(1))
	require.NoError(t, err)
	outcome, err := here.RecordUpdates(t.Context(), api, f.delivery(f.status(1, events.StatusSent, noon)))
	require.NoError(t, err)
	require.Empty(t, outcome.Unplaced)
}

func TestAnEventOfTheFutureStopsTheLoop(t *testing.T) {
	t.Parallel()
	for _, future := range []string{"DeviceTeleported", "DeviceLinked"} {
		t.Run(future, func(t *testing.T) {
			t.Parallel()
			store := openStore(t)
			h := commands.New(store, at(noon))
			f := openFirm(t, h)
			metadata, err := events.EncodeEnvelope(events.Envelope{Version: 9})
			require.NoError(t, err)
			_, err = store.Append(t.Context(), devices.Stream(f.account), events.Any, []events.Proposed{
				{ID: id.New[id.Event](), Type: future, Data: []byte("{}"), Metadata: metadata},
			})
			require.NoError(t, err)
			for range 2 {
				_, err = h.RenameDevice(t.Context(), api, f.account, f.device, "x")
				require.ErrorIs(t, err, events.ErrUnknownType)
				require.ErrorContains(t, err, devices.Stream(f.account)+" revision 1")
			}
		})
	}
}

// Another writer always comes first: the loop backs off, gives up in the end, and stops waiting when it is told to.
func TestConflictsWithoutEnd(t *testing.T) {
	t.Parallel()
	inner := storetest.LendEmbedded(t) // a bubble knows no network
	f := openFirm(t, commands.New(inner, at(noon)))
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		store := &wire{EventStore: inner, beforeAppend: func(stream string) error {
			attempts++
			return &events.WrongRevisionError{Stream: stream, Expected: events.NoStream, Actual: 7}
		}}
		_, err := commands.New(store, at(noon)).RecordUpdates(t.Context(), api, f.delivery(inbound(1, noon)))
		var wrong *events.WrongRevisionError
		require.ErrorAs(t, err, &wrong)
		require.Greater(t, attempts, 10)

		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		attempts = 0
		_, err = commands.New(store, at(noon)).RecordUpdates(ctx, api, f.delivery(inbound(1, noon)))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Less(t, attempts, 32)
	})
}

func TestAWaitingCommandHonoursItsContext(t *testing.T) {
	t.Parallel()
	held, proceed := make(chan struct{}), make(chan struct{})
	inner := openStore(t)
	f := openFirm(t, commands.New(inner, at(noon)))
	store := &wire{EventStore: inner}
	h := commands.New(store, at(noon))
	store.beforeAppend = func(string) error {
		close(held)
		<-proceed
		return nil
	}
	var holder sync.WaitGroup
	holder.Go(func() {
		if _, err := h.RecordUpdates(t.Context(), api, f.delivery(inbound(1, noon))); err != nil {
			t.Error(err)
		}
	})
	<-held
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.RecordUpdates(ctx, api, f.delivery(inbound(2, noon)))
	require.ErrorIs(t, err, context.Canceled)
	close(proceed)
	holder.Wait()
	require.Len(t, read(t, inner, conversation.Stream(f.conversation)), 2)
}

func TestTheCacheIsBounded(t *testing.T) {
	t.Parallel()
	reads := 0
	store := &wire{EventStore: openStore(t), onRead: func(stream string) {
		if strings.HasPrefix(stream, "conversation-") {
			reads++
		}
	}}
	const limit = 100
	h := commands.NewWithCache(store, at(noon), limit)
	f := openFirm(t, h)
	talk := func(n, about int) {
		customer := id.Derive[id.Customer]("test", strconv.Itoa(n))
		d := f.delivery(inbound(1000*n+about, noon))
		d.Customer, d.Conversation = customer, conversation.IDOf(number, customer)
		_, err := h.RecordUpdates(t.Context(), api, d)
		require.NoError(t, err)
		_, weight := h.Cached()
		require.LessOrEqual(t, weight, limit)
	}
	for n := range 50 {
		talk(n, 1)
	}
	entries, _ := h.Cached()
	require.Equal(t, 5, entries) // two events and the weight of an entry each
	reads = 0
	talk(49, 2)
	require.Zero(t, reads, "still cached")
	talk(0, 2)
	require.Equal(t, 2, reads, "evicted, read again: whether there is a second book, and the first")
	talk(0, 2)
	stream := conversation.Stream(conversation.IDOf(number, id.Derive[id.Customer]("test", "0")))
	require.Equal(t, []string{"ConversationStarted", "MessageReceived", "MessageReceived"}, types(read(t, store, stream)))
}

// Two processes, sixteen writers each, on the same streams: every rule holds, and everything is recorded once.
func TestManyWritersOnOneStream(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	handlers := []*commands.Handler{commands.New(store, at(noon)), commands.NewWithCache(store, at(noon), 0)}
	f := openFirm(t, handlers[0])
	for n := range 4 {
		_, err := handlers[0].SendMessage(t.Context(), api, f.template(n))
		require.NoError(t, err)
	}
	var writers sync.WaitGroup
	for writer := range 32 {
		writers.Go(func() {
			h := handlers[writer%2]
			_, _, err := h.LinkDevice(t.Context(), command("link"+strconv.Itoa(writer/4)), f.account, tablet("device "+strconv.Itoa(writer/4)))
			if err != nil && !strings.HasPrefix(err.Error(), "DeviceLimitReached") {
				t.Errorf("link: %v", err)
			}
			for n := range 4 {
				moment := noon.Add(time.Duration((writer+n)%7) * time.Second)
				outcome, err := h.RecordUpdates(t.Context(), api, f.delivery(
					f.status(n, events.StatusDelivered, moment), inbound(n, noon), f.status(n, events.StatusRead, moment)))
				if err != nil || len(outcome.Unplaced) > 0 {
					t.Errorf("record: %+v, %v", outcome, err)
				}
			}
		})
	}
	writers.Wait()

	linked := read(t, store, devices.Stream(f.account))
	require.Len(t, linked, 4)
	once := map[string]int{}
	for _, s := range read(t, store, conversation.Stream(f.conversation)) {
		switch e := s.event.(type) {
		case events.MessageDelivered:
			once[fmt.Sprint("delivered ", e.MessageID)]++
		case events.MessageRead:
			once[fmt.Sprint("read ", e.MessageID)]++
		case events.MessageReceived:
			once[fmt.Sprint("received ", e.MessageID)]++
		case events.StatusTimeCorrected:
			require.True(t, e.At.Before(e.PreviousAt))
		}
	}
	require.Len(t, once, 12)
	for what, times := range once {
		require.Equal(t, 1, times, what)
	}
}

// Whatever is asked of two processes with caches of any size, what a cache makes of the past is what the past says:
// a third process, which has nothing cached, answers every question the same.
func TestCachesAgreeWithTheStore(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		store := openStore(t)
		handlers := []*commands.Handler{
			commands.New(store, at(noon)), commands.NewWithCache(store, at(noon), 0), commands.NewWithCache(store, at(noon), 40),
		}
		f := openFirm(t, handlers[0])
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			h := rapid.SampledFrom(handlers).Draw(rt, "process")
			n := rapid.IntRange(0, 2).Draw(rt, "message")
			moment := noon.Add(time.Duration(rapid.IntRange(0, 5).Draw(rt, "second")) * time.Second)
			var ask func(h *commands.Handler) string
			switch rapid.IntRange(0, 3).Draw(rt, "what") {
			case 0:
				ask = func(h *commands.Handler) string { return answer(h.SendMessage(t.Context(), api, f.template(n))) }
			case 1:
				hash := wamid(rapid.IntRange(0, 2).Draw(rt, "wamid"))
				ask = func(h *commands.Handler) string {
					return answer(h.AcceptMessage(t.Context(), api, commands.AcceptMessage{Conversation: f.conversation, Message: message(n), WamidHash: hash}))
				}
			case 2:
				ask = func(h *commands.Handler) string {
					outcome, err := h.RecordUpdates(t.Context(), api, f.delivery(f.status(n, events.StatusRead, moment)))
					return fmt.Sprint(len(outcome.Unplaced), answer(outcome.Position, err))
				}
			default:
				ask = func(h *commands.Handler) string {
					outcome, err := h.RecordUpdates(t.Context(), api, f.delivery(inbound(n, moment)))
					return fmt.Sprint(len(outcome.Unplaced), answer(outcome.Position, err))
				}
			}
			ask(h)
			// Asked again it changes nothing, so everybody must answer the same, a newcomer included.
			want := ask(commands.New(store, at(noon)))
			for _, other := range handlers {
				require.Equal(rt, want, ask(other))
			}
		}
		require.NoError(rt, store.Close())
	})
}

func answer(position events.Position, err error) string { return fmt.Sprint(position, " ", err) }
