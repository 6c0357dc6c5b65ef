package whatsapp_test

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/events"
	"daybook/events/id"
)

// landed checks that every update of the deliveries is in its conversation or in quarantine, exactly once, and that
// nothing else is. Messages and what is told of the account have a place when the number is claimed, statuses when their
// message is bound.
func (r *rig) landed(t failing, bodies [][]byte, registered, bound bool) {
	t.Helper()
	b := r.read(t)
	kept := map[string]int{}
	for quarantined, text := range b.bodies {
		if _, closed := b.redriven[quarantined]; !closed {
			kept[text]++
		}
	}
	wanted := map[string]bool{} // in quarantine
	messages, steps := map[events.WamidHash]string{}, map[string]time.Time{}
	told, elsewhere := map[string]bool{}, map[string]bool{}
	for _, body := range bodies {
		for _, u := range updatesOf(t, body) {
			switch {
			case u.list == "messages" && registered:
				messages[r.vault.WamidHash(u.member("id"))] = u.text
			case u.list == "statuses" && bound:
				key := u.member("id") + " " + u.member("status")
				at := unix(t, u.member("timestamp"))
				if first, told := steps[key]; !told || at.Before(first) {
					steps[key] = at
				}
			case (u.list == "message_echoes" || u.list == "state_sync" || u.list == "user_preferences") && registered:
				elsewhere[u.text] = true
			case (u.list == "" || u.list == "errors") && registered:
				told[u.text] = true
			default:
				wanted[u.text] = true
			}
		}
	}
	// An echo of a message that was sent here, and a choice that was made before, are no news.
	require.LessOrEqual(t, b.elsewhere, len(elsewhere), "what was written or said elsewhere is recorded once")
	require.ElementsMatch(t, slices.Collect(maps.Keys(told)), slices.Collect(maps.Keys(b.told)))
	for text, types := range b.told {
		require.Len(t, types, len(slices.Compact(slices.Sorted(slices.Values(types)))), "each fact is recorded once: %s", text)
	}
	for text, times := range kept {
		require.Equal(t, 1, times, "kept once: %s", text)
		require.Contains(t, wanted, text, "kept though it has a place, or was never told")
	}
	require.Len(t, kept, len(wanted))
	require.Len(t, b.received, len(messages))
	for hash, text := range messages {
		r.recordedWhole(t, b.received[hash], text)
	}
	require.Len(t, b.steps, len(steps))
	for key, facts := range b.steps {
		require.Len(t, facts, 1, "a step is recorded once")
		told := r.stepOf(t, facts[0])
		require.True(t, strings.HasSuffix(told, " "+string(key.status)))
		first, ok := steps[told]
		require.True(t, ok)
		require.False(t, facts[0].At.Before(first))
	}
}

// recordedWhole checks that a message stands once, and that all of it can be opened.
func (r *rig) recordedWhole(t failing, received []events.MessageReceived, text string) {
	t.Helper()
	require.Len(t, received, 1)
	content, err := r.vault.Open(r.ctx, received[0].Content, id.Of[id.Fact](received[0].MessageID), "content")
	require.NoError(t, err)
	updates := updatesOf(t, batch("messages", string(content)))
	require.Equal(t, text, updates[0].text)
}

// stepOf opens the status that a fact was taken from.
func (r *rig) stepOf(t failing, fact events.StatusFact) string {
	t.Helper()
	raw, err := r.vault.Open(r.ctx, fact.Raw, fact.FactID, "raw")
	require.NoError(t, err)
	u := updatesOf(t, batch("statuses", string(raw)))[0]
	return u.member("id") + " " + u.member("status")
}

func unix(t failing, seconds string) time.Time {
	t.Helper()
	n, err := strconv.ParseInt(seconds, 10, 64)
	require.NoError(t, err)
	return time.Unix(n, 0).UTC()
}

// TestEverySampleLandsOnce posts each sample once, and then all of them twice more, backwards and forwards.
func TestEverySampleLandsOnce(t *testing.T) {
	t.Parallel()
	v := openVault(t)
	for _, c := range []struct {
		name              string
		registered, bound bool
	}{{"NothingKnown", false, false}, {"NumberKnown", true, false}, {"AllKnown", true, true}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t.Context(), t, v)
			t.Cleanup(func() { require.NoError(t, r.store.Close()) })
			bodies := samples(t)
			if c.registered {
				owner, device := r.register(t)
				if c.bound {
					r.bind(t, owner, device, recipients(t, bodies))
				}
			}
			names := slices.Sorted(maps.Keys(bodies))
			var all [][]byte
			for _, name := range names {
				r.mustPost(t, bodies[name])
				all = append(all, bodies[name])
			}
			r.landed(t, all, c.registered, c.bound)
			records := len(r.read(t).records)
			for i := range names {
				r.mustPost(t, all[len(names)-1-i])
			}
			for i := range names {
				r.mustPost(t, all[i])
			}
			r.landed(t, all, c.registered, c.bound)
			if !c.bound { // with bindings, an earlier time told later is recorded once as a correction
				require.Len(t, r.read(t).records, records, "repeats record nothing")
			}
		})
	}
}

// TestSamplesInAnyOrder posts samples three times each, shuffled. The account is registered and the messages are bound
// at any moment in between; whatever was kept before that is driven again.
func TestSamplesInAnyOrder(t *testing.T) {
	t.Parallel()
	v := openVault(t)
	bodies := samples(t)
	names := slices.Sorted(maps.Keys(bodies))
	rapid.Check(t, func(rt *rapid.T) {
		r := newRig(t.Context(), rt, v)
		defer r.store.Close() //nolint:errcheck // in memory
		chosen := rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, 12, rapid.ID).Draw(rt, "samples")
		order := rapid.Permutation(slices.Concat(chosen, chosen, chosen)).Draw(rt, "order")
		moment := rapid.IntRange(0, 2*len(order)).Draw(rt, "registered before") // late: never
		bound := rapid.Bool().Draw(rt, "bound")
		registered := false
		var all [][]byte
		for i, name := range order {
			if i == moment {
				owner, device := r.register(rt)
				registered = true
				if bound {
					r.bind(rt, owner, device, recipients(rt, bodies))
				}
			}
			r.mustPost(rt, bodies[name])
			all = append(all, bodies[name])
		}
		r.redriveAll(rt)
		r.landed(rt, all, registered, registered && bound)
	})
}

// TestNothingPersonalStandsInClear posts all samples, with and without a place for them, and searches every stored byte
// and every log line for what is personal in them.
func TestNothingPersonalStandsInClear(t *testing.T) {
	t.Parallel()
	v := openVault(t)
	bodies := samples(t)
	secrets := personal(t, bodies)
	require.Greater(t, len(secrets), 50)
	for _, registered := range []bool{false, true} {
		r := newRig(t.Context(), t, v)
		if registered {
			owner, device := r.register(t)
			r.bind(t, owner, device, recipients(t, bodies))
		}
		for _, body := range bodies {
			r.mustPost(t, body)
		}
		r.redriveAll(t)
		for _, record := range r.read(t).records {
			stored := record.Stream + record.Type + string(record.Data) + string(record.Metadata)
			for secret := range secrets {
				require.NotContains(t, stored, secret, "%s of %s", record.Type, record.Stream)
			}
		}
		for secret := range secrets {
			require.NotContains(t, r.logged.String(), secret)
		}
		require.NoError(t, r.store.Close())
	}
}

// personal collects names, numbers, platform ids and texts of the samples: every string in a message, status, echo or
// contact that is not one of the platform's own words.
func personal(t *testing.T, bodies map[string][]byte) map[string]bool {
	t.Helper()
	words := map[string]bool{ // the platform's words, and what is the business's own
		"390655500100": true, "whatsapp": true,
	}
	found := map[string]bool{}
	var collect func(key string, value any)
	collect = func(key string, value any) {
		switch v := value.(type) {
		case map[string]any:
			for k, child := range v {
				collect(k, child)
			}
		case []any:
			for _, child := range v {
				collect(key, child)
			}
		case string:
			switch key {
			case "from", "to", "wa_id", "recipient_id", "phone", "body", "name", "first_name", "last_name", "formatted_name",
				"full_name", "phone_number", "caption", "address", "url", "sha256", "ctwa_clid", "payload", "message_id", "input", "description", "subject",
				"title", "details":
				if !words[v] && len(v) > 3 {
					found[v] = true
				}
			case "id":
				if encoded, ok := strings.CutPrefix(v, "wamid."); ok {
					found[v], found[encoded] = true, true
					decoded, err := base64.StdEncoding.DecodeString(encoded)
					require.NoError(t, err)
					found[string(decoded)] = true
				}
			}
		}
	}
	for _, body := range bodies {
		for _, u := range updatesOf(t, body) {
			if u.list != "" {
				collect("", u.element)
			}
		}
	}
	found["Ada Rossi"], found["Bruno Lima"], found["Elena Bianchi"] = true, true, true
	return found
}

// TestBatchOfAThousand: the largest batch, with repeats inside, is one delivery.
func TestBatchOfAThousand(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.register(t)
	var elements []string
	for i := range 1000 {
		elements = append(elements, fmt.Sprintf(
			`{"from":"3939%08d","id":"wamid.%d","timestamp":"%d","type":"text","text":{"body":"n %d"}}`, i%300, i%900, 1759312800+i%900, i%900))
	}
	body := batch("messages", elements...)
	r.mustPost(t, body)
	require.Len(t, r.read(t).received, 900)
	r.mustPost(t, body)
	r.landed(t, [][]byte{body}, true, false)
}

// TestOrderWithinAConversation: what arrives first stands first, whatever the times say.
func TestOrderWithinAConversation(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.register(t)
	var elements []string
	var want []events.WamidHash
	for i := range 100 {
		wamid := fmt.Sprintf("wamid.%d", i)
		elements = append(elements, fmt.Sprintf(`{"from":"39390000000%d","id":"%s","timestamp":"%d","type":"text"}`, i%3, wamid, 1759312800-i))
		if i%3 == 0 {
			want = append(want, r.vault.WamidHash(wamid))
		}
	}
	r.mustPost(t, batch("messages", elements...))
	var stream string
	var got []events.WamidHash
	for _, record := range r.read(t).records {
		_, event, err := decode(record)
		require.NoError(t, err)
		e, ok := event.(events.MessageReceived)
		if !ok {
			continue
		}
		if e.WamidHash == want[0] {
			stream = record.Stream
		}
		if record.Stream == stream {
			got = append(got, e.WamidHash)
		}
	}
	require.Equal(t, want, got)
}

// TestOutOfOrderStatuses: one batch, in reverse order; each step stands once, with its own time.
func TestOutOfOrderStatuses(t *testing.T) {
	t.Parallel()
	r := start(t)
	bodies := samples(t)
	owner, device := r.register(t)
	r.bind(t, owner, device, recipients(t, bodies))
	r.mustPost(t, bodies["batch_statuses_out_of_order.json"])
	times := map[events.Status]int64{}
	for key, facts := range r.read(t).steps {
		require.Len(t, facts, 1)
		times[key.status] = facts[0].At.Unix()
	}
	require.Equal(t, map[events.Status]int64{
		events.StatusSent: 1759312805, events.StatusDelivered: 1759312807, events.StatusRead: 1759312809,
	}, times)
}
