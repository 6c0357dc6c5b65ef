package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// unambiguous refuses a query of which a part would be dropped in silence, and an answer to another question given: one
// that is malformed, or has a parameter twice or without a value.
func unambiguous(a huma.API) func(ctx huma.Context, next func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		if faults := queryFaults(ctx); len(faults) > 0 {
			_ = huma.WriteErr(a, ctx, http.StatusUnprocessableEntity, "the query cannot be read", faults...)
			return
		}
		next(ctx)
	}
}

// queryFaults judges the parameters that the operation knows; of others the library says that it does not.
func queryFaults(ctx huma.Context) (faults []error) {
	address := ctx.URL()
	query, err := url.ParseQuery(address.RawQuery)
	if err != nil {
		return []error{&huma.ErrorDetail{Location: "query", Message: "expected name=value, joined by &, with other characters escaped by %"}}
	}
	for _, parameter := range ctx.Operation().Parameters {
		values, given := query[parameter.Name]
		if !given || parameter.In != "query" {
			continue
		}
		if rule := broken(parameter, values); rule != "" {
			faults = append(faults, &huma.ErrorDetail{Location: "query." + parameter.Name, Message: rule})
		}
	}
	return faults
}

// broken is the rule that a parameter's values break, or "".
func broken(parameter *huma.Param, values []string) string {
	switch {
	case len(values) > 1 && parameter.Schema.Type == huma.TypeArray:
		return "expected once, with its values separated by commas"
	case len(values) > 1:
		return "expected once"
	case values[0] == "":
		return "expected a value; leave the parameter out to ask for nothing by it"
	case parameter.Schema.Format == "date-time" && strings.Contains(values[0], " "):
		return "expected an RFC 3339 instant without spaces; in a query, + means a space: write the + of an offset as %2B"
	}
	return ""
}

// interval reads two instants of a query, of which either may be missing.
func interval(fromText, toText string) (from, to time.Time, err error) {
	if from, err = instant("query.from", fromText); err != nil {
		return from, to, err
	}
	if to, err = instant("query.to", toText); err != nil {
		return from, to, err
	}
	if !from.IsZero() && !to.IsZero() && !from.Before(to) {
		return from, to, invalid("RangeEmpty", "query.to", "expected an instant after from")
	}
	return from, to, nil
}

// instant reads an RFC 3339 time; empty is the zero time, which for that reason cannot be asked for. Other years have no
// form in an answer, or are a default of some language that was never filled in.
func instant(location, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, invalid("ValidationFailed", location, "expected an RFC 3339 instant such as 2026-10-05T10:42:07Z")
	}
	if year := at.UTC().Year(); year < firstYear || year > lastYear {
		return time.Time{}, invalid("InstantOutOfRange", location, fmt.Sprintf("expected an instant from the year %d to %d, in UTC", firstYear, lastYear))
	}
	return at, nil
}

// The years that can be asked for.
const firstYear, lastYear = 1970, 9999
