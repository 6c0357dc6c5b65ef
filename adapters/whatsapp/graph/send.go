package graph

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"daybook/commands/policies"
	"daybook/events"
	"daybook/events/id"
)

// answerMax is far more than any answer to a message.
const answerMax = 64 << 10

// Send gives a message to the platform. See policies.Sender.
func (c *Client) Send(ctx context.Context, m policies.Outgoing) (policies.Accepted, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	body, key, err := c.prepare(ctx, m)
	if err != nil {
		return policies.Accepted{}, err
	}
	status, answer, err := c.post(ctx, m.PhoneNumberID, body)
	if err != nil {
		return policies.Accepted{}, err
	}
	taken, err := readAnswer(status, answer)
	if err != nil {
		return policies.Accepted{}, err
	}
	return policies.Accepted{
		WamidHash: c.Vault.WamidHash(taken.wamid),
		Wamid:     key.Seal(id.Of[id.Fact](m.Message), "wamid", []byte(taken.wamid)),
		Held:      taken.held,
	}, nil
}

// vaultAway is how long to wait when what is sealed cannot be opened now.
const vaultAway = 5 * time.Second

// prepare opens what is sealed, and gets the key for the answer: afterwards nothing but the platform can fail.
func (c *Client) prepare(ctx context.Context, m policies.Outgoing) (body []byte, key events.DataKey, err error) {
	fact := id.Of[id.Fact](m.Message)
	to, err := c.Vault.Open(ctx, m.To, fact, "to")
	if err != nil {
		return nil, key, c.unopened(err)
	}
	content, err := c.Vault.Open(ctx, m.Content, fact, "content")
	if err != nil {
		return nil, key, c.unopened(err)
	}
	if key, err = c.key(ctx, m.Account, m.Customer); err != nil {
		return nil, key, c.unopened(err)
	}
	if body, err = compose(m, string(to), content); err != nil {
		return nil, key, &policies.RefusedError{Rejection: policies.RejectionContent}
	}
	return body, key, nil
}

func (c *Client) unopened(err error) error {
	switch {
	case c.Erased(err):
		return &policies.RefusedError{Rejection: policies.RejectionErased}
	case errors.Is(err, events.ErrSealed):
		return &policies.RefusedError{Rejection: policies.RejectionContent}
	}
	return &policies.RefusedError{Retry: true, After: vaultAway}
}

// platformAway is how long to wait when there is no connection to the platform.
const platformAway = 5 * time.Second

// post calls the platform. Without a connection nothing was sent; once there was one, an error leaves that open.
func (c *Client) post(ctx context.Context, number string, body []byte) (status int, answer []byte, err error) {
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+"/"+number+"/messages", bytes.NewReader(body))
	if err != nil {
		return 0, nil, &policies.RefusedError{Rejection: policies.RejectionContent}
	}
	request.Header.Set("Content-Type", "application/json")
	c.authorize(request)
	response, err := c.http.Do(request)
	if err != nil {
		if !connected.Load() {
			return 0, nil, &policies.RefusedError{Retry: true, After: platformAway}
		}
		return 0, nil, fmt.Errorf("no answer from the platform: %s", cause(err))
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(response.Body, answerMax))
	if err != nil {
		return 0, nil, fmt.Errorf("the platform's answer broke off: %s", cause(err))
	}
	return response.StatusCode, answer, nil
}

func (c *Client) authorize(request *http.Request) {
	request.Header.Set("Authorization", "Bearer "+c.Token)
}

// cause names what went wrong with a connection, in words of ours only: an error of the library's may quote what the other
// side said.
func cause(err error) string {
	var timeout net.Error
	var record tls.RecordHeaderError
	switch {
	case errors.Is(err, context.Canceled):
		return "it was given up"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "it took too long"
	case errors.As(err, &record):
		return "it does not speak TLS"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed"
	}
	return "the connection failed"
}
