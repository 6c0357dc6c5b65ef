package whatsapp

import (
	"encoding/json"
	"net/http"
)

// problem is an RFC 9457 problem document. Code is stable; the rest is for people.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
	Offset *int64 `json:"offset,omitempty"` // of the fault in a malformed body, in bytes
}

func (p problem) write(w http.ResponseWriter) {
	p.Type, p.Title = "urn:daybook:problem:"+p.Code, http.StatusText(p.Status)
	body, err := json.Marshal(p)
	if err != nil {
		http.Error(w, p.Code, p.Status)
		return
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_, _ = w.Write(body) // the peer may be gone; nothing is owed to it then
}
