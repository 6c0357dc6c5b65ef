// Package pricing says what a delivered message costs: pure functions over rate cards, policies and what is known of
// the delivery.
//
//   - price.go: Price
//   - terms.go: what is known of the account
//   - tiers.go: prices that depend on how many messages came before
//   - policy.go: the platform's price rules, as data by day
//   - book.go, territory.go: all cards of one currency; markets and rates on a day
//   - file.go, row.go, errors.go: rate cards from a CSV file
//   - published.go: what cards may say beside one another
//
// Which policy and which card apply follows from the day of the delivery in the account's time zone; whether the
// service window was open, from the instant of sending. Nothing here converts currencies or rounds. An unknown price is
// a reason to wait, never zero.
package pricing

import _ "embed" // of the reference cards

// ReferenceCards is a file of rate cards that the platform has published, as ParseCards reads it: some currencies and
// dates, some of them in part. Nothing imports it by itself.
//
//go:embed rate-card.csv
var ReferenceCards string
