package vault

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// MasterFile is the name of the master key's file in a data directory.
const MasterFile = "vault.key"

// Master is the key that everything in the vault hangs on. Whoever has it and the vault's database can read everything;
// without it nothing can be read again.
type Master struct {
	secret []byte
	path   string // of a new key's file, not yet written; "" for a key that exists somewhere
}

// LoadMaster takes the master key from the setting (DAYBOOK_VAULT_KEY: base64 of 32 bytes), or from the file in the data
// directory. Without either it makes a new one, which Open writes to the file, but only if the vault is new too.
func LoadMaster(setting, dataDir string) (Master, error) {
	if setting != "" {
		secret, err := parseMaster(setting)
		if err != nil {
			return Master{}, fmt.Errorf("DAYBOOK_VAULT_KEY: %w", err)
		}
		return Master{secret: secret}, nil
	}
	path := filepath.Join(dataDir, MasterFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		secret := make([]byte, keySize)
		_, _ = rand.Read(secret) // never fails, says its documentation
		return Master{secret: secret, path: path}, nil
	}
	if err != nil {
		return Master{}, err
	}
	secret, err := parseMaster(string(text))
	if err != nil {
		return Master{}, fmt.Errorf("%s: %w", path, err)
	}
	return Master{secret: secret}, nil
}

// parseMaster takes any of base64's alphabets, padded or not: keys are pasted from many tools.
func parseMaster(text string) ([]byte, error) {
	text = strings.NewReplacer("-", "+", "_", "/", "=", "").Replace(strings.TrimSpace(text))
	secret, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil || len(secret) != keySize {
		return nil, fmt.Errorf("a master key is base64 of %d bytes", keySize)
	}
	return secret, nil
}

// persist writes a new key to its file, whole or not at all, before anything is wrapped by it. When another process was
// faster, its key is the one.
func (m Master) persist() (Master, error) {
	if m.path == "" {
		return m, nil
	}
	file, err := os.CreateTemp(filepath.Dir(m.path), MasterFile+".*") // mode 0600
	if err != nil {
		return m, fmt.Errorf("writing the master key: %w", err)
	}
	defer os.Remove(file.Name()) //nolint:errcheck // the link below is what stays
	_, err = file.WriteString(base64.StdEncoding.EncodeToString(m.secret) + "\n")
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return m, fmt.Errorf("writing the master key: %w", err)
	}
	err = os.Link(file.Name(), m.path) // unlike a rename, it never replaces
	if errors.Is(err, fs.ErrExist) {
		return LoadMaster("", filepath.Dir(m.path))
	}
	if err == nil {
		err = syncDir(filepath.Dir(m.path))
	}
	if err != nil {
		return m, fmt.Errorf("writing the master key: %w", err)
	}
	return Master{secret: m.secret}, nil
}

// reload looks for the file of a new key once more: a vault that is not new was made by somebody who wrote it.
func (m Master) reload() (Master, error) {
	if m.path == "" {
		return m, nil
	}
	found, err := LoadMaster("", filepath.Dir(m.path))
	if err == nil && found.path != "" {
		err = fmt.Errorf("%w: its database has keys, but there is no %s; put the file back, or set DAYBOOK_VAULT_KEY", ErrMaster, m.path)
	}
	return found, err
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
