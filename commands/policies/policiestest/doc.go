// Package policiestest holds what every policy passes: Amnesia and Crashes; and what their tests need: leases in memory,
// and the suite that leases pass.
package policiestest
