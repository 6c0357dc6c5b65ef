package web_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/web"
	"daybook/events"
	"daybook/projections"
)

// slow is an engine that takes an hour, unless it is told to stop.
type slow struct{ web.Projections }

func hour(ctx context.Context) error {
	select {
	case <-time.After(time.Hour):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (slow) Diff(ctx context.Context, _ string) (projections.Diff, error) {
	return projections.Diff{}, hour(ctx)
}

func (slow) Verify(ctx context.Context, _ string, _ projections.VerifyOptions) (projections.Verdict, error) {
	return projections.Verdict{Complete: true}, hour(ctx)
}

func (slow) PositionAt(context.Context, time.Time) (events.Position, error) { return 0, nil }

func (slow) View(ctx context.Context, name string, _ events.Position, _ string) (*projections.View, error) {
	return nil, errors.Join(hour(ctx), &projections.UnknownError{Projection: name})
}

func (slow) Status(ctx context.Context) ([]projections.Status, error) { return nil, hour(ctx) }

// pipes is a network without time of its own.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	conn, open := <-p
	if !open {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (p pipes) Close() error { close(p); return nil }

func (p pipes) Addr() net.Addr { return &net.UnixAddr{} }

// handling is a handler that has nothing but an engine. What cleans up sessions runs for ever, outside of any bubble.
func handling(engine web.Projections) http.Handler {
	return web.New(web.Config{
		AdminToken: token, Projections: engine, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Webhook: http.NotFoundHandler(), Metrics: http.NotFoundHandler(),
	})
}

// dial serves with the real time limits, and the clock of the bubble, and returns a connection.
func dial(t *testing.T, handler http.Handler) net.Conn {
	t.Helper()
	network := make(pipes)
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: web.ReadHeaderTimeout, ReadTimeout: web.ReadTimeout,
		WriteTimeout: web.WriteTimeout, IdleTimeout: web.IdleTimeout,
	}
	ended := make(chan error)
	go func() { ended <- server.Serve(network) }()
	here, there := net.Pipe()
	network <- there
	t.Cleanup(func() {
		require.NoError(t, here.Close())
		require.NoError(t, server.Close())
		require.ErrorIs(t, <-ended, http.ErrServerClosed)
	})
	return here
}

// ask sends a request and reads the answer.
func ask(t *testing.T, conn net.Conn, method, path string) (answer, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://daybook/api/v1/projections"+path, nil)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	require.NoError(t, request.Write(conn))
	response, err := http.ReadResponse(bufio.NewReader(conn), request)
	if err != nil {
		return answer{}, err
	}
	content, err := io.ReadAll(response.Body)
	return answer{response, content}, err
}

// verifyCall is what a client sends.
const verifyCall = "POST /api/v1/projections/audit/verify HTTP/1.1\r\nHost: daybook\r\nAuthorization: Bearer " + token + "\r\n\r\n"

// TestWhatProjectsTheLogMayTakeHours although the server's limits are those of answers that come at once. On the same
// connection, the next request has these limits again.
func TestWhatProjectsTheLogMayTakeHours(t *testing.T) {
	t.Parallel()
	handler := handling(slow{})
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{http.MethodGet, "/audit/diff", http.StatusOK}, {http.MethodPost, "/audit/verify", http.StatusOK},
		{http.MethodPost, "/audit/as-of?at=1999-10-05T10:42:07Z", http.StatusNotFound},
	} {
		synctest.Test(t, func(t *testing.T) {
			conn, began := dial(t, handler), time.Now()
			a, err := ask(t, conn, c.method, c.path)
			require.NoError(t, err, c.path)
			require.Equal(t, c.status, a.StatusCode, "%s: %s", c.path, a.body)
			require.Equal(t, time.Hour, time.Since(began))
			_, err = ask(t, conn, http.MethodGet, "")
			require.ErrorIs(t, err, io.ErrUnexpectedEOF, "all others have limits")
		})
	}
}

// TestWhatTakesHoursEndsWhenTheClientLeaves: nobody is left to tell.
func TestWhatTakesHoursEndsWhenTheClientLeaves(t *testing.T) {
	t.Parallel()
	left := make(chan error, 1)
	handler := handling(watched{left: left})
	synctest.Test(t, func(t *testing.T) {
		conn := dial(t, handler)
		_, err := io.WriteString(conn, verifyCall)
		require.NoError(t, err)
		<-time.After(10 * time.Minute)
		require.Empty(t, left, "it goes on while the client waits")
		require.NoError(t, conn.Close())
		synctest.Wait()
		require.ErrorIs(t, <-left, context.Canceled)
	})
}

// watched is an engine that tells how a verification ended.
type watched struct {
	web.Projections

	left chan error
}

func (w watched) Verify(ctx context.Context, _ string, _ projections.VerifyOptions) (projections.Verdict, error) {
	err := hour(ctx)
	w.left <- err
	return projections.Verdict{}, err
}

// TestWhatIsNotTakenIsCutOff: a client that asks and does not read holds an answer for no longer than any other, also one
// that comes of a panic.
func TestWhatIsNotTakenIsCutOff(t *testing.T) {
	t.Parallel()
	for _, handler := range []http.Handler{handling(slow{}), handling(panicking{})} {
		synctest.Test(t, func(t *testing.T) {
			conn := dial(t, handler)
			_, err := io.WriteString(conn, verifyCall)
			require.NoError(t, err)
			<-time.After(time.Hour + web.WriteTimeout + time.Second)
			answered, err := io.ReadAll(conn)
			require.NoError(t, err, "the server has closed the connection")
			require.Empty(t, answered)
		})
	}
}

// panicking is an engine that panics after an hour.
type panicking struct{ web.Projections }

func (panicking) Verify(ctx context.Context, _ string, _ projections.VerifyOptions) (projections.Verdict, error) {
	panic(hour(ctx))
}
