package main

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
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

// shown makes a name from outside fit for a terminal and a line of its own.
func shown(name string) string {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsGraphic(r) || r == unicode.ReplacementChar }) {
		return fmt.Sprintf("%q", name)
	}
	return name
}
