package whatsapp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/events"
	"daybook/events/id"
)

// about wraps the members of a value in a delivery of the messages field.
func about(members string) []byte {
	return fmt.Appendf(nil, `{"object":"whatsapp_business_account","entry":[{"id":"900100200300400","changes":[{"field":"messages",
		"value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"390655500100","phone_number_id":"900555000111222"},%s}}]}]}`, members)
}

// one parses a delivery of one item.
func one(t *testing.T, body []byte) item {
	t.Helper()
	items, err := parse(body)
	require.NoError(t, err)
	require.Len(t, items, 1)
	return items[0]
}

func TestParseInboundMessage(t *testing.T) {
	t.Parallel()
	raw := `{"from":"5511900000001","id":"wamid.A","timestamp":1759312920,"type":"order","unheard_of":{"deep":[1e400]},
		"context":{"id":"wamid.B"},"referral":{"source_type":"ad"}}`
	card := `{"wa_id":"5511900000001","user_id":"BR.77","profile":{"name":"Bruno \u00e9","username":"bruno"}}`
	it := one(t, about(`"contacts":[{"wa_id":"16505550123","profile":{"name":"Ada"}},`+card+`],"messages":[`+raw+`]`))
	require.Equal(t, &message{
		wamid: "wamid.A", from: events.Person{WaID: "5511900000001", UserID: "BR.77"}, contact: []byte(card), kind: "order",
		sentAt: time.Unix(1759312920, 0).UTC(), replyTo: "wamid.B", referral: "ad",
	}, it.message)
	require.Equal(t, raw, string(it.raw), "the whole object is kept, byte for byte")
	require.Equal(t, "message", it.kind())
	require.Equal(t, "900555000111222", it.phoneNumberID)
}

func TestParseStatus(t *testing.T) {
	t.Parallel()
	it := one(t, about(`"statuses":[{"id":"wamid.A","status":"failed","timestamp":"1759312920","recipient_id":"Y2FwaV9n",
		"recipient_type":"group","participant_recipient_id":"16505550123",
		"conversation":{"id":"8f84","expiration_timestamp":"1759572200","origin":{"type":"referral_conversion"}},
		"pricing":{"billable":false,"pricing_model":"PMP","type":"free_entry_point","category":"authentication-international"},
		"errors":[{"code":131026,"title":"Not reached: Ada Rossi","error_data":{"details":"ada@rossi.example has left"}}]}]`))
	require.Equal(t, &status{
		wamid: "wamid.A", word: events.StatusFailed, at: time.Unix(1759312920, 0).UTC(),
		participant: events.Person{WaID: "16505550123"},
		pricing:     &events.Pricing{Billable: new(false), Model: "PMP", Type: "free_entry_point", Category: "authentication-international"},
		origin:      &events.Origin{PlatformID: "8f84", Type: "referral_conversion", ExpiresAt: new(time.Unix(1759572200, 0).UTC())},
		errors:      []events.PlatformError{{Code: 131026}},
	}, it.status)
}

// TestParsePricing keeps apart what was not told, which our own policy prices, and what cannot be read, which nothing does.
func TestParsePricing(t *testing.T) {
	t.Parallel()
	for told, want := range map[string]*events.Pricing{
		``:                                nil,
		`,"pricing":null`:                 nil,
		`,"pricing":{}`:                   {},
		`,"pricing":{"type":"regular"}`:   {Type: "regular"},
		`,"pricing":{"type":"brand_new"}`: {Type: "brand_new"},
		`,"pricing":{"type":null,"category":"","pricing_model":"PMP"}`:                     {Model: "PMP"},
		`,"pricing":{"type":"Brand New!","category":"Weird Cat!","pricing_model":"P M P"}`: {Model: "unreadable", Type: "unreadable", Category: "unreadable"},
		`,"pricing":{"type":{"a":1},"category":["utility"],"pricing_model":true}`:          {Model: "unreadable", Type: "unreadable", Category: "unreadable"},
		`,"pricing":{"billable":"no","type":"` + strings.Repeat("x", 129) + `"}`:           {Type: "unreadable"},
		`,"pricing":{"type":" ","category":"\u0000"}`:                                      {Type: "unreadable", Category: "unreadable"},
		`,"pricing":"free"`:               {Type: "unreadable"},
		`,"pricing":["free_entry_point"]`: {Type: "unreadable"},
	} {
		t.Run(told, func(t *testing.T) {
			t.Parallel()
			it := one(t, about(`"statuses":[{"id":"wamid.A","status":"delivered","timestamp":"1759312920"`+told+`}]`))
			require.Equal(t, want, it.status.pricing)
		})
	}
}

func TestParseSender(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		contacts, message string
		want              events.Person
	}{
		"NumberOnly":         {`[]`, `"from":"39390000"`, events.Person{WaID: "39390000"}},
		"UserIDOnly":         {`[]`, `"from_user_id":"IT.1"`, events.Person{UserID: "IT.1"}},
		"UserIDInFrom":       {`[]`, `"from":"IT.1"`, events.Person{UserID: "IT.1"}},
		"Both":               {`[]`, `"from":"39390000","from_user_id":"IT.1"`, events.Person{WaID: "39390000", UserID: "IT.1"}},
		"NumberOfTheCard":    {`[{"wa_id":"39390000","user_id":"IT.1"}]`, `"from_user_id":"IT.1"`, events.Person{WaID: "39390000", UserID: "IT.1"}},
		"UserIDOfTheCard":    {`[{"wa_id":"39390000","user_id":"IT.1"}]`, `"from":"39390000"`, events.Person{WaID: "39390000", UserID: "IT.1"}},
		"CardWithoutNumber":  {`[{"user_id":"IT.1"}]`, `"from_user_id":"IT.1"`, events.Person{UserID: "IT.1"}},
		"NumberFirst":        {`[{"wa_id":"39390001","user_id":"IT.1"}]`, `"from":"39390000","from_user_id":"IT.1"`, events.Person{WaID: "39390000", UserID: "IT.1"}},
		"LoneCardOfAnother":  {`[{"wa_id":"39390001","user_id":"IT.1"}]`, `"from":"39390000"`, events.Person{WaID: "39390000"}},
		"CardOfSomebodyElse": {`[{"wa_id":"1"},{"wa_id":"2"}]`, `"from":"39390000"`, events.Person{WaID: "39390000"}},
		"OddCards":           {`[7,null,{"wa_id":{}}]`, `"from":"39390000"`, events.Person{WaID: "39390000"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			it := one(t, about(`"contacts":`+c.contacts+`,"messages":[{"id":"w","timestamp":"1759312920","type":"text",`+c.message+`}]`))
			require.NotNil(t, it.message)
			require.Equal(t, c.want, it.message.from)
		})
	}
}

func TestParseKeepsWhatLacksSomething(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		members string
		reason  events.QuarantineReason
		detail  string
	}{
		"MessageWithoutID":     {`"messages":[{"from":"39390000","timestamp":"1759312920","type":"text"}]`, events.UnknownShape, "id"},
		"MessageWithoutSender": {`"messages":[{"id":"w","timestamp":"1759312920","type":"text"}]`, events.UnknownShape, "from"},
		"NobodyButACard":       {`"contacts":[{"wa_id":"39390000"}],"messages":[{"id":"w","timestamp":"1759312920","type":"text"}]`, events.UnknownShape, "from"},
		"MessageWithoutType":   {`"messages":[{"id":"w","from":"39390000","timestamp":"1759312920"}]`, events.UnknownShape, "type"},
		"MessageWithoutTime":   {`"messages":[{"id":"w","from":"39390000","type":"text"}]`, events.UnknownShape, "timestamp"},
		"Milliseconds":         {`"messages":[{"id":"w","from":"39390000","type":"text","timestamp":1759312920000}]`, events.UnknownShape, "timestamp"},
		"NegativeTime":         {`"messages":[{"id":"w","from":"39390000","type":"text","timestamp":-175931292}]`, events.UnknownShape, "timestamp"},
		"FloatTime":            {`"messages":[{"id":"w","from":"39390000","type":"text","timestamp":1.75931e9}]`, events.UnknownShape, "timestamp"},
		"MessageIsNull":        {`"messages":[null]`, events.UnknownShape, "id"},
		"StatusWithoutID":      {`"statuses":[{"status":"sent","timestamp":"1759312920"}]`, events.UnknownShape, "id"},
		"StatusWithoutWord":    {`"statuses":[{"id":"w","timestamp":"1759312920"}]`, events.UnknownShape, "status"},
		"StatusDeleted":        {`"statuses":[{"id":"w","status":"deleted","timestamp":"1759312920"}]`, events.UnknownStatus, "status"},
		"StatusImpossibleTime": {`"statuses":[{"id":"w","status":"read","timestamp":"99999999999"}]`, events.UnknownShape, "timestamp"},
		"OddParticipant":       {`"statuses":[{"id":"w","status":"read","timestamp":"1759312920","recipient_participant_id":"Ada"}]`, events.UnknownShape, "recipient_participant_id"},
		"ErrorWithoutCode":     {`"errors":[{"title":"Ada"}]`, events.UnknownShape, "code"},
		"MessagesIsObject":     {`"messages":{"id":"w"}`, events.UnknownField, "members"},
		"NothingInside":        {`"messages":[]`, events.UnknownShape, "no messages"},
		"NewMember":            {`"calls_enabled":true`, events.UnknownField, "members"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			it := one(t, about(c.members))
			require.Equal(t, c.reason, it.reason)
			require.Contains(t, it.detail, c.detail)
			again := one(t, it.delivery())
			require.Equal(t, it.canonical(), again.canonical(), "driven again, it is the same item")
		})
	}
	noNumber := `{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages","value":{"messages":[
		{"id":"w","from":"39390000","type":"text","timestamp":"1759312920"}]}}]}]}`
	require.Equal(t, events.UnknownShape, one(t, []byte(noNumber)).reason)
}

func TestParseTakesNothingForGranted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body string
		want int
	}{
		"NotOurObject":     {`{"object":"page","entry":[{"id":"1","changes":[{"field":"messages","value":{"messages":[1,2]}}]}]}`, 1},
		"NoObject":         {`{}`, 1},
		"Array":            {`[1,2,3]`, 1},
		"Null":             {`null`, 1},
		"String":           {` "x" `, 1},
		"NoEntry":          {`{"object":"whatsapp_business_account"}`, 1},
		"EntryIsObject":    {`{"object":"whatsapp_business_account","entry":{"changes":[]}}`, 1},
		"EmptyEntry":       {`{"object":"whatsapp_business_account","entry":[]}`, 1},
		"EntriesAreOdd":    {`{"object":"whatsapp_business_account","entry":[1,{},"x",{"changes":[]}]}`, 4},
		"ChangesAreOdd":    {`{"object":"whatsapp_business_account","entry":[{"changes":[1,null,{},{"field":"x"},{"value":7}]}]}`, 5},
		"RepeatedEntry":    {`{"object":"whatsapp_business_account","entry":[{}],"entry":[{},{}]}`, 3},
		"RepeatedMessages": {`{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages","value":{"messages":[1],"messages":[2,3]}}]}]}`, 3},
		"SeveralKinds":     {`{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages","value":{"messages":[1],"statuses":[2,3],"errors":[4],"new":5,"newer":6}}]}]}`, 5},
		"AccountLevel":     {`{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"account_update","value":{"list":[1,2,3]}}]}]}`, 1},
		"EscapedKeys":      {`{"\u006fbject":"whatsapp_business_account","entr\u0079":[{},{}]}`, 2},
		"OtherCase":        {`{"Object":"whatsapp_business_account","Entry":[{},{}]}`, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			items, err := parse([]byte(c.body))
			require.NoError(t, err)
			require.Len(t, items, c.want)
		})
	}
}

func TestParseMalformedNamesTheByte(t *testing.T) {
	t.Parallel()
	for body, offset := range map[string]int64{
		``:             0,
		`{`:            1,
		`{"a":}`:       6,
		`{"a":1} x`:    9,
		`{"a":01}`:     7,
		"{\"a\":\"\n":  7,
		`{"a":[1,2`:    9,
		`{"a":"\x"}`:   8,
		`{"a":nul}`:    9,
		"\xef\xbb\xbf": 1,
	} {
		_, err := parse([]byte(body))
		var malformed *MalformedError
		require.ErrorAs(t, err, &malformed, body)
		require.Equal(t, offset, malformed.Offset, body)
	}
	_, err := parse([]byte(strings.Repeat("[", 20_000)))
	require.ErrorContains(t, err, "depth")
}

// TestCanonicalIgnoresBatching: the same update has the same identity in any batch and layout; another one has not.
func TestCanonicalIgnoresBatching(t *testing.T) {
	t.Parallel()
	status := func(at string) string { return `{"id":"w", "status":"sent","timestamp":"` + at + `"}` }
	alone := one(t, about(`"statuses":[`+status("1759312920")+`]`))
	batch, err := parse(about(`"contacts":[],"statuses":[` + status("1759312921") + `,` + strings.ReplaceAll(status("1759312920"), " ", "") + `]`))
	require.NoError(t, err)
	require.NotEqual(t, alone.canonical(), batch[0].canonical())
	require.Equal(t, alone.canonical(), batch[1].canonical())

	timed := func(at, value string) []byte {
		it := one(t, fmt.Appendf(nil, `{"object":"whatsapp_business_account","entry":[{"id":"1","time":%s,"changes":[%s]}]}`, at, value))
		return it.canonical()
	}
	ban := `{"field":"account_update","value":{"event":"DISABLED_UPDATE"}}`
	once := timed("1", ban)
	require.Equal(t, once, timed("1", ban))
	require.NotEqual(t, timed("1", ban), timed("2", ban), "a second ban is not a repeat of the first")
	stop := `{"field":"user_preferences","value":{"messaging_product":"whatsapp","user_preferences":[{"timestamp":5,"value":"stop"}]}}`
	require.Equal(t, timed("1", stop), timed("2", stop), "what has a time of its own is identified by it")
}

func TestPeopleAreFoundEverywhere(t *testing.T) {
	t.Parallel()
	it := one(t, about(`"contacts":[{"wa_id":"16505550123","user_id":"US.9"}],"message_echoes":[{"from":"390655500100","to":"16505550123",
		"contacts":[{"phones":[{"phone":"+1 (650) 555-0188","wa_id":"16505550188"}]}],"group":{"participants":[{"user_id":"IT.5"},{"wa_id":["39390000"]}]}}]`))
	require.ElementsMatch(t, []events.Person{
		{WaID: "16505550123"}, {UserID: "US.9"}, {WaID: "16505550188"}, {UserID: "IT.5"}, {WaID: "39390000"},
	}, it.people(), "everybody but the business's own number")
}

// crowd is an item that names n people, each twice.
func crowd(n int) item {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,{"wa_id":"%d"}`, 390000000000+i)
	}
	names := b.String()[1:]
	return item{extent: oneElement, raw: []byte(`{"first":[` + names + `],"again":[` + names + `]}`)}
}

// TestPeopleOfACrowd: a delivery of the largest size may name this many; each is found once, in order.
func TestPeopleOfACrowd(t *testing.T) {
	t.Parallel()
	it := crowd(60_000)
	found := it.people()
	require.Len(t, found, 60_000)
	require.Equal(t, events.Person{WaID: "390000059999"}, found[59_999])
}

// BenchmarkPeople: the cost of a name does not grow with their number.
func BenchmarkPeople(b *testing.B) {
	for _, n := range []int{1_000, 60_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			it := crowd(n)
			for b.Loop() {
				it.people()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/name")
		})
	}
}

// FuzzParse: whatever arrives, nothing panics; a body is refused only when it is not JSON; every element of every list
// becomes exactly one item; and each item, driven again alone, is itself.
func FuzzParse(f *testing.F) {
	paths, err := filepath.Glob("testdata/*.json")
	require.NoError(f, err)
	for _, path := range paths {
		body, err := os.ReadFile(path)
		require.NoError(f, err)
		f.Add(body)
	}
	f.Add(about(`"messages":[1e999,{"id":"\ud800","from":"1","from":"2"}],"messages":[[]],"statuses":[{"errors":[{"code":99999999999999999999}]}],"x":{}`))
	for field := range tellers {
		f.Add([]byte(`{"object":"whatsapp_business_account","entry":[{"id":"1","time":1759312800,"changes":[{"field":"` + field +
			`","value":{"event":"VOLUME_BASED_PRICING_TIER_UPDATE","volume_tier_info":{"tier":"1:MAX","tier_update_time":1762331373,` +
			`"pricing_category":"UTILITY","effective_month":"2025-11","region":"India"},"display_phone_number":"+39","decision":"x",` +
			`"message_template_name":"a","message_template_language":"it","message_template_element":"\ud800","correct_category":"UTILITY",` +
			`"max_daily_conversations_per_business":"TIER_2K"}}]}]}`))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		items, err := parse(body)
		require.Equal(t, json.Valid(body), err == nil)
		if err != nil {
			require.ErrorAs(t, err, new(*MalformedError))
			return
		}
		require.Len(t, items, countItems(t, body))
		for _, it := range items {
			found := 0
			for _, is := range []bool{it.message != nil, it.status != nil, it.told != nil, len(it.parts) > 0, it.reason != ""} {
				if is {
					found++
				}
			}
			require.Equal(t, 1, found, "an item is a message, a status, something told, or has a reason")
			it.people()
			again := one(t, it.delivery())
			require.Equal(t, it.canonical(), again.canonical())
			require.Equal(t, it.message, again.message)
			require.Equal(t, it.status, again.status)
			require.Equal(t, it.factsTold(), again.factsTold())
			require.Len(t, again.parts, len(it.parts))
			require.Equal(t, it.reason, again.reason)
		}
	})
}

// factsTold is what an item tells of an account, each fact writable as an event.
func (it *item) factsTold() (found []string) {
	if it.told == nil {
		return nil
	}
	for _, fact := range it.told.facts(common{}) {
		proposed, err := events.Encode(id.Event{}, fact, events.Envelope{})
		if err != nil {
			panic(err)
		}
		found = append(found, proposed.Type+string(proposed.Data))
	}
	return found
}

// node is a JSON value read by encoding/json, in order and with repeated keys: an opinion independent of json.go.
type node struct {
	delim  json.Delim
	scalar any
	keys   []string
	nodes  []node
}

func readNode(t *testing.T, d *json.Decoder) node {
	t.Helper()
	token, err := d.Token()
	require.NoError(t, err)
	delim, ok := token.(json.Delim)
	if !ok {
		return node{scalar: token}
	}
	n := node{delim: delim}
	for d.More() {
		if delim == '{' {
			key, err := d.Token()
			require.NoError(t, err)
			n.keys = append(n.keys, key.(string))
		}
		n.nodes = append(n.nodes, readNode(t, d))
	}
	_, err = d.Token()
	require.NoError(t, err)
	return n
}

// all returns the members of that name.
func (n node) all(name string) []node {
	var found []node
	for i, key := range n.keys {
		if key == name {
			found = append(found, n.nodes[i])
		}
	}
	return found
}

// elements returns the elements of all lists of that name.
func (n node) elements(name string) []node {
	var found []node
	for _, m := range n.all(name) {
		if m.delim == '[' {
			found = append(found, m.nodes...)
		}
	}
	return found
}

func (n node) last(name string) node {
	if found := n.all(name); len(found) > 0 {
		return found[len(found)-1]
	}
	return node{}
}

func countItems(t *testing.T, body []byte) int {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	root := readNode(t, d)
	if root.last("object").scalar != platformObject {
		return 1
	}
	count := 0
	for _, entry := range root.elements("entry") {
		changes := entry.elements("changes")
		for _, change := range changes {
			count += max(1, countChange(change))
		}
		if len(changes) == 0 {
			count++
		}
	}
	return max(1, count)
}

func countChange(change node) int {
	count := 0
	for _, value := range change.all("value") {
		if len(value.all("metadata"))+len(value.all("messaging_product")) == 0 && change.last("field").scalar != fieldMessages {
			continue
		}
		rest := 0
		for i, key := range value.keys {
			switch {
			case key == "metadata" || key == "messaging_product" || key == "contacts":
			case value.nodes[i].delim == '[':
				count += len(value.nodes[i].nodes)
			default:
				rest = 1
			}
		}
		count += rest
	}
	return count
}
