package embedded

import (
	"bytes"
	"encoding/binary"
	"errors"
	"log/slog"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"daybook/events"
)

// FileSystem lets tests put a store on a file system that fails, crashes or counts.
func FileSystem(fs vfs.FS) Option { return func(o *options) { o.fs = fs } }

// PebbleOptions are the settings of every store, for a fair rival.
func PebbleOptions() *pebble.Options { return pebbleOptions(vfs.Default, slog.Default()) }

// Pairs returns both keys and values of each event after a position: log key, record, index key, position.
func Pairs(tb testing.TB, s *Store, after events.Position) (pairs [][4][]byte) {
	tb.Helper()
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: logKey(after + 1), UpperBound: []byte{spaceLog + 1}})
	require.NoError(tb, err)
	for ok := it.First(); ok; ok = it.Next() {
		position := events.Position(binary.BigEndian.Uint64(it.Key()[1:]))
		record, err := decodeRecord(&arena{}, position, it.Value())
		require.NoError(tb, err)
		pairs = append(pairs, [4][]byte{
			bytes.Clone(it.Key()), bytes.Clone(it.Value()),
			indexKey(record.Stream, record.Revision), binary.BigEndian.AppendUint64(nil, uint64(position)),
		})
	}
	require.NoError(tb, it.Close())
	return pairs
}

// ScanLog reads the whole log as Pebble gives it, and returns how many records there are and how many bytes.
func ScanLog(tb testing.TB, s *Store) (records, size int) {
	tb.Helper()
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{spaceLog}, UpperBound: []byte{spaceLog + 1}})
	require.NoError(tb, err)
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		require.NoError(tb, err)
		records, size = records+1, size+len(it.Key())+len(value)
	}
	require.NoError(tb, errors.Join(it.Error(), it.Close()))
	return records, size
}
