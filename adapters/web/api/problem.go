package api

import (
	"fmt"
	"strings"
	"time"
)

// ProblemType is the prefix of every problem's type; the code follows.
const ProblemType = "urn:daybook:problem:"

// Problem is an RFC 9457 problem document: the only shape in which the API says no.
type Problem struct { //nolint:errname // it is a document first: RFC 9457 names it so
	Type     string       `json:"type"     format:"uri" doc:"The kind of problem, by its code." example:"urn:daybook:problem:DeviceLimitReached"`
	Title    string       `json:"title"                 doc:"The code in words." example:"Device limit reached"`
	Status   int          `json:"status"                doc:"The HTTP status." example:"409"`
	Code     string       `json:"code"                  doc:"The rule that refused, by its stable name. Branch on this." example:"DeviceLimitReached"`
	Detail   string       `json:"detail"                doc:"What this request did against the rule." example:"a standard account links at most 4 devices"`
	Instance string       `json:"instance,omitempty" format:"uri" doc:"This occurrence: the correlation id of the request, which the server's log carries too." example:"urn:uuid:0192d3a4-7c5e-7b7e-9f51-3a1c5f2f7a10"`
	Errors   []FieldError `json:"errors,omitempty"      doc:"The fields at fault; of a file, every line at fault."`

	RetryAfter time.Duration `json:"-"` // for the header of that name, when more than a second should pass
}

// FieldError names a field and the rule it breaks. It never repeats the value: that may be personal.
//
// Of a request it has location and message. Of a file that came as the body it has line, field and detail.
type FieldError struct {
	Location string `json:"location,omitempty" doc:"Where: path, query, header or body, and the path to the field." example:"body.name"`
	Message  string `json:"message,omitempty"  doc:"The rule." example:"expected length <= 50"`
	Line     int    `json:"line,omitempty"     doc:"Of a file: the line at fault, from 1; missing when it is the file as a whole." example:"17"`
	Field    string `json:"field,omitempty"    doc:"Of a file: the column at fault, by its name; missing when it is the whole line." example:"rate"`
	Detail   string `json:"detail,omitempty"   doc:"Of a file: the rule." example:"expected a decimal with at most six decimals"`
}

// String is one line for people.
func (e FieldError) String() string {
	switch {
	case e.Detail == "":
		return e.Location + ": " + e.Message
	case e.Line == 0:
		return "file: " + e.Detail
	case e.Field == "":
		return fmt.Sprintf("line %d: %s", e.Line, e.Detail)
	default:
		return fmt.Sprintf("line %d, %s: %s", e.Line, e.Field, e.Detail)
	}
}

// NewProblem makes a problem of a status and a code; type and title follow from the code.
func NewProblem(status int, code, detail string, fields ...FieldError) *Problem {
	return &Problem{Type: ProblemType + code, Title: words(code), Status: status, Code: code, Detail: detail, Errors: fields}
}

// Error gives code and detail.
func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// GetStatus is the HTTP status that the problem is sent with.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is the media type that the problem is sent as.
func (*Problem) ContentType(string) string { return "application/problem+json" }

// words turns "DeviceLimitReached" into "Device limit reached"; runs of capitals stay: "MalformedJSON", "Malformed JSON".
func words(code string) string {
	var text strings.Builder
	for i := range len(code) {
		c := code[i]
		upper := c >= 'A' && c <= 'Z'
		afterLower := i > 0 && code[i-1] >= 'a'
		beforeLower := i+1 < len(code) && code[i+1] >= 'a'
		if i > 0 && upper && (afterLower || beforeLower) {
			text.WriteByte(' ')
		}
		if i > 0 && upper && beforeLower {
			c += 'a' - 'A'
		}
		text.WriteByte(c)
	}
	return text.String()
}
