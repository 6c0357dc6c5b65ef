package embedded_test

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// walFS calls a function before each sync of a write-ahead log.
type walFS struct {
	vfs.FS

	beforeSync func() error
}

func (f walFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return f.wrap(name)(f.FS.Create(name, category))
}

func (f walFS) ReuseForWrite(oldName, newName string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return f.wrap(newName)(f.FS.ReuseForWrite(oldName, newName, category))
}

func (f walFS) wrap(name string) func(vfs.File, error) (vfs.File, error) {
	return func(file vfs.File, err error) (vfs.File, error) {
		if err != nil || !strings.HasSuffix(name, ".log") {
			return file, err
		}
		return walFile{file, f.beforeSync}, nil
	}
}

type walFile struct {
	vfs.File

	beforeSync func() error
}

func (f walFile) Sync() error {
	if err := f.beforeSync(); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f walFile) SyncData() error {
	if err := f.beforeSync(); err != nil {
		return err
	}
	return f.File.SyncData()
}

func (f walFile) SyncTo(length int64) (bool, error) {
	if err := f.beforeSync(); err != nil {
		return false, err
	}
	return f.File.SyncTo(length)
}

// gate is a beforeSync that can be closed: a sync then waits, and says that it does.
type gate struct {
	closed  atomic.Bool
	arrived chan struct{} // one token per sync that waits
	release chan error    // what each of them becomes
	opened  sync.Once
}

func newGate() *gate { return &gate{arrived: make(chan struct{}, 64), release: make(chan error)} }

func (g *gate) pass() error {
	if !g.closed.Load() {
		return nil
	}
	g.arrived <- struct{}{}
	return <-g.release
}

// open lets the syncs that wait, and all later ones, through.
func (g *gate) open() {
	g.closed.Store(false)
	g.opened.Do(func() { close(g.release) })
}
