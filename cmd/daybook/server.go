package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"daybook/adapters/web/client"
	"daybook/commands/policies"
	"daybook/events"
	"daybook/projections"
)

// withServer gives a verb a client of the running server. When none runs here, and none elsewhere was named, it runs one
// for as long as the verb takes: the store has one owner at a time, so there is only one way to it.
func withServer(command *cobra.Command, verb func(*client.Client) error) error {
	config, err := LoadConfig()
	if err != nil {
		return err
	}
	running, err := answers(command.Context(), config.ServerURL())
	if err != nil {
		return err
	}
	if !running && config.URL != "" {
		return fmt.Errorf("no server answers at DAYBOOK_URL %s", config.URL)
	}
	if running {
		token, err := knownToken(config)
		if err != nil {
			return err
		}
		return verb(client.New(config.ServerURL(), token))
	}
	if there, err := config.hasData(); err != nil || !there {
		return fmt.Errorf("no server answers at %s, and there is no data in %s: start one with `daybook serve`", config.ServerURL(), config.Data)
	}
	config.Listen, config.StoreListen = "127.0.0.1:0", off
	return withOwnServer(command, config, verb)
}

func withOwnServer(command *cobra.Command, config Config, verb func(*client.Client) error) (err error) {
	ctx := command.Context()
	a, err := open(ctx, config, time.Now, newLog(command.ErrOrStderr(), config))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	return a.during(ctx, func(base string) error {
		if err := a.caughtUp(ctx); err != nil {
			return err
		}
		return verb(client.New(base, a.adminToken))
	})
}

// caughtUp waits until the policies have reacted to the whole store, and every projection has read what came of it.
func (a *app) caughtUp(ctx context.Context) error {
	head, err := a.store.Head(ctx)
	if err != nil {
		return err
	}
	if head, err = a.policies.WaitFor(ctx, policies.RatingName, head); err != nil {
		return err
	}
	return a.waitFor(ctx, head)
}

// waitFor waits for what can be read. Of a projection of which nothing can be read yet, queries say how far it is.
func (a *app) waitFor(ctx context.Context, position events.Position) error {
	for _, define := range definitions() {
		name := define().Name()
		_, err := a.engine.Read(ctx, name, position)
		if _, unready := errors.AsType[*projections.UnreadyError](err); err != nil && !unready {
			return err
		}
	}
	return nil
}

// answers tells whether a server listens. Anything but a refused connection is reported: a server that is there and
// does not answer must not be taken for none.
func answers(ctx context.Context, base string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/healthz", nil)
	if err != nil {
		return false, err
	}
	response, err := http.DefaultClient.Do(request)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("asking for a server: %w", err)
	}
	return true, response.Body.Close()
}

const tokenFile = "admin.token"

// knownToken is the admin token as far as a verb can know it: set, or kept in the data folder by the server.
func knownToken(config Config) (string, error) {
	if config.AdminToken != "" {
		return config.AdminToken, nil
	}
	token, err := os.ReadFile(filepath.Join(config.Data, tokenFile))
	if errors.Is(err, os.ErrNotExist) {
		return "", errors.New("set DAYBOOK_ADMIN_TOKEN to a key, or to the token that the server printed when it started")
	}
	return string(token), err
}

// keptToken is the token of this data folder: made once, readable by its owner only, used until one is set.
func keptToken(folder, fresh string) (string, error) {
	path := filepath.Join(folder, tokenFile)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		kept, err := os.ReadFile(path)
		if err == nil && len(kept) == 0 { // a crash came between making and writing it
			return fresh, os.WriteFile(path, []byte(fresh), 0o600)
		}
		return string(kept), err
	}
	if err != nil {
		return "", fmt.Errorf("keeping the admin token: %w", err)
	}
	_, err = file.WriteString(fresh)
	return fresh, errors.Join(err, file.Close())
}
