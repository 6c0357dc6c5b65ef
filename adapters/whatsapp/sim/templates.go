package sim

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// template is what the platform decided on a template. One that it never heard of is taken, so that a business can be
// played without submitting any.
type template struct {
	Name     string `json:"name"`
	Language string `json:"language"`
	Category string `json:"category"`
	Status   string `json:"status"`
}

// refusal is the code by which a message of the template is refused; zero: none.
func (t template) refusal() int {
	switch t.Status {
	case "", "APPROVED":
		return 0
	case "PAUSED":
		return 132015
	case "DISABLED":
		return 132016
	}
	return 132001
}

func (t template) categoryOr(otherwise string) string {
	if t.Category == "" {
		return otherwise
	}
	return strings.ToLower(t.Category)
}

// decideTemplate has the platform decide on a template, and tell so.
func (p *Platform) decideTemplate(w http.ResponseWriter, r *http.Request) {
	var t template
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyMax)).Decode(&t); err != nil || t.Name == "" || t.Language == "" || t.Status == "" {
		explain(w, errors.New(`expected {"name": …, "language": …, "category": …, "status": APPROVED, PAUSED, DISABLED, …}`))
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.templates[t.Name+"/"+t.Language] = t
	at := p.cfg.Now()
	p.plan(update{at: at, field: "message_template_status_update", element: object{
		"event": t.Status, "message_template_id": 900000000000 + len(p.templates), "message_template_name": t.Name,
		"message_template_language": t.Language, "message_template_category": t.Category, "reason": "NONE",
	}}, t.Name+t.Language+t.Status)
	w.WriteHeader(http.StatusNoContent)
}

// file is something that was uploaded.
type file struct {
	data      []byte
	mediaType string
	digest    string // SHA-256, in base64 as in webhooks
}

// fileMax is the largest file that is taken.
const fileMax = 100 << 20

// Upload keeps a file and returns its id.
func (p *Platform) Upload(data []byte, mediaType string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	sum := sha256.Sum256(data)
	name := fmt.Sprintf("9%014d", len(p.files)+1)
	p.files[name] = file{data, mediaType, base64.StdEncoding.EncodeToString(sum[:])}
	return name
}

func (p *Platform) takeFile(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, fileMax)
	part, header, err := r.FormFile("file")
	if err != nil {
		refuse(w, http.StatusBadRequest, 100)
		return
	}
	defer part.Close()
	data, err := io.ReadAll(part)
	if err != nil {
		refuse(w, http.StatusBadRequest, 100)
		return
	}
	answer(w, http.StatusOK, object{"id": p.Upload(data, header.Header.Get("Content-Type"))})
}

// Forget loses a file, as the platform does after a while.
func (p *Platform) Forget(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.files, name)
}

func (p *Platform) file(name string) (file, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f, found := p.files[name]
	return f, found
}

func (p *Platform) describeFile(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	f, found := p.file(name)
	if !found {
		refuse(w, http.StatusBadRequest, 100)
		return
	}
	answer(w, http.StatusOK, object{
		"messaging_product": "whatsapp", "id": name, "url": "http://" + r.Host + "/files/" + name, "mime_type": f.mediaType,
		"sha256": f.digest, "file_size": len(f.data),
	})
}

func (p *Platform) giveFile(w http.ResponseWriter, r *http.Request) {
	f, found := p.file(r.PathValue("file"))
	if !found {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", f.mediaType)
	_, _ = w.Write(f.data)
}
