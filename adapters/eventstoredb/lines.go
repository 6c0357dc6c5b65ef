package eventstoredb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"daybook/events"
	"daybook/events/id"
)

const (
	maxShort = 32               // appends and short reads at the same moment; others wait for their turn
	maxLong  = 32               // bounded reads that are getting on at the same moment; likewise
	idleFor  = 30 * time.Second // a line that nobody has needed for so long is closed
)

// lines holds the connections that no call uses at the moment; see the package documentation.
type lines struct {
	config  *esdb.Configuration
	working *sync.WaitGroup // goroutines beside calls
	watches sync.WaitGroup  // goroutines of lines
	short   chan struct{}   // a token for each short call
	long    chan struct{}   // a token for each bounded read

	mu         sync.Mutex
	store      id.Store // which store has to answer; zero until it is known
	generation uint64   // of lines to come; of others nothing is kept
	free       []*line
	reaper     *time.Timer // closes lines that nobody needs; nil when there are none
	closed     bool
}

// line is a client that belongs to one call at a time. It is good for as long as the connection lives on which the
// store has said who it is: gRPC would connect it again, to whatever answers then.
type line struct {
	client     *esdb.Client
	generation uint64
	since      time.Time // when it became free

	lost   func() bool
	onLost func(func()) (stop func() bool)
	end    func()
}

func newLine(client *esdb.Client, generation uint64) (context.Context, *line) {
	life, end := context.WithCancel(context.Background())
	return life, &line{
		client: client, generation: generation, end: end,
		lost:   func() bool { return life.Err() != nil },
		onLost: func(f func()) func() bool { return context.AfterFunc(life, f) },
	}
}

// hangUp closes a line that nobody uses.
func (l *line) hangUp() {
	l.end()
	_ = l.client.Close() // it always says nil
}

func newLines(config *esdb.Configuration, working *sync.WaitGroup) *lines {
	return &lines{
		config: config, working: working,
		short: make(chan struct{}, maxShort), long: make(chan struct{}, maxLong),
	}
}

// use makes one attempt of a call on a line of its own. It waits for the line as long as waiting lives; the call has ctx,
// which ends when the line's connection is lost.
func (p *lines) use(waiting, ctx context.Context, call func(context.Context, *esdb.Client) error) error {
	l, err := p.take(waiting)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(p.demand(ctx))
	stop := l.onLost(cancel)
	err = guard(func() error { return call(ctx, l.client) })
	stop()
	cancel()
	p.give(waiting, l, err)
	return err
}

// demand has a call answered by the leader only, unless the connection string prefers another node: a follower passes
// writes on and answers reads with what it knows. The official client means to say so, but does not.
func (p *lines) demand(ctx context.Context) context.Context {
	if p.config.NodePreference != esdb.NodePreferenceLeader {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, "requires-leader", "true")
}

// useShortly is use for calls that end soon and make no others meanwhile.
func (p *lines) useShortly(waiting, ctx context.Context, call func(context.Context, *esdb.Client) error) error {
	return p.useInTurn(waiting, ctx, p.short, call)
}

// useInTurn is use for one of the calls that are made with a token.
func (p *lines) useInTurn(
	waiting, ctx context.Context, tokens chan struct{}, call func(context.Context, *esdb.Client) error,
) error {
	select {
	case tokens <- struct{}{}:
		defer func() { <-tokens }()
	case <-waiting.Done():
		return ended(waiting)
	}
	return p.use(waiting, ctx, call)
}

// guard turns a panic of the official client into an error: it has some for messages and trailers it does not expect.
func guard(call func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the official client does not understand the server: %v", p)
		}
	}()
	return call()
}

func (p *lines) take(ctx context.Context) (*line, error) {
	if ctx.Err() != nil {
		return nil, ended(ctx)
	}
	if l := p.takeFree(); l != nil {
		return l, nil
	}
	client, err := esdb.NewClient(p.config)
	if err != nil {
		return nil, err
	}
	return p.settle(ctx, client)
}

// takeFree returns the line that became free last, or nil.
func (p *lines) takeFree() *line {
	p.mu.Lock()
	defer p.mu.Unlock()
	for last := len(p.free) - 1; last >= 0; last-- {
		l := p.free[last]
		p.free[last], p.free = nil, p.free[:last]
		if !l.lost() {
			return l
		}
		l.hangUp()
	}
	return nil
}

// settle has a client find its node and waits for that. If it is an error, the client is closed.
//
// The client's search cannot be cancelled, so it runs beside the call; who has stopped waiting for a line leaves it to
// others. It takes no longer than the gossipTimeout for each node and question.
func (p *lines) settle(ctx context.Context, client *esdb.Client) (*line, error) {
	type outcome struct {
		line *line
		err  error
	}
	settled := make(chan outcome)
	p.working.Go(func() {
		l, err := p.greet(client)
		select {
		case settled <- outcome{l, err}:
		case <-ctx.Done():
			if err == nil {
				p.put(l)
			}
		}
	})
	select {
	case got := <-settled:
		return got.line, got.err
	case <-ctx.Done():
		return nil, ended(ctx)
	}
}

// greet connects, and makes sure that it is the right store that answers.
func (p *lines) greet(client *esdb.Client) (*line, error) {
	p.mu.Lock()
	want, generation := p.store, p.generation
	p.mu.Unlock()
	life, l := newLine(client, generation)
	_, err := client.GetServerVersion()
	if err == nil && !want.IsZero() {
		err = guard(func() error { return p.recognise(life, l, want) })
	}
	if err != nil {
		l.hangUp()
		return nil, err
	}
	return l, nil
}

// recognise asks who answers, and watches the connection that it is on from then on.
func (p *lines) recognise(life context.Context, l *line, want id.Store) error {
	got, err := p.ask(l.client)
	if hasCode(err, esdb.ErrorCodeNotLeader) { // now the client is with the leader
		got, err = p.ask(l.client)
	}
	if err == nil && got == want {
		got, err = p.watch(life, l)
	}
	if errors.Is(err, errNoIdentity) && p.config.NodePreference == esdb.NodePreferenceLeader {
		return &IdentityError{Want: want}
	}
	if err == nil && got != want {
		return &IdentityError{Want: want, Got: got}
	}
	return err
}

func (p *lines) ask(client *esdb.Client) (id.Store, error) {
	ctx, cancel := context.WithTimeout(p.demand(context.Background()), *p.config.DefaultDeadline)
	defer cancel()
	return readIdentity(ctx, client)
}

// watch subscribes to the stream that begins with the store's identity. The subscription tells on which connection that
// is, and ends together with it: then so does the line.
func (p *lines) watch(life context.Context, l *line) (id.Store, error) {
	tooLate := time.AfterFunc(*p.config.DefaultDeadline, l.end)
	subscription, err := l.client.SubscribeToStream(life, events.StoreStream,
		esdb.SubscribeToStreamOptions{From: esdb.Start{}})
	if err != nil {
		return id.Store{}, err
	}
	got, err := firstIdentity(subscription)
	if !tooLate.Stop() && err == nil {
		err = context.DeadlineExceeded
	}
	if err != nil {
		return id.Store{}, err
	}
	p.watches.Go(func() {
		defer l.end()
		_ = guard(func() error { // whatever it says: the line is lost
			for subscription.Recv().SubscriptionDropped == nil {
			}
			return nil
		})
	})
	return got, nil
}

func firstIdentity(subscription *esdb.Subscription) (id.Store, error) {
	for {
		switch e := subscription.Recv(); {
		case e.EventAppeared != nil:
			record, err := toRecord(e.EventAppeared)
			if err != nil {
				return id.Store{}, err
			}
			return identityIn(record)
		case e.CaughtUp != nil:
			return id.Store{}, errNoIdentity
		case e.SubscriptionDropped != nil && errors.Is(e.SubscriptionDropped.Error, io.EOF):
			return id.Store{}, errDropped
		case e.SubscriptionDropped != nil:
			return id.Store{}, e.SubscriptionDropped.Error
		}
	}
}

// expect says which store has to answer on lines to come. Those of before have not been asked.
func (p *lines) expect(store id.Store) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.store = store
	p.renew()
}

// give takes a line back after a call that came to err.
func (p *lines) give(ctx context.Context, l *line, err error) {
	switch {
	case l.lost():
		p.drop(l)
	case err == nil || ctx.Err() != nil && isEndOfContext(err) || !transient(err) || status.Code(err) == codes.Aborted:
		p.put(l)
	case hasCode(err, esdb.ErrorCodeNotLeader): // the client is on its way to the leader; lines to this node are no use
		l.end()
		p.outdate(l)
		if again, err := p.settle(ctx, l.client); err == nil {
			p.put(again)
		}
	case status.Code(err) == codes.DeadlineExceeded:
		l.hangUp()
	default: // the connection is lost, and those of the other lines with it
		p.drop(l)
	}
}

func (p *lines) drop(l *line) {
	p.outdate(l)
	l.hangUp()
}

// outdate closes the lines that are as old as one that has turned out to be no good: the free ones now, the others after
// their calls.
func (p *lines) outdate(l *line) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.generation == p.generation {
		p.renew()
	}
}

func (p *lines) renew() {
	p.generation++
	for _, l := range p.free {
		l.hangUp()
	}
	clear(p.free)
	p.free = p.free[:0]
}

// isEndOfContext recognises how a call ends whose context is done.
func isEndOfContext(err error) bool {
	code := status.Code(err)
	return code == codes.Canceled || code == codes.DeadlineExceeded || errors.Is(err, io.EOF) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrClosed)
}

// put keeps a line for the next call.
func (p *lines) put(l *line) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || l.generation != p.generation {
		l.hangUp()
		return
	}
	l.since = time.Now()
	p.free = append(p.free, l)
	if p.reaper == nil {
		p.reaper = time.AfterFunc(idleFor, p.reap)
	}
}

// reap closes the lines that nobody has needed for long.
func (p *lines) reap() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reaper = nil
	now := time.Now()
	for len(p.free) > 0 && now.Sub(p.free[0].since) >= idleFor {
		p.free[0].hangUp()
		p.free = slices.Delete(p.free, 0, 1)
	}
	if len(p.free) > 0 && !p.closed {
		p.reaper = time.AfterFunc(idleFor-now.Sub(p.free[0].since), p.reap)
	}
}

// close closes the lines. Nobody uses one any more.
func (p *lines) close() {
	p.mu.Lock()
	p.closed = true
	p.renew()
	if p.reaper != nil {
		p.reaper.Stop()
	}
	p.mu.Unlock()
	p.watches.Wait()
}
