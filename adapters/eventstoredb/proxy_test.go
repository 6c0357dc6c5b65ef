package eventstoredb_test

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// proxy stands between the store and its server, and does what networks do.
type proxy struct {
	address string
	target  string

	mu     sync.Mutex
	chance *rand.Rand
	chops  int  // connections that will still be cut at random
	made   int  // chops made
	closed bool // to connections to come
	open   map[*link]bool
}

// link is one connection through the proxy.
type link struct {
	client, server net.Conn

	mu        sync.Mutex
	left      int // bytes until it is cut; negative: never
	swallowed bool
}

func through(t *testing.T, target string) *proxy {
	t.Helper()
	listener := listen(t, "127.0.0.1:0")
	p := &proxy{address: listener.Addr().String(), target: target, open: map[*link]bool{}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { p.join(client) })
		}
	})
	t.Cleanup(func() {
		require.NoError(t, listener.Close())
		p.refuse()
		running.Wait()
	})
	return p
}

// chop has the next n connections cut after some bytes, in whichever direction and in the middle of whatever it is.
func (p *proxy) chop(n int, seed uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.chops, p.chance = n, rand.New(rand.NewPCG(seed, 0))
}

// chopped returns how many connections have been cut that way.
func (p *proxy) chopped() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.made
}

// cut cuts all connections.
func (p *proxy) cut() {
	for _, l := range p.links() {
		l.cut()
	}
}

// refuse cuts all connections, and those to come at once.
func (p *proxy) refuse() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.cut()
}

// swallow loses all answers on the connections there are. Later ones are not concerned.
func (p *proxy) swallow() {
	for _, l := range p.links() {
		l.mu.Lock()
		l.swallowed = true
		l.mu.Unlock()
	}
}

func (p *proxy) links() []*link {
	p.mu.Lock()
	defer p.mu.Unlock()
	var links []*link
	for l := range p.open {
		links = append(links, l)
	}
	return links
}

func (p *proxy) join(client net.Conn) {
	server, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", p.target)
	if err != nil {
		_ = client.Close()
		return
	}
	l := &link{client: client, server: server, left: -1}
	p.mu.Lock()
	if p.chops > 0 {
		p.chops--
		p.made++
		l.left = 200 << p.chance.IntN(10)
		l.left += p.chance.IntN(l.left)
	}
	p.open[l] = true
	gone := p.closed
	p.mu.Unlock()
	if gone {
		l.cut()
	}
	var copying sync.WaitGroup
	copying.Go(func() { l.copy(l.server, l.client, false) })
	copying.Go(func() { l.copy(l.client, l.server, true) })
	copying.Wait()
	p.mu.Lock()
	delete(p.open, l)
	p.mu.Unlock()
}

func (l *link) cut() {
	_, _ = l.client.Close(), l.server.Close()
}

func (l *link) copy(to, from net.Conn, answers bool) {
	defer l.cut()
	chunk := make([]byte, 16<<10)
	for {
		n, err := from.Read(chunk)
		allowed, over := l.allow(n, answers)
		if _, bad := to.Write(chunk[:allowed]); bad != nil || err != nil || over {
			return
		}
	}
}

func (l *link) allow(n int, answers bool) (allowed int, over bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.swallowed && answers:
		return 0, false
	case l.left < 0:
		return n, false
	}
	allowed = min(n, l.left)
	l.left -= allowed
	return allowed, l.left == 0
}
