package commands_test

import (
	"context"
	"iter"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/storetest"
	"daybook/commands"
	"daybook/domain"
	"daybook/domain/account"
	"daybook/domain/conversation"
	"daybook/domain/devices"
	"daybook/events"
	"daybook/events/id"
)

const number = "106540352242922"

var (
	noon = time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	api  = commands.Meta{Actor: "api:admin", Source: "api"}
)

func at(moment time.Time) func() time.Time { return func() time.Time { return moment } }

func openStore(t *testing.T) storetest.LentStore {
	t.Helper()
	return storetest.Lend(t)
}

func command(name string) commands.Meta {
	meta := api
	meta.Command = id.Derive[id.Command]("test", name)
	return meta
}

func pizzeria() account.Register {
	return account.Register{
		Name: "Pizzeria Mario", Kind: "app", Country: "IT", Currency: "EUR", Timezone: "Europe/Rome", WABAID: "102290129340398",
		Numbers: []events.BusinessNumber{{PhoneNumberID: number, DisplayPhoneNumber: "390612345678"}},
	}
}

// firm is an account that has accepted the terms, with one device and one customer.
type firm struct {
	account      id.Account
	device       id.Device
	customer     id.Customer
	conversation id.Conversation
}

func openFirm(t *testing.T, h *commands.Handler) firm {
	t.Helper()
	owner, _, err := h.RegisterAccount(t.Context(), api, pizzeria())
	require.NoError(t, err)
	_, err = h.AcceptTerms(t.Context(), api, owner, "2026-01", "7")
	require.NoError(t, err)
	device, _, err := h.LinkDevice(t.Context(), api, owner, devices.Link{Kind: "smartphone", Platform: "ios", Name: "iPhone Mario"})
	require.NoError(t, err)
	customer := id.NewRandom[id.Customer]()
	return firm{owner, device, customer, conversation.IDOf(number, customer)}
}

func (f firm) template(n int) conversation.Send {
	return conversation.Send{
		Account: f.account, CustomerID: f.customer, DeviceID: f.device, MessageID: message(n), Kind: "template",
		Category: events.Utility, Template: &events.Template{Name: "order_shipped", Language: "it"}, Content: "sealed",
	}
}

func (f firm) delivery(updates ...conversation.Update) commands.Delivery {
	return commands.Delivery{
		Account: f.account, PhoneNumberID: number, Customer: f.customer, Conversation: f.conversation, Updates: updates,
	}
}

func (f firm) status(n int, s events.Status, moment time.Time) conversation.StatusUpdate {
	return conversation.StatusUpdate{
		MessageID: message(n), RecipientID: f.customer, FactID: conversation.StatusFactID(wamid(n), s, f.customer),
		Status: s, At: moment, Raw: "sealed",
	}
}

func inbound(n int, moment time.Time) conversation.Inbound {
	return conversation.Inbound{
		MessageID: conversation.InboundID(wamid(n)), WamidHash: wamid(n), Kind: "text", SentAt: moment, Content: "sealed",
	}
}

func message(n int) id.Message { return id.Derive[id.Message]("test", strconv.Itoa(n)) }

func wamid(n int) events.WamidHash { return events.WamidHash("w1:" + strconv.Itoa(n)) }

// stored is an event with what stands around it.
type stored struct {
	events.Record

	event    events.Event
	envelope events.Envelope
}

func read(t testing.TB, store commands.EventStore, stream string) []stored {
	t.Helper()
	var all []stored
	for record, err := range store.ReadStream(context.WithoutCancel(t.Context()), stream, 0) {
		require.NoError(t, err)
		envelope, err := events.DecodeEnvelope(record.Metadata)
		require.NoError(t, err)
		event, err := events.Decode(record.Type, envelope.Version, record.Data)
		require.NoError(t, err)
		all = append(all, stored{record, event, envelope})
	}
	return all
}

func types(all []stored) []string {
	var names []string
	for _, s := range all {
		names = append(names, s.Type)
	}
	return names
}

func rejected(t *testing.T, err error, kind domain.Kind, code string) {
	t.Helper()
	var rejection *domain.Rejection
	require.ErrorAs(t, err, &rejection)
	require.Equal(t, code, rejection.Code, rejection.Detail)
	require.Equal(t, kind, rejection.Kind)
}

// wire is a store with faults. A nil fault is none.
type wire struct {
	commands.EventStore

	beforeAppend func(stream string) error // an error keeps the append from happening
	afterAppend  func(stream string) error // an error hides that it happened
	onRead       func(stream string)
}

func (w *wire) Append(ctx context.Context, stream string, expected events.Expected, proposed []events.Proposed) (events.Appended, error) {
	if w.beforeAppend != nil {
		if err := w.beforeAppend(stream); err != nil {
			return events.Appended{}, err
		}
	}
	appended, err := w.EventStore.Append(ctx, stream, expected, proposed)
	if err == nil && w.afterAppend != nil {
		err = w.afterAppend(stream)
	}
	return appended, err
}

func (w *wire) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[events.Record, error] {
	if w.onRead != nil {
		w.onRead(stream)
	}
	return w.EventStore.ReadStream(ctx, stream, from)
}
