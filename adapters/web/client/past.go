package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"daybook/adapters/web/api"
)

// AsOfFilter says which read model as of when, and which of its tables.
type AsOfFilter struct {
	Projection string
	At         string // a position, or an RFC 3339 instant
	Table      string // none: only how many rows each has
	Format     string // of rows: "csv" or "json"; none: JSON
}

func (f AsOfFilter) call() call {
	request := call{method: http.MethodPost, path: projectionPath(f.Projection, "/as-of"), long: true}
	for name, value := range map[string]string{"at": f.At, "table": f.Table, "format": f.Format} {
		if value != "" {
			request.set(name, value)
		}
	}
	return request
}

// AsOf tells how many rows the tables of a projection had at a moment.
func (c *Client) AsOf(ctx context.Context, projection, at string, options ...CallOption) (api.AsOf, error) {
	return send[api.AsOf](ctx, c, AsOfFilter{Projection: projection, At: at}.call(), options)
}

// ReadAsOf reads what a table held at a moment. Whoever gets the answer closes it.
func (c *Client) ReadAsOf(ctx context.Context, filter AsOfFilter) (*AsOfAnswer, error) {
	response, err := c.open(ctx, filter.call())
	if err != nil {
		return nil, err
	}
	answer := &AsOfAnswer{Body: response.Body}
	if head := response.Header.Get(api.AsOfHeader); head != "" {
		if err = json.Unmarshal([]byte(head), &answer.Head); err != nil {
			return nil, errors.Join(fmt.Errorf("reading the header %s: %w", api.AsOfHeader, err), response.Body.Close())
		}
	}
	return answer, nil
}

// AsOfAnswer is an answer as it comes: a file of CSV, with what it shows in Head, or an api.AsOfRows as JSON. An answer that
// breaks off ends with an error.
type AsOfAnswer struct {
	Head api.AsOf
	Body io.ReadCloser
}
