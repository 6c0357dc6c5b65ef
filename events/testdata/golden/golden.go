// Package golden holds what stores hold: one event of each type and version that was ever stored, in NAME.vVERSION.json.
package golden

import "embed"

// Files are the golden files.
//
//go:embed *.json
var Files embed.FS
