package whatsapp

import "embed"

// Samples are deliveries in every shape that the platform sends, with invented values: for tests and the demonstration.
//
//go:embed testdata/*.json
var Samples embed.FS
