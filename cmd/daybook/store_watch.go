package main

import (
	"context"
	"maps"
	"slices"
)

// watchStreams looks at what governs the streams for as long as the store is served, and tells the log and /readyz when
// events of Daybook's own are hidden or deleted. Daybook itself never does that, and on an EventStoreDB others can.
//
// Nothing is said before all of the log is known: a rule that was taken back since is none. Whatever goes wrong here,
// Daybook goes on: what it records is worth more than this look.
func (a *app) watchStreams(ctx context.Context) {
	found, caughtUp := rules{}, false
	for batch, err := range a.store.SubscribeMetadata(ctx) {
		if err != nil {
			a.log.ErrorContext(ctx, "it is not known any more whether events are hidden or deleted", "error", err)
			return
		}
		if len(batch) == 0 && !caughtUp {
			caughtUp = true
			for _, stream := range slices.Sorted(maps.Keys(found)) {
				a.tellRule(ctx, found, stream)
			}
		}
		for i := range batch {
			if stream, changed := found.take(&batch[i]); changed && caughtUp {
				a.tellRule(ctx, found, stream)
			}
		}
	}
}

// tellRule says what holds for a stream now.
func (a *app) tellRule(ctx context.Context, found rules, stream string) {
	a.hidden.Store(int64(len(found)))
	if is, bad := found[stream]; bad {
		a.log.ErrorContext(ctx, "events that the audit trail rests on are hidden or deleted", "stream", stream, "rule", is.says, "do", is.remedy)
	} else {
		a.log.InfoContext(ctx, "events of a stream are neither hidden nor deleted any more", "stream", stream)
	}
}
