package embedded

import (
	"errors"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// makeDir makes a directory and those above it that are missing, so that a crash does not take them away again: the
// entry of each is synced before the next is made.
//
// The entry of the one that exists already is synced too: whoever made it may have been killed before they could. It is
// no trouble if we may not: then it was not us who made it.
func makeDir(files vfs.FS, dir string) error {
	above := files.PathDir(dir)
	_, err := files.Stat(dir)
	switch {
	case err == nil:
		if err = syncDir(files, above); errors.Is(err, fs.ErrPermission) {
			return nil
		}
		return err
	case !errors.Is(err, fs.ErrNotExist) || above == dir:
		return err
	}
	if err = makeDir(files, above); err != nil {
		return err
	}
	if err = files.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return syncDir(files, above)
}

func syncDir(files vfs.FS, dir string) error {
	handle, err := files.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(handle.Sync(), handle.Close())
}
