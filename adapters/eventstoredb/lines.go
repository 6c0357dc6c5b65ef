package eventstoredb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"daybook/events/id"
)

const (
	maxShort = 32               // appends and short reads at the same moment; others wait for their turn
	idleFor  = 30 * time.Second // a line that nobody has needed for so long is closed, sooner or later
)

// lines holds the connections that no call uses at the moment; see the package documentation.
type lines struct {
	config  *esdb.Configuration
	working *sync.WaitGroup // goroutines beside calls
	short   chan struct{}   // a token for each short call

	mu     sync.Mutex
	store  id.Store // which store has to answer; zero until it is known
	free   []freeLine
	closed bool
}

type freeLine struct {
	client *esdb.Client
	since  time.Time
}

func newLines(config *esdb.Configuration, working *sync.WaitGroup) *lines {
	return &lines{config: config, working: working, short: make(chan struct{}, maxShort)}
}

// use makes one attempt of a call on a line of its own. The context bounds the wait for the line; the call has its own.
func (p *lines) use(ctx context.Context, call func(*esdb.Client) error) error {
	client, err := p.take(ctx)
	if err != nil {
		return err
	}
	err = guard(func() error { return call(client) })
	p.give(ctx, client, err)
	return err
}

// useShortly is use for calls that end soon and make no others meanwhile.
func (p *lines) useShortly(ctx context.Context, call func(*esdb.Client) error) error {
	select {
	case p.short <- struct{}{}:
		defer func() { <-p.short }()
	case <-ctx.Done():
		return ended(ctx)
	}
	return p.use(ctx, call)
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

func (p *lines) take(ctx context.Context) (*esdb.Client, error) {
	if ctx.Err() != nil {
		return nil, ended(ctx)
	}
	p.mu.Lock()
	if last := len(p.free) - 1; last >= 0 {
		client := p.free[last].client
		p.free = p.free[:last]
		p.mu.Unlock()
		return client, nil
	}
	p.mu.Unlock()
	client, err := esdb.NewClient(p.config)
	if err != nil {
		return nil, err
	}
	return client, p.settle(ctx, client)
}

// settle has a client find its node and waits for that. If it is an error, the line is gone.
//
// The client's search cannot be cancelled, so it runs beside the call; who has stopped waiting for a line leaves it to
// others. It takes no longer than the gossipTimeout for each node and question.
func (p *lines) settle(ctx context.Context, client *esdb.Client) error {
	settled := make(chan error)
	p.working.Go(func() {
		err := p.greet(client)
		if err != nil {
			hangUp(client)
		}
		select {
		case settled <- err:
		case <-ctx.Done():
			if err == nil {
				p.put(client)
			}
		}
	})
	select {
	case err := <-settled:
		return err
	case <-ctx.Done():
		return ended(ctx)
	}
}

// greet connects, and makes sure that it is the right store that answers.
func (p *lines) greet(client *esdb.Client) error {
	if _, err := client.GetServerVersion(); err != nil {
		return err
	}
	p.mu.Lock()
	want := p.store
	p.mu.Unlock()
	if want.IsZero() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), *p.config.DefaultDeadline)
	defer cancel()
	var got id.Store
	err := guard(func() (err error) {
		got, err = readIdentity(ctx, client)
		return err
	})
	if err == nil && got != want {
		err = &IdentityError{Want: want, Got: got}
	}
	return err
}

// expect says which store has to answer on lines to come.
func (p *lines) expect(store id.Store) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.store = store
}

// give takes a line back after a call that came to err.
func (p *lines) give(ctx context.Context, client *esdb.Client, err error) {
	switch {
	case err == nil || ctx.Err() != nil && isEndOfContext(err) || !transient(err) || status.Code(err) == codes.Aborted:
		p.put(client)
	case hasCode(err, esdb.ErrorCodeNotLeader): // the client is on its way to the leader; lines to this node are no use
		p.dropFree()
		if p.settle(ctx, client) == nil {
			p.put(client)
		}
	case status.Code(err) == codes.DeadlineExceeded:
		hangUp(client)
	default: // the connection is lost, and those of the other lines with it
		p.dropFree()
		hangUp(client)
	}
}

// isEndOfContext recognises how a call ends whose context is done.
func isEndOfContext(err error) bool {
	code := status.Code(err)
	return code == codes.Canceled || code == codes.DeadlineExceeded || errors.Is(err, io.EOF) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrClosed)
}

// put keeps a line for the next call. The one that has been free the longest goes if nobody needed it.
func (p *lines) put(client *esdb.Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		hangUp(client)
		return
	}
	now := time.Now()
	p.free = append(p.free, freeLine{client, now})
	if oldest := p.free[0]; now.Sub(oldest.since) > idleFor {
		hangUp(oldest.client)
		p.free = append(p.free[:0], p.free[1:]...)
	}
}

func (p *lines) dropFree() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range p.free {
		hangUp(line.client)
	}
	clear(p.free)
	p.free = p.free[:0]
}

// close closes the lines that are free, now and from now on.
func (p *lines) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.dropFree()
}

// hangUp closes a client that nobody uses. It always says nil.
func hangUp(client *esdb.Client) { _ = client.Close() }
