package embedded

import (
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// pebbleOptions are chosen for a log: records arrive in key order and are never overwritten, so compaction has little to
// do but move files, and the larger the memtables, the less of it there is.
func pebbleOptions(fs vfs.FS, log *slog.Logger) *pebble.Options {
	o := &pebble.Options{
		FS:                          fs,
		Logger:                      pebbleLogger{log},
		FormatMajorVersion:          pebble.FormatWALSyncChunks,
		CacheSize:                   64 << 20,
		MemTableSize:                64 << 20, // grown to on demand
		MemTableStopWritesThreshold: 4,
		LBaseMaxBytes:               256 << 20,
		CompactionConcurrencyRange:  func() (lower, upper int) { return 1, 2 },
		EventListener: &pebble.EventListener{
			BackgroundError: func(err error) { log.Error("event store: background work failed", "err", err) },
			WriteStallBegin: func(info pebble.WriteStallBeginInfo) {
				log.Warn("event store: writes wait for compaction", "reason", info.Reason)
			},
		},
	}
	o.TargetFileSizes[0] = 8 << 20
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	return o
}

// pebbleLogger passes on trouble and drops the chatter.
type pebbleLogger struct{ log *slog.Logger }

func (pebbleLogger) Infof(string, ...any) {}

func (l pebbleLogger) Errorf(format string, args ...any) {
	l.log.Error("event store: " + fmt.Sprintf(format, args...))
}

// Fatalf must not return: Pebble calls it where going on could lose data. In the committer the panic becomes a failed
// commit; in Pebble's own goroutines it ends the process, and the log is replayed when the store is opened again.
func (l pebbleLogger) Fatalf(format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	l.log.Error("event store: " + message)
	panic(message)
}
