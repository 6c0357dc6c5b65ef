package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Fault is what goes wrong with one message: one of these, or a code of the platform's. Codes that concern the person,
// 131026, 131049 and 131050, are told by a status; others refuse the message at once.
type Fault string

// The faults that are no codes.
const (
	TimeoutAfter   Fault = "timeout_after"         // taken, and never answered
	ResetBefore    Fault = "reset_before"          // the connection breaks, and nothing was taken
	ResetAfter     Fault = "reset_after"           // the connection breaks, and it was taken
	Error500       Fault = "error_500"             // an error that says nothing; nothing was taken
	Error500After  Fault = "error_500_after"       // the same, and it was taken
	Held           Fault = "held"                  // taken, and held for a while
	Late           Fault = "late"                  // delivered long after
	FailedThenDone Fault = "failed_then_delivered" // told as failed, and delivered
)

var named = []Fault{TimeoutAfter, ResetBefore, ResetAfter, Error500, Error500After, Held, Late, FailedThenDone}

// ParseFault reads a fault.
func ParseFault(text string) (Fault, error) {
	f := Fault(text)
	if slices.Contains(named, f) || f.code() > 0 {
		return f, nil
	}
	return "", fmt.Errorf("%q is neither a code of the platform's nor one of %v", text, named)
}

// ParseChance reads fault=chance.
func ParseChance(text string) (Fault, float64, error) {
	name, likely, _ := strings.Cut(text, "=")
	f, err := ParseFault(name)
	if err != nil {
		return "", 0, err
	}
	chance, err := strconv.ParseFloat(likely, 64)
	if err != nil || chance < 0 || chance > 1 {
		return "", 0, fmt.Errorf("%q: expected FAULT=CHANCE with a chance from 0 to 1", text)
	}
	return f, chance, nil
}

// code is the platform's code that a fault is; zero: none.
func (f Fault) code() int {
	code, err := strconv.Atoi(string(f))
	if err != nil || code < 0 {
		return 0
	}
	return code
}

// later tells whether the platform finds out only after it took the message.
func (f Fault) later() bool {
	code := f.code()
	return code == 131026 || code == 131049 || code == 131050
}

// Script has faults happen to the next messages, one each.
func (p *Platform) Script(faults ...Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.script = append(p.script, faults...)
}

// fault decides what goes wrong with a message: what was scripted, or by chance.
func (p *Platform) fault(about string) Fault {
	if len(p.script) > 0 {
		next := p.script[0]
		p.script = p.script[1:]
		return next
	}
	if len(p.cfg.Faults) == 0 {
		return ""
	}
	dice := p.chance("fault", about, strconv.Itoa(len(p.log)))
	for _, f := range slices.Sorted(maps.Keys(p.cfg.Faults)) {
		if dice.Float64() < p.cfg.Faults[f] {
			return f
		}
	}
	return ""
}

func (p *Platform) scriptFault(w http.ResponseWriter, r *http.Request) {
	var wanted struct {
		Fault string `json:"fault"`
		Times int    `json:"times"`
	}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyMax)).Decode(&wanted)
	f, unknown := ParseFault(wanted.Fault)
	if err = errors.Join(err, unknown); err != nil || wanted.Times > 1000 {
		explain(w, errors.Join(err, errors.New(`expected {"fault": …, "times": at most 1000}`)))
		return
	}
	p.Script(slices.Repeat([]Fault{f}, max(wanted.Times, 1))...)
	w.WriteHeader(http.StatusNoContent)
}

// explain refuses a request to the simulator itself.
func explain(w http.ResponseWriter, err error) {
	answer(w, http.StatusBadRequest, object{"problem": err.Error()})
}
