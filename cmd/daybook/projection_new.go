package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"daybook/cmd/daybook/skeleton"
)

func projectionNewCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "new NAME",
		Short: "Begin a read model, in a checkout of Daybook: tables, query, projection, and a test that passes",
		Args:  cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			folder, err := os.Getwd()
			if err != nil {
				return err
			}
			root, err := skeleton.Root(folder)
			if err != nil {
				return err
			}
			written, err := skeleton.New(root, arguments[0])
			printBegun(command.OutOrStdout(), arguments[0], written, err == nil)
			return err
		},
	}
}

// printBegun says what was written and what comes next.
func printBegun(out io.Writer, name string, written []string, registered bool) {
	for _, path := range written {
		fmt.Fprintln(out, "wrote     ", path)
	}
	if !registered {
		return
	}
	fmt.Fprintln(out, "registered", "cmd/daybook/definitions.go")
	fmt.Fprintf(out, `
From the top of the checkout, see its test pass, and then what to make your own:
  go test ./projections/%[1]s
  grep -rn CHANGE projections/%[1]s readmodels/%[1]s
`, name)
}
