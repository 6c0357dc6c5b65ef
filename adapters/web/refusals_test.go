package web_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/adapters/web/api"
)

// TestBadInputNamesRuleAndField sends one wrong thing at a time: every answer is a whole problem document with the
// right status, code and field, and repeats nothing of what was sent.
func TestBadInputNamesRuleAndField(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	device := s.device(account, "iPhone Mario")
	const canary = "Kanarienvogel"
	const nobody = "00000000-0000-4000-8000-000000000000"
	const ledger, balances, analytics = "/api/v1/ledger/entries", "/api/v1/ledger/balances", "/api/v1/analytics/messages"
	our := "?account=" + account.String()
	accounts, mine := "/api/v1/accounts", "/api/v1/accounts/"+account.String()
	register := func(change string, to any) string { return changed(t, rossi, change, to) }
	send := func(change string, to any) string { return changed(t, text(device, "ciao"), change, to) }

	described := s.description()
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		code, field        string
	}{
		"no body":              {"POST", accounts, "", 400, "BodyMissing", ""},
		"half an object":       {"POST", accounts, `{"name":"` + canary, 400, "MalformedJSON", "body"},
		"two objects":          {"POST", accounts, `{} {}`, 400, "MalformedJSON", "body"},
		"not UTF-8":            {"POST", accounts, "{\"name\":\"\xff\"}", 400, "MalformedJSON", "body"},
		"a member twice":       {"POST", accounts, `{"name":"Rossi","Name":"` + canary + `"}`, 400, "MalformedJSON", "body"},
		"null":                 {"POST", accounts, `null`, 422, "ValidationFailed", "body"},
		"missing field":        {"POST", accounts, register("name", nil), 422, "ValidationFailed", "body.name"},
		"wrong type":           {"POST", accounts, register("name", 12345678), 422, "ValidationFailed", "body.name"},
		"huge number":          {"POST", accounts, strings.Replace(register("name", 1), "1", "1e999", 1), 400, "MalformedJSON", "body"},
		"unknown field":        {"POST", accounts, register("nickname", canary), 422, "ValidationFailed", "body.nickname"},
		"name too short":       {"POST", accounts, register("name", "ab"), 422, "NameInvalid", "body.name"},
		"name too long":        {"POST", accounts, register("name", strings.Repeat("x", 26)), 422, "NameInvalid", "body.name"},
		"unknown kind":         {"POST", accounts, register("kind", "club"), 422, "KindUnknown", "body.kind"},
		"unknown country":      {"POST", accounts, register("country", "Italy"), 422, "CountryInvalid", "body.country"},
		"unknown currency":     {"POST", accounts, register("currency", "euro"), 422, "CurrencyInvalid", "body.currency"},
		"unknown time zone":    {"POST", accounts, register("timezone", "Rome"), 422, "TimezoneUnknown", "body.timezone"},
		"no numbers":           {"POST", accounts, register("numbers", []any{}), 422, "NumberRequired", "body.numbers"},
		"WABA of words":        {"POST", accounts, register("waba_id", "one"), 422, "WABAInvalid", "body.waba_id"},
		"number taken":         {"POST", accounts, register("name", "Bianchi"), 409, "NumberTaken", ""},
		"too large a sample":   {"POST", "/api/v1/projections/audit/verify?sample=20001", "", 422, "ValidationFailed", "query.sample"},
		"account is no UUID":   {"POST", accounts + "/" + canary + "/terms", `{"terms_version":"1","privacy_version":"1"}`, 422, "ValidationFailed", "path.id"},
		"unknown account":      {"POST", accounts + "/" + nobody + "/terms", `{"terms_version":"1","privacy_version":"1"}`, 404, "AccountUnknown", ""},
		"empty terms version":  {"POST", mine + "/terms", `{"terms_version":"","privacy_version":"1"}`, 422, "TermsVersionRequired", "body.terms_version"},
		"bad profile":          {"PUT", mine + "/profile", `{"website":"` + canary + `"}`, 422, "ProfileInvalid", "body.website"},
		"device kind":          {"POST", mine + "/devices", `{"kind":"watch","platform":"x","name":"y"}`, 422, "DeviceKindUnknown", "body.kind"},
		"device name taken":    {"POST", mine + "/devices", `{"kind":"tablet","platform":"x","name":"IPHONE mario"}`, 409, "DeviceNameTaken", ""},
		"unknown device":       {"PATCH", mine + "/devices/" + nobody, `{"name":"y"}`, 404, "DeviceUnknown", ""},
		"device is no UUID":    {"DELETE", mine + "/devices/x", "", 422, "ValidationFailed", "path.device"},
		"unlinking nobody":     {"DELETE", mine + "/devices/" + nobody, "", 404, "DeviceUnknown", ""},
		"number of words":      {"POST", mine + "/messages", send("to", canary), 422, "RecipientInvalid", "body.to"},
		"number too short":     {"POST", mine + "/messages", send("to", "+39333"), 422, "RecipientInvalid", "body.to"},
		"no such calling code": {"POST", mine + "/messages", send("to", "+999123456789"), 422, "RecipientInvalid", "body.to"},
		"bad user id":          {"POST", mine + "/messages", send("to", "it.12345"), 422, "RecipientInvalid", "body.to"},
		"no text":              {"POST", mine + "/messages", send("text", nil), 422, "TextRequired", "body.text"},
		"text and a template":  {"POST", mine + "/messages", send("type", "template"), 422, "TextNotAllowed", "body.text"},
		"empty text":           {"POST", mine + "/messages", send("text", ""), 422, "TextLength", "body.text"},
		"text too long":        {"POST", mine + "/messages", send("text", strings.Repeat("é", 4097)), 422, "TextLength", "body.text"},
		"text is a number":     {"POST", mine + "/messages", send("text", 5), 422, "ValidationFailed", "body.text"},
		"text with more":       {"POST", mine + "/messages", send("text", map[string]string{"body": "x", "canary": canary}), 422, "ValidationFailed", "body.text"},
		"unknown type":         {"POST", mine + "/messages", changed(t, json.RawMessage(send("text", nil)), "type", "fax"), 422, "MessageTypeUnknown", "body.type"},
		"unknown category":     {"POST", mine + "/messages", send("category", "spam"), 422, "CategoryNotAllowed", "body.category"},
		"device id":            {"POST", mine + "/messages", send("device_id", "x"), 422, "ValidationFailed", "body.device_id"},
		"foreign device":       {"POST", mine + "/messages", send("device_id", nobody), 409, "DeviceNotLinked", ""},
		"foreign number":       {"POST", mine + "/messages", send("phone_number_id", "1"), 404, "NumberUnknown", ""},
		"window closed":        {"POST", mine + "/messages", send("to", "39333"+"7654321"), 409, "ServiceWindowClosed", ""},
		"no wamid":             {"POST", mine + "/messages/" + nobody + "/accepted", `{}`, 422, "ValidationFailed", "body.wamid"},
		"wamid with blanks":    {"POST", mine + "/messages/" + nobody + "/accepted", `{"wamid":"wamid. ` + canary + `"}`, 422, "ValidationFailed", "body.wamid"},
		"unknown message":      {"POST", mine + "/messages/" + nobody + "/accepted", `{"wamid":"wamid.12345678"}`, 404, "MessageUnknown", ""},
		"info of nothing":      {"GET", "/api/v1/messages/" + nobody + "/info", "", 404, "MessageUnknown", ""},
		"redriving nothing":    {"POST", "/api/v1/quarantine/" + nobody + "/redrive", "", 404, "QuarantineUnknown", ""},
		"limit 0":              {"GET", "/api/v1/audit/entries?limit=0", "", 422, "ValidationFailed", "query.limit"},
		"limit 1001":           {"GET", "/api/v1/audit/entries?limit=1001", "", 422, "ValidationFailed", "query.limit"},
		"limit of words":       {"GET", "/api/v1/quarantine?limit=many", "", 422, "ValidationFailed", "query.limit"},
		"negative after":       {"GET", "/api/v1/audit/entries?after=-1", "", 422, "ValidationFailed", "query.after"},
		"after out of range":   {"GET", "/api/v1/audit/entries?after=18446744073709551615", "", 422, "ValidationFailed", "query.after"},
		"from of words":        {"GET", "/api/v1/audit/entries?from=yesterday", "", 422, "ValidationFailed", "query.from"},
		"to without zone":      {"GET", "/api/v1/audit/entries?to=2026-10-05T10:00:00", "", 422, "ValidationFailed", "query.to"},
		"range backwards":      {"GET", "/api/v1/audit/entries?from=2026-10-05T10:00:00Z&to=2026-10-05T10:00:00Z", "", 422, "RangeEmpty", "query.to"},
		"unknown event":        {"GET", "/api/v1/audit/entries?type=" + canary, "", 422, "EventTypeUnknown", "query.type"},
		"conversation":         {"GET", "/api/v1/audit/entries?conversation=x", "", 422, "ValidationFailed", "query.conversation"},
		"unknown filter":       {"GET", "/api/v1/audit/entries?acount=x", "", 422, "ValidationFailed", "query.acount"},
		"entries of nobody":    {"GET", ledger, "", 422, "ValidationFailed", "query.account"},
		"balances of nobody":   {"GET", balances, "", 422, "ValidationFailed", "query.account"},
		"figures of nobody":    {"GET", analytics, "", 422, "ValidationFailed", "query.account"},
		"entries of a word":    {"GET", ledger + "?account=" + canary, "", 422, "ValidationFailed", "query.account"},
		"unknown entries":      {"GET", ledger + "?account=" + nobody, "", 404, "AccountUnknown", ""},
		"unknown balances":     {"GET", balances + "?account=" + nobody, "", 404, "AccountUnknown", ""},
		"unknown figures":      {"GET", analytics + "?account=" + nobody, "", 404, "AccountUnknown", ""},
		"entries from":         {"GET", ledger + our + "&from=yesterday", "", 422, "ValidationFailed", "query.from"},
		"entries to":           {"GET", ledger + our + "&to=2026-10-05", "", 422, "ValidationFailed", "query.to"},
		"entries backwards":    {"GET", ledger + our + "&from=2026-10-05T10:00:00Z&to=2026-10-05T11:00:00%2B01:00", "", 422, "RangeEmpty", "query.to"},
		"entries after":        {"GET", ledger + our + "&after=-1", "", 422, "ValidationFailed", "query.after"},
		"entries limit 0":      {"GET", ledger + our + "&limit=0", "", 422, "ValidationFailed", "query.limit"},
		"entries limit 1001":   {"GET", ledger + our + "&limit=1001", "", 422, "ValidationFailed", "query.limit"},
		"entries as of":        {"GET", ledger + our + "&as_of=2026-10-05T10:00:00Z", "", 422, "ValidationFailed", "query.as_of"},
		"as of a word":         {"GET", balances + our + "&as_of=now", "", 422, "ValidationFailed", "query.as_of"},
		"bucket of weeks":      {"GET", analytics + our + "&bucket=week", "", 422, "ValidationFailed", "query.bucket"},
		"by colour":            {"GET", analytics + our + "&by=device,colour", "", 422, "ValidationFailed", "query.by[1]"},
		"by device twice":      {"GET", analytics + our + "&by=device,device", "", 422, "ValidationFailed", "query.by"},
		"figures backwards":    {"GET", analytics + our + "&from=2026-10-05T10:00:00Z&to=2026-10-01T10:00:00Z", "", 422, "RangeEmpty", "query.to"},
		"hours without end":    {"GET", analytics + our + "&bucket=hour&to=2026-10-01T10:00:00Z", "", 422, "RangeTooLong", "query.from"},
		"hours of a year":      {"GET", analytics + our + "&bucket=hour&from=2025-10-01T00:00:00Z&to=2026-10-01T00:00:00Z", "", 422, "RangeTooLong", "query.from"},
		"figures to":           {"GET", analytics + our + "&to=later", "", 422, "ValidationFailed", "query.to"},
		"year 1 from":          {"GET", ledger + our + "&from=0001-01-01T00:00:00Z", "", 422, "InstantOutOfRange", "query.from"},
		"year 1 to":            {"GET", analytics + our + "&to=0001-01-01T00:00:00Z", "", 422, "InstantOutOfRange", "query.to"},
		"as of year 1":         {"GET", balances + our + "&as_of=0001-01-01T00:00:00Z", "", 422, "InstantOutOfRange", "query.as_of"},
		"audit of year 1":      {"GET", "/api/v1/audit/entries?from=0001-01-01T00:00:00Z", "", 422, "InstantOutOfRange", "query.from"},
		"as of 1969":           {"GET", balances + our + "&as_of=1970-01-01T00:59:59%2B01:00", "", 422, "InstantOutOfRange", "query.as_of"},
		"as of the year 10000": {"GET", balances + our + "&as_of=9999-12-31T23:59:59-01:00", "", 422, "InstantOutOfRange", "query.as_of"},
		"two accounts":         {"GET", ledger + our + "&account=" + nobody, "", 422, "ValidationFailed", "query.account"},
		"one account twice":    {"GET", balances + our + "&account=" + account.String(), "", 422, "ValidationFailed", "query.account"},
		"by and by":            {"GET", analytics + our + "&by=device&by=category", "", 422, "ValidationFailed", "query.by"},
		"two limits":           {"GET", "/api/v1/quarantine?limit=1&limit=2", "", 422, "ValidationFailed", "query.limit"},
		"empty account":        {"GET", "/api/v1/audit/entries?account=", "", 422, "ValidationFailed", "query.account"},
		"empty from":           {"GET", ledger + our + "&from=", "", 422, "ValidationFailed", "query.from"},
		"empty as of":          {"GET", balances + our + "&as_of=", "", 422, "ValidationFailed", "query.as_of"},
		"empty bucket":         {"GET", analytics + our + "&bucket=", "", 422, "ValidationFailed", "query.bucket"},
		"empty by":             {"GET", analytics + our + "&by=", "", 422, "ValidationFailed", "query.by"},
		"empty wait":           {"GET", "/api/v1/projections?wait_for", "", 422, "ValidationFailed", "query.wait_for"},
		"half an escape":       {"GET", ledger + our + "&from=%2", "", 422, "ValidationFailed", "query"},
		"a semicolon":          {"GET", ledger + our + ";from=2026-10-05T10:00:00Z", "", 422, "ValidationFailed", "query"},
		"a plus for a space":   {"GET", ledger + our + "&from=2026-10-05T10:00:00+02:00", "", 422, "ValidationFailed", "query.from"},
		"wait for words":       {"GET", "/api/v1/projections?wait_for=soon", "", 422, "ValidationFailed", "query.wait_for"},
		"unknown parameter":    {"POST", "/api/v1/sign-in-links?for=ever", "", 422, "ValidationFailed", "query.for"},
		"no such address":      {"GET", "/api/v1/nothing", "", 404, "NotFound", ""},
		"no such page":         {"GET", "/nothing", "", 404, "NotFound", ""},
		"wrong method":         {"DELETE", accounts, "", 405, "MethodNotAllowed", ""},
		"wrong method outside": {"POST", "/healthz", "", 405, "MethodNotAllowed", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := s.call(c.method, c.path, c.body)
			require.Equal(t, c.status, a.StatusCode, "%s", a.body)
			p := a.problem(t)
			require.Equal(t, c.code, p.Code, p.Detail)
			if c.field != "" {
				require.NotEmpty(t, p.Errors)
				require.Equal(t, c.field, p.Errors[0].Location)
			} else {
				require.Empty(t, p.Errors)
			}
			require.NotContains(t, string(a.body), canary)
			require.NotContains(t, string(a.body), "12345678")
			if c.code != "NotFound" && c.code != "MethodNotAllowed" {
				described.lists(t, c.method, c.path, c.status)
			}
		})
	}
	t.Cleanup(func() { require.NotContains(t, s.log.String(), canary) })
}

// description is what the OpenAPI document says that each call answers.
type description struct {
	Paths map[string]map[string]struct {
		Responses map[string]json.RawMessage `json:"responses"`
	} `json:"paths"`
}

func (s *system) description() description {
	s.t.Helper()
	return decoded[description](s.t, s.raw(http.MethodGet, "/openapi.json", ""))
}

// lists checks that a status is among the answers of the call.
func (d description) lists(t *testing.T, method, address string, status int) {
	t.Helper()
	address, _, _ = strings.Cut(strings.TrimPrefix(address, "/api/v1"), "?")
	for path, methods := range d.Paths {
		form := regexp.MustCompile(`\{[a-z]+\}`).ReplaceAllString(path, "[^/]+")
		if call, found := methods[strings.ToLower(method)]; found && regexp.MustCompile("^"+form+"$").MatchString(address) {
			require.Contains(t, call.Responses, strconv.Itoa(status), "%s %s", method, path)
			return
		}
	}
	require.Fail(t, "not described", "%s %s", method, address)
}

// changed is the JSON of a body with one member set, or left out.
func changed(t *testing.T, body any, member string, to any) string {
	t.Helper()
	text, err := json.Marshal(body)
	require.NoError(t, err)
	var object map[string]any
	require.NoError(t, json.Unmarshal(text, &object))
	if object[member] = to; to == nil {
		delete(object, member)
	}
	text, err = json.Marshal(object)
	require.NoError(t, err)
	return string(text)
}

func TestAPlusInAQueryIsExplained(t *testing.T) {
	t.Parallel()
	s := start(t)
	address := "/api/v1/ledger/balances?account=" + s.account().String() + "&as_of=2026-10-05T10:00:00"
	require.Contains(t, s.call(http.MethodGet, address+"+02:00", "").problem(t).Detail, "%2B")
	require.Equal(t, http.StatusOK, s.call(http.MethodGet, address+"%2B02:00", "").StatusCode)
}

func TestMalformedJSONSaysAtWhichByte(t *testing.T) {
	t.Parallel()
	s := start(t)
	for body, at := range map[string]string{
		`{"name": }`:       "byte 10",
		`{"name":"x"`:      "byte 11",
		`{"a":1,"A":2}`:    "byte 10",
		"{\"name\":\"\xff": "byte 10",
	} {
		p := s.call(http.MethodPost, "/api/v1/accounts", body).problem(t)
		require.Equal(t, http.StatusBadRequest, p.Status)
		require.Contains(t, p.Detail, at, "%q", body)
	}
}

func TestBodiesOverTheLimitAreRefused(t *testing.T) {
	t.Parallel()
	s := start(t)
	exactly := `{"name":"` + strings.Repeat("x", 1<<20-len(`{"name":""}`)) + `"}`
	require.Equal(t, "ValidationFailed", s.call(http.MethodPost, "/api/v1/accounts", exactly).problem(t).Code)
	p := s.call(http.MethodPost, "/api/v1/accounts", exactly+" ").problem(t)
	require.Equal(t, http.StatusRequestEntityTooLarge, p.Status)
	require.Equal(t, "BodyTooLarge", p.Code)
	other := s.call(http.MethodPost, "/api/v1/accounts", `<x/>`, "Content-Type", "application/xml").problem(t)
	require.Equal(t, "UnsupportedMediaType", other.Code)
}

func TestMethodNotAllowedSaysWhatIs(t *testing.T) {
	t.Parallel()
	s := start(t)
	require.Equal(t, "POST", s.call(http.MethodPut, "/api/v1/accounts", "").Header.Get("Allow"))
}

func TestProblemTitlesAreTheCodeInWords(t *testing.T) {
	t.Parallel()
	for code, title := range map[string]string{
		"DeviceLimitReached": "Device limit reached", "MalformedJSON": "Malformed JSON", "WABAInvalid": "WABA invalid", "Busy": "Busy",
	} {
		require.Equal(t, title, api.NewProblem(http.StatusConflict, code, "x").Title)
	}
}
