package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"daybook/adapters/whatsapp/sim"
)

// platformCommand is the platform on a laptop.
func platformCommand() *cobra.Command {
	cfg := sim.Config{Now: time.Now}
	var listen string
	var faults []string
	command := &cobra.Command{
		Use:   "platform-sim",
		Short: "Be the messaging platform on this machine, until stopped",
		Long: "Be the messaging platform on this machine, until stopped: take messages as the Graph API does, tell what became of them " +
			"by signed webhooks, and have customers who read, answer and block. Set DAYBOOK_WHATSAPP_URL of the server to the address " +
			"that is printed; token and app secret are taken from DAYBOOK_WHATSAPP_TOKEN and DAYBOOK_WHATSAPP_APP_SECRET.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			config, err := LoadConfig()
			if err != nil {
				return err
			}
			if len(config.WhatsAppAppSecrets) == 0 {
				return errors.New("DAYBOOK_WHATSAPP_APP_SECRET must be set: webhooks are signed with it")
			}
			cfg.Token, cfg.Secret = config.WhatsAppToken, config.WhatsAppAppSecrets[0]
			if cfg.Webhook == "" {
				cfg.Webhook = config.ServerURL() + "/webhooks/whatsapp"
			}
			cfg.Faults = map[sim.Fault]float64{}
			for _, text := range faults {
				fault, chance, err := sim.ParseChance(text)
				if err != nil {
					return fmt.Errorf("--fault: %w", err)
				}
				cfg.Faults[fault] = chance
			}
			return simulate(command.Context(), cfg, listen, command.OutOrStdout())
		},
	}
	flags := command.Flags()
	flags.StringVar(&listen, "listen", "127.0.0.1:8090", "address to listen on")
	flags.StringVar(&cfg.Webhook, "webhook", "", "where updates are told (default: DAYBOOK_URL or DAYBOOK_LISTEN, /webhooks/whatsapp)")
	flags.StringVar(&cfg.WABA, "waba", "900100200300400", "id of the business account")
	flags.StringVar(&cfg.Display, "display", "390655500100", "display number of the business")
	flags.Uint64Var(&cfg.Seed, "seed", 1, "what happens by chance follows from it")
	flags.DurationVar(&cfg.Pace, "pace", 200*time.Millisecond, "time from one step of a message's life to the next")
	flags.IntVar(&cfg.PerSecond, "per-second", 80, "most messages of a number within a second")
	flags.Float64Var(&cfg.Reads, "reads", 0.9, "chance that a delivered message is read")
	flags.Float64Var(&cfg.Answers, "answers", 0, "chance that a read message is answered")
	flags.Float64Var(&cfg.Blocks, "blocks", 0, "chance that the reader blocks the business instead")
	flags.Float64Var(&cfg.Duplicate, "duplicates", 0, "chance that an update is told twice")
	flags.Float64Var(&cfg.Disorder, "disorder", 0, "chance that an update is told much later than it happened")
	flags.StringArrayVar(&faults, "fault", nil, "FAULT=CHANCE, several times: what goes wrong with messages (timeout_after, reset_before, reset_after, error_500, error_500_after, held, late, failed_then_delivered, or a code of the platform's)")
	return command
}

// simulate serves the platform until ctx ends. What scripts wait for is printed once it listens.
func simulate(ctx context.Context, cfg sim.Config, listen string, out io.Writer) error {
	platform := sim.New(cfg)
	defer platform.Close()
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	requests, cutOff := context.WithCancel(context.WithoutCancel(ctx))
	defer cutOff()
	server := &http.Server{
		Handler: platform, ReadHeaderTimeout: shutdownTimeout, BaseContext: func(net.Listener) context.Context { return requests },
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	telling := make(chan struct{})
	go func() { defer close(telling); platform.Run(ctx) }()
	if _, err = fmt.Fprintf(out, "The platform is at http://%s/v24.0\n", dialled(listener.Addr().String())); err == nil {
		select {
		case <-ctx.Done():
		case err = <-served:
			served <- nil
		}
	}
	cutOff() // requests that are never answered are meant not to be
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	err = errors.Join(err, server.Shutdown(limit))
	<-telling
	if problem := <-served; !errors.Is(problem, http.ErrServerClosed) {
		err = errors.Join(err, problem)
	}
	return err
}
