package policies_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/storetest"
	"daybook/commands"
	"daybook/commands/policies"
	"daybook/commands/policies/policiestest"
	"daybook/domain/conversation"
	"daybook/domain/media"
	"daybook/events"
	"daybook/events/id"
)

// archive is a platform with files: each message's content is what it answers, one word per try.
type archive struct {
	mu    sync.Mutex
	tries map[id.Message]int
}

func (a *archive) Fetch(_ context.Context, f policies.File) (policies.Stored, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tries[f.Message]++
	switch {
	case f.Content == "silence" && a.tries[f.Message] == 1:
		return policies.Stored{}, errors.New("no answer")
	case f.Content == "gone":
		return policies.Stored{}, &policies.MissingError{Code: 131052}
	}
	return policies.Stored{SHA256: "digest", Bytes: 4, MediaType: "image/jpeg"}, nil
}

// vaulted is the archive as a process sees it that may crash at each call.
type vaulted struct {
	*archive

	store policiestest.Store
}

func (v vaulted) Fetch(ctx context.Context, f policies.File) (stored policies.Stored, err error) {
	err = policiestest.Outside(v.store, func() (err error) {
		stored, err = v.archive.Fetch(ctx, f)
		return err
	})
	return stored, err
}

func fetchingOver(store policiestest.Store, a *archive, m *mailer) policies.Policy {
	return policies.NewMedia(store, commands.New(store, m.clock), vaulted{a, store})
}

// receive records that a customer sent messages with files.
func receive(t testing.TB, store policiestest.Store, contents ...string) {
	t.Helper()
	p := chat(1)
	got := []events.Event{events.ConversationStarted{
		ConversationID: p.Conversation, AccountID: sender, PhoneNumberID: hotline, CustomerID: p.Customer, Entry: events.EntryInbound,
	}}
	for n, content := range contents {
		kind := "image"
		if content == "text" {
			kind = ""
		}
		got = append(got, events.MessageReceived{
			ConversationID: p.Conversation, MessageID: messageNo(n), CustomerID: p.Customer, Kind: "image", Media: kind,
			SentAt: morning, WindowUntil: morning.Add(24 * time.Hour), Content: events.Sealed(content),
		})
	}
	recordAll(t, store, conversation.Stream(p.Conversation), events.NoStream, got...)
}

// filed lists what was recorded of a message's file.
func filed(t testing.TB, store policiestest.Store, n int) (all []events.Event) {
	t.Helper()
	for r, err := range store.ReadStream(t.Context(), media.Stream(messageNo(n)), 0) {
		require.NoError(t, err)
		event, _, err := events.DecodeRecord(r)
		require.NoError(t, err)
		all = append(all, event)
	}
	return all
}

func TestS36_AFileIsFetchedAtOnce(t *testing.T) {
	t.Parallel()
	store, m, a := storetest.Lend(t), newMailer(), &archive{tries: map[id.Message]int{}}
	receive(t, store, "there", "text")
	policiestest.Run(t, store, fetchingOver(store, a, m))
	require.Equal(t, []events.Event{events.MediaStored{
		ConversationID: chat(1).Conversation, MessageID: messageNo(0), SHA256: "digest", Bytes: 4, MediaType: "image/jpeg", StoredAt: morning,
	}}, filed(t, store, 0))
	require.Empty(t, filed(t, store, 1), "a message without a file")
}

func TestS50_AFileThatDoesNotComeIsTriedAgainAfterFiveMinutes(t *testing.T) {
	t.Parallel()
	store, m, a := storetest.Lend(t), newMailer(), &archive{tries: map[id.Message]int{}}
	receive(t, store, "silence", "gone")
	policy := fetchingOver(store, a, m)
	policiestest.Run(t, store, policy)
	require.Equal(t, morning.Add(5*time.Minute), *filed(t, store, 0)[0].(events.MediaMissing).RetryAt)
	for range 5 {
		m.now = m.now.Add(5 * time.Minute)
		fire(t, store, m)
		policiestest.Run(t, store, policy)
	}
	require.IsType(t, events.MediaStored{}, filed(t, store, 0)[1])
	gone := filed(t, store, 1)
	require.Len(t, gone, 3)
	require.Equal(t, 131052, gone[2].(events.MediaMissing).Code)
	require.Nil(t, gone[2].(events.MediaMissing).RetryAt, "given up: an open item")
}

func TestAmnesia_media(t *testing.T) {
	t.Parallel()
	store, m, a := storetest.Lend(t), newMailer(), &archive{tries: map[id.Message]int{}}
	receive(t, store, "there", "silence", "gone", "text")
	policiestest.Run(t, store, fetchingOver(store, a, m))
	m.now = m.now.Add(5 * time.Minute)
	fire(t, store, m)
	policiestest.Run(t, store, fetchingOver(store, a, m))
	tries := a.tries[messageNo(0)]
	policiestest.Amnesia(t, store, func() policies.Policy { return fetchingOver(store, a, m) })
	require.Equal(t, tries, a.tries[messageNo(0)], "what is kept is not fetched again")
}

func TestNoCrashLosesAFile(t *testing.T) {
	t.Parallel()
	var m *mailer
	var a *archive
	policiestest.Crashes(t, func(t *testing.T) policiestest.Store {
		store := storetest.Lend(t)
		m, a = newMailer(), &archive{tries: map[id.Message]int{}}
		receive(t, store, "there", "gone")
		return store
	}, func(store policiestest.Store) policies.Policy { return fetchingOver(store, a, m) },
		func(t *testing.T, store policiestest.Store) {
			require.Len(t, filed(t, store, 0), 1)
			require.IsType(t, events.MediaStored{}, filed(t, store, 0)[0])
			require.Len(t, filed(t, store, 1), 1)
		})
}
