// Package policies holds what turns events into further events: one runner, and one file per policy.
package policies
