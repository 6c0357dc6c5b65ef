package media_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/adapters/media"
)

func open(t *testing.T) (*media.Store, string) {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "media")
	return media.In(folder), folder
}

func TestAFileIsNamedAfterItsBytes(t *testing.T) {
	t.Parallel()
	store, folder := open(t)
	digest, err := store.Put(t.Context(), []byte("sealed bytes"))
	require.NoError(t, err)
	sum := sha256.Sum256([]byte("sealed bytes"))
	require.Equal(t, hex.EncodeToString(sum[:]), digest)

	data, err := store.Get(t.Context(), digest)
	require.NoError(t, err)
	require.Equal(t, "sealed bytes", string(data))

	data, err = media.In(folder).Get(t.Context(), digest)
	require.NoError(t, err)
	require.Equal(t, "sealed bytes", string(data), "what was kept is there after a restart")
}

func TestADamagedFileIsToldAndMendedByTheSameBytes(t *testing.T) {
	t.Parallel()
	store, folder := open(t)
	digest, err := store.Put(t.Context(), []byte("sealed bytes"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, digest[:2], digest), []byte("sealed byte5"), 0o600))

	_, err = store.Get(t.Context(), digest)
	damaged := &media.DigestError{}
	require.ErrorAs(t, err, &damaged)
	require.Equal(t, &media.DigestError{Want: digest, Got: damaged.Got}, damaged)

	_, err = store.Put(t.Context(), []byte("sealed bytes"))
	require.NoError(t, err)
	_, err = store.Get(t.Context(), digest)
	require.NoError(t, err)
}

func TestWhatIsNotKeptIsUnknown(t *testing.T) {
	t.Parallel()
	store, _ := open(t)
	for _, digest := range []string{"", "..", "../../etc/passwd", strings.Repeat("0", 64), strings.Repeat("A", 64), strings.Repeat("g", 64)} {
		_, err := store.Get(t.Context(), digest)
		require.ErrorIs(t, err, media.ErrUnknown, digest)
	}
}

func TestManyMayKeepTheSameBytesAtOnce(t *testing.T) {
	t.Parallel()
	store, folder := open(t)
	var keeping sync.WaitGroup
	for range 16 {
		keeping.Go(func() {
			_, err := store.Put(t.Context(), []byte("sealed bytes"))
			if err != nil {
				t.Error(err)
			}
		})
	}
	keeping.Wait()
	files, err := filepath.Glob(filepath.Join(folder, "*", "*"))
	require.NoError(t, err)
	require.Len(t, files, 1, "no drafts are left behind")
	require.Empty(t, drafts(t, folder))
}

func TestAFolderThatCannotBeWrittenToIsToldAndLeavesNoDraft(t *testing.T) {
	t.Parallel()
	store, folder := open(t)
	sum := sha256.Sum256([]byte("sealed bytes"))
	digest := hex.EncodeToString(sum[:])
	require.NoError(t, os.MkdirAll(filepath.Join(folder, digest[:2], digest), 0o700), "a folder where the file should be")
	_, err := store.Put(t.Context(), []byte("sealed bytes"))
	require.ErrorContains(t, err, digest)
	require.Empty(t, drafts(t, folder))
}

func drafts(t *testing.T, folder string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(folder, "*", ".*"))
	require.NoError(t, err)
	return found
}
