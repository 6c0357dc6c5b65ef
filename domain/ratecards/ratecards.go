// Package ratecards decides on the rate cards of one currency.
package ratecards

import "daybook/events/money"

// Stream names the stream of a currency's rate cards.
func Stream(currency money.Currency) string { return "ratecards-" + string(currency) }

// AwaitedStream names the stream in which billing periods say that they wait for a currency's cards.
func AwaitedStream(currency money.Currency) string { return "rates-awaited-" + string(currency) }
