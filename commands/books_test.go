package commands_test

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/adapters/storetest"
	"daybook/commands"
	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
)

// books reads all the books of a conversation, and demands that each opens with what closed the one before.
func books(t testing.TB, store commands.EventStore, in id.Conversation) (all [][]stored) {
	t.Helper()
	for n := 0; ; n++ {
		book := read(t, store, conversation.BookStream(in, n))
		if len(book) == 0 {
			return all
		}
		if n > 0 {
			before := all[n-1]
			closing, opening := before[len(before)-1], book[0]
			require.Equal(t, "ConversationCarriedForward", closing.Type)
			require.Equal(t, string(closing.Data), string(opening.Data), "word for word")
			require.NotEqual(t, closing.ID, opening.ID)
		}
		all = append(all, book)
	}
}

// facts are the events of all books, without what closes and opens them.
func facts(all [][]stored) (types []string) {
	for _, book := range all {
		for _, s := range book {
			if s.Type != "ConversationCarriedForward" {
				types = append(types, s.Type)
			}
		}
	}
	return types
}

func TestABookIsClosedAndTheNextGoesOn(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	h := commands.New(store, at(noon)).CloseBooksAt(4)
	f := openFirm(t, h)
	for n := range 6 {
		_, err := h.SendMessage(t.Context(), command("send"+strconv.Itoa(n)), f.template(n))
		require.NoError(t, err)
	}
	all := books(t, store, f.conversation)
	require.Len(t, all, 2)
	require.Equal(t, []string{
		"ConversationStarted", "MessageQueued", "MessageQueued", "MessageQueued", "ConversationCarriedForward",
	}, types(all[0]))
	require.Equal(t, []string{"ConversationCarriedForward", "MessageQueued", "MessageQueued", "MessageQueued", "ConversationCarriedForward"}, types(all[1]))
	require.Equal(t, f.account, all[1][0].envelope.Account)

	// A message of the first book goes on in the newest, also for somebody who comes fresh.
	fresh := commands.New(store, at(noon)).CloseBooksAt(4)
	outcome, err := fresh.RecordUpdates(t.Context(), api, f.delivery(f.status(0, events.StatusDelivered, noon)))
	require.NoError(t, err)
	require.Empty(t, outcome.Unplaced)
	require.Equal(t, conversation.BookStream(f.conversation, 2), outcome.Stream)
	again, err := h.RecordUpdates(t.Context(), api, f.delivery(f.status(0, events.StatusDelivered, noon)))
	require.NoError(t, err)
	require.Equal(t, outcome, again)
	require.Equal(t, []string{"ConversationCarriedForward", "MessageDelivered"}, types(books(t, store, f.conversation)[2]))
}

// A command that is repeated across the border, by whoever comes fresh, is where it was.
func TestACommandIsRecognisedInTheNextBook(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	h := commands.New(store, at(noon)).CloseBooksAt(3)
	f := openFirm(t, h)
	var where []events.Position
	for n := range 8 {
		position, err := h.SendMessage(t.Context(), command("send"+strconv.Itoa(n)), f.template(n))
		require.NoError(t, err)
		where = append(where, position)
	}
	for _, again := range []*commands.Handler{h, commands.New(store, at(noon)).CloseBooksAt(3)} {
		for n, position := range where {
			repeated, err := again.SendMessage(t.Context(), command("send"+strconv.Itoa(n)), f.template(n))
			require.NoError(t, err)
			require.Equal(t, position, repeated, n)
			other := f.template(n)
			other.Template = &events.Template{Name: "another", Language: "it"}
			_, err = again.SendMessage(t.Context(), command("send"+strconv.Itoa(n)), other)
			var reused *commands.CommandReusedError
			require.ErrorAs(t, err, &reused)
		}
	}
	require.Len(t, facts(books(t, store, f.conversation)), 9)
}

// Whoever dies between closing a book and opening the next loses nothing, and so does who cannot even close it.
func TestACrashAtTheBorderLosesNothing(t *testing.T) {
	t.Parallel()
	failure := errors.New("the wire is cut")
	for name, fault := range map[string]func(*wire, string){
		"before closing": func(w *wire, stream string) {
			appends := 0
			w.beforeAppend = func(to string) error {
				if appends++; to == stream && appends == 2 {
					return failure
				}
				return nil
			}
		},
		"after closing": func(w *wire, stream string) {
			appends := 0
			w.afterAppend = func(to string) error {
				if appends++; to == stream && appends == 2 {
					return failure
				}
				return nil
			}
		},
		"opening": func(w *wire, stream string) {
			w.beforeAppend = func(to string) error {
				if to == stream+"-1" {
					return failure
				}
				return nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inner := openStore(t)
			f := openFirm(t, commands.New(inner, at(noon)))
			w := &wire{EventStore: inner}
			fault(w, conversation.Stream(f.conversation))
			dying := commands.New(w, at(noon)).CloseBooksAt(2)
			_, err := dying.SendMessage(t.Context(), command("first"), f.template(1))
			require.NoError(t, err, "what was recorded is recorded, whatever becomes of the book")
			_, err = dying.SendMessage(t.Context(), command("second"), f.template(2))
			if name == "opening" {
				require.ErrorIs(t, err, failure)
			} else {
				require.NoError(t, err)
			}
			h := commands.New(inner, at(noon)).CloseBooksAt(2)
			for n, what := range []string{"first", "second", "third"} {
				_, err := h.SendMessage(t.Context(), command(what), f.template(n+1))
				require.NoError(t, err)
			}
			require.Equal(t, []string{"ConversationStarted", "MessageQueued", "MessageQueued", "MessageQueued"},
				facts(books(t, inner, f.conversation)))
		})
	}
}

// A status that comes after all others are forgotten finds its message in an older book, once.
func TestALateStatusFindsItsMessageInAnOlderBook(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	now := noon
	h := commands.New(store, func() time.Time { return now }).CloseBooksAt(3)
	f := openFirm(t, h)
	for n := range 2 {
		_, err := h.SendMessage(t.Context(), api, f.template(n))
		require.NoError(t, err)
	}
	_, err := h.RecordUpdates(t.Context(), api, f.delivery(f.status(0, events.StatusDelivered, noon), f.status(1, events.StatusSent, noon)))
	require.NoError(t, err)
	now = noon.AddDate(0, 0, 40)
	for n := range 6 {
		_, err := h.SendMessage(t.Context(), api, f.template(10+n))
		require.NoError(t, err)
	}
	last := len(books(t, store, f.conversation)) - 1
	require.Equal(t, 4, last)

	late := f.delivery(f.status(0, events.StatusDelivered, noon), f.status(0, events.StatusRead, now), f.status(7, events.StatusRead, now))
	outcome, err := h.RecordUpdates(t.Context(), api, late)
	require.NoError(t, err)
	require.Len(t, outcome.Unplaced, 1, "no book knows message 7")
	require.Equal(t, message(7), outcome.Unplaced[0].(conversation.StatusUpdate).MessageID)
	all := books(t, store, f.conversation)
	require.Equal(t, []string{"ConversationCarriedForward", "MessageRecalled", "MessageRead", "ConversationCarriedForward"}, types(all[last+1]),
		"delivered was told before")
	read := all[last+1][2].event.(events.MessageRead)
	require.False(t, read.ShowsSent)
	require.Nil(t, read.Delivery, "it was delivered before")
	require.Equal(t, noon, read.Sending.QueuedAt)
	_, err = commands.New(store, at(now)).RecordUpdates(t.Context(), api, late)
	require.NoError(t, err)
	require.Equal(t, facts(all), facts(books(t, store, f.conversation)))

	// So does whatever else is decided on an old message.
	_, err = h.AcceptMessage(t.Context(), api, commands.AcceptMessage{Conversation: f.conversation, Message: message(1), WamidHash: wamid(1)})
	require.NoError(t, err)
	_, err = h.AcceptMessage(t.Context(), api, commands.AcceptMessage{Conversation: f.conversation, Message: message(99), WamidHash: wamid(99)})
	rejected(t, err, 3, "MessageUnknown")
	require.Equal(t, []string{"MessageRecalled", "MessageAccepted"}, facts(books(t, store, f.conversation)[last+2:]))
}

// Whatever is commanded, by several at once and across books, the same is recorded as in one stream.
func TestBooksGoOnAcrossFiveThousandEvents(t *testing.T) {
	t.Parallel()
	stores := [2]storetest.LentStore{openStore(t), openStore(t)}
	rapid.Check(t, func(rt *rapid.T) {
		limit := rapid.Uint64Range(2, 9).Draw(rt, "limit")
		steps := rapid.SliceOfN(rapid.IntRange(0, 11), 1, 40).Draw(rt, "steps")
		forget := rapid.SliceOfN(rapid.IntRange(0, 3), len(steps), len(steps)).Draw(rt, "forget")
		customer := id.NewRandom[id.Customer]()
		var told [2][]string
		for i, limit := range []uint64{limit, 1 << 40} {
			h := commands.New(stores[i], at(noon)).CloseBooksAt(limit)
			f := firm{account: id.Derive[id.Account]("test", "firm"), customer: customer, conversation: conversation.IDOf(number, customer)}
			for n, step := range steps {
				if forget[n] == 0 {
					h = commands.New(stores[i], at(noon)).CloseBooksAt(limit)
				}
				require.NoError(rt, play(rt, h, f, step))
			}
			all := books(t, stores[i], f.conversation)
			told[i] = facts(all)
			for n, book := range all[:max(0, len(all)-1)] {
				require.Less(rt, len(book), int(limit)+6, n)
			}
		}
		require.Equal(rt, told[1], told[0])
	})
}

func play(t *rapid.T, h *commands.Handler, f firm, step int) error {
	n := step % 4
	var err error
	switch step / 4 {
	case 0:
		_, err = h.RecordUpdates(t.Context(), api, f.delivery(inbound(100+n, noon)))
	case 1:
		told := conversation.Echo{MessageID: conversation.InboundID(wamid(n)), WamidHash: wamid(n), Kind: "text", SentAt: noon}
		_, err = h.RecordUpdates(t.Context(), api, f.delivery(told))
	default:
		update := f.status(n, events.StatusDelivered, noon)
		update.MessageID = conversation.InboundID(wamid(n))
		_, err = h.RecordUpdates(t.Context(), api, f.delivery(update))
	}
	return err
}
