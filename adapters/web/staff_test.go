package web_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/adapters/web/api"
	"daybook/events"
	"daybook/events/id"
)

func TestS09_TheTrailTellsWhichDeviceWroteToWhichColleague(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	s.done(account, http.MethodPost, "/premium", "")
	mario, luigi := s.device(account, "iPhone Mario"), s.device(account, "Samsung Luigi")
	text := func(from, to id.Device) string {
		return `{"device_id":"` + from.String() + `","to_device_id":"` + to.String() + `","text":"Who takes table 4?"}`
	}
	s.refused(account, http.MethodPost, "/staff-messages", text(mario, mario), "RecipientIsSender")
	s.refused(account, http.MethodPost, "/staff-messages", text(mario, id.NewRandom[id.Device]()), "DeviceNotLinked")
	s.refused(id.NewRandom[id.Account](), http.MethodPost, "/staff-messages", text(mario, luigi), "AccountUnknown")
	var sent api.StaffMessageSent
	require.NoError(t, json.Unmarshal(s.done(account, http.MethodPost, "/staff-messages", text(mario, luigi)).body, &sent))
	s.done(account, http.MethodPatch, "/devices/"+mario.String(), `{"name":"Front desk"}`)

	trail := s.call(http.MethodGet, "/api/v1/audit/entries?type=StaffMessageSent&account="+account.String()+"&wait_for="+sent.Token, "")
	require.Equal(t, http.StatusOK, trail.StatusCode, "%s", trail.body)
	var entries struct {
		Entries []struct {
			Data events.StaffMessageSent `json:"data"`
		} `json:"entries"`
	}
	require.NoError(t, json.Unmarshal(trail.body, &entries))
	require.Len(t, entries.Entries, 1)
	e := entries.Entries[0].Data
	require.Equal(t, []any{sent.ID, mario, "iPhone Mario", luigi, "Samsung Luigi"},
		[]any{e.MessageID, e.DeviceID, e.DeviceName, e.ToDeviceID, e.ToDeviceName})
	require.NotContains(t, string(trail.body), "table 4")
	require.Equal(t, "Who takes table 4?", s.open(e.Content, e.MessageID, "content"))
}
