// Package web is the HTTP side of Daybook: the API under /api/v1, the pages, health, and the place where the webhook
// and the metrics are mounted.
//
//   - web.go: what it needs, and the routes
//   - auth.go: who may come in: a user's key, the admin token, or a session from a sign-in link; everybody else is refused
//   - access.go: what each role may do; a route that does not say cannot be registered
//   - guard.go: what surrounds every request: correlation, log line, security headers, panics
//   - problem.go: the single exit for errors
//   - waiting.go: positions, tokens and read-your-writes
//   - accounts.go, people.go, messages.go, rates.go, ledger.go, analytics.go, audit.go, quarantine.go, operations.go, builds.go: the endpoints
//   - recipient.go, sealing.go: the edge, where personal data becomes sealed before anything is stored
//   - pages.go, spend.go: the server-rendered pages
package web
