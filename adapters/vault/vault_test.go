package vault_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/adapters/postgres/pgtest"
	"daybook/adapters/vault"
	"daybook/events"
	"daybook/events/id"
)

// clock is moved by hand.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func newClock() *clock { return &clock{at: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)} }

func master(tb testing.TB, fill byte) vault.Master {
	tb.Helper()
	key, err := vault.LoadMaster(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{fill}, 32)), "")
	require.NoError(tb, err)
	return key
}

func open(tb testing.TB, pool *pgxpool.Pool, options ...vault.Option) *vault.Vault {
	tb.Helper()
	v, err := vault.Open(tb.Context(), pool, master(tb, 1), options...)
	require.NoError(tb, err)
	return v
}

func scopeOf(account id.Account, subject uuid.UUID) events.KeyScope {
	return events.KeyScope{Account: account, Subject: subject, Class: events.ClassMessages, Year: 2026}
}

func oneKey(t *testing.T, v *vault.Vault, scope events.KeyScope) events.DataKey {
	t.Helper()
	keys, err := v.Keys(t.Context(), []events.KeyScope{scope})
	require.NoError(t, err)
	return keys[scope]
}

func TestHashesArePermanentAndSeparate(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	v, again := open(t, pool), open(t, pool)
	require.Equal(t, v.WamidHash("wamid.A"), again.WamidHash("wamid.A"))
	require.Regexp(t, `^w1:[0-9a-f]{64}$`, string(v.WamidHash("wamid.A")))
	require.NotEqual(t, v.WamidHash("wamid.A"), v.WamidHash("wamid.B"))
	require.Regexp(t, `^[0-9a-f]{64}$`, v.Digest("a", []byte("bc")))
	require.NotEqual(t, v.Digest("a", []byte("bc")), v.Digest("ab", []byte("c")))
	require.NotEqual(t, "w1:"+v.Digest("", []byte("wamid.A")), string(v.WamidHash("wamid.A")))
	elsewhere := open(t, pgtest.Pool(t))
	require.NotEqual(t, v.WamidHash("wamid.A"), elsewhere.WamidHash("wamid.A"), "each installation has a key of its own")
}

func TestTheIDIsTheInstallations(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	v := open(t, pool)
	require.Regexp(t, `^v1:[0-9a-f]{32}$`, v.ID())
	require.Equal(t, v.ID(), open(t, pool).ID())
	require.NotEqual(t, v.ID(), open(t, pgtest.Pool(t)).ID(), "another vault under the same master key")
}

// What is derived from an installation key is in event stores for ever, so it may never change. This is one that was
// made under the test's master key.
func TestWhatIsDerivedNeverChanges(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	open(t, pool)
	wrapped, err := hex.DecodeString("be24c117ef3d815d6ce55713dfd24394047f3d2fb4fc1b758f1c45878476d11cc1be8be858c8f1723030361a6ffc1d6cc26d62a3df888963a4af83d9")
	require.NoError(t, err)
	_, err = pool.Exec(t.Context(), "update installation set wrapped = $1", wrapped)
	require.NoError(t, err)
	v := open(t, pool)
	require.Equal(t, "v1:db00dca86355119fc2f4095f0a631bd5", v.ID())
	require.Equal(t, events.WamidHash("w1:5cd432f0cfb0719a225f33d08a8c64e25c7863d5cd1fe168e8f6e61378f31206"), v.WamidHash("wamid.A"))
	require.Equal(t, "464f5c8a40b77ea0493dcd35ca385c875b6b8b1b7ba68d9182a8ccde2baecc5d", v.Digest("label", []byte("data")))
}

func TestSealedValuesOpenAfterReopening(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	writer := open(t, pool)
	rapid.Check(t, func(r *rapid.T) {
		scope := events.KeyScope{
			Account: rapid.SampledFrom([]id.Account{{}, id.Derive[id.Account]("one")}).Draw(r, "account"),
			Subject: rapid.SampledFrom([]uuid.UUID{{1}, {2}, {3}}).Draw(r, "subject"),
			Class:   rapid.SampledFrom([]events.RecordClass{events.ClassMessages, events.ClassQuarantine}).Draw(r, "class"),
			Year:    rapid.IntRange(2025, 2027).Draw(r, "year"),
		}
		plaintext := rapid.SliceOf(rapid.Byte()).Draw(r, "plaintext")
		path := rapid.String().Draw(r, "path")
		keys, err := writer.Keys(t.Context(), []events.KeyScope{scope, scope})
		require.NoError(r, err)
		fact := id.New[id.Fact]()
		sealed := keys[scope].Seal(fact, path, plaintext)
		opened, err := open(t, pool).Open(t.Context(), sealed, fact, path)
		require.NoError(r, err)
		require.True(r, bytes.Equal(plaintext, opened))
	})
}

func TestOpenRefusesWhatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	v, foreign := open(t, pgtest.Pool(t)), open(t, pgtest.Pool(t))
	fact := id.New[id.Fact]()
	sealed := oneKey(t, v, scopeOf(id.New[id.Account](), uuid.New())).Seal(fact, "content", []byte("ciao"))
	_, err := foreign.Open(t.Context(), sealed, fact, "content")
	require.ErrorIs(t, err, vault.ErrUnknownKey)
	_, err = v.Open(t.Context(), sealed, id.New[id.Fact](), "content")
	require.ErrorIs(t, err, events.ErrSealed)
	_, err = v.Open(t.Context(), "sealed:2:what", fact, "content")
	require.ErrorIs(t, err, events.ErrSealed)
}

func TestAVaultOpensOnlyWithItsMasterKey(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	open(t, pool)
	_, err := vault.Open(t.Context(), pool, master(t, 2))
	require.ErrorIs(t, err, vault.ErrMaster)
	var rows int
	require.NoError(t, pool.QueryRow(t.Context(), "select count(*) from installation").Scan(&rows))
	require.Equal(t, 1, rows)
}

func TestTheMasterKeyFile(t *testing.T) {
	t.Parallel()
	pool, dir := pgtest.Pool(t), t.TempDir()
	path := filepath.Join(dir, vault.MasterFile)
	openIn := func(dir string) error {
		key, err := vault.LoadMaster("", dir)
		require.NoError(t, err)
		_, err = vault.Open(t.Context(), pool, key)
		return err
	}
	require.NoError(t, openIn(dir), "a new vault makes its key")
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, openIn(dir), "and opens with it again")

	kept, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.Remove(path))
	require.ErrorIs(t, openIn(dir), vault.ErrMaster, "a lost key is not replaced by a new one")
	require.NoFileExists(t, path)
	require.NoError(t, os.WriteFile(path, kept, 0o600))
	require.NoError(t, openIn(dir))

	require.NoError(t, os.WriteFile(path, []byte("c2hvcnQ=\n"), 0o600))
	_, err = vault.LoadMaster("", dir)
	require.ErrorContains(t, err, "base64 of 32 bytes")
	_, err = vault.LoadMaster("not base64!", dir)
	require.ErrorContains(t, err, "DAYBOOK_VAULT_KEY")
}

func TestVaultsThatStartTogetherAgree(t *testing.T) {
	t.Parallel()
	pool, dir := pgtest.Pool(t), t.TempDir()
	opened := make([]*vault.Vault, 4)
	var wg sync.WaitGroup
	for i := range opened {
		wg.Go(func() {
			key, err := vault.LoadMaster("", dir)
			if err == nil {
				opened[i], err = vault.Open(t.Context(), pool, key)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.NotContains(t, opened, (*vault.Vault)(nil))
	for _, v := range opened {
		require.Equal(t, opened[0].WamidHash("x"), v.WamidHash("x"))
	}
}
