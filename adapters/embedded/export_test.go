package embedded

import "github.com/cockroachdb/pebble/v2/vfs"

// FileSystem lets tests put a store on a file system that fails, crashes or counts.
func FileSystem(fs vfs.FS) Option { return func(o *options) { o.fs = fs } }
