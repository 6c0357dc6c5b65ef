package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"daybook/adapters/postgres"
	"daybook/cmd/daybook/storecopy"
	"daybook/events/id"
)

func storeUnsealCommand() *cobra.Command {
	var database string
	command := &cobra.Command{
		Use:   "unseal ADDRESS",
		Short: "Open a store again that was sealed to be copied",
		Long: `Open a store again that was sealed to be copied: esdb://… or a folder. It is for moves that were called off before the read
models were translated: afterwards they go on in the copy only, and the way back is another copy, to another empty store.
If the copy is in use, there are two histories from then on, which nothing brings together again.`,
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			config, err := LoadConfig()
			if err != nil {
				return err
			}
			c := &storeCopy{stores: stores{config, newLog(command.ErrOrStderr(), config)}, database: database}
			return c.unseal(command.Context(), command.OutOrStdout(), arguments[0])
		},
	}
	databaseFlag(command, &database)
	return command
}

func (c *storeCopy) unseal(ctx context.Context, out io.Writer, address string) error {
	store, err := c.open(ctx, address, false)
	if err != nil {
		return err
	}
	return closing(store, func() error {
		state, err := storecopy.ReadState(ctx, store)
		if err != nil {
			return err
		}
		if !state.Sealed {
			_, err = fmt.Fprintf(out, "store %s is not sealed\n", state.ID)
			return err
		}
		if err = c.notMovedOn(ctx, state.ID); err != nil {
			return err
		}
		if err = storecopy.Unseal(ctx, store, storeClock()); err != nil {
			return err
		}
		_, err = fmt.Fprintf(out, "store %s is open again\n", state.ID)
		return err
	})
}

// notMovedOn refuses to open a store whose read models have gone to another one: Daybook could not run on it.
func (c *storeCopy) notMovedOn(ctx context.Context, store id.Store) (err error) {
	models, err := c.openReadModels(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, models.close()) }()
	switch _, none := errors.AsType[*noModelsError](models.away); {
	case none || models.pool == nil && models.away == nil:
		return nil
	case models.away != nil:
		return fmt.Errorf("it cannot be told where the read models are built from: %w; with --database none nobody asks", models.away)
	}
	elsewhere, err := postgres.Elsewhere(ctx, models.pool, store)
	if err != nil || len(elsewhere) == 0 {
		return err
	}
	return fmt.Errorf("the read models go on in store %s, and cannot be built from store %s any more: "+
		"go on with that one, or copy it to another empty store, `daybook store copy FROM TO`", strings.Join(elsewhere, ", "), store)
}
