package policiestest

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"

	"daybook/events"
)

// Store is what the kit, and the policies in it, ask of an event store. Reading a stream's last record is for policies
// that keep their whole state there.
type Store interface {
	Append(ctx context.Context, stream string, expected events.Expected, proposed []events.Proposed) (events.Appended, error)
	ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[events.Record, error]
	ReadLast(ctx context.Context, stream string) (events.Record, bool, error)
	SubscribeAll(ctx context.Context, after events.Position, limit int) iter.Seq2[[]events.Record, error]
	Head(ctx context.Context) (events.Position, error)
}

// ErrCrash is what every call fails with once the process that makes it is meant to have crashed.
var ErrCrash = errors.New("the process has crashed")

// process is the store as a policy sees it whose process crashes at one of its calls: that one and all after it fail.
type process struct {
	Store

	alive context.Context //nolint:containedctx // the life of the process
	end   context.CancelFunc
	late  bool         // the call that is crashed at takes effect; only appends and calls of the outside are counted
	left  atomic.Int64 // calls until the crash
}

func newProcess(ctx context.Context, store Store, l life) *process {
	p := &process{Store: store, late: l.late}
	p.alive, p.end = context.WithCancel(ctx)
	p.left.Store(int64(l.call))
	return p
}

// read counts a call that changes nothing.
func (p *process) read() error {
	if !p.late && p.left.Add(-1) == 0 {
		p.end()
	}
	return p.died()
}

func (p *process) died() error {
	if p.alive.Err() != nil {
		return ErrCrash
	}
	return nil
}

func (p *process) Append(
	ctx context.Context, stream string, expected events.Expected, proposed []events.Proposed,
) (events.Appended, error) {
	last := p.left.Add(-1) == 0
	if last && !p.late {
		p.end()
	}
	if err := p.died(); err != nil {
		return events.Appended{}, err
	}
	appended, err := p.Store.Append(ctx, stream, expected, proposed)
	if last {
		p.end()
		return events.Appended{}, ErrCrash
	}
	return appended, err
}

// Outside lets a policy call something that is no store: a platform, say. In Crashes it is a call at which the process may
// crash: before it takes effect, or after. Elsewhere it is just made.
func Outside(store Store, call func() error) error {
	p, crashes := store.(*process)
	if !crashes {
		return call()
	}
	last := p.left.Add(-1) == 0
	if last && !p.late {
		p.end()
	}
	if err := p.died(); err != nil {
		return err
	}
	err := call()
	if last {
		p.end()
		return ErrCrash
	}
	return err
}

func (p *process) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[events.Record, error] {
	if err := p.read(); err != nil {
		return func(yield func(events.Record, error) bool) { yield(events.Record{}, err) }
	}
	return p.Store.ReadStream(ctx, stream, from)
}

func (p *process) ReadLast(ctx context.Context, stream string) (events.Record, bool, error) {
	if err := p.read(); err != nil {
		return events.Record{}, false, err
	}
	return p.Store.ReadLast(ctx, stream)
}
