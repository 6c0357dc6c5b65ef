package postgres

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Remove deletes the cluster of a stopped server, wherever it is, and what the data directory knows of it: for data that
// was never meant to stay. Clusters that were set aside there are somebody else's, and stay.
func (s *Server) Remove() error {
	if err := s.remove(); err != nil {
		return fmt.Errorf("removing the private Postgres: %w", err)
	}
	return nil
}

func (s *Server) remove() (err error) {
	lock, err := s.cluster.hold()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	for _, name := range []string{placeFile, secretFile} { // first, so that nothing remembers a cluster in pieces
		if err = os.RemoveAll(filepath.Join(s.cfg.DataDir, name)); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(s.cluster.base)
	if err != nil {
		return err
	}
	kept := false
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), orphan) {
			kept = true
			continue
		}
		if err = os.RemoveAll(filepath.Join(s.cluster.base, entry.Name())); err != nil {
			return err
		}
	}
	if kept {
		return nil
	}
	return os.Remove(s.cluster.base)
}
