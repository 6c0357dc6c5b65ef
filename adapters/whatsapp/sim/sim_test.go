package sim_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/whatsapp/sim"
)

// stage is a platform, its clock, and who receives its webhooks.
type stage struct {
	*sim.Platform

	t      *testing.T
	url    string
	mu     sync.Mutex
	now    time.Time
	bodies []string
	answer int
}

func newStage(t *testing.T, cfg sim.Config) *stage {
	t.Helper()
	s := &stage{t: t, now: time.Date(2026, 10, 5, 9, 0, 0, 0, time.UTC), answer: http.StatusOK}
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mac := hmac.New(sha256.New, []byte("secret"))
		mac.Write(body)
		if r.Header.Get("X-Hub-Signature-256") != "sha256="+hex.EncodeToString(mac.Sum(nil)) {
			t.Error("not signed")
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.bodies = append(s.bodies, string(body))
		w.WriteHeader(s.answer)
	}))
	t.Cleanup(receiver.Close)
	cfg.Now, cfg.Webhook, cfg.Secret, cfg.Token = s.clock, receiver.URL, "secret", "token"
	s.Platform = sim.New(cfg)
	t.Cleanup(s.Close)
	server := httptest.NewServer(s.Platform)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *stage) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *stage) pass(d time.Duration) {
	s.mu.Lock()
	s.now = s.now.Add(d)
	s.mu.Unlock()
	s.Tell(s.t.Context())
}

const (
	number = "900555000111222"
	ada    = "393331234567"
)

func (s *stage) post(ctx context.Context, path, body string) (status int, answer string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+path, strings.NewReader(body))
	require.NoError(s.t, err)
	request.Header.Set("Authorization", "Bearer token")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	return response.StatusCode, string(raw), err
}

// template sends a template to somebody and returns the code of the refusal; zero: it was taken.
func (s *stage) template(to string, n int) int {
	s.t.Helper()
	_, answer, err := s.post(s.t.Context(), "/v24.0/"+number+"/messages", fmt.Sprintf(`{"messaging_product":"whatsapp","to":"+%s","type":"template",
		"template":{"name":"ready","language":{"code":"it"}},"biz_opaque_callback_data":"m%d"}`, to, n))
	require.NoError(s.t, err)
	return codeOf(s.t, answer)
}

func codeOf(t *testing.T, answer string) int {
	t.Helper()
	var document struct {
		Error struct {
			Code int `json:"code"`
		} `json:"error"`
	}
	require.NoError(t, json.Unmarshal([]byte(answer), &document))
	return document.Error.Code
}

// told lists the statuses told so far, as word and code.
func (s *stage) told() (words []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, body := range s.bodies {
		var w struct {
			Entry []struct {
				Changes []struct {
					Value struct {
						Statuses []struct {
							Status   string `json:"status"`
							Callback string `json:"biz_opaque_callback_data"`
							Errors   []struct {
								Code int `json:"code"`
							} `json:"errors"`
						} `json:"statuses"`
						Messages []struct {
							Type string `json:"type"`
						} `json:"messages"`
					} `json:"value"`
				} `json:"changes"`
			} `json:"entry"`
		}
		require.NoError(s.t, json.Unmarshal([]byte(body), &w))
		for _, status := range w.Entry[0].Changes[0].Value.Statuses {
			word := status.Callback + " " + status.Status
			if len(status.Errors) > 0 {
				word += fmt.Sprint(" ", status.Errors[0].Code)
			}
			words = append(words, word)
		}
		for _, m := range w.Entry[0].Changes[0].Value.Messages {
			words = append(words, "wrote "+m.Type)
		}
	}
	return words
}

func TestAMessageLivesItsLife(t *testing.T) {
	t.Parallel()
	s := newStage(t, sim.Config{Reads: 1, Answers: 1})
	require.Zero(t, s.template(ada, 1))
	s.pass(time.Second)
	require.Equal(t, []string{"m1 sent", "m1 delivered", "m1 read", "wrote text"}, s.told())
	require.Len(t, s.Inbox(ada), 1)
	require.Zero(t, s.Pending())
}

func TestMessagesAreRefusedAsThePlatformDoes(t *testing.T) {
	t.Parallel()
	s := newStage(t, sim.Config{})
	path := "/v24.0/" + number + "/messages"
	for body, code := range map[string]int{
		`{`:                         100,
		`{"to":"39","type":"text"}`: 100,
		`{"messaging_product":"whatsapp","to":"39","type":"text","text":{}}`:                                           131008,
		`{"messaging_product":"whatsapp","to":"39","type":"image","image":{}}`:                                         131008,
		`{"messaging_product":"whatsapp","to":"39","type":"text","text":{"body":"` + strings.Repeat("x", 4097) + `"}}`: 131009,
		`{"messaging_product":"whatsapp","to":"39","type":"text","text":{"body":"x"}}`:                                 131047,
	} {
		status, answer, err := s.post(t.Context(), path, body)
		require.NoError(t, err)
		require.Equal(t, http.StatusBadRequest, status)
		require.Equal(t, code, codeOf(t, answer), body)
	}
	s.Write(ada, sim.Says{Number: number, Text: "?"})
	text := `{"messaging_product":"whatsapp","to":"+` + ada + `","type":"text","text":{"body":"x"}}`
	_, answer, err := s.post(t.Context(), path, text)
	require.NoError(t, err)
	require.Zero(t, codeOf(t, answer), "who has written may be answered")
	s.pass(24*time.Hour + time.Nanosecond)
	_, answer, err = s.post(t.Context(), path, text)
	require.NoError(t, err)
	require.Equal(t, 131047, codeOf(t, answer), "for a day")
	for status, code := range map[string]int{"PAUSED": 132015, "DISABLED": 132016, "REJECTED": 132001, "APPROVED": 0} {
		_, _, err = s.post(t.Context(), "/sim/templates", `{"name":"ready","language":"it","category":"MARKETING","status":"`+status+`"}`)
		require.NoError(t, err)
		require.Equal(t, code, s.template(ada, 1), status)
	}
}

func TestRatesAreHeld(t *testing.T) {
	t.Parallel()
	s := newStage(t, sim.Config{})
	for n := range 80 {
		require.Zero(t, s.template(strconv.Itoa(390000000000+n), n))
	}
	require.Equal(t, 130429, s.template(ada, 80))
	s.pass(time.Second)
	for n := range 45 {
		require.Zero(t, s.template(ada, n))
	}
	require.Equal(t, 131056, s.template(ada, 45))
	s.pass(6 * time.Second)
	require.Zero(t, s.template(ada, 45))
	require.Equal(t, 131056, s.template(ada, 46))
}

func TestEveryFaultHappens(t *testing.T) {
	t.Parallel()
	for fault, c := range map[sim.Fault]struct {
		taken, silent bool
		code          int
		told          []string
	}{
		sim.TimeoutAfter:   {taken: true, silent: true, told: []string{"m1 sent", "m1 delivered"}},
		sim.ResetAfter:     {taken: true, silent: true, told: []string{"m1 sent", "m1 delivered"}},
		sim.ResetBefore:    {silent: true},
		sim.Error500:       {code: 2},
		sim.Error500After:  {taken: true, code: 2, told: []string{"m1 sent", "m1 delivered"}},
		sim.Held:           {taken: true, told: nil},
		sim.Late:           {taken: true, told: []string{"m1 sent"}},
		sim.FailedThenDone: {taken: true, told: []string{"m1 sent", "m1 failed 131026", "m1 delivered"}},
		"131049":           {taken: true, told: []string{"m1 sent", "m1 failed 131049"}},
		"131026":           {taken: true, told: []string{"m1 sent", "m1 failed 131026"}},
		"131050":           {taken: true, told: []string{"m1 sent", "m1 failed 131050"}},
		"130429":           {code: 130429},
	} {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			s := newStage(t, sim.Config{})
			_, _, err := s.post(t.Context(), "/sim/faults", `{"fault":"`+string(fault)+`"}`)
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if fault != sim.TimeoutAfter {
				ctx = t.Context()
			}
			_, answer, err := s.post(ctx, "/v24.0/"+number+"/messages", `{"messaging_product":"whatsapp","to":"`+ada+`","type":"template",
				"template":{"name":"ready","language":{"code":"it"}},"biz_opaque_callback_data":"m1"}`)
			require.Equal(t, c.silent, err != nil)
			if !c.silent {
				require.Equal(t, c.code, codeOf(t, answer))
			}
			require.Equal(t, c.taken, s.Accepted() == 1)
			require.Len(t, s.Log(), 1)
			s.pass(time.Second)
			require.Equal(t, c.told, s.told())
		})
	}
}

func TestWhoBlockedGetsNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t, sim.Config{})
	for _, act := range []string{"block", "unblock", "opt-out", "opt-in"} {
		status, _, err := s.post(t.Context(), "/sim/customers/"+ada+"/"+act, `{"phone_number_id":"`+number+`"}`)
		require.NoError(t, err)
		require.Equal(t, http.StatusNoContent, status)
		if act == "block" {
			require.Zero(t, s.template(ada, 1))
		}
	}
	s.pass(time.Second)
	require.Contains(t, s.told(), "m1 failed 131026")
	require.Empty(t, s.Inbox(ada))
	s.mu.Lock()
	defer s.mu.Unlock()
	require.Contains(t, strings.Join(s.bodies, ""), `"value":"stop"`)
	require.Contains(t, strings.Join(s.bodies, ""), `"value":"resume"`)
}

// TestWhatWasNotTakenIsToldAgain also has everything told twice, and in disorder.
func TestWhatWasNotTakenIsToldAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t, sim.Config{Duplicate: 1, Disorder: 0.5})
	s.answer = http.StatusServiceUnavailable
	for n := range 20 {
		require.Zero(t, s.template(strconv.Itoa(390000000000+n), n))
	}
	s.pass(time.Minute)
	waiting := s.Pending()
	require.Equal(t, 80, waiting, "sent and delivered, twice")
	s.mu.Lock()
	s.bodies, s.answer = nil, http.StatusOK
	s.mu.Unlock()
	s.pass(time.Minute)
	require.Zero(t, s.Pending())
	told := s.told()
	require.Len(t, told, waiting)
	disorder := 0
	for n := range 20 {
		sent, delivered := slices.Index(told, fmt.Sprintf("m%d sent", n)), slices.Index(told, fmt.Sprintf("m%d delivered", n))
		if delivered < sent {
			disorder++
		}
	}
	require.Positive(t, disorder)
}

func TestTheSameSeedIsTheSamePlatform(t *testing.T) {
	t.Parallel()
	play := func(seed uint64) []string {
		s := newStage(t, sim.Config{
			Seed: seed, Reads: 0.5, Answers: 0.5, Blocks: 0.2, Duplicate: 0.2, Disorder: 0.2, Faults: map[sim.Fault]float64{"131049": 0.2, "131000": 0.1},
		})
		var words []string
		for n := range 40 {
			words = append(words, strconv.Itoa(s.template(strconv.Itoa(390000000000+n), n)))
		}
		s.pass(time.Minute)
		return append(words, s.told()...)
	}
	first := play(1)
	require.Equal(t, first, play(1))
	require.NotEqual(t, first, play(2))
}

func TestFaultsAreNamed(t *testing.T) {
	t.Parallel()
	f, chance, err := sim.ParseChance("reset_after=0.25")
	require.NoError(t, err)
	require.Equal(t, sim.ResetAfter, f)
	require.InDelta(t, 0.25, chance, 0)
	for _, odd := range []string{"", "reset", "reset_after", "reset_after=2", "-1=0.5", "reset_after=x"} {
		_, _, err := sim.ParseChance(odd)
		require.Error(t, err, odd)
	}
}

// FuzzMessage gives the platform anything: it answers with a document, and takes only what is complete.
func FuzzMessage(f *testing.F) {
	f.Add([]byte(`{"messaging_product":"whatsapp","to":"39","type":"template","template":{"name":"a","language":{"code":"it"}}}`))
	f.Add([]byte(`{"messaging_product":"whatsapp","recipient":"IT.9","type":"image","image":{"id":"1"}}`))
	p := sim.New(sim.Config{Now: time.Now})
	f.Fuzz(func(t *testing.T, body []byte) {
		w := httptest.NewRecorder()
		p.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v24.0/1/messages", strings.NewReader(string(body))))
		require.True(t, json.Valid(w.Body.Bytes()))
	})
}
