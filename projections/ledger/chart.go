package ledger

import (
	"fmt"
	"regexp"
	"strings"

	"daybook/events"
)

// side is a side of an account.
type side string

// Debit is positive, credit is negative.
const (
	debit  side = "debit"
	credit side = "credit"
)

// account is a line of the chart: all accounts of one shape. {names} stand for what differs between them; a name that is
// in the path and in the asset stands for the same in both, so no account of a category ever holds another's messages.
type account struct {
	path   string
	asset  string // what is posted to it
	normal side   // where its balance stands, unless it is zero
}

// chart is all accounts that there may be. A posting to any other is an error, though it may balance.
var chart = []account{
	{"cost:messages:{category}:{market}", "{currency}", debit},              // what delivered messages cost
	{"provider:whatsapp:payable", "{currency}", credit},                     // what is owed to the platform
	{"usage:messages:{category}:{market}:{class}", "MSG.{category}", debit}, // delivered messages that have a price, or are free
	{"usage:pending:{category}", "MSG.{category}", debit},                   // those that have no price yet, as they were sent
	{"usage:world", "MSG.{category}", credit},                               // where messages come from
}

// variables are the patterns of the names.
var variables = map[string]string{
	"category": `[a-z0-9_]+(?:-[a-z0-9_]+)*`,
	"market":   `[a-z0-9]+(?:-[a-z0-9]+)*`,
	"class":    `billable|allowance|free`,
	"currency": `[A-Z]{3}`,
}

// line is an account made ready to be compared with.
type line struct {
	path, asset *regexp.Regexp
	shared      [2]int // groups of the name that both have; 0 when there is none
}

var lines = ready(chart)

func ready(chart []account) []line {
	out := make([]line, len(chart))
	for i, a := range chart {
		l := line{path: pattern(a.path), asset: pattern(a.asset)}
		if name := l.asset.SubexpNames()[1]; l.path.SubexpIndex(name) > 0 {
			l.shared = [2]int{l.path.SubexpIndex(name), 1}
		}
		out[i] = l
	}
	return out
}

var variable = regexp.MustCompile(`\\\{([a-z]+)\\\}`)

// pattern turns "usage:pending:{category}" into an expression with a group for each name.
func pattern(shape string) *regexp.Regexp {
	return regexp.MustCompile("^" + variable.ReplaceAllStringFunc(regexp.QuoteMeta(shape), func(found string) string {
		name := variable.FindStringSubmatch(found)[1]
		return fmt.Sprintf("(?P<%s>%s)", name, variables[name])
	}) + "$")
}

// allowed refuses what the chart does not name.
func allowed(path, asset string) error {
	for _, l := range lines {
		inPath := l.path.FindStringSubmatch(path)
		if inPath == nil {
			continue
		}
		inAsset := l.asset.FindStringSubmatch(asset)
		if inAsset == nil || l.shared[0] > 0 && inPath[l.shared[0]] != inAsset[l.shared[1]] {
			return fmt.Errorf("account %q of the chart does not hold %q", path, asset)
		}
		return nil
	}
	return fmt.Errorf("account %q is not in the chart of accounts", path)
}

const (
	payable = "provider:whatsapp:payable"
	world   = "usage:world"
)

func cost(c events.Charge) string {
	return "cost:messages:" + category(c.Category) + ":" + market(c.Market)
}

func usage(c events.Charge) (string, error) {
	class, err := classOf(c.Basis)
	return "usage:messages:" + category(c.Category) + ":" + market(c.Market) + ":" + class, err
}

func pending(c events.Category) string { return "usage:pending:" + category(c) }

func messages(c events.Category) string { return "MSG." + category(c) }

// classOf is what a charge's basis means to those who count: only billable messages count towards tiers, only allowance
// uses up the free ones of the month.
func classOf(b events.Basis) (string, error) {
	switch b {
	case events.BasisRegular:
		return "billable", nil
	case events.BasisAllowance:
		return "allowance", nil
	case events.BasisFreeWindow, events.BasisFreeEntryPoint, events.BasisFreeGroup, events.BasisFreeConversation:
		return "free", nil
	}
	return "", fmt.Errorf("no account for the basis %q", b)
}

// category and market turn names into segments of an account. The platform's categories keep their underscores. Rate cards
// may not name two markets so that they come to the same here, nor one so that it comes to "unresolved": that rule is
// accountName in domain/pricing.
func category(c events.Category) string { return slug(string(c), "_", "unknown") }
func market(name string) string         { return slug(name, "", "unresolved") }

// slug is lower case, with a hyphen for each run of other characters than letters, digits and those that stay.
func slug(name, stay, empty string) string {
	var out strings.Builder
	out.Grow(len(name))
	gap := false
	for i := range len(name) {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if ('a' > c || c > 'z') && ('0' > c || c > '9') && !strings.Contains(stay, string(rune(c))) {
			gap = out.Len() > 0
			continue
		}
		if gap {
			out.WriteByte('-')
			gap = false
		}
		out.WriteByte(c)
	}
	if out.Len() == 0 {
		return empty
	}
	return out.String()
}
