package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"
)

func serveCommand() *cobra.Command {
	var withDemo bool
	command := &cobra.Command{
		Use:   "serve",
		Short: "Serve webhooks, the API and the audit trail until stopped",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			config, err := LoadConfig()
			if err != nil {
				return err
			}
			log := newLog(command.ErrOrStderr(), config)
			if withDemo {
				if err := loadDemo(command.Context(), config, log, command.OutOrStdout(), command.ErrOrStderr()); err != nil {
					return err
				}
			}
			return serve(command.Context(), config, log, command.OutOrStdout())
		},
	}
	command.Flags().BoolVar(&withDemo, "demo", false, "first load the demo business, when the store is empty")
	return command
}

func serve(ctx context.Context, config Config, log *slog.Logger, out io.Writer) (err error) {
	a, err := open(ctx, config, time.Now, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	a.signIn = rand.Text()
	return a.serve(ctx, func(base string) error { return a.announce(out, base) })
}

// announce says how to reach the server. What scripts wait for comes last.
func (a *app) announce(out io.Writer, base string) error {
	if len(a.config.WhatsAppAppSecrets) == 0 {
		a.log.Warn("webhooks are refused: DAYBOOK_WHATSAPP_APP_SECRET is unset")
	}
	if a.config.WhatsAppToken == "" {
		a.log.Warn("nothing is sent from here: DAYBOOK_WHATSAPP_TOKEN is unset")
	}
	if a.config.AdminToken == "" {
		if _, err := fmt.Fprintln(out, "Admin token:", a.adminToken); err != nil {
			return err
		}
	}
	if a.storeAddress != "" {
		if _, err := fmt.Fprintf(out, "Event store: esdb://%s?tls=false (to read)\n", a.storeAddress); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, "Sign in:     %s/sign-in?token=%s\nDaybook serves on %s\n", base, a.signIn, base)
	return err
}

func newLog(w io.Writer, config Config) *slog.Logger {
	level, err := config.logLevel()
	if err != nil {
		level = slog.LevelInfo // Validate has said so
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}
