// Package graph is a client of the platform's Graph API: it gives messages to the platform and fetches the files of
// customers' messages.
//
// What is personal is opened here, just before it leaves, and stands in no error: of what the platform answers, only codes
// and its own words are passed on.
package graph

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"daybook/events"
	"daybook/events/id"
)

// DefaultURL is where the platform is.
const DefaultURL = "https://graph.facebook.com/v24.0"

// Timeout bounds one call, from opening what is sealed to the last byte of the answer. It is less than the time after which
// another process may take over from one that is silent.
const Timeout = 8 * time.Second

// Vault opens and seals what is personal.
type Vault interface {
	Open(ctx context.Context, sealed events.Sealed, fact id.Fact, path string) ([]byte, error)
	Keys(ctx context.Context, scopes []events.KeyScope) (map[events.KeyScope]events.DataKey, error)
	WamidHash(wamid string) events.WamidHash
}

// Config is what a client works with. Token, Vault, Erased and Now are needed.
type Config struct {
	URL    string // DefaultURL when empty
	Token  string
	Vault  Vault
	Erased func(error) bool // tells the vault's error that a key was destroyed
	Now    func() time.Time // says under which year's key the platform's id is sealed
}

// Client is safe for concurrent use.
type Client struct {
	Config

	http *http.Client
}

// New returns a client. It calls nobody yet.
func New(cfg Config) *Client {
	if cfg.URL == "" {
		cfg.URL = DefaultURL
	}
	cfg.URL = strings.TrimRight(cfg.URL, "/")
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // it is one
	transport.MaxIdleConnsPerHost = connections
	return &Client{cfg, &http.Client{
		Transport: transport,
		// A redirected message would be given away twice.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// connections is how many are kept open to the platform: as many as sending uses at once, 64 in each of 8 shards.
const connections = 512

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// scope is the key that what the platform tells now about a customer is sealed under.
func (c *Client) scope(account id.Account, customer id.Customer) events.KeyScope {
	return events.KeyScope{Account: account, Subject: customer.UUID, Class: events.ClassMessages, Year: c.Now().UTC().Year()}
}

func (c *Client) key(ctx context.Context, account id.Account, customer id.Customer) (events.DataKey, error) {
	scope := c.scope(account, customer)
	keys, err := c.Vault.Keys(ctx, []events.KeyScope{scope})
	if err != nil {
		return events.DataKey{}, err
	}
	key, found := keys[scope]
	if !found {
		return events.DataKey{}, fmt.Errorf("the vault gave no data key for %s of %d", scope.Subject, scope.Year)
	}
	return key, nil
}
