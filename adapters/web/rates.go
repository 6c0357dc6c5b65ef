package web

import (
	"context"
	"mime"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"daybook/adapters/web/api"
	"daybook/commands"
	"daybook/domain/pricing"
)

type (
	importInput struct {
		api.Idempotent

		ContentType string `header:"Content-Type" hidden:"true" json:"-"`
		RawBody     []byte `contentType:"text/csv"`
	}
	importOutput struct {
		Status int
		Body   api.ImportedRateCards
	}
)

func (s *server) registerRates(a huma.API) {
	answer := a.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[api.ImportedRateCards](), true, "")
	const path = "/rate-cards"
	command(s, a, operator, huma.Operation{
		Method: http.MethodPost, Path: path, OperationID: "importRateCards", Tags: []string{"Billing"},
		DefaultStatus: http.StatusCreated, MaxBodyBytes: pricing.MaxFileBytes, Summary: "Import rate cards",
		Description: importDescription,
		Responses: map[string]*huma.Response{"200": {
			Description: "OK: all of it was known", Content: map[string]*huma.MediaType{"application/json": {Schema: answer}},
		}},
		Errors: []int{http.StatusConflict},
	}, s.importRateCards)
	// The library describes a file as bytes of any kind, with no place for an example.
	a.OpenAPI().Paths[path].Post.RequestBody.Content["text/csv"] = &huma.MediaType{
		Schema: &huma.Schema{Type: huma.TypeString}, Example: exampleFile,
	}
}

const importDescription = "Publishes the rates of a CSV file with the columns market, iso2, calling_prefix, category, " +
	"currency, rate, effective_from and source: one card for each currency and effective date. iso2 and calling_prefix are lists, separated " +
	"by semicolons; both are empty for the market of all others. A rate is greater than 0 and has at most six decimals; n/a says " +
	"that there is none from that day on, and binds like a rate. A file holds at most 8 MiB and 100,000 lines.\n\n" +
	"A card may name some markets only: for the others, older cards stay in force. One that names the market of all others should " +
	"name every market, because that market takes each recipient whom no card in force lists.\n\n" +
	"A published rate is never edited: the same again is known and changes nothing, another one is a conflict. A file that is " +
	"refused leaves nothing behind; up to 1,000 bad lines are listed, and the rest counted. Of a file that is taken, each currency " +
	"is recorded by itself: after a crash in between, the same file again records the rest. A file that comes again, with the " +
	"same Idempotency-Key or without, is answered with 200, the same position and cards that are not new.\n\n" +
	"Import cards before they take effect: a delivery that was priced keeps its price when a card for its day comes later. What " +
	"was pending is priced by the next card of its currency, if it can be."

const exampleFile = "market,iso2,calling_prefix,category,currency,rate,effective_from,source\r\n" +
	"Italy,IT,39,utility,USD,0.0300,2026-10-01,\r\n"

func (s *server) importRateCards(ctx context.Context, meta commands.Meta, in *importInput) (*importOutput, error) {
	if !isCSV(in.ContentType) {
		return nil, api.NewProblem(http.StatusUnsupportedMediaType, "UnsupportedMediaType", "the body must be text/csv in UTF-8")
	}
	imported, err := s.Commands.ImportRateCards(ctx, meta, in.RawBody)
	if err != nil {
		return nil, err
	}
	answer := api.ImportedRateCards{
		FileSHA256: imported.FileSHA256, Cards: make([]api.RateCard, 0, len(imported.Cards)), Recorded: s.recorded(imported.Position),
	}
	status := http.StatusOK
	for _, c := range imported.Cards {
		if c.New {
			status = http.StatusCreated
		}
		answer.Cards = append(answer.Cards, api.RateCard{
			Ref: api.Ref(c.Ref), Currency: c.Currency, EffectiveFrom: string(c.EffectiveFrom), Markets: c.Markets, Rates: c.Rates, New: c.New,
		})
	}
	return &importOutput{status, answer}, nil
}

// isCSV takes what says nothing of itself for what the endpoint wants, as everywhere.
func isCSV(contentType string) bool {
	if contentType == "" {
		return true
	}
	kind, parameters, err := mime.ParseMediaType(contentType)
	charset := parameters["charset"]
	return err == nil && kind == "text/csv" &&
		(charset == "" || strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "us-ascii"))
}
