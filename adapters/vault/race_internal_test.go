package vault

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"daybook/adapters/postgres/pgtest"
	"daybook/events"
	"daybook/events/id"
)

// TestAKeyWithoutItsAccountIsReadAgain: another process makes an account's key and a data key between our two reads, so
// that we see the second only.
func TestAKeyWithoutItsAccountIsReadAgain(t *testing.T) {
	t.Parallel()
	master, err := LoadMaster("", t.TempDir())
	require.NoError(t, err)
	v, err := Open(t.Context(), pgtest.Pool(t), master)
	require.NoError(t, err)
	scope := events.KeyScope{Account: id.New[id.Account](), Subject: uuid.New(), Class: events.ClassMessages, Year: 2026}
	keys, err := v.Keys(t.Context(), []events.KeyScope{scope})
	require.NoError(t, err)

	ring := &keyring{accounts: map[id.Account]accountKey{}, keys: map[events.KeyScope]events.DataKey{}, erased: map[events.KeyScope]*ErasedError{}}
	batch := &pgx.Batch{}
	v.queueKeys(batch, []events.KeyScope{scope}, ring, v.now())
	require.NoError(t, v.send(t.Context(), batch, ring))
	require.Equal(t, []events.KeyScope{scope}, ring.missing([]events.KeyScope{scope}), "not known yet, and not lost")
	require.NoError(t, v.addKeys(t.Context(), []events.KeyScope{scope}, ring))
	require.Equal(t, keys[scope].ID(), ring.keys[scope].ID())
}
