package web_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
	"daybook/events"
	"daybook/events/id"
)

// link links a device of a kind, or tells the code of the refusal.
func (s *system) link(account id.Account, kind, name string) (device id.Device, refused string) {
	s.t.Helper()
	linked, err := s.LinkDevice(s.t.Context(), account, api.LinkDevice{Kind: kind, Platform: "android", Name: name})
	if err != nil {
		var problem *client.Problem
		require.ErrorAs(s.t, err, &problem)
		return device, problem.Code
	}
	return linked.ID, ""
}

// linkAll links that many, which must succeed.
func (s *system) linkAll(account id.Account, kind string, number int) (devices []id.Device) {
	s.t.Helper()
	for i := range number {
		device, refused := s.link(account, kind, fmt.Sprintf("%s %d", kind, i+1))
		require.Empty(s.t, refused)
		devices = append(devices, device)
	}
	return devices
}

func TestS01_TheFifthDeviceOfAStandardAccountIsRefused(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	s.linkAll(account, "computer", 4)
	before := s.head()
	_, refused := s.link(account, "tablet", "iPad")
	require.Equal(t, "DeviceLimitReached", refused)
	require.Equal(t, before, s.head(), "it changes nothing")
}

func TestS02_TheSecondSmartphoneOfAStandardAccountIsRefused(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	s.linkAll(account, "smartphone", 1)
	_, refused := s.link(account, "smartphone", "Pixel")
	require.Equal(t, "SmartphoneLimitReached", refused)
	_, refused = s.link(account, "tablet", "iPad")
	require.Empty(t, refused, "there was room")
}

func TestS03_TenSmartphonesOfAPremiumAccount(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	_, err := s.SubscribePremium(t.Context(), account)
	require.NoError(t, err)
	s.linkAll(account, "smartphone", 10)
	_, refused := s.link(account, "computer", "iMac")
	require.Equal(t, "DeviceLimitReached", refused)
}

func TestS04_ADeviceIsASmartphoneATabletOrAComputer(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	for _, kind := range []string{"smartphone", "tablet", "computer"} {
		_, refused := s.link(account, kind, "my "+kind)
		require.Empty(t, refused)
	}
	_, refused := s.link(account, "watch", "my watch")
	require.Equal(t, "DeviceKindUnknown", refused)
}

func TestS05_ANameIsGivenOnceInAnAccount(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	devices := s.linkAll(account, "computer", 2)
	_, err := s.RenameDevice(t.Context(), account, devices[0], "Samsung Luigi")
	require.NoError(t, err)
	_, err = s.RenameDevice(t.Context(), account, devices[1], " SAMSUNG luigi ")
	require.True(t, client.IsProblem(err, "DeviceNameTaken"), err)
	_, err = s.RenameDevice(t.Context(), account, devices[1], "computer 1")
	require.NoError(t, err, "nobody is called that any more")
}

func TestS06_EveryLinkedDeviceSendsAndIsRecorded(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	devices := s.linkAll(account, "computer", 3)
	s.hello(account)
	for i, device := range devices {
		sent, err := s.SendMessage(t.Context(), account, text(device, "ciao"))
		require.NoError(t, err)
		info, err := s.MessageInfo(t.Context(), sent.ID, client.WaitFor(sent.Position))
		require.NoError(t, err)
		require.Equal(t, device, info.Device.ID)
		require.Equal(t, fmt.Sprintf("computer %d", i+1), info.Device.NameAtSend)
	}
	_, err := s.UnlinkDevice(t.Context(), account, devices[0])
	require.NoError(t, err)
	_, err = s.SendMessage(t.Context(), account, text(devices[0], "ciao"))
	require.True(t, client.IsProblem(err, "DeviceNotLinked"), err)
}

func TestS10_LimitsFollowTheSubscription(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	_, err := s.SubscribePremium(t.Context(), account)
	require.NoError(t, err)
	devices := s.linkAll(account, "smartphone", 5)
	_, err = s.CancelPremium(t.Context(), account)
	require.NoError(t, err)
	s.hello(account)
	for _, device := range devices {
		_, err = s.SendMessage(t.Context(), account, text(device, "ciao"))
		require.NoError(t, err, "nothing is unlinked")
	}
	_, refused := s.link(account, "computer", "iMac")
	require.Equal(t, "DeviceLimitReached", refused)
	_, err = s.SubscribePremium(t.Context(), account)
	require.NoError(t, err)
	_, refused = s.link(account, "computer", "iMac")
	require.Empty(t, refused)
}

// notification is a template to a number that never wrote.
func notification(device id.Device, to, name string) api.SendMessage {
	return api.SendMessage{
		DeviceID: device, To: to, Type: "template", Category: "utility",
		Template: &api.Template{Name: name, Language: "it", Parameters: []string{"14:35"}},
	}
}

func TestS34_OneNumberServesHundredsFromSeveralDevices(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	devices := s.linkAll(account, "computer", 4)
	conversations := map[id.Conversation]id.Device{}
	for i := range 200 {
		device := devices[i%len(devices)]
		sent, err := s.SendMessage(t.Context(), account, notification(device, fmt.Sprintf("+39333%07d", i), "order_ready"))
		require.NoError(t, err)
		conversations[sent.Conversation] = device
		require.Equal(t, device, s.queued(sent.Conversation, sent.ID).DeviceID)
	}
	require.Len(t, conversations, 200, "each customer has a conversation with the number")
}

// TestS35_AndS60_WhatMattersIsSentWithoutBeingAskedFor: orders, flights, delays and incidents, as notifications.
func TestS35_AndS60_WhatMattersIsSentWithoutBeingAskedFor(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	device := s.device(account, "iPhone Mario")
	for _, name := range []string{"flight_changed", "delivery_confirmed", "order_details", "incident", "delay"} {
		sent, err := s.SendMessage(t.Context(), account, notification(device, "+"+customerNumber, name))
		require.NoError(t, err)
		queued := s.queued(sent.Conversation, sent.ID)
		require.Equal(t, events.Utility, queued.Category)
		require.Equal(t, name, queued.Template.Name)
		require.Contains(t, s.open(queued.Content, queued.MessageID, "content"), "14:35")
	}
}

// TestS47_CustomersNeedNothingOfOurs: a number, or the platform's name for who shows none, is all that is needed.
func TestS47_CustomersNeedNothingOfOurs(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	device := s.device(account, "iPhone Mario")
	for _, to := range []string{"+393337654321", "IT.abc123"} {
		sent, err := s.SendMessage(t.Context(), account, notification(device, to, "order_ready"))
		require.NoError(t, err)
		info, err := s.MessageInfo(t.Context(), sent.ID, client.WaitFor(sent.Position))
		require.NoError(t, err)
		require.Equal(t, "queued", info.Status)
	}
}

// TestS62_TheHistoryIsReplayedAndTheBillIsTheLedgers: rows are those that the log gives from its beginning, the trail has
// every event, and what a message cost is what was posted.
func TestS62_TheHistoryIsReplayedAndTheBillIsTheLedgers(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.rates()
	account := s.account()
	message, head := s.delivered(account, s.device(account, "iPhone Mario"), "wamid.12345678")
	info, err := s.MessageInfo(t.Context(), message, client.WaitFor(head))
	require.NoError(t, err)
	balances, err := s.LedgerBalances(t.Context(), account, nil, client.WaitFor(head))
	require.NoError(t, err)
	require.Equal(t, info.Cost[0].Amount+" EUR", sums(balances)["cost:messages:utility:italy"])
	for _, projection := range []string{"audit", "messages", "ledger", "analytics"} {
		verdict, err := s.VerifyProjection(t.Context(), projection, 0)
		require.NoError(t, err)
		require.True(t, verdict.Clean, verdict.Text)
	}
	trail, err := s.AuditEntries(t.Context(), client.AuditFilter{Account: account, Limit: 1000}, client.WaitFor(s.head()))
	require.NoError(t, err)
	recorded := 0
	for record, err := range s.store.ReadAll(t.Context(), events.Start) {
		require.NoError(t, err)
		if _, envelope, err := events.DecodeRecord(record); err == nil && envelope.Account == account {
			recorded++
		}
	}
	require.Len(t, trail.Entries, recorded)
}
