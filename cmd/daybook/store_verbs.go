package main

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"daybook/cmd/daybook/storecopy"
)

// storeCommand is what operators do with event stores themselves, without what Daybook makes of their events.
func storeCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "store",
		Short: "Event stores: serve, look into and move them",
		Args:  cobra.NoArgs,
		RunE:  func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(storeServeCommand(), storeStatCommand(), storeTailCommand(), storeCatCommand(), storeCensusCommand(),
		storeCopyCommand(), storeUnsealCommand())
	return command
}

// withStore gives a verb the store that --store names, or the one that the configuration does.
func withStore(command *cobra.Command, verb func(store eventStore) error) error {
	config, err := LoadConfig()
	if err != nil {
		return err
	}
	from := stores{config, newLog(command.ErrOrStderr(), config)}
	address, err := command.Flags().GetString("store")
	if err != nil {
		return err
	}
	var store eventStore
	if address == "" {
		store, err = from.ours(command.Context())
	} else {
		store, err = from.open(command.Context(), address, false)
	}
	if err != nil {
		return err
	}
	return closing(store, func() error { return verb(store) })
}

func storeFlag(command *cobra.Command) *cobra.Command {
	command.Flags().String("store", "", "the event store: esdb://… or a folder (default: the one that Daybook is set to run on)")
	return command
}

func storeUnsealCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "unseal ADDRESS",
		Short: "Open a store again that was sealed to be copied",
		Long: "Open a store again that was sealed to be copied: esdb://… or a folder. It is for moves that were called off. If the " +
			"copy is in use, there are two histories from then on, which nothing brings together again.",
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			config, err := LoadConfig()
			if err != nil {
				return err
			}
			ctx := command.Context()
			store, err := stores{config, newLog(command.ErrOrStderr(), config)}.open(ctx, arguments[0], false)
			if err != nil {
				return err
			}
			return closing(store, func() error {
				state, err := storecopy.ReadState(ctx, store)
				if err != nil {
					return err
				}
				if !state.Sealed {
					_, err = fmt.Fprintf(command.OutOrStdout(), "store %s is not sealed\n", state.ID)
					return err
				}
				if err = storecopy.Unseal(ctx, store, storeClock()); err != nil {
					return err
				}
				_, err = fmt.Fprintf(command.OutOrStdout(), "store %s is open again\n", state.ID)
				return err
			})
		},
	}
}

// shown makes a name from outside fit for a terminal and a line of its own.
func shown(name string) string {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsGraphic(r) || r == unicode.ReplacementChar }) {
		return fmt.Sprintf("%q", name)
	}
	return name
}
