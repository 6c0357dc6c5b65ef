package embedded

import (
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// DefaultMaxAppendBytes is the limit of one append, the same as EventStoreDB's.
const DefaultMaxAppendBytes = 1 << 20

// Option changes how a store is opened.
type Option func(*options)

type options struct {
	now            func() time.Time
	log            *slog.Logger
	fs             vfs.FS
	maxAppendBytes int
}

// Clock sets where Record.Created and the time of StoreCreated come from. The default is time.Now.
func Clock(now func() time.Time) Option { return func(o *options) { o.now = now } }

// Log sets where trouble that belongs to no single call is told: failed background work, stalls. The default is
// slog.Default.
func Log(logger *slog.Logger) Option { return func(o *options) { o.log = logger } }

// InMemory keeps everything in memory, in a file system of its own. The directory's name is only a name.
func InMemory() Option { return func(o *options) { o.fs = vfs.NewMem() } }

// maxBatch is what all limits of an append stay below: Pebble's batches hold 4 GiB.
const maxBatch = 1 << 30

// maxStoredBytes is the limit of what one append takes in the log and its index. An append within the other limit comes
// near this one only with events that are almost empty, tens of thousands of them.
func (o *options) maxStoredBytes() int { return min(max(16*o.maxAppendBytes, 1<<20), maxBatch) }

// MaxAppendBytes sets the limit of one append, counted as TooLargeError says; it is at most 1 GiB.
func MaxAppendBytes(limit int) Option {
	return func(o *options) { o.maxAppendBytes = min(limit, maxBatch) }
}
