package graph

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"daybook/commands/policies"
	"daybook/events/id"
)

// MediaTimeout bounds fetching one file. FileMax is the largest that the platform takes.
const (
	MediaTimeout = time.Minute
	FileMax      = 100 << 20
)

// Files keeps sealed bytes under their digest, and returns it.
type Files interface {
	Put(ctx context.Context, sealed []byte) (sha256 string, err error)
}

// Media fetches files from the platform and keeps them.
type Media struct {
	Client *Client
	Files  Files
}

// Fetch gets the file of a customer's message. See policies.MediaStore. The sealed bytes belong to the fact that has the
// message's id, path "media".
func (m Media) Fetch(ctx context.Context, f policies.File) (policies.Stored, error) {
	ctx, cancel := context.WithTimeout(ctx, MediaTimeout)
	defer cancel()
	fact := id.Of[id.Fact](f.Message)
	content, err := m.Client.Vault.Open(ctx, f.Content, fact, "content")
	if m.Client.Erased(err) {
		return policies.Stored{}, &policies.MissingError{Rule: "what was said of it was erased"}
	}
	if err != nil {
		return policies.Stored{}, fmt.Errorf("opening message %s: %w", f.Message, err)
	}
	key, err := m.Client.key(ctx, f.Account, f.Customer)
	if err != nil {
		return policies.Stored{}, err
	}
	name, err := fileOf(content)
	if err != nil {
		return policies.Stored{}, err
	}
	where, err := m.Client.locate(ctx, name)
	if err != nil {
		return policies.Stored{}, err
	}
	data, err := m.Client.download(ctx, where)
	if err != nil {
		return policies.Stored{}, err
	}
	stored := policies.Stored{Bytes: int64(len(data)), MediaType: where.mediaType}
	stored.SHA256, err = m.Files.Put(ctx, []byte(key.Seal(fact, "media", data)))
	return stored, err
}

// fileOf finds what the platform calls the file of a message.
func fileOf(content []byte) (string, error) {
	var message map[string]json.RawMessage
	if json.Unmarshal(content, &message) != nil {
		return "", &policies.MissingError{Rule: "the message cannot be read"}
	}
	var kind string
	var file struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(message["type"], &kind) != nil || json.Unmarshal(message[kind], &file) != nil || !isName(file.ID) {
		return "", &policies.MissingError{Rule: "the message names no file"}
	}
	return file.ID, nil
}

// isName accepts what the platform calls things: it becomes a part of an address.
func isName(s string) bool {
	const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
	return s != "" && len(s) <= 128 && strings.Trim(s, allowed) == ""
}

// location is where a file is, for a few minutes, and what the platform says of it.
type location struct {
	url       string
	mediaType string
	digest    []byte // SHA-256; nil when it was not told
}

func (c *Client) locate(ctx context.Context, name string) (location, error) {
	body, err := c.get(ctx, c.URL+"/"+name, answerMax)
	if err != nil {
		return location{}, err
	}
	var told struct {
		URL       string `json:"url"`
		MediaType string `json:"mime_type"`
		SHA256    string `json:"sha256"`
		Bytes     int64  `json:"file_size"`
	}
	switch {
	case json.Unmarshal(body, &told) != nil || !c.trusts(told.URL):
		return location{}, &policies.MissingError{Rule: "the platform does not say where it is"}
	case told.Bytes > FileMax:
		return location{}, &policies.MissingError{Rule: "it is larger than any file may be"}
	}
	return location{told.URL, mediaType(told.MediaType), digestOf(told.SHA256)}, nil
}

// trusts tells whether an address is the platform's own: the access token goes there.
func (c *Client) trusts(address string) bool {
	at, problem := url.Parse(address)
	home, another := url.Parse(c.URL)
	if problem != nil || another != nil || at.User != nil {
		return false
	}
	own := at.Scheme == home.Scheme && at.Host == home.Host
	return own || at.Scheme == "https" && strings.HasSuffix(at.Host, ".fbsbx.com")
}

// mediaType accepts a type and a subtype; what else is told may hold anything.
func mediaType(told string) string {
	told, _, _ = strings.Cut(told, ";")
	kind, subtype, two := strings.Cut(strings.TrimSpace(told), "/")
	const allowed = "abcdefghijklmnopqrstuvwxyz0123456789.+-"
	if !two || kind == "" || subtype == "" || len(told) > 100 || strings.Trim(kind+subtype, allowed) != "" {
		return "application/octet-stream"
	}
	return kind + "/" + subtype
}

// digestOf reads a SHA-256, in hexadecimal or, as in webhooks, in base64.
func digestOf(told string) []byte {
	if digest, err := hex.DecodeString(told); err == nil && len(digest) == sha256.Size {
		return digest
	}
	if digest, err := base64.StdEncoding.DecodeString(told); err == nil && len(digest) == sha256.Size {
		return digest
	}
	return nil
}

func (c *Client) download(ctx context.Context, where location) ([]byte, error) {
	data, err := c.get(ctx, where.url, FileMax)
	if err != nil {
		return nil, err
	}
	if digest := sha256.Sum256(data); where.digest != nil && string(digest[:]) != string(where.digest) {
		return nil, errors.New("the file is not the one that the platform told of: its digest differs")
	}
	return data, nil
}

// get reads an address of the platform's whole.
func (c *Client) get(ctx context.Context, address string, limit int64) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, &policies.MissingError{Rule: "the platform does not say where it is"}
	}
	c.authorize(request)
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("no answer from the platform: %s", cause(err))
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("the platform's answer broke off: %s", cause(err))
	case response.StatusCode != http.StatusOK:
		return nil, unavailable(response.StatusCode, body)
	case int64(len(body)) > limit:
		return nil, &policies.MissingError{Rule: "it is larger than any file may be"}
	}
	return body, nil
}

// unavailable is what an answer without a file means: the platform's own trouble passes, a fault of ours does not.
func unavailable(status int, body []byte) error {
	code, _ := errorCode(body)
	if _, passes := again[code]; passes || status >= http.StatusInternalServerError || status == http.StatusTooManyRequests {
		return fmt.Errorf("the platform answered %d with code %d", status, code)
	}
	if code == 0 {
		code = status
	}
	return &policies.MissingError{Code: code}
}
