package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"daybook/adapters/embedded"
	"daybook/adapters/embedded/endpoint"
)

// plainServer is how `store serve` runs.
type plainServer struct {
	listen, data, advertise string
	memory                  bool
	maxAppendBytes          int
	certificate, key        string // files
}

func storeServeCommand() *cobra.Command {
	var p plainServer
	command := &cobra.Command{
		Use:   "serve",
		Short: "Serve an embedded store over EventStoreDB's protocol until stopped",
		Long: "Serve an embedded store over EventStoreDB's protocol until stopped. Prints the connection string once it is ready. " +
			"Without a certificate there are no users, and everybody may do everything. With one, the users are admin and ops, with " +
			"the passwords of DAYBOOK_STORE_ADMIN_PASSWORD and DAYBOOK_STORE_OPS_PASSWORD (default: changeit).",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			config, err := LoadConfig()
			if err != nil {
				return err
			}
			switch {
			case p.memory && p.data != "":
				return errors.New("--mem and --data exclude one another")
			case p.data == "":
				p.data = config.Data
			}
			return p.run(command.Context(), newLog(command.ErrOrStderr(), config), command.OutOrStdout())
		},
	}
	flags := command.Flags()
	flags.StringVar(&p.listen, "listen", "127.0.0.1:2113", "address to listen on")
	flags.StringVar(&p.data, "data", "", "folder of the store, or with the store in it (default: DAYBOOK_DATA)")
	flags.BoolVar(&p.memory, "mem", false, "keep everything in memory, and lose it in the end")
	p.maxAppendBytes = embedded.DefaultMaxAppendBytes
	flags.Var(&parsed[int]{&p.maxAppendBytes, appendLimit, strconv.Itoa(p.maxAppendBytes)}, "max-append-bytes", "limit of one append, at most 15 MiB")
	flags.StringVar(&p.certificate, "tls-cert", "", "file with the certificate (PEM)")
	flags.StringVar(&p.key, "tls-key", "", "file with its key (PEM)")
	flags.StringVar(&p.advertise, "advertise", "", "host:port that clients are told to use (default: what they have dialled)")
	return command
}

// appendLimit reads a limit that leaves room for the rest of a message, which has 16 MiB at most.
func appendLimit(text string) (int, error) {
	const most = 15 << 20
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("expected a number of bytes between 1 and %d", most)
	}
	return n, nil
}

func (p *plainServer) run(ctx context.Context, log *slog.Logger, out io.Writer) (err error) {
	secured, err := p.secured()
	if err != nil {
		return err
	}
	store, folder, err := p.open(log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	cfg := endpoint.Config{Store: store, Logger: log, TLS: secured, Advertise: p.advertise}
	if secured != nil {
		cfg.Users = map[string]string{
			"admin": password("DAYBOOK_STORE_ADMIN_PASSWORD", log), "ops": password("DAYBOOK_STORE_OPS_PASSWORD", log),
		}
	}
	server, err := endpoint.New(cfg)
	if err != nil {
		return err
	}
	if err = server.Boot(ctx); err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", p.listen)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	if secured == nil && beyondLoopback(listener.Addr()) {
		log.Warn("without TLS, everybody who reaches this address may read and write the store", "address", listener.Addr().String())
	}
	if folder != "" {
		if err = noteStore(folder, store.ID(), p.connection(listener.Addr())); err != nil {
			return errors.Join(err, listener.Close())
		}
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	_, err = fmt.Fprintln(out, p.connection(listener.Addr()))
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-served:
			served <- nil
		}
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	server.Shutdown(limit)
	return errors.Join(err, <-served)
}

// open opens the store, and tells its folder unless it is kept in memory.
func (p *plainServer) open(log *slog.Logger) (_ *embedded.Store, folder string, err error) {
	options := []embedded.Option{embedded.Log(log), embedded.MaxAppendBytes(p.maxAppendBytes)}
	if p.memory {
		options = append(options, embedded.InMemory())
	} else if folder, _, err = folderOfStore(p.data); err != nil {
		return nil, "", err
	}
	store, err := embedded.Open(cmp.Or(folder, "memory"), options...)
	if err != nil {
		return nil, "", fmt.Errorf("opening the event store: %w", err)
	}
	return store, folder, nil
}

// secured is nil without a certificate.
func (p *plainServer) secured() (*tls.Config, error) {
	switch {
	case p.certificate == "" && p.key == "":
		return nil, nil //nolint:nilnil // no TLS
	case p.certificate == "" || p.key == "":
		return nil, errors.New("--tls-cert and --tls-key belong together")
	}
	certificate, err := tls.LoadX509KeyPair(p.certificate, p.key)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert, --tls-key: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}, nil
}

func password(variable string, log *slog.Logger) string {
	if set := os.Getenv(variable); set != "" {
		return set
	}
	log.Warn("a password is the one that everybody knows", "set", variable)
	return "changeit"
}

// connection is what clients on this machine need.
func (p *plainServer) connection(at net.Addr) string {
	address := p.advertise
	if address == "" {
		address = dialled(at.String())
	}
	if p.certificate != "" {
		return "esdb://" + address + "?tls=true"
	}
	return connectionTo(address)
}
