package whatsapp_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/commands"
	"daybook/domain"
	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
)

// TestVector04_EchoesAndHistoryNeverOpenTheWindow: what the business wrote elsewhere, and what was written before it
// came to Daybook, is recorded, but nothing happens by it.
func TestVector04_EchoesAndHistoryNeverOpenTheWindow(t *testing.T) {
	t.Parallel()
	r := start(t)
	owner, device := r.register(t)
	customers, err := r.vault.Customers(t.Context(), owner, []events.Person{{WaID: "393900000001"}})
	require.NoError(t, err)
	write := func() error {
		_, err := r.commands.SendMessage(t.Context(), commands.Meta{Actor: "api:test", Source: "api"}, conversation.Send{
			Account: owner, CustomerID: customers[0], MessageID: id.New[id.Message](), DeviceID: device, Kind: "text",
		})
		return err
	}
	asked := noon().Add(-23 * time.Hour)
	tellElsewhere := func(at time.Time) {
		r.mustPost(t, inField("smb_message_echoes", fmt.Sprintf(
			`"message_echoes":[{"from":"390655500100","to":"393900000001","id":"wamid.e%d","timestamp":"%d","type":"text"}]`, at.Unix(), at.Unix())))
		r.mustPost(t, inField("history", fmt.Sprintf(`"history":[{"metadata":{"phase":0,"chunk_order":1,"progress":100},"threads":[`+
			`{"id":"393900000001","messages":[{"from":"393900000001","to":"390655500100","id":"wamid.i%d","timestamp":"%d","type":"text"},`+
			`{"from":"390655500100","to":"393900000001","id":"wamid.o%d","timestamp":"%d","type":"text","history_context":{"status":"READ"}}]}]}]`,
			at.Unix(), at.Unix(), at.Unix(), at.Unix())))
	}

	tellElsewhere(asked)
	var rejection *domain.Rejection
	require.ErrorAs(t, write(), &rejection)
	require.Equal(t, "ServiceWindowClosed", rejection.Code)
	told := r.conversations(t)
	require.Len(t, told, 4, "started, echoed, imported twice")
	require.False(t, told[2].(events.MessageImported).Outbound)
	require.True(t, told[3].(events.MessageImported).Outbound)
	require.Equal(t, events.StatusRead, told[3].(events.MessageImported).Status)

	r.mustPost(t, batch("messages", fmt.Sprintf(`{"from":"393900000001","id":"wamid.Q","timestamp":"%d","type":"text"}`, asked.Unix())))
	tellElsewhere(noon().Add(-time.Hour))
	require.NoError(t, write())
	told = r.conversations(t)
	require.Len(t, told, 4+1+3+1, "received, echoed, imported twice, queued")
	until := asked.Add(24 * time.Hour)
	require.Equal(t, until, told[4].(events.MessageReceived).WindowUntil)
	require.Equal(t, &until, told[8].(events.MessageQueued).WindowUntil)
	require.Empty(t, r.read(t).quarantined)
}

// inField is a delivery of another webhook field.
func inField(field, list string) []byte {
	body := strings.Replace(string(batch("messages")), `"field":"messages"`, `"field":"`+field+`"`, 1)
	return []byte(strings.Replace(body, `"messages":[]`, list, 1))
}

// conversations is every event of every conversation.
func (r *rig) conversations(t failing) (told []events.Event) {
	t.Helper()
	for _, record := range r.read(t).records {
		if strings.HasPrefix(record.Stream, "conversation-") {
			_, event, err := decode(record)
			require.NoError(t, err)
			told = append(told, event)
		}
	}
	return told
}
