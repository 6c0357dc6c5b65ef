// Package watermill brings the event store to Watermill: two Subscribers and a Publisher.
//
// A BatchSubscriber's message is a batch: as many events as are there now, up to a limit, decoded, in the message's
// context (projections.BatchOf). The projection engine runs on it. A Subscriber's message is one event, for everything
// else that speaks Watermill. Both take what they deliver from a Reader, which reads and decodes the log once for all.
//
// Watermill's router starts a goroutine per message, so order rests on this package: a message is delivered only when the
// one before it was acknowledged. Meanwhile the next events are already read. After a Nack the subscription pauses,
// longer each time, and begins again where the engine (projections.Start) or the checkpoint says. For that reason the
// Retry, PoisonQueue, Timeout and Deduplicator middlewares have no place on the handlers of a BatchSubscriber; on those
// of a Subscriber they work as everywhere.
package watermill
