// Package client is the HTTP API for Go programs: the command line and the demonstration use it.
//
// Bodies are those of package api. A refusal of the server is a *Problem; every other error is of the way there, and
// then it is unknown whether a command took effect: repeat it with the same key.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"daybook/adapters/web/api"
	"daybook/events"
	"daybook/events/id"
)

// Problem is a refusal of the server. Branch on its Code.
type Problem = api.Problem //nolint:errname // see there

// Client calls one server. It is safe for concurrent use.
type Client struct {
	base  string
	token string
	http  *http.Client
	long  *http.Client // for calls that may take as long as projecting the whole log
}

// New returns a client of the server at baseURL ("http://127.0.0.1:8080") with the admin token or a user's key.
func New(baseURL, token string) *Client {
	return &Client{base: strings.TrimRight(baseURL, "/"), token: token, http: &http.Client{Timeout: time.Minute}, long: &http.Client{}}
}

// maxAnswer bounds what is read of an answer: a thousand audit entries are far smaller.
const maxAnswer = 256 << 20

// call is one request.
type call struct {
	method string
	path   string // under /api/v1
	query  url.Values
	body   any    // nil: none; csv is sent as it is, all else as JSON
	key    string // Idempotency-Key
	long   bool   // it ends when it is done, or when the caller's context does
}

// csv is a body that is a file.
type csv []byte

// do makes the call and reads the answer into out, which may be nil.
func (c *Client) do(ctx context.Context, call call, out any) error {
	response, err := c.open(ctx, call)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(out); err != nil {
		return fmt.Errorf("%s %s: reading the answer: %w", call.method, call.path, err)
	}
	return nil
}

// open makes the call and returns an answer that is no refusal, to be read and closed.
func (c *Client) open(ctx context.Context, call call) (*http.Response, error) {
	request, err := c.request(ctx, call)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", call.method, call.path, err)
	}
	by := c.http
	if call.long {
		by = c.long
	}
	response, err := by.Do(request)
	if err != nil {
		return nil, err // names method and address already
	}
	if response.StatusCode < http.StatusMultipleChoices {
		return response, nil
	}
	defer response.Body.Close()
	return nil, refusal(call, response, io.LimitReader(response.Body, maxAnswer))
}

func (c *Client) request(ctx context.Context, call call) (*http.Request, error) {
	var body io.Reader
	contentType := "application/json"
	switch content := call.body.(type) {
	case nil:
	case csv:
		body, contentType = bytes.NewReader(content), "text/csv"
	default:
		text, err := json.Marshal(content)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	address := c.base + "/api/v1" + call.path
	if len(call.query) > 0 {
		address += "?" + call.query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, call.method, address, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", contentType)
	}
	if call.key != "" {
		request.Header.Set("Idempotency-Key", call.key)
	}
	return request, nil
}

// refusal reads a problem document. What is none, such as a proxy's page, becomes an error with the status only.
func refusal(call call, response *http.Response, answer io.Reader) error {
	var problem Problem
	if strings.HasPrefix(response.Header.Get("Content-Type"), problem.ContentType("")) {
		if err := json.NewDecoder(answer).Decode(&problem); err == nil {
			return &problem
		}
	}
	return fmt.Errorf("%s %s: %s", call.method, call.path, response.Status)
}

// IsProblem reports whether err is a refusal by this rule.
func IsProblem(err error, code string) bool {
	problem, ok := errors.AsType[*Problem](err)
	return ok && problem.Code == code
}

// CallOption says something about one call.
type CallOption func(*call)

// Key names a command, so that a repeat of it changes nothing and gets the same answer.
func Key(key string) CallOption { return func(c *call) { c.key = key } }

// WaitFor makes a query wait until it can show this position.
func WaitFor(position events.Position) CallOption {
	return func(c *call) {
		if position != events.Start {
			c.set("wait_for", strconv.FormatUint(uint64(position), 10))
		}
	}
}

// WaitForToken is WaitFor with a token, which names the store too.
func WaitForToken(token string) CallOption {
	return func(c *call) { c.set("wait_for", token) }
}

func (c *call) set(name, value string) {
	if c.query == nil {
		c.query = url.Values{}
	}
	c.query.Set(name, value)
}

// send makes the call with its options and returns its answer.
func send[T any](ctx context.Context, c *Client, request call, options []CallOption) (T, error) {
	for _, option := range options {
		option(&request)
	}
	var answer T
	err := c.do(ctx, request, &answer)
	return answer, err
}

func accountPath(account id.Account, rest ...string) string {
	return "/accounts/" + account.String() + strings.Join(rest, "")
}
