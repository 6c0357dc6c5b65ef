package web

import "time"

// Limits of one request. The time limits are for the http.Server that serves the handler.
const (
	MaxBodyBytes      = 1 << 20
	MaxHeaderBytes    = 64 << 10
	ReadHeaderTimeout = 5 * time.Second
	ReadTimeout       = 30 * time.Second
	WriteTimeout      = 60 * time.Second
	IdleTimeout       = 2 * time.Minute
)

const (
	defaultWait     = 5 * time.Second // bound of wait_for
	readyTimeout    = 2 * time.Second // of the checks behind /readyz
	sessionLifetime = 12 * time.Hour
	signInLifetime  = 15 * time.Minute // of links minted while running; the first link holds until used
)
