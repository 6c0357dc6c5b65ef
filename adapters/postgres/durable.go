package postgres

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// writeDurably writes a private file whole or not at all. A crash does not undo it once it has returned.
func writeDurably(path, content string) error {
	temporary := path + ".new"
	file, err := os.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(content)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return renameDurably(temporary, path)
}

// renameDurably moves a file or a directory within its directory.
func renameDurably(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}

// makeDir makes a directory and those above it that are missing, each entry synced before the next is made. The entry of
// the one that exists already is synced too, if we may: whoever made it may have been killed before they could.
func makeDir(dir string, mode fs.FileMode) error {
	above := filepath.Dir(dir)
	_, err := os.Stat(dir)
	switch {
	case err == nil:
		if err = syncDir(above); errors.Is(err, fs.ErrPermission) {
			return nil
		}
		return err
	case !errors.Is(err, fs.ErrNotExist) || above == dir:
		return err
	}
	if err = makeDir(above, mode); err != nil {
		return err
	}
	if err = os.Mkdir(dir, mode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(above)
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
