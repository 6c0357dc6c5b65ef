package commands_test

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/commands"
	"daybook/domain"
	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
)

// Sixteen who want to send one message, in two processes: one may.
func TestOneAttemptIsMadeHoweverManyWantTo(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	handlers := []*commands.Handler{commands.New(store, at(noon)), commands.New(store, at(noon))}
	f := openFirm(t, handlers[0])
	_, err := handlers[0].SendMessage(t.Context(), api, f.template(1))
	require.NoError(t, err)
	var starts, underway atomic.Int32
	var all sync.WaitGroup
	for n := range 16 {
		all.Go(func() {
			started, err := handlers[n%2].StartDispatch(t.Context(), api, f.conversation, message(1), nil)
			switch {
			case err == nil && started.Attempt == 1:
				starts.Add(1)
			case domain.CodeOf(err) == "DispatchUnderway":
				underway.Add(1)
			default:
				t.Errorf("%+v, %v", started, err)
			}
		})
	}
	all.Wait()
	require.Equal(t, []int32{1, 15}, []int32{starts.Load(), underway.Load()})
}

func TestTheWayOfAMessageToThePlatform(t *testing.T) {
	t.Parallel()
	now := noon
	h := commands.New(openStore(t), func() time.Time { return now })
	f := openFirm(t, h)
	_, err := h.SendMessage(t.Context(), api, f.template(1))
	require.NoError(t, err)
	start := func(attempt int) {
		t.Helper()
		started, err := h.StartDispatch(t.Context(), api, f.conversation, message(1), nil)
		require.NoError(t, err)
		require.Equal(t, attempt, started.Attempt)
	}
	_, err = h.DeferDispatch(t.Context(), api, f.conversation, message(1), noon.Add(time.Minute), events.CauseNumberRate)
	require.NoError(t, err)
	start(0)
	now = noon.Add(time.Minute)
	start(1)
	_, err = h.RefuseDispatch(t.Context(), api, conversation.Refused{
		Conversation: f.conversation, Message: message(1), Attempt: 1, Code: 130429, RetryAt: new(now.Add(time.Second)),
	})
	require.NoError(t, err)
	start(0)
	now = now.Add(time.Second)
	start(2)
	_, err = h.LoseDispatch(t.Context(), api, f.conversation, message(1), 2, events.CauseTimeout)
	require.NoError(t, err)
	start(0)
	_, err = h.ExpireMessage(t.Context(), api, f.conversation, message(1))
	require.NoError(t, err)
	now = now.AddDate(0, 0, 31)
	_, err = h.ExpireMessage(t.Context(), api, f.conversation, message(1))
	require.NoError(t, err)
	_, err = h.AcceptMessage(t.Context(), api, commands.AcceptMessage{Conversation: f.conversation, Message: message(1), WamidHash: wamid(1)})
	require.NoError(t, err)
	all := read(t, h.Store(), conversation.Stream(f.conversation))
	require.Equal(t, []string{
		"ConversationStarted", "MessageQueued", "DispatchDeferred", "DispatchStarted", "DispatchFailed", "DispatchStarted", "DispatchUnknown",
		"MessageExpired", "MessageAccepted",
	}, types(all))
	ids := map[id.Event]bool{}
	for _, s := range all {
		require.Equal(t, f.account, s.envelope.Account)
		require.False(t, ids[s.ID], s.Type)
		ids[s.ID] = true
	}
	_, err = h.ExpireMessage(t.Context(), api, f.conversation, message(2))
	rejected(t, err, domain.NotFound, "MessageUnknown")
}

// A system may come with the same message as often as it likes. It does not push out what people may repeat.
func TestASystemsMessagesAreRecognisedByThemselves(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	h := commands.New(store, at(noon))
	f := openFirm(t, h)
	first, err := h.SendMessage(t.Context(), command("by hand"), f.template(0))
	require.NoError(t, err)
	from := conversation.Sender{DeviceID: f.device, Name: "iPhone Mario then", RegistryRevision: 1}
	for n := range commands.Remembered + 1 {
		c := f.template(n + 1)
		c.Campaign = &events.CampaignRef{CampaignID: id.Derive[id.Campaign]("test", strconv.Itoa(n))}
		for range 2 {
			_, err = h.SendUnattended(t.Context(), command("campaign"+strconv.Itoa(n)), c, from)
			require.NoError(t, err)
		}
	}
	again, err := h.SendMessage(t.Context(), command("by hand"), f.template(0))
	require.NoError(t, err)
	require.Equal(t, first, again)
	all := read(t, store, conversation.Stream(f.conversation))
	require.Len(t, all, commands.Remembered+3)
	require.Equal(t, "iPhone Mario then", all[2].event.(events.MessageQueued).DeviceName)
}

func TestCustomersSayWhatTheyWant(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	h := commands.New(store, at(noon))
	f := openFirm(t, h)
	fact := func() id.Fact { return id.New[id.Fact]() }
	in := conversation.Consent{
		Account: f.account, CustomerID: f.customer, FactID: fact(), Category: events.Marketing, Wanted: true, Source: events.SourceForm,
	}
	first, err := h.SetConsent(t.Context(), command("in"), in)
	require.NoError(t, err)
	in.FactID = fact() // the edge seals the evidence anew, under another fact
	again, err := h.SetConsent(t.Context(), command("in"), in)
	require.NoError(t, err)
	require.Equal(t, first, again)
	_, err = h.SetVolume(t.Context(), api, conversation.SetVolume{
		Account: f.account, CustomerID: f.customer, FactID: fact(), Level: events.VolumeFewer,
	})
	require.NoError(t, err)
	for _, blocked := range []bool{true, false} {
		_, err = h.SetBlock(t.Context(), api, conversation.SetBlock{
			Account: f.account, CustomerID: f.customer, FactID: fact(), Blocked: blocked, Source: events.SourcePage,
		})
		require.NoError(t, err)
		_, err = h.SendMessage(t.Context(), api, f.template(1))
		if blocked {
			rejected(t, err, domain.Conflict, "Blocked")
		} else {
			require.NoError(t, err)
		}
	}
	_, err = h.ReportSpam(t.Context(), api, conversation.ReportSpam{
		Account: f.account, CustomerID: f.customer, FactID: fact(), Message: new(message(1)), Reason: events.SpamUnwanted,
	})
	require.NoError(t, err)
	require.Equal(t, []string{
		"ConversationStarted", "CustomerOptedIn", "MessageVolumeSet", "BusinessBlocked", "BusinessUnblocked", "MessageQueued", "SpamReported",
	}, types(read(t, store, conversation.Stream(f.conversation))))
	in.PhoneNumberID = "another"
	_, err = h.SetConsent(t.Context(), api, in)
	rejected(t, err, domain.NotFound, "NumberUnknown")
	party, found, err := h.Party(t.Context(), f.conversation)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, conversation.Party{Conversation: f.conversation, Account: f.account, PhoneNumberID: number, Customer: f.customer}, party)
}
