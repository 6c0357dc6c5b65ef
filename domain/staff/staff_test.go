package staff_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/domain"
	"daybook/domain/scenario"
	"daybook/domain/staff"
	"daybook/events"
	"daybook/events/id"
)

func TestS09_AStaffMessageCarriesBothNamesAndIsRecordedOnce(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 10, 31, 23, 30, 0, 0, time.UTC)
	c := staff.Send{
		Account: id.Derive[id.Account]("a"), MessageID: id.Derive[id.Message]("m"),
		DeviceID: id.Derive[id.Device]("mario"), ToDeviceID: id.Derive[id.Device]("luigi"), Content: "sealed",
	}
	send := func(c staff.Send) func(staff.State) ([]events.Event, error) {
		return func(s staff.State) ([]events.Event, error) {
			return s.Send(c, staff.Between{From: "iPhone Mario", To: "Samsung Luigi", RegistryRevision: 7}, now)
		}
	}
	sent := scenario.New(staff.Evolve).When(send(c)).Then(t, events.StaffMessageSent{
		AccountID: c.Account, MessageID: c.MessageID, DeviceID: c.DeviceID, DeviceName: "iPhone Mario", ToDeviceID: c.ToDeviceID,
		ToDeviceName: "Samsung Luigi", RegistryRevision: 7, SentAt: now, Content: "sealed",
	})
	require.Equal(t, domain.Conflict, sent.When(send(c)).Rejected(t, "MessageExists").Kind)
	c.ToDeviceID = c.DeviceID
	require.Equal(t, "to_device_id", sent.When(send(c)).Rejected(t, "RecipientIsSender").Field)
	require.Equal(t, "staff-"+c.Account.String()+"-2026-10", staff.Stream(c.Account, now.In(time.FixedZone("CET", 3600))))
}
