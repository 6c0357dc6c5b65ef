package whatsapp_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/commands"
	"daybook/domain/account"
	"daybook/events"
)

// TestWhatAMessageAsksForIsFoundBeforeItIsSealed: keywords, buttons and configured commands; the words themselves are gone.
func TestWhatAMessageAsksForIsFoundBeforeItIsSealed(t *testing.T) {
	t.Parallel()
	r := start(t)
	owner, _ := r.register(t)
	meta := commands.Meta{Actor: "api:test", Source: "api"}
	_, err := r.commands.ChangeFeature(r.ctx, meta, owner, events.FeatureCommands, true)
	require.NoError(t, err)
	_, err = r.commands.ConfigureCommand(r.ctx, meta, owner, account.Command{
		Name: "menu", Replies: []events.LocalizedReply{{Language: "it", Text: "Pasta"}},
	})
	require.NoError(t, err)
	for i, c := range []struct {
		members, command string
		intent           events.Intent
	}{
		{`"type":"text","text":{"body":" STOP. "}`, "", events.IntentStop},
		{`"type":"text","text":{"body":"please do not stop"}`, "", ""},
		{`"type":"text","text":{"body":"Iscrivimi"}`, "", events.IntentStart},
		{`"type":"text","text":{"body":"spam!"}`, "", events.IntentReport},
		{`"type":"text","text":{"body":"/MENU di oggi"}`, "menu", events.IntentCommand},
		{`"type":"text","text":{"body":"/listino"}`, "", ""},
		{`"type":"button","button":{"text":"Unsubscribe","payload":"x"}`, "", events.IntentStop},
		{`"type":"interactive","interactive":{"type":"button_reply","button_reply":{"id":"1","title":"Stop"}}`, "", events.IntentStop},
		{`"type":"image","image":{"id":"1","caption":"stop"}`, "", ""},
	} {
		wamid := fmt.Sprintf("wamid.asks%d", i)
		r.mustPost(t, batch("messages", fmt.Sprintf(`{"from":"39390000000%d","id":"%s","timestamp":"1759312800",%s}`, i, wamid, c.members)))
		received := r.read(t).received[r.vault.WamidHash(wamid)]
		require.Len(t, received, 1)
		require.Equal(t, c.intent, received[0].Intent, c.members)
		require.Equal(t, c.command, received[0].Command, c.members)
		require.Equal(t, c.members[:12] == `"type":"imag`, received[0].Media == "image", c.members)
	}
}

// TestWhatIsSaidOfACustomer: each element of the other fields of conversations, or why it is kept.
func TestWhatIsSaidOfACustomer(t *testing.T) {
	t.Parallel()
	v := openVault(t)
	for name, c := range map[string]struct {
		field, list string
		want        any
	}{
		"resumed": {"user_preferences", `"user_preferences":[{"wa_id":"16505550123","category":"marketing_messages","value":"resume","timestamp":1759312800}]`,
			events.CustomerOptedIn{}},
		"another choice": {"user_preferences", `"user_preferences":[{"wa_id":"16505550123","category":"news","value":"stop","timestamp":1759312800}]`,
			events.UnknownShape},
		"choice of nobody": {"user_preferences", `"user_preferences":[{"category":"marketing_messages","value":"stop","timestamp":1759312800}]`,
			events.UnknownShape},
		"taken out": {"smb_app_state_sync", `"state_sync":[{"type":"contact","contact":{"phone_number":"393900000001"},"action":"remove","metadata":{"timestamp":"1759312800"}}]`,
			events.NotUsed},
		"card without a number": {"smb_app_state_sync", `"state_sync":[{"type":"contact","contact":{"full_name":"Elena"},"action":"add","metadata":{"timestamp":"1759312800"}}]`,
			events.UnknownShape},
		"echo to nobody": {"smb_message_echoes", `"message_echoes":[{"id":"w","timestamp":"1759312800","type":"text"}]`, events.UnknownShape},
		"no history":     {"history", `"history":[{"errors":[{"code":2593109}]}]`, events.UnknownShape},
		"another number": {"messages", `"messages":[{"from":"16505550123","id":"w","timestamp":"1759312800","type":"system","system":{"body":"Ada changed",` +
			`"wa_id":"393900000009","type":"user_changed_number"}}]`, events.CustomerNumberChanged{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t.Context(), t, v)
			t.Cleanup(func() { require.NoError(t, r.store.Close()) })
			r.register(t)
			body := inField(c.field, c.list)
			r.mustPost(t, body)
			r.mustPost(t, body)
			if reason, kept := c.want.(events.QuarantineReason); kept {
				for _, q := range r.read(t).quarantined {
					require.Equal(t, reason, q.Reason)
				}
				require.Len(t, r.read(t).quarantined, 1)
				return
			}
			told := r.conversations(t)
			require.Len(t, told, 2, "started, and said once")
			require.IsType(t, c.want, told[1])
		})
	}
}
