package whatsapp_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// told is one update: an element, and the card that the platform sends along with it, if any.
type told struct{ list, element, card string }

// senders are people as the platform may name them: the names in their messages, and on their cards.
var senders = []struct{ names, card string }{
	{`"from":"393900000001"`, `{"wa_id":"393900000001","profile":{"name":"Ada"}}`},
	{`"from":"393900000002"`, `{"wa_id":"393900000002","user_id":"IT.2"}`},
	{`"from":"5511900000003"`, `{"wa_id":"551100000003","user_id":"BR.3"}`}, // the card writes the number differently
	{`"from_user_id":"IT.4"`, `{"wa_id":"393900000004","user_id":"IT.4"}`},
	{`"from":"393900000005","from_user_id":"IT.5"`, `{"user_id":"IT.5"}`},
	{`"from":"393900000006"`, ``},
	{`"type_of_sender":"nobody"`, `{"wa_id":"393900000007"}`},
}

// drawTold draws updates, each with an id of its own.
func drawTold(t *rapid.T) []told {
	var all []told
	for n := range rapid.IntRange(1, 12).Draw(t, "updates") {
		if rapid.IntRange(0, 3).Draw(t, "what") == 0 {
			all = append(all, told{"statuses", fmt.Sprintf(
				`{"id":"wamid.S%d","status":"sent","timestamp":"%d","recipient_id":"393900000001"}`, n, 1759312800+n), ""})
			continue
		}
		sender := rapid.SampledFrom(senders).Draw(t, "sender")
		all = append(all, told{"messages", fmt.Sprintf(
			`{%s,"id":"wamid.M%d","timestamp":"%d","type":"text","text":{"body":"n %d"}}`, sender.names, n, 1759312800+n, n), sender.card})
	}
	return all
}

// drawBatches puts the updates into deliveries, in any order and of any size, each with the cards of its own updates.
func drawBatches(t *rapid.T, all []told) [][]byte {
	rest := rapid.Permutation(all).Draw(t, "order")
	var bodies [][]byte
	for len(rest) > 0 {
		n := rapid.IntRange(1, len(rest)).Draw(t, "size")
		lists, cards, carded := map[string][]string{}, []string{}, map[string]bool{}
		for _, u := range rest[:n] {
			lists[u.list] = append(lists[u.list], u.element)
			if u.card != "" && !carded[u.card] {
				carded[u.card] = true
				cards = append(cards, u.card)
			}
		}
		rest = rest[n:]
		for list, elements := range lists {
			body := string(batch(list, elements...))
			bodies = append(bodies, []byte(strings.Replace(body, `"`+list+`":[`, `"contacts":[`+strings.Join(cards, ",")+`],"`+list+`":[`, 1)))
		}
	}
	return bodies
}

// TestAnyBatchingGivesTheSameFacts: the same updates in other company are the same updates. Told again in another
// batching they record nothing, and told only so they make the same facts about the same people.
func TestAnyBatchingGivesTheSameFacts(t *testing.T) {
	t.Parallel()
	v := openVault(t)
	rapid.Check(t, func(rt *rapid.T) {
		updates := drawTold(rt)
		one, other := newRig(t.Context(), rt, v), newRig(t.Context(), rt, v)
		defer one.store.Close()   //nolint:errcheck // in memory
		defer other.store.Close() //nolint:errcheck // in memory
		one.register(rt)
		other.register(rt)
		first, second := drawBatches(rt, updates), drawBatches(rt, updates)
		for _, body := range first {
			one.mustPost(rt, body)
		}
		want := factsOf(one.read(rt))
		require.Len(rt, want, len(updates))
		for _, body := range second {
			one.mustPost(rt, body)
			other.mustPost(rt, body)
		}
		require.Equal(rt, want, factsOf(one.read(rt)), "told again")
		got := factsOf(other.read(rt))
		require.Len(rt, got, len(updates))
		for fact, about := range want { // the accounts differ, and with them the people; what is known of them does not
			require.Equal(rt, about.dialling, got[fact].dialling)
			require.Equal(rt, about.carded, got[fact].carded)
		}
	})
}

// about is what a fact says of whom.
type about struct {
	customer string
	dialling string
	carded   bool
	times    int
}

// factsOf lists messages received and updates kept.
func factsOf(b book) map[string]about {
	facts := map[string]about{}
	for hash, received := range b.received {
		e := received[0]
		facts[string(hash)] = about{e.CustomerID.String(), fmt.Sprint(e.Dialling), e.Contact != "", len(received)}
	}
	for quarantined := range b.quarantined {
		facts[quarantined.String()] = about{times: 1}
	}
	return facts
}
