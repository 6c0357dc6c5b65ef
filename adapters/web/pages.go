package web

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"daybook/adapters/web/api"
	"daybook/events"
	"daybook/events/id"
	"daybook/readmodels/audit"
)

//go:embed pages
var pageFiles embed.FS

// pages holds one template per page, each with the layout.
type pages map[string]*template.Template

func newPages() pages {
	functions := template.FuncMap{"readable": readable, "machine": machine, "short": short, "phrase": phrase, "percent": percent}
	all := pages{}
	for _, name := range []string{"audit", "message", "signin", "problem"} {
		all[name] = template.Must(template.New("layout.html").Funcs(functions).
			ParseFS(pageFiles, "pages/layout.html", "pages/"+name+".html"))
	}
	return all
}

func (s *server) mountPages(mux *http.ServeMux) {
	mux.Handle("GET /{$}", s.sessions.LoadAndSave(s.forSession(s.auditTrail)))
	mux.Handle("GET /messages/{id}", s.sessions.LoadAndSave(s.forSession(s.messagePage)))
	mux.Handle("GET /sign-in", s.sessions.LoadAndSave(http.HandlerFunc(s.signIn)))
	mux.Handle("POST /sign-out", s.sessions.LoadAndSave(http.HandlerFunc(s.signOut)))
	mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		http.ServeFileFS(w, r, pageFiles, "pages/style.css")
	})
}

// forSession shows a page to those who have signed in, and to others how to.
func (s *server) forSession(show http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		actor := events.Actor(s.sessions.GetString(r.Context(), signedIn))
		if actor == "" {
			s.page(w, r, http.StatusUnauthorized, "signin", signInPage{})
			return
		}
		serveAs(asOperator(actor, "web"), show, w, r)
	})
}

type signInPage struct{ Used bool } // a link was followed that does not count any more

func (signInPage) SignedIn() bool { return false }

// page renders a page whole before it is sent, so that an error never follows half a page.
func (s *server) page(w http.ResponseWriter, r *http.Request, status int, name string, data any) {
	var html bytes.Buffer
	if err := s.pages[name].Execute(&html, data); err != nil {
		s.refuse(w, r, fmt.Errorf("rendering the page %s: %w", name, err))
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = html.WriteTo(w)
	}
}

// problemPage shows a refusal to people.
func (s *server) problemPage(w http.ResponseWriter, r *http.Request, err error) {
	p := s.problem(r.Context(), err)
	s.page(w, r, p.Status, "problem", problemPage{p})
}

type problemPage struct{ Problem *api.Problem }

func (problemPage) SignedIn() bool { return true }

// pageEntries is how many entries one page shows.
const pageEntries = 50

type auditPage struct {
	Projections []api.ProjectionStatus
	Policies    []api.PolicyStatus
	Spend       []spendLine // of the account that is asked for
	Filter      map[string]string
	Refused     *api.Problem // what is wrong with the filter
	Types       []string
	Entries     []shownEntry
	Filtered    bool
	NextPage    string // link, empty on the last page
}

func (auditPage) SignedIn() bool { return true }

// shownEntry is an entry with the things that can be followed from it.
type shownEntry struct {
	api.AuditEntry

	Pretty       string
	Message      string
	Conversation string
}

var filterFields = []string{"account", "conversation", "type", "from", "to"}

func (s *server) auditTrail(w http.ResponseWriter, r *http.Request) {
	data := auditPage{Filter: map[string]string{}, Types: events.Names()}
	query := r.URL.Query()
	for _, field := range filterFields {
		data.Filter[field] = strings.TrimSpace(query.Get(field))
		data.Filtered = data.Filtered || data.Filter[field] != ""
	}
	list, err := s.projections(r.Context())
	if err != nil {
		s.problemPage(w, r, err)
		return
	}
	data.Projections, data.Policies = list.Projections, list.Policies
	filter, err := pageFilter(data.Filter, query.Get("after"))
	if p, ok := errors.AsType[*api.Problem](err); ok {
		data.Refused = p
		s.page(w, r, p.Status, "audit", data)
		return
	}
	page, _, err := s.auditPage(r.Context(), "", filter)
	if err != nil {
		s.problemPage(w, r, err)
		return
	}
	for _, e := range page.Entries {
		data.Entries = append(data.Entries, shown(e))
	}
	if data.Spend, err = s.spend(r.Context(), filter.Account); err != nil {
		s.problemPage(w, r, err)
		return
	}
	if page.Next != 0 {
		data.NextPage = nextPage(data.Filter, page.Next)
	}
	s.page(w, r, http.StatusOK, "audit", data)
}

// pageFilter reads the form by the API's rules; its times are what a browser's field gives, in UTC.
func pageFilter(form map[string]string, after string) (audit.Filter, error) {
	in := auditInput{Type: form["type"], From: fieldTime(form["from"]), To: fieldTime(form["to"])}
	in.Limit = pageEntries
	var err error
	if form["account"] != "" {
		if in.Account, err = id.Parse[id.Account](form["account"]); err != nil {
			return audit.Filter{}, invalid("ValidationFailed", "query.account", "expected an account's id")
		}
	}
	if form["conversation"] != "" {
		if in.Conversation, err = id.Parse[id.Conversation](form["conversation"]); err != nil {
			return audit.Filter{}, invalid("ValidationFailed", "query.conversation", "expected a conversation's id")
		}
	}
	if after != "" {
		position, err := strconv.ParseUint(after, 10, 63)
		if err != nil {
			return audit.Filter{}, invalid("ValidationFailed", "query.after", "expected a position")
		}
		in.After = events.Position(position)
	}
	return in.filter()
}

// fieldTime completes what a datetime-local field gives: it has no zone, and leaves seconds out when they are 0.
func fieldTime(text string) string {
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.Format(time.RFC3339)
		}
	}
	return text
}

func nextPage(form map[string]string, after uint64) string {
	query := url.Values{"after": {strconv.FormatUint(after, 10)}}
	for _, field := range filterFields {
		if form[field] != "" {
			query.Set(field, form[field])
		}
	}
	return "/?" + query.Encode()
}

// unescape shows the characters that encoding/json stores as escapes though JSON does not ask for it. A backslash that
// is escaped itself comes first, so that it is no beginning of theirs.
var unescape = strings.NewReplacer(`\\`, `\\`, `\u003c`, "<", `\u003e`, ">", `\u0026`, "&")

func shown(e audit.Entry) shownEntry {
	entry := shownEntry{AuditEntry: auditEntry(e)}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, entry.Data, "", "  "); err == nil {
		entry.Pretty = unescape.Replace(pretty.String())
	}
	var names struct {
		Message      id.Message      `json:"message_id"`
		Conversation id.Conversation `json:"conversation_id"`
	}
	if err := json.Unmarshal(entry.Data, &names); err != nil {
		return entry // an event of another shape names nothing to follow
	}
	if !names.Message.IsZero() {
		entry.Message = names.Message.String()
	}
	if !names.Conversation.IsZero() {
		entry.Conversation = names.Conversation.String()
	}
	return entry
}

type messagePage struct{ api.MessageInfo }

func (messagePage) SignedIn() bool { return true }

func (s *server) messagePage(w http.ResponseWriter, r *http.Request) {
	message, err := id.Parse[id.Message](r.PathValue("id"))
	if err != nil {
		s.problemPage(w, r, invalid("ValidationFailed", "path.id", "expected a message's id"))
		return
	}
	info, err := s.infoOf(r.Context(), "", message)
	if err != nil {
		s.problemPage(w, r, err)
		return
	}
	s.page(w, r, http.StatusOK, "message", messagePage{info})
}

// percent is a share for people: 100 % is all of it.
func percent(share float64) string { return fmt.Sprintf("%d %%", int(share*100)) }

// readable is a time for people.
func readable(at time.Time) string { return at.UTC().Format("2 Jan 2006 15:04:05") }

// machine is the same for programs.
func machine(at time.Time) string { return at.UTC().Format(time.RFC3339Nano) }

// short leaves of a stream's name what people tell apart: its kind and the end of the id.
func short(stream string) string {
	const uuidLength = 36
	kind, _, found := strings.Cut(stream, "-")
	if !found || len(stream) < len(kind)+1+uuidLength {
		return stream
	}
	return kind + " …" + stream[len(stream)-6:]
}
