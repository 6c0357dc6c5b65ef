package sim

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Received is one message that the platform was given.
type Received struct {
	At       time.Time       `json:"at"`
	Number   string          `json:"phone_number_id"`
	To       string          `json:"to"`
	Callback string          `json:"biz_opaque_callback_data"`
	Type     string          `json:"type"`
	Wamid    string          `json:"wamid,omitempty"` // empty: it was refused
	Code     int             `json:"code,omitempty"`  // why
	Fault    Fault           `json:"fault,omitempty"`
	Body     json.RawMessage `json:"body"`
}

// Log lists everything that the platform was given, in order, what it refused included.
func (p *Platform) Log() []Received {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Received(nil), p.log...)
}

// Accepted counts the messages that were taken.
func (p *Platform) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// request is what the platform reads of a message.
type request struct {
	Product   string `json:"messaging_product"`
	To        string `json:"to"`
	Recipient string `json:"recipient"`
	Type      string `json:"type"`
	Callback  string `json:"biz_opaque_callback_data"`
	Text      *struct {
		Body string `json:"body"`
	} `json:"text"`
	Template *struct {
		Name     string `json:"name"`
		Language struct {
			Code string `json:"code"`
		} `json:"language"`
	} `json:"template"`
	Image *struct {
		ID   string `json:"id"`
		Link string `json:"link"`
	} `json:"image"`
	Interactive *struct {
		Type string `json:"type"`
	} `json:"interactive"`
}

// bodyMax is more than any message has.
const bodyMax = 1 << 20

func (p *Platform) takeMessage(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyMax))
	if err != nil {
		return // the caller has left
	}
	if p.cfg.Token != "" && r.Header.Get("Authorization") != "Bearer "+p.cfg.Token {
		refuse(w, http.StatusUnauthorized, 190)
		return
	}
	taken := p.decide(r.PathValue("number"), body)
	switch {
	case taken.Fault == ResetBefore, taken.Fault == ResetAfter:
		panic(http.ErrAbortHandler)
	case taken.Fault == TimeoutAfter:
		<-r.Context().Done()
	case taken.Fault == Error500, taken.Fault == Error500After:
		refuse(w, http.StatusInternalServerError, 2)
	case taken.Code != 0:
		refuse(w, statusOf(taken.Code), taken.Code)
	default:
		word := "accepted"
		if taken.Fault == Held {
			word = "held_for_quality_assessment"
		}
		answer(w, http.StatusOK, object{
			"messaging_product": "whatsapp", "contacts": []object{{"input": taken.To, "wa_id": strings.TrimPrefix(taken.To, "+")}},
			"messages": []object{{"id": taken.Wamid, "message_status": word}},
		})
	}
}

// decide takes a message or refuses it, and notes it.
func (p *Platform) decide(number string, body []byte) Received {
	var m request
	malformed := json.Unmarshal(body, &m) != nil
	to := m.To + m.Recipient
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.cfg.Now()
	got := Received{At: now, Number: number, To: to, Callback: m.Callback, Type: m.Type, Body: body}
	if malformed {
		got.Body = nil
	}
	got.Fault = p.fault(m.Callback)
	got.Code = p.check(number, m, malformed, now, got.Fault)
	if got.Code == 0 && got.Fault != ResetBefore && got.Fault != Error500 {
		p.accepted++
		got.Wamid = wamid(to, p.accepted)
		p.follow(got, m, now)
	}
	p.log = append(p.log, got)
	return got
}

// check returns the platform's code against a message; zero: none.
func (p *Platform) check(number string, m request, malformed bool, now time.Time, fault Fault) int {
	to := m.To + m.Recipient
	c := p.customers[plain(to)]
	switch {
	case malformed || m.Product != "whatsapp" || to == "":
		return 100
	case !m.complete():
		return 131008
	case m.Text != nil && len([]rune(m.Text.Body)) > 4096:
		return 131009
	case fault.code() != 0 && !fault.later():
		return fault.code()
	case m.Template != nil && p.templates[m.Template.Name+"/"+m.Template.Language.Code].refusal() != 0:
		return p.templates[m.Template.Name+"/"+m.Template.Language.Code].refusal()
	case m.Template == nil && (c == nil || now.Sub(c.lastWrote) > window):
		return 131047
	}
	return p.limits.take(number, plain(to), now)
}

// window is how long after a person's message free-form ones may be sent.
const window = 24 * time.Hour

func (m request) complete() bool {
	switch m.Type {
	case "text":
		return m.Text != nil && m.Text.Body != ""
	case "template":
		return m.Template != nil && m.Template.Name != "" && m.Template.Language.Code != ""
	case "image":
		return m.Image != nil && (m.Image.ID == "") != (m.Image.Link == "")
	case "interactive":
		return m.Interactive != nil && m.Interactive.Type != ""
	}
	return false
}

// wamid makes a platform id, which, as the real ones do, holds the number.
func wamid(to string, n int) string {
	return "wamid." + base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "\x1d\x18%s\x15\x02\x00SIM%012d\x00", plain(to), n))
}

func plain(number string) string { return strings.TrimPrefix(number, "+") }

type object map[string]any

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) //nolint:errchkjson // who left does not want it
}

// refuse answers with the platform's error document.
func refuse(w http.ResponseWriter, status, code int) {
	answer(w, status, object{"error": object{
		"message": fmt.Sprintf("(#%d) %s", code, titles[code]), "type": "OAuthException", "code": code,
		"error_data": object{"messaging_product": "whatsapp", "details": titles[code]}, "fbtrace_id": "SIM",
	}})
}

var titles = map[int]string{
	2: "Service temporarily unavailable", 4: "Application request limit reached", 100: "Invalid parameter", 190: "Access token has expired",
	80007: "Rate limit issues", 130429: "Rate limit hit", 131000: "Something went wrong", 131008: "Required parameter is missing",
	131009: "Parameter value is not valid", 131016: "Service unavailable", 131026: "Message undeliverable",
	131047: "Re-engagement message", 131049: "Not delivered to maintain healthy ecosystem engagement", 131050: "User has stopped marketing",
	131056: "Pair rate limit hit", 132001: "Template does not exist", 132015: "Template is paused", 132016: "Template is disabled",
}

func statusOf(code int) int {
	switch code {
	case 4, 80007, 130429, 131056:
		return http.StatusTooManyRequests
	case 131000, 131016:
		return http.StatusInternalServerError
	case 190:
		return http.StatusUnauthorized
	}
	return http.StatusBadRequest
}
