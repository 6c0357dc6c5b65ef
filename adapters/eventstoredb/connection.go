package eventstoredb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
)

// settings are those of a connection string, in lower case, as in the official client's documentation
// (https://developers.eventstore.com/clients/grpc/getting-started.html). The two that are ignored are the adapter's own
// business: see Pauses.
var settings = []string{
	"tls", "tlscafile", "tlsverifycert", "usercertfile", "userkeyfile", "nodepreference", "gossiptimeout",
	"keepaliveinterval", "keepalivetimeout", "defaultdeadline", "discoveryinterval", "maxdiscoverattempts",
}

// callDeadline is how long a short call may take, if the connection string has no defaultDeadline. It is the official
// client's own.
const callDeadline = 10 * time.Second

// Check says what is wrong with a connection string, without connecting. No error repeats a password.
func Check(connection string) error {
	_, err := configure(connection, slog.New(slog.DiscardHandler))
	return err
}

// configure reads a connection string, and says what is wrong with it unless that could be a part of a password: one
// with characters that end the user's part of an address is found in the wrong places.
func configure(connection string, log *slog.Logger) (*esdb.Configuration, error) {
	config, err := parse(connection, log)
	if err == nil {
		return config, nil
	}
	_, rest, _ := strings.Cut(connection, "://")
	user := rest[:max(strings.LastIndex(rest, "@"), 0)]
	if _, escaped := url.PathUnescape(user); escaped != nil || strings.ContainsAny(user, "/?#,") {
		return nil, errors.New("connection string: it cannot be read; in a user and a password, " +
			"/ ? # , @ and % have to be percent-encoded, as %2F for /")
	}
	return nil, fmt.Errorf("connection string: %w", err)
}

// parse reads a connection string. The official client prints unknown settings, takes a defaultDeadline that it
// cannot read for 0, with which no append ever succeeds, and port 67649 for 2113: all are errors here.
func parse(connection string, log *slog.Logger) (*esdb.Configuration, error) {
	authority, query, _ := strings.Cut(connection, "?")
	if err := checkPorts(authority); err != nil {
		return nil, err
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, fmt.Errorf("reading the settings: %w", err)
	}
	for name := range values {
		if !slices.Contains(settings, strings.ToLower(name)) {
			return nil, fmt.Errorf("unknown setting %q", name)
		}
	}
	config, err := esdb.ParseConnectionString(connection)
	if bad, ok := errors.AsType[*url.Error](err); ok {
		err = bad.Err // without the string, which may hold a password
	}
	if err == nil {
		err = config.Validate()
	}
	switch {
	case err != nil:
		return nil, err
	case config.DefaultDeadline != nil && *config.DefaultDeadline <= 0:
		return nil, errors.New("defaultDeadline has to be a number of milliseconds above 0")
	case config.GossipTimeout <= 0:
		return nil, errors.New("gossipTimeout has to be a number of seconds above 0")
	}
	if config.Username != "" && config.DisableTLS {
		log.Warn("the connection string has a user, but without TLS no credentials are sent")
	}
	if config.DefaultDeadline == nil {
		config.DefaultDeadline = new(callDeadline)
	}
	config.MaxDiscoverAttempts, config.DiscoveryInterval = 1, 0 // tries.go pauses and tries again
	config.Logger = func(_ esdb.LogLevel, format string, args ...any) {
		if log.Enabled(context.Background(), slog.LevelDebug) {
			log.Debug("official client: " + fmt.Sprintf(format, args...))
		}
	}
	return config, nil
}

// checkPorts refuses ports that are none.
func checkPorts(authority string) error {
	_, hosts, _ := strings.Cut(authority, "://")
	hosts = strings.TrimSuffix(hosts[strings.LastIndex(hosts, "@")+1:], "/")
	for host := range strings.SplitSeq(hosts, ",") {
		_, text, given := strings.Cut(host, ":")
		if port, err := strconv.ParseUint(text, 10, 16); given && (err != nil || port == 0) {
			return fmt.Errorf("%q has no port between 1 and 65535", host)
		}
	}
	return nil
}
