// Package media keeps files on the disk under the SHA-256 of their bytes. The bytes are sealed before they come here, so a
// name says nothing about what is in a file, and a file without its key says nothing at all.
package media

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ErrUnknown says that there is no file with this digest.
var ErrUnknown = errors.New("no file with this digest")

// DigestError says that a file's bytes are not those that it is named after.
type DigestError struct{ Want, Got string }

func (e *DigestError) Error() string {
	return fmt.Sprintf("file %s is damaged: its digest is %s", e.Want, e.Got)
}

// Store is a folder of files. Several processes may share it.
type Store struct{ folder string }

// In is the store in a folder, which is made with the first file.
func In(folder string) *Store { return &Store{folder} }

// Put keeps bytes, durably before it returns, and returns their digest in hexadecimal. Bytes that are kept already stay as
// they are, unless they are damaged.
func (s *Store) Put(ctx context.Context, data []byte) (digest string, err error) {
	sum := sha256.Sum256(data)
	digest = hex.EncodeToString(sum[:])
	if _, err = s.Get(ctx, digest); err == nil {
		return digest, nil
	}
	if err = s.write(s.path(digest), data); err != nil {
		return "", fmt.Errorf("keeping file %s: %w", digest, err)
	}
	return digest, nil
}

// Get reads a file. The error is ErrUnknown or a *DigestError when it is not there, or is not what it was.
func (s *Store) Get(ctx context.Context, digest string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if raw, err := hex.DecodeString(digest); err != nil || len(raw) != sha256.Size || digest != strings.ToLower(digest) {
		return nil, fmt.Errorf("%w: it is not a SHA-256 in hexadecimal", ErrUnknown)
	}
	data, err := os.ReadFile(s.path(digest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrUnknown, digest)
	}
	if err != nil {
		return nil, fmt.Errorf("reading file %s: %w", digest, err)
	}
	sum := sha256.Sum256(data)
	if got := hex.EncodeToString(sum[:]); got != digest {
		return nil, &DigestError{digest, got}
	}
	return data, nil
}

// path spreads files over 256 folders.
func (s *Store) path(digest string) string { return filepath.Join(s.folder, digest[:2], digest) }

// write makes a file appear whole or not at all, also when the machine stops: what is on the disk under the final name was
// written and synced under another.
func (s *Store) write(path string, data []byte) (err error) {
	folder := filepath.Dir(path)
	if err = os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	draft := filepath.Join(folder, "."+rand.Text())
	file, err := os.OpenFile(draft, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = os.Rename(draft, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(draft))
	}
	return errors.Join(syncFolder(folder), syncFolder(s.folder), syncFolder(filepath.Dir(s.folder)))
}

func syncFolder(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
