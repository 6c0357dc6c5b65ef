// Command daybook is the whole product in one binary: the server, the demo and the verbs of the command line.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // accounts live in IANA time zones, whatever the machine has installed

	"github.com/spf13/cobra"
)

func main() {
	signal.Ignore(syscall.SIGPIPE) // a reader that left must not keep a server from being stopped and cleaned up
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := root().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "daybook:", err)
		os.Exit(1)
	}
}

func root() *cobra.Command {
	command := &cobra.Command{
		Use:           "daybook",
		Short:         "The book of original entry for business messaging",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	command.AddCommand(serveCommand(), demoCommand(), auditCommand(), ledgerCommand(), ratesCommand(), projectionCommand(),
		quarantineCommand(), storeCommand(), platformCommand(), configCommand())
	return command
}

func configCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "config",
		Short: "Print the configuration and what each setting means",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			config, err := LoadConfig()
			if printed := config.Print(command.OutOrStdout()); printed != nil {
				return printed
			}
			return err
		},
	}
}
