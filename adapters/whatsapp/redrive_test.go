package whatsapp_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/adapters/storetest"
	"daybook/adapters/vault"
	"daybook/adapters/whatsapp"
	"daybook/commands"
	"daybook/events"
	"daybook/events/id"
)

// policy is who drives updates again when nobody asks.
func policy() commands.Meta {
	return commands.Meta{Actor: "policy:redrive", Source: "policy:redrive"}
}

// open lists the quarantined updates that are not closed, of the reasons that can go away.
func (r *rig) open(t failing) []id.Quarantine {
	t.Helper()
	b := r.read(t)
	var open []id.Quarantine
	for quarantined, e := range b.quarantined {
		_, closed := b.redriven[quarantined]
		if !closed && slices.Contains([]events.QuarantineReason{events.UnknownMessage, events.UnknownNumber, events.UnknownAccount}, e.Reason) {
			open = append(open, quarantined)
		}
	}
	slices.SortFunc(open, func(a, b id.Quarantine) int { return slices.Compare(a.UUID[:], b.UUID[:]) })
	return open
}

// redriveAll drives everything again that might have a place by now.
func (r *rig) redriveAll(t failing) {
	t.Helper()
	for _, quarantined := range r.open(t) {
		err := r.handler.Ingester.Redrive(r.ctx, r.store, quarantined, policy())
		if _, stays := errors.AsType[*whatsapp.NoPlaceError](err); !stays {
			require.NoError(t, err)
		}
	}
}

func TestRedriveIntoTheConversation(t *testing.T) {
	t.Parallel()
	r := start(t)
	bodies := samples(t)
	for _, body := range bodies {
		r.mustPost(t, body)
	}
	waiting := r.open(t)
	require.NotEmpty(t, waiting)
	var noPlace *whatsapp.NoPlaceError
	require.ErrorAs(t, r.handler.Ingester.Redrive(t.Context(), r.store, waiting[0], policy()), &noPlace)
	require.Equal(t, waiting[0], noPlace.Quarantine)
	require.Equal(t, waiting, r.open(t), "it stays as it is")

	owner, device := r.register(t)
	r.bind(t, owner, device, recipients(t, bodies))
	r.redriveAll(t)
	require.Empty(t, r.open(t))
	var all [][]byte
	for _, body := range bodies {
		all = append(all, body)
	}
	r.landed(t, all, true, true)
	for quarantined, e := range r.read(t).redriven {
		require.Regexp(t, "^(conversation|account|template|told)-", e.Stream)
		require.NoError(t, r.handler.Ingester.Redrive(t.Context(), r.store, quarantined, policy()), "again")
	}
	records := len(r.read(t).records)
	for _, body := range bodies {
		r.mustPost(t, body)
	}
	r.landed(t, all, true, true)
	require.Len(t, r.read(t).records, records, "a late repeat is recognised")
}

// TestRedriveKeepsTheTrace: facts found late are caused by the quarantined update, in the trace of its delivery.
func TestRedriveKeepsTheTrace(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.mustPost(t, samples(t)["msg_text.json"])
	kept := r.read(t).records[1]
	keptEnvelope, _, err := decode(kept)
	require.NoError(t, err)
	r.register(t)
	r.redriveAll(t)
	records := r.read(t).records
	for _, record := range records[len(records)-2:] {
		envelope, _, err := decode(record)
		require.NoError(t, err)
		require.Equal(t, keptEnvelope.Correlation, envelope.Correlation)
		require.Equal(t, kept.ID.String(), envelope.Causation)
		require.Equal(t, events.Actor("policy:redrive"), envelope.Actor)
	}
}

// TestRedriveByAPerson: the facts say who drove the update, and belong to the trace of its delivery all the same.
func TestRedriveByAPerson(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.mustPost(t, samples(t)["msg_text.json"])
	kept := r.read(t).records[1]
	keptEnvelope, _, err := decode(kept)
	require.NoError(t, err)
	r.register(t)
	by := commands.Meta{Actor: "api:admin", Source: "cli", Correlation: id.New[id.Trace](), Causation: "curiosity"}
	require.NoError(t, r.handler.Ingester.Redrive(t.Context(), r.store, r.open(t)[0], by))
	records := r.read(t).records
	caused := map[string]bool{}
	for _, record := range records[len(records)-3:] {
		envelope, _, err := decode(record)
		require.NoError(t, err)
		caused[record.Type] = true
		require.Equal(t, by.Actor, envelope.Actor)
		require.Equal(t, by.Source, envelope.Source)
		require.Equal(t, keptEnvelope.Correlation, envelope.Correlation)
		require.Equal(t, kept.ID.String(), envelope.Causation)
	}
	require.Equal(t, map[string]bool{"ConversationStarted": true, "MessageReceived": true, "UpdateRedriven": true}, caused)
}

func TestRedriveOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	r := start(t)
	require.ErrorIs(t, r.handler.Ingester.Redrive(t.Context(), r.store, id.New[id.Quarantine](), policy()), whatsapp.ErrNotQuarantined)
}

// TestRedriver: updates become ready, the read model fails for a while, one update has no place for ever; the redriver
// closes all others and waits for the next signal.
func TestRedriver(t *testing.T) {
	t.Parallel()
	r := start(t)
	bodies := samples(t)
	for _, body := range bodies {
		r.mustPost(t, body)
	}
	owner, device := r.register(t)
	r.bind(t, owner, device, recipients(t, bodies))
	hopeless := id.New[id.Quarantine]()
	waiting := []whatsapp.Waiting{{ID: hopeless, Position: 1}}
	for i, quarantined := range r.open(t) {
		waiting = append(waiting, whatsapp.Waiting{ID: quarantined, Position: events.Position(i + 2)})
	}

	wake, asked := make(chan struct{}, 1), make(chan int, 100)
	calls := 0
	redriver := &whatsapp.Redriver{
		Ingester: r.handler.Ingester, Streams: r.store, Wake: wake, Log: r.handler.Log,
		Erased: func(err error) bool { _, erased := errors.AsType[*vault.ErasedError](err); return erased },
		Ready: func(context.Context, events.Position, int) ([]whatsapp.Waiting, error) {
			calls++
			asked <- calls
			switch calls {
			case 1:
				return nil, nil
			case 2:
				return nil, errors.New("the read model is away")
			}
			return waiting, nil // and never learns of what was closed
		},
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- redriver.Run(ctx) }()
	require.Equal(t, 1, <-asked)
	wake <- struct{}{}
	require.Equal(t, 2, <-asked)
	require.Equal(t, 3, <-asked, "tried again without a signal")
	wake <- struct{}{}
	require.Equal(t, 4, <-asked, "when the third was done with")
	stop()
	require.ErrorIs(t, <-done, context.Canceled)
	require.Empty(t, r.open(t))
	require.Equal(t, 1, strings.Count(r.logged.String(), "quarantine="+hopeless.String()), "said once")
}

// TestErasedUpdateStays: what was erased cannot be driven again, and the error says so.
func TestErasedUpdateStays(t *testing.T) {
	t.Parallel()
	r := start(t)
	bodies := samples(t)
	r.mustPost(t, bodies["msg_text.json"])
	closed := r.open(t)
	r.register(t)
	r.redriveAll(t)
	r.mustPost(t, bodies["status_sent_fep.json"])
	waiting := r.open(t)
	require.Len(t, waiting, 1)
	_, err := r.vault.Pool.Exec(t.Context(), "update data_keys set wrapped = null, destroyed_at = now(), reason = 'a test'")
	require.NoError(t, err)
	r.handler.Ingester.Vault = reopen(t, r.vault.Pool, r.vault.dir)
	err = r.handler.Ingester.Redrive(t.Context(), r.store, waiting[0], policy())
	_, erased := errors.AsType[*vault.ErasedError](err)
	require.True(t, erased, err)
	require.NoError(t, r.handler.Ingester.Redrive(t.Context(), r.store, closed[0], policy()), "what is closed is not opened again")
}

// TestRedriveThatFailsInTheMiddle: whatever append fails, the update stays open until it is closed; then it stands once.
func TestRedriveThatFailsInTheMiddle(t *testing.T) {
	t.Parallel()
	store := storetest.Lend(t, embedded.Clock(noon))
	flaky := &faulty{LentStore: store}
	r := wire(t.Context(), store, flaky, openVault(t))
	bodies := samples(t)
	var all [][]byte
	for _, body := range bodies {
		r.mustPost(t, body)
		all = append(all, body)
	}
	owner, device := r.register(t)
	r.bind(t, owner, device, recipients(t, bodies))
	flaky.every.Store(3)
	failed := 0
	for _, waiting := range r.open(t) {
		for r.handler.Ingester.Redrive(t.Context(), store, waiting, policy()) != nil {
			failed++
		}
		require.Contains(t, r.read(t).redriven, waiting, "no error means closed")
	}
	require.Positive(t, failed)
	r.landed(t, all, true, true)
}
