package web

import (
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// unhurried lets an operation take its time, such as one that projects the whole log. The server's limit for writing is
// for answers that come at once: it counts from the beginning of the request, so it would cut this answer off before it
// has begun. Here it counts anew each time something is written: a client that does not take the answer still holds
// nothing for longer than that, and one that leaves ends the request's context.
func unhurried(ctx huma.Context, next func(huma.Context)) {
	_, w := humago.Unwrap(ctx)
	out := &unhurriedWriter{w, http.NewResponseController(w)}
	defer out.limit() // what is written after this, be it because of a panic
	next(&unhurriedContext{ctx, out})
}

// request is huma.Context by a name that is not its method's, so that it can be embedded.
type request = huma.Context

// unhurriedContext is a request whose answer is written by an unhurriedWriter.
type unhurriedContext struct {
	request

	writer io.Writer
}

// BodyWriter implements huma.Context.
func (c *unhurriedContext) BodyWriter() io.Writer { return c.writer }

// Unwrap is for what asks for the request beneath.
func (c *unhurriedContext) Unwrap() huma.Context { return c.request }

// unhurriedWriter gives every piece of an answer the time that other answers have as a whole.
type unhurriedWriter struct {
	io.Writer

	connection *http.ResponseController
}

// Write implements io.Writer.
func (w *unhurriedWriter) Write(piece []byte) (int, error) {
	w.limit()
	return w.Writer.Write(piece)
}

// limit fails where there is no connection, as in a test: nothing takes long there.
func (w *unhurriedWriter) limit() { _ = w.connection.SetWriteDeadline(time.Now().Add(WriteTimeout)) }
