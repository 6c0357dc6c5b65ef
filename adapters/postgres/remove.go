package postgres

import (
	"fmt"
	"os"
)

// Remove deletes the cluster of a stopped server: for data that was never meant to stay.
func (s *Server) Remove() error {
	if err := os.RemoveAll(s.cluster.base); err != nil {
		return fmt.Errorf("removing the private Postgres: %w", err)
	}
	return nil
}
