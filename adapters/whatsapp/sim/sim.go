// Package sim is a local server that behaves like the platform: it takes messages, refuses them as the platform does, tells
// what became of them by signed webhooks, and has customers who read, answer, block and opt out. What goes wrong with the
// real platform goes wrong here on demand.
//
// Everything by chance follows from the seed and from what it is about, not from the order of calls: the same business
// against the same seed sees the same.
package sim

import (
	"context"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// Config is what a platform is like. Only Now is needed.
type Config struct {
	Seed    uint64
	Now     func() time.Time
	Token   string // of callers; empty: any
	Webhook string // where updates are told; empty: nowhere, they are only kept
	Secret  string // signs webhooks
	WABA    string // the business account of all numbers
	Display string // what its numbers are called

	PerSecond int           // most messages of a number within a second; 80
	PairBurst int           // most messages to one person at once; 45
	PairEvery time.Duration // and then one in this time; 6 s

	Pace      time.Duration // from one step of a message's life to the next; 200 ms
	Batch     int           // most updates in one webhook; 100
	Duplicate float64       // chance that an update is told twice
	Disorder  float64       // chance that an update is told much later than it happened
	Reads     float64       // chance that a delivered message is read
	Answers   float64       // chance that a read message is answered
	Blocks    float64       // chance that the reader blocks the business instead

	Faults map[Fault]float64 // chance of each, per message
}

func (c *Config) setDefaults() {
	setDefault(&c.PerSecond, 80)
	setDefault(&c.PairBurst, 45)
	setDefault(&c.PairEvery, 6*time.Second)
	setDefault(&c.Pace, 200*time.Millisecond)
	setDefault(&c.Batch, 100)
	setDefault(&c.WABA, "900100200300400")
	setDefault(&c.Display, "390655500100")
}

func setDefault[T comparable](value *T, otherwise T) {
	var none T
	if *value == none {
		*value = otherwise
	}
}

// Platform is safe for concurrent use.
type Platform struct {
	cfg    Config
	mux    *http.ServeMux
	client *http.Client

	mu        sync.Mutex
	log       []Received
	accepted  int
	customers map[string]*customer
	templates map[string]template
	files     map[string]file
	limits    limits
	script    []Fault // what goes wrong with the next messages
	updates   updates // that are to be told
	told      int
}

// New returns a platform without history.
func New(cfg Config) *Platform {
	cfg.setDefaults()
	p := &Platform{
		cfg: cfg, mux: http.NewServeMux(), client: &http.Client{Timeout: webhookTimeout},
		customers: map[string]*customer{}, templates: map[string]template{}, files: map[string]file{},
		limits: newLimits(cfg.PerSecond, cfg.PairBurst, cfg.PairEvery),
	}
	p.mux.HandleFunc("POST /{version}/{number}/messages", p.takeMessage)
	p.mux.HandleFunc("POST /{version}/{number}/media", p.takeFile)
	p.mux.HandleFunc("GET /{version}/{file}", p.describeFile)
	p.mux.HandleFunc("GET /files/{file}", p.giveFile)
	p.mux.HandleFunc("POST /sim/customers/{number}/{act}", p.act)
	p.mux.HandleFunc("GET /sim/customers/{number}/messages", p.listInbox)
	p.mux.HandleFunc("POST /sim/templates", p.decideTemplate)
	p.mux.HandleFunc("POST /sim/echoes", p.echo)
	p.mux.HandleFunc("POST /sim/faults", p.scriptFault)
	p.mux.HandleFunc("GET /sim/log", p.listLog)
	return p
}

func (p *Platform) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.mux.ServeHTTP(w, r) }

// Close closes idle connections to the webhook.
func (p *Platform) Close() { p.client.CloseIdleConnections() }

// Run tells updates as they become due, until ctx ends.
func (p *Platform) Run(ctx context.Context) {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			p.Tell(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// chance returns the dice of one thing: the same whenever it is asked about.
func (p *Platform) chance(about ...string) *rand.Rand {
	h := fnv.New64a()
	for _, part := range about {
		_, _ = h.Write([]byte(part + "\x00"))
	}
	return rand.New(rand.NewPCG(p.cfg.Seed, h.Sum64())) //nolint:gosec // what happens by chance guards nothing
}
