package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"daybook/adapters/embedded"
	"daybook/adapters/postgres"
	"daybook/adapters/vault"
	"daybook/adapters/watermill"
	"daybook/adapters/web"
	"daybook/adapters/whatsapp"
	"daybook/commands"
	"daybook/commands/policies"
	"daybook/events"
	"daybook/projections"
)

// app is everything that one process of Daybook runs, wired by hand.
type app struct {
	config     Config
	log        *slog.Logger
	now        func() time.Time
	adminToken string // given, or kept in the data folder
	signIn     string // token of the printed sign-in link; none where nobody is to sign in

	store        eventStore
	embedded     *embedded.Store  // the same; nil on an EventStoreDB
	opened       events.Position  // its head, before it was found fit to be used
	hidden       atomic.Int64     // how many of its streams are hidden or deleted, as far as that is known
	storeAddress string           // where the embedded store is offered to read; empty when it is not
	server       *postgres.Server // nil when a database was given
	database     *pgxpool.Pool
	vault        *vault.Vault
	commands     *commands.Handler
	engine       *projections.Engine
	policies     *policies.Runner
	metrics      *metrics
	tracer       trace.TracerProvider // nil when nobody wants traces
	ingester     *whatsapp.Ingester

	closers []func() error // run backwards
}

// open starts or opens everything that keeps data. Nothing is served yet. Now is the clock of commands and webhooks.
func open(ctx context.Context, config Config, now func() time.Time, log *slog.Logger) (_ *app, err error) {
	a := &app{config: config, log: log, now: now, adminToken: config.AdminToken}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	if err := os.MkdirAll(config.Data, 0o700); err != nil { // keys and the admin token are kept there, wherever the rest is
		return nil, fmt.Errorf("making the data folder: %w", err)
	}
	if err := a.openTracing(ctx); err != nil {
		return nil, err
	}
	if err := a.openStore(ctx); err != nil {
		return nil, err
	}
	if a.adminToken == "" {
		if a.adminToken, err = keptToken(config.Data, rand.Text()); err != nil {
			return nil, err
		}
	}
	if err := a.openPostgres(ctx); err != nil {
		return nil, err
	}
	if err := a.checkReadModels(ctx); err != nil {
		return nil, err
	}
	if err := a.bindVault(ctx); err != nil {
		return nil, err
	}
	a.commands = commands.New(a.store, now)
	a.metrics = newMetrics(a)
	if err := a.openEngine(); err != nil {
		return nil, err
	}
	if err := a.openPolicies(ctx); err != nil {
		return nil, err
	}
	a.ingester = &whatsapp.Ingester{Recorder: a.commands, Vault: safe{a.vault}, Routes: routes{a}, Now: now}
	return a, nil
}

// openPostgres opens the given databases, or starts the private server for whichever is not given.
func (a *app) openPostgres(ctx context.Context) error {
	databaseURL, vaultURL := a.config.DatabaseURL, a.config.VaultURL
	if databaseURL == "" {
		server, err := postgres.Start(ctx, postgres.ServerConfig{DataDir: filepath.Join(a.config.Data, "postgres"), Logger: a.log})
		if err != nil {
			return fmt.Errorf("starting Postgres: %w", err)
		}
		a.server = server
		a.onClose(func() error { return server.Stop(context.WithoutCancel(ctx)) })
		databaseURL = server.URL()
		if vaultURL == "" {
			vaultURL = server.VaultURL()
		}
	}
	var err error
	if a.database, err = postgres.Open(ctx, databaseURL); err != nil {
		return fmt.Errorf("opening the database: %w", err)
	}
	a.onClose(func() error { a.database.Close(); return nil })
	if vaultURL, err = postgres.VaultURL(ctx, databaseURL, vaultURL); err != nil {
		return fmt.Errorf("finding the vault: %w", err)
	}
	vaultPool, err := postgres.OpenVault(ctx, vaultURL)
	if err != nil {
		return fmt.Errorf("connecting to the vault: %w", err)
	}
	a.onClose(func() error { vaultPool.Close(); return nil })
	master, err := vault.LoadMaster(a.config.VaultKey, a.config.Data)
	if err != nil {
		return err
	}
	if a.vault, err = vault.Open(ctx, vaultPool, master, vault.WithClock(a.now)); err != nil {
		return fmt.Errorf("opening the vault: %w", err)
	}
	return nil
}

func (a *app) openEngine() (err error) {
	a.engine, err = projections.NewEngine(projections.Config{
		Pool:       a.database,
		Subscriber: watermill.NewBatchSubscriber(watermill.Config{Log: a.store, Logger: a.log}),
		Log:        a.store, Now: a.now, Logger: a.log,
		Process: a.config.Process, Confirm: a.config.ProjectionConfirm, Audit: a.config.ProjectionAudit,
		Observe: a.metrics.batches.observe, Tracer: a.tracer,
	}, definitions()...)
	return err
}

// openPolicies makes the policies' runner. An embedded store is ours alone, so nobody else is at work on it, and leases are
// those of a process that has ended.
func (a *app) openPolicies(ctx context.Context) (err error) {
	leases := postgres.NewLeases(a.database)
	if a.embedded != nil {
		if err = leases.Evict(ctx); err != nil {
			return err
		}
	}
	a.policies, err = policies.NewRunner(policies.Config{
		Log: a.store, Leases: leases, Now: a.now, Logger: a.log, Process: a.config.Process,
		Observe: a.metrics.reactions.observeReaction, Tracer: a.tracer,
	}, a.policyList()...)
	return err
}

// serve runs projections, policies, re-driving and HTTP until ctx is done, and then ends requests before what they wait for.
// Ready is called once, with the address that HTTP listens on; its error ends serving.
func (a *app) serve(ctx context.Context, ready func(base string) error) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", a.config.Listen)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	requests, cutOff := context.WithCancel(context.WithoutCancel(ctx))
	defer cutOff()
	server := &http.Server{
		Handler:           a.handler(),
		BaseContext:       func(net.Listener) context.Context { return requests },
		ReadHeaderTimeout: web.ReadHeaderTimeout,
		ReadTimeout:       web.ReadTimeout,
		WriteTimeout:      web.WriteTimeout,
		IdleTimeout:       web.IdleTimeout,
		MaxHeaderBytes:    web.MaxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelWarn),
	}
	if err = a.engine.Prepare(ctx); err != nil { // the first request must find its tables
		return fmt.Errorf("preparing projections: %w", err)
	}
	// Requests end first: what they wait for is still at work then.
	behind, stopBehind := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBehind()
	group, ctx := errgroup.WithContext(ctx)
	if err = a.offerStore(ctx, group); err != nil {
		return errors.Join(err, listener.Close())
	}
	group.Go(func() error {
		err := a.untilSealed(ctx)
		if err != nil {
			stopBehind() // what policies would still write is no part of the history any more
		}
		return err
	})
	group.Go(func() error {
		a.watchStreams(ctx)
		return nil
	})
	group.Go(func() error { return a.engine.Run(behind) })
	group.Go(func() error { return a.policies.Run(behind) })
	group.Go(func() error { return a.redrive(behind) })
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serving HTTP: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		defer stopBehind()
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		return shutDown(limit, server, cutOff)
	})
	group.Go(func() error { return ready("http://" + dialled(listener.Addr().String())) })
	return group.Wait()
}

// during serves for as long as work takes, and returns what went wrong with either.
func (a *app) during(ctx context.Context, work func(base string) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var outcome error
	served := a.serve(ctx, func(base string) error {
		defer stop()
		outcome = work(base)
		return nil
	})
	return errors.Join(outcome, served)
}

// How long requests may take to end once the process was asked to, and then, once they were cut off.
const shutdownTimeout, cutOffTimeout = 10 * time.Second, 10 * time.Second

// shutDown lets requests end by themselves within a limit, and cuts off what takes longer: comparing all rows of a
// projection may take many minutes, and leaves nothing behind when it is ended.
func shutDown(limit context.Context, server *http.Server, cutOff func()) error {
	err := server.Shutdown(limit)
	if limit.Err() == nil {
		return err
	}
	cutOff()
	end, cancel := context.WithTimeout(context.WithoutCancel(limit), cutOffTimeout)
	defer cancel()
	return server.Shutdown(end)
}

func (a *app) handler() http.Handler {
	return web.New(web.Config{
		AdminToken: a.adminToken, SignInToken: a.signIn,
		StoreID: a.store.ID(), Store: a.store, HiddenStreams: a.hidden.Load, Commands: a.commands, Vault: a.vault, Erased: erased, Redriver: redriver{a},
		Projections: a.engine, Policies: a.policies, Database: a.database,
		Webhook: &whatsapp.Handler{
			Ingester: a.ingester, Secrets: a.config.WhatsAppAppSecrets, VerifyToken: a.config.WhatsAppVerifyToken, Log: a.log,
			Observe: a.metrics.observe,
		},
		Metrics: a.metrics.handler(),
		Log:     a.log, Now: a.now,
	})
}

func (a *app) onClose(f func() error) { a.closers = append(a.closers, f) }

// close closes what open opened, last first.
func (a *app) close() error {
	var problems []error
	for i := len(a.closers) - 1; i >= 0; i-- {
		problems = append(problems, a.closers[i]())
	}
	a.closers = nil
	return errors.Join(problems...)
}

// dispose closes, and deletes the private Postgres: for data that was never meant to stay.
func (a *app) dispose() error {
	err := a.close()
	if a.server != nil {
		err = errors.Join(err, a.server.Remove())
	}
	return err
}
