package api

import "daybook/events/money"

// ImportedRateCards answers an import.
type ImportedRateCards struct {
	Recorded

	FileSHA256 string     `json:"file_sha256" doc:"SHA-256 of the file, in hex. Every card that it brought carries it."`
	Cards      []RateCard `json:"cards"       nullable:"false" doc:"The cards of the file: one for each currency and effective date."`
}

// RateCard is the rates of one currency that are in force from a day on.
type RateCard struct {
	Ref

	Currency      money.Currency `json:"currency"       doc:"ISO 4217 code." example:"USD"`
	EffectiveFrom string         `json:"effective_from" format:"date" doc:"First day that it is in force, in the time zone of whoever is charged." example:"2026-10-01"`
	Markets       int            `json:"markets"        doc:"How many markets it names." example:"36"`
	Rates         int            `json:"rates"          doc:"How many rates it has." example:"144"`
	New           bool           `json:"new"            doc:"Whether this import brought it; false: all of it was known."`
}
