package eventstoredb

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
)

// tries paces the attempts of one call.
type tries struct {
	options *options
	forever bool

	failing bool
	giveUp  time.Time
	pause   time.Duration
}

// again waits before the next attempt of what came to err. It is false when there shall be none: the context is done,
// patience is over, or the server was never trusted.
func (t *tries) again(ctx context.Context, doing string, err error) bool {
	if distrusted(err) && !t.options.reached.Load() {
		return false // the connection string is wrong; later it is a certificate, which somebody will renew
	}
	if !t.failing {
		t.tell(ctx, doing, err)
		t.failing, t.pause, t.giveUp = true, t.options.shortest, time.Now().Add(t.options.patience)
	}
	if !t.forever && time.Now().After(t.giveUp) {
		return false
	}
	pause := t.pause - time.Duration(rand.Int64N(int64(t.pause/2)+1)) //nolint:gosec // jitter is no secret
	t.pause = min(2*t.pause, t.options.longest)
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// progress says that the last attempt got somewhere: the next failure is a first one again.
func (t *tries) progress() { t.failing = false }

// tellEvery is how often the log hears of calls that are made again: many fail together.
const tellEvery = int64(time.Minute)

// tell has the log know that it may take a while. Subscriptions have a word of their own for it, and moving to another
// leader takes none.
func (t *tries) tell(ctx context.Context, doing string, err error) {
	if t.forever || hasCode(err, esdb.ErrorCodeNotLeader) || errors.Is(err, errMoved) {
		return
	}
	last, now := t.options.told.Load(), time.Now().UnixNano()
	if (last == 0 || now-last >= tellEvery) && t.options.told.CompareAndSwap(last, now) {
		t.options.log.WarnContext(ctx, "the event store gives no answer: trying again", "doing", doing, "cause", err)
	}
}

// distrusted recognises a server whose certificate is not accepted. gRPC passes on the text only.
func distrusted(err error) bool { return err != nil && strings.Contains(err.Error(), "x509: ") }

// soon shortens the next pause: nothing is wrong with the server. Patience ends when it would have.
func (t *tries) soon() { t.pause = t.options.shortest }
