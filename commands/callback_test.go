package commands_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/commands"
	"daybook/events/id"
)

// FuzzCallback reads what the platform repeats: only what was written is ours.
func FuzzCallback(f *testing.F) {
	c := commands.Callback{Conversation: id.New[id.Conversation](), Message: id.New[id.Message]()}
	f.Add(c.String())
	f.Add("db1:" + c.Message.String())
	f.Add("")
	read, ours := commands.ParseCallback(c.String())
	require.True(f, ours)
	require.Equal(f, c, read)
	f.Fuzz(func(t *testing.T, text string) {
		if read, ours := commands.ParseCallback(text); ours {
			require.Equal(t, text, read.String())
		} else {
			require.Equal(t, commands.Callback{}, read)
		}
	})
}
