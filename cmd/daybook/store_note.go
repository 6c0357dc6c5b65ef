package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"daybook/events/id"
)

// storeNote says where a store can be reached while a process has it open.
type storeNote struct {
	Store      id.Store `json:"store"`
	Connection string   `json:"connection"`
}

// noteName is the file in the store's folder. One that stayed behind is harmless: whoever answers is asked which store it is.
const noteName = "served.json"

// noteStore leaves the note for the verbs, in place of the one of the last start.
func noteStore(folder string, store id.Store, connection string) error {
	text, err := json.Marshal(storeNote{store, connection})
	if err != nil {
		return err
	}
	fresh := filepath.Join(folder, noteName+".new")
	if err = os.WriteFile(fresh, text, 0o600); err == nil {
		err = os.Rename(fresh, filepath.Join(folder, noteName))
	}
	if err != nil {
		return fmt.Errorf("noting where the store is served: %w", err)
	}
	return nil
}

// readNote reads the note; false when nobody left one.
func readNote(folder string) (note storeNote, found bool, err error) {
	text, err := os.ReadFile(filepath.Join(folder, noteName))
	if errors.Is(err, fs.ErrNotExist) {
		return storeNote{}, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &note)
	}
	if err != nil {
		return storeNote{}, false, fmt.Errorf("reading where the store is served: %w", err)
	}
	return note, true, nil
}

// beyondLoopback tells whether other machines may reach a listener.
func beyondLoopback(at net.Addr) bool {
	address, err := netip.ParseAddrPort(at.String())
	return err != nil || !address.Addr().Unmap().IsLoopback()
}
