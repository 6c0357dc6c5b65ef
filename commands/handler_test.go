package commands_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/commands"
	"daybook/domain"
	"daybook/domain/account"
	"daybook/domain/conversation"
	"daybook/domain/devices"
	"daybook/events"
	"daybook/events/id"
)

func TestS51_NoCommandButTermsBeforeTerms(t *testing.T) {
	t.Parallel()
	h := commands.New(openStore(t), at(noon))
	owner, _, err := h.RegisterAccount(t.Context(), api, pizzeria())
	require.NoError(t, err)
	ask := func(owner id.Account) map[string]error {
		errs := map[string]error{}
		_, errs["profile"] = h.UpdateProfile(t.Context(), api, owner, account.Profile{Address: "Roma"})
		_, errs["photo"] = h.ChangePhoto(t.Context(), api, owner, strings.Repeat("a", 64))
		_, errs["subscribe"] = h.SubscribePremium(t.Context(), api, owner, time.Time{})
		_, errs["cancel"] = h.CancelPremium(t.Context(), api, owner, time.Time{})
		_, _, errs["link"] = h.LinkDevice(t.Context(), api, owner, devices.Link{Kind: "tablet", Platform: "ios", Name: "iPad"})
		_, errs["rename"] = h.RenameDevice(t.Context(), api, owner, id.New[id.Device](), "x")
		_, errs["unlink"] = h.UnlinkDevice(t.Context(), api, owner, id.New[id.Device](), events.UnlinkedByOwner)
		_, errs["send"] = h.SendMessage(t.Context(), api, conversation.Send{Account: owner, Kind: "text"})
		return errs
	}
	for name, err := range ask(owner) {
		t.Run(name, func(t *testing.T) { rejected(t, err, domain.Conflict, "TermsNotAccepted") })
	}
	for name, err := range ask(id.New[id.Account]()) {
		t.Run(name+" of nobody", func(t *testing.T) { rejected(t, err, domain.NotFound, "AccountUnknown") })
	}
	_, err = h.AcceptTerms(t.Context(), api, id.New[id.Account](), "1", "1")
	rejected(t, err, domain.NotFound, "AccountUnknown")

	// What the platform tells is recorded all the same.
	customer := id.NewRandom[id.Customer]()
	outcome, err := h.RecordUpdates(t.Context(), api, commands.Delivery{
		Account: owner, PhoneNumberID: number, Customer: customer, Conversation: conversation.IDOf(number, customer),
		Updates: []conversation.Update{inbound(1, noon)},
	})
	require.NoError(t, err)
	require.Empty(t, outcome.Unplaced)
	require.NotZero(t, outcome.Position)
}

func TestAccountCommands(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	h := commands.New(store, at(noon))
	f := openFirm(t, h)
	ctx := t.Context()
	_, err := h.UpdateProfile(ctx, api, f.account, account.Profile{Website: "https://mario.example"})
	require.NoError(t, err)
	_, err = h.ChangePhoto(ctx, api, f.account, strings.Repeat("a", 64))
	require.NoError(t, err)
	_, err = h.SubscribePremium(ctx, api, f.account, time.Time{})
	require.NoError(t, err)
	_, err = h.CancelPremium(ctx, api, f.account, noon.Add(time.Hour))
	require.NoError(t, err)
	before, err := h.CancelPremium(ctx, api, f.account, noon.Add(time.Hour))
	require.NoError(t, err)
	all := read(t, store, account.Stream(f.account))
	require.Equal(t, []string{
		"AccountRegistered", "TermsAccepted", "ProfileUpdated", "ProfilePhotoChanged", "PremiumSubscribed", "PremiumCancelled",
	}, types(all))
	require.Equal(t, all[5].Position, before, "a no-op returns where the stream ends")
	require.Equal(t, noon, all[4].event.(events.PremiumSubscribed).ValidFrom)
	for _, s := range all {
		require.Equal(t, f.account, s.envelope.Account)
	}
}

func TestS10_LinkingFollowsThePlanOfTheMoment(t *testing.T) {
	t.Parallel()
	moment := noon
	h := commands.New(openStore(t), func() time.Time { return moment })
	f := openFirm(t, h)
	phone := func(name string) error {
		_, _, err := h.LinkDevice(t.Context(), api, f.account, devices.Link{Kind: "smartphone", Platform: "ios", Name: name})
		return err
	}
	rejected(t, phone("second"), domain.Conflict, "SmartphoneLimitReached")
	_, err := h.SubscribePremium(t.Context(), api, f.account, noon.Add(time.Hour))
	require.NoError(t, err)
	rejected(t, phone("second"), domain.Conflict, "SmartphoneLimitReached")
	moment = noon.Add(time.Hour)
	require.NoError(t, phone("second"))
}

func TestS07_MessageCarriesTheDevicesNameAtThatMoment(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	h, elsewhere := commands.New(store, at(noon)), commands.New(store, at(noon))
	f := openFirm(t, h)
	_, err := h.SendMessage(t.Context(), api, f.template(1))
	require.NoError(t, err)
	_, err = elsewhere.RenameDevice(t.Context(), api, f.account, f.device, "iPhone Luigi") // h has the old name cached
	require.NoError(t, err)
	_, err = h.SendMessage(t.Context(), api, f.template(2))
	require.NoError(t, err)
	_, err = elsewhere.UnlinkDevice(t.Context(), api, f.account, f.device, events.UnlinkedByOwner)
	require.NoError(t, err)
	_, err = h.SendMessage(t.Context(), api, f.template(3))
	rejected(t, err, domain.Conflict, "DeviceNotLinked")

	all := read(t, store, conversation.Stream(f.conversation))
	require.Equal(t, []string{"ConversationStarted", "MessageQueued", "MessageQueued"}, types(all))
	registry := read(t, store, devices.Stream(f.account))
	for i, name := range []string{"iPhone Mario", "iPhone Luigi"} {
		queued := all[i+1].event.(events.MessageQueued)
		require.Equal(t, name, queued.DeviceName)
		require.Equal(t, uint64(i), queued.RegistryRevision)
		require.Contains(t, string(registry[queued.RegistryRevision].Data), `"name":"`+name+`"`)
	}
}

func TestSendFromANumberOfTheAccount(t *testing.T) {
	t.Parallel()
	h := commands.New(openStore(t), at(noon))
	f := openFirm(t, h)
	c := f.template(1)
	c.PhoneNumberID = "1"
	_, err := h.SendMessage(t.Context(), api, c)
	rejected(t, err, domain.NotFound, "NumberUnknown")
	c.PhoneNumberID = number
	_, err = h.SendMessage(t.Context(), api, c)
	require.NoError(t, err)
	c.MessageID = message(2)
	c.Kind, c.Template, c.Category = "text", nil, ""
	_, err = h.SendMessage(t.Context(), api, c)
	rejected(t, err, domain.Conflict, "ServiceWindowClosed")
}

func TestMessageFromQueuedToRead(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	h := commands.New(store, at(noon))
	f := openFirm(t, h)
	sent, err := h.SendMessage(t.Context(), api, f.template(1))
	require.NoError(t, err)
	accepted, err := h.AcceptMessage(t.Context(), api, commands.AcceptMessage{Conversation: f.conversation, Message: message(1), WamidHash: wamid(1)})
	require.NoError(t, err)
	require.Greater(t, accepted, sent)
	_, err = h.AcceptMessage(t.Context(), api, commands.AcceptMessage{Conversation: f.conversation, Message: message(9), WamidHash: wamid(9)})
	rejected(t, err, domain.NotFound, "MessageUnknown")

	seconds := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Second) }
	stranger := f.status(9, events.StatusRead, noon)
	outcome, err := h.RecordUpdates(t.Context(), api, f.delivery(
		f.status(1, events.StatusRead, seconds(3)), stranger, f.status(1, events.StatusSent, seconds(1)),
		f.status(1, events.StatusDelivered, seconds(9)), inbound(5, seconds(4))))
	require.NoError(t, err)
	require.Equal(t, []conversation.Update{stranger}, outcome.Unplaced)
	again, err := h.RecordUpdates(t.Context(), api, f.delivery(
		f.status(1, events.StatusSent, seconds(1)), stranger, f.status(1, events.StatusRead, seconds(5)), inbound(5, seconds(4))))
	require.NoError(t, err)
	require.Equal(t, outcome, again)
	for _, earlier := range []int{8, 2} {
		_, err = h.RecordUpdates(t.Context(), api, f.delivery(f.status(1, events.StatusDelivered, seconds(earlier))))
		require.NoError(t, err)
	}

	all := read(t, store, conversation.Stream(f.conversation))
	require.Equal(t, []string{
		"ConversationStarted", "MessageQueued", "MessageAccepted", "MessageRead", "MessageSent", "MessageDelivered",
		"MessageReceived", "StatusTimeCorrected", "StatusTimeCorrected",
	}, types(all))
	ids := map[id.Event]bool{}
	for i, s := range all {
		require.Equal(t, noon, s.envelope.RecordedAt)
		require.Equal(t, f.account, s.envelope.Account)
		require.Equal(t, seconds([]int{0, 0, 0, 3, 1, 9, 4, 8, 2}[i]), s.envelope.OccurredAt, s.Type)
		ids[s.ID] = true
	}
	require.Len(t, ids, len(all), "event ids differ")
	read := all[3].event.(events.MessageRead)
	require.Equal(t, id.Derive[id.Event]("event", read.FactID.String(), "MessageRead", f.customer.String()), all[3].ID)
	require.Equal(t, id.Derive[id.Event]("event", conversation.InboundID(wamid(5)).String(), "MessageReceived", ""), all[6].ID)
}

func TestConversationStartsWhenItsFirstMessageDoes(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	h := commands.New(store, at(noon))
	f := openFirm(t, h)
	_, err := h.RecordUpdates(t.Context(), api, f.delivery(inbound(1, noon.Add(-time.Hour))))
	require.NoError(t, err)
	all := read(t, store, conversation.Stream(f.conversation))
	require.Equal(t, []string{"ConversationStarted", "MessageReceived"}, types(all))
	require.Equal(t, noon.Add(-time.Hour), all[0].envelope.OccurredAt)
	require.Equal(t, noon, all[0].envelope.RecordedAt)
}

func TestEnvelopeSaysWhoAndWhy(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	h := commands.New(store, at(noon))
	meta := command("register")
	owner, _, err := h.RegisterAccount(t.Context(), meta, pizzeria())
	require.NoError(t, err)
	registered := read(t, store, account.Stream(owner))[0].envelope
	require.Equal(t, meta.Command, registered.Command)
	require.Equal(t, meta.Command.String(), registered.Causation)
	require.Equal(t, events.Actor("api:admin"), registered.Actor)
	require.Equal(t, "api", registered.Source)
	require.Len(t, registered.Digest, 64)
	require.False(t, registered.Correlation.IsZero())
	claimed := read(t, store, account.NumberStream(number))[0].envelope
	require.Equal(t, registered.Correlation, claimed.Correlation)
	require.Equal(t, meta.Command.String(), claimed.Causation)
	require.Equal(t, owner, claimed.Account)

	meta = commands.Meta{Actor: "policy:redrive", Source: "policy:redrive", Correlation: id.New[id.Trace](), Causation: "why"}
	_, err = h.AcceptTerms(t.Context(), meta, owner, "1", "1")
	require.NoError(t, err)
	terms := read(t, store, account.Stream(owner))[1].envelope
	require.Equal(t, meta.Correlation, terms.Correlation)
	require.Equal(t, "why", terms.Causation)
	require.False(t, terms.Command.IsZero())
	require.Empty(t, terms.Digest, "nobody can repeat an id that was made up")
}

func TestQuarantine(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	h := commands.New(store, at(noon))
	item := id.New[id.Quarantine]()
	update := events.UpdateQuarantined{QuarantineID: item, Reason: events.UnknownNumber, ReceivedAt: noon.Add(-time.Minute), Body: "sealed"}
	_, err := h.MarkRedriven(t.Context(), api, item, "conversation-x")
	rejected(t, err, domain.NotFound, "QuarantineUnknown")
	first, err := h.Quarantine(t.Context(), api, update)
	require.NoError(t, err)
	again, err := commands.New(store, at(noon)).Quarantine(t.Context(), api, update)
	require.NoError(t, err)
	require.Equal(t, first, again)
	closed, err := h.MarkRedriven(t.Context(), api, item, "conversation-x")
	require.NoError(t, err)
	twice, err := h.MarkRedriven(t.Context(), api, item, "conversation-x")
	require.NoError(t, err)
	require.Equal(t, closed, twice)
	all := read(t, store, "quarantine-"+item.String())
	require.Equal(t, []string{"UpdateQuarantined", "UpdateRedriven"}, types(all))
	require.Equal(t, noon.Add(-time.Minute), all[0].envelope.OccurredAt)
	require.Equal(t, id.Derive[id.Event]("event", item.String(), "UpdateQuarantined", ""), all[0].ID)
}

func TestALargeDeliveryIsSplitIntoAppends(t *testing.T) {
	t.Parallel()
	appends := 0
	store := &wire{EventStore: openStore(t), afterAppend: func(string) error { appends++; return nil }}
	h := commands.New(store, at(noon))
	f := openFirm(t, h)
	many := make([]conversation.Update, 0, 1002)
	for n := range 1001 {
		many = append(many, inbound(n, noon))
	}
	large := func(n int) conversation.Inbound {
		u := inbound(n, noon)
		u.Content = events.Sealed(strings.Repeat("x", 500<<10))
		return u
	}
	_, err := h.RecordUpdates(t.Context(), api, f.delivery(inbound(-1, noon)))
	require.NoError(t, err)
	long := f.template(1) // with all that a status says again of it
	long.Dialling = events.Dialling{Prefix: "1650", Country: "US"}
	_, err = h.SendMessage(t.Context(), api, long)
	require.NoError(t, err)
	word := strings.Repeat("w", 128) // the longest that the webhook lets through
	worded := make([]conversation.Update, 500)
	for i := range worded {
		u := f.status(1, events.StatusDelivered, noon)
		u.RecipientID = id.NewRandom[id.Customer]()
		u.Pricing = &events.Pricing{Billable: new(true), Model: word, Type: word, Category: word}
		u.Origin = &events.Origin{PlatformID: word, Type: word, ExpiresAt: &noon}
		u.Raw = events.Sealed(strings.Repeat("x", 100))
		worded[i] = u
	}
	for name, c := range map[string]struct {
		updates []conversation.Update
		appends int
	}{
		"many":   {append(many, f.status(1, events.StatusSent, noon)), 3},
		"worded": {worded, 2},
		"large":  {[]conversation.Update{large(2001), large(2002), large(2003)}, 3},
	} {
		before := len(read(t, store, conversation.Stream(f.conversation)))
		appends = 0
		outcome, err := h.RecordUpdates(t.Context(), api, f.delivery(c.updates...))
		require.NoError(t, err, name)
		require.Equal(t, c.appends, appends, name)
		all := read(t, store, conversation.Stream(f.conversation))
		require.Equal(t, all[len(all)-1].Position, outcome.Position)
		again, err := h.RecordUpdates(t.Context(), api, f.delivery(c.updates...))
		require.NoError(t, err)
		require.Equal(t, outcome, again)
		require.Equal(t, c.appends, appends, name)
		require.Greater(t, len(all), before)
	}
}
