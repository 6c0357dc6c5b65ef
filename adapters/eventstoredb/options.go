package eventstoredb

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// Option changes how a store is opened.
type Option func(*options)

type options struct {
	now      func() time.Time
	log      *slog.Logger
	shortest time.Duration
	longest  time.Duration
	patience time.Duration
	existing bool

	reached atomic.Bool  // the server has answered once
	told    atomic.Int64 // when the log last heard of calls that are made again, in Unix nanoseconds; 0: never
}

// Clock sets where the time of StoreCreated comes from. The default is time.Now.
func Clock(now func() time.Time) Option { return func(o *options) { o.now = now } }

// Log sets where lost connections are told, and once a minute that calls are made again, and on level debug all that the official client says. The default is
// slog.Default.
func Log(logger *slog.Logger) Option { return func(o *options) { o.log = logger } }

// Pauses sets how long to wait before a call is tried again: about shortest at first, then each time twice as long, but
// never more than longest. Each pause is shortened at random by up to a half, so that many callers do not come back at
// once. The default is from 20 ms to 2 s.
func Pauses(shortest, longest time.Duration) Option {
	return func(o *options) { o.shortest, o.longest = shortest, max(shortest, longest) }
}

// Patience sets for how long after its first failure an append or a read is tried again before it gives up with
// *UnavailableError. Subscriptions never give up. The default is 30 s.
func Patience(limit time.Duration) Option { return func(o *options) { o.patience = limit } }

// Existing opens only a store that has an identity: nothing is written to one that has none, and opening it is an error.
func Existing() Option { return func(o *options) { o.existing = true } }
