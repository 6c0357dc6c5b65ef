package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/media"
	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
	"daybook/adapters/whatsapp/sim"
	"daybook/events"
	"daybook/events/id"
)

const (
	playNumber = "900555000111222"
	playAda    = "393331234567"
	playToken  = "play-admin-token"
	playDevice = "CANARY-iPhone-Mario"
	playSecret = "ci vediamo alle otto davanti al magazzino"
)

// play is a business that is served, and the platform that it talks to.
type play struct {
	*sim.Platform

	app     *app
	api     *client.Client
	account id.Account
	device  id.Device
}

// onPlatform serves Daybook against a simulated platform while a test plays.
func onPlatform(t *testing.T, cfg sim.Config, work func(ctx context.Context, p *play)) {
	t.Helper()
	var home atomic.Pointer[url.URL] // where the server listens, once it does
	webhook := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(home.Load()) }})
	t.Cleanup(webhook.Close)
	cfg.Now, cfg.Token, cfg.Secret, cfg.Webhook = time.Now, "token", "secret", webhook.URL+"/webhooks/whatsapp"
	cfg.Pace = 5 * time.Millisecond
	platform := sim.New(cfg)
	t.Cleanup(platform.Close)
	graph := httptest.NewServer(platform)
	t.Cleanup(graph.Close)
	config := testConfig(t)
	config.AdminToken, config.WhatsAppAppSecrets = playToken, []string{"secret"}
	config.WhatsAppToken, config.WhatsAppURL = "token", graph.URL+"/v24.0"
	a, err := open(t.Context(), config, time.Now, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer func() { require.NoError(t, a.close()) }()
	require.NoError(t, a.during(t.Context(), func(base string) error {
		where, err := url.Parse(base)
		require.NoError(t, err)
		home.Store(where)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go platform.Run(ctx)
		p := &play{Platform: platform, app: a, api: client.New(base, playToken)}
		p.open(ctx, t)
		work(ctx, p)
		return nil
	}))
}

func (p *play) open(ctx context.Context, t *testing.T) {
	t.Helper()
	account, err := p.api.RegisterAccount(ctx, api.RegisterAccount{
		Name: "Ferramenta Rossi", Kind: "enterprise", Country: "IT", Currency: "USD", Timezone: "Europe/Rome", WABAID: "900100200300400",
		Numbers: []api.Number{{PhoneNumberID: playNumber, DisplayPhoneNumber: "390655500100"}},
	})
	require.NoError(t, err)
	_, err = p.api.AcceptTerms(ctx, account.ID, api.AcceptTerms{TermsVersion: "1", PrivacyVersion: "1"})
	require.NoError(t, err)
	device, err := p.api.LinkDevice(ctx, account.ID, api.LinkDevice{Kind: "smartphone", Platform: "iOS", Name: playDevice})
	require.NoError(t, err)
	p.account, p.device = account.ID, device.ID
}

// send queues a message to Ada.
func (p *play) send(ctx context.Context, t *testing.T, body api.SendMessage) id.Message {
	t.Helper()
	body.DeviceID, body.To = p.device, "+"+playAda
	queued, err := p.api.SendMessage(ctx, p.account, body)
	require.NoError(t, err)
	return queued.ID
}

func notification(text string) api.SendMessage {
	return api.SendMessage{Type: "template", Category: "utility", Template: &api.Template{Name: "order_ready", Language: "it", Parameters: []string{text}}}
}

// becomes waits until a message has a status.
func (p *play) becomes(ctx context.Context, t *testing.T, message id.Message, status string) {
	t.Helper()
	last := ""
	require.Eventually(t, func() bool {
		info, err := p.api.MessageInfo(ctx, message)
		last = fmt.Sprint(info.Status, " ", err)
		return err == nil && info.Status == status
	}, time.Minute, 5*time.Millisecond, "message %s is not %s", message, status)
	require.NotEmpty(t, last)
}

// types lists the types of everything that was recorded, and what is in it in clear.
func (p *play) types(ctx context.Context, t *testing.T) (types map[string]int, stored string) {
	t.Helper()
	types = map[string]int{}
	var all strings.Builder
	for r, err := range p.app.store.ReadAll(ctx, events.Start) {
		require.NoError(t, err)
		types[r.Type]++
		all.Write(r.Data)
		all.Write(r.Metadata)
	}
	return types, all.String()
}

// TestS26_ACustomerIsAnsweredThroughThePlatform plays a conversation over real wires, with much going wrong once. The
// tests within say what must hold at its end.
func TestS26_ACustomerIsAnsweredThroughThePlatform(t *testing.T) {
	onPlatform(t, sim.Config{Reads: 1}, func(ctx context.Context, p *play) {
		p.Write(playAda, sim.Says{Number: playNumber, Text: "Avete le viti?"})
		var answer id.Message
		require.Eventually(t, func() bool { // until her message is here, text is refused
			queued, err := p.api.SendMessage(ctx, p.account, api.SendMessage{DeviceID: p.device, To: playAda, Type: "text", Text: &api.Text{Body: playSecret}})
			answer = queued.ID
			return err == nil
		}, time.Minute, 5*time.Millisecond)
		p.becomes(ctx, t, answer, "read")

		sent := []id.Message{answer}
		for _, fault := range []sim.Fault{sim.ResetAfter, sim.Error500After, "131016", sim.FailedThenDone} {
			p.Script(fault)
			message := p.send(ctx, t, notification(string(fault)))
			if fault == "131016" {
				continue // a timer brings it back in ten seconds
			}
			p.becomes(ctx, t, message, "read")
			sent = append(sent, message)
		}
		p.Script("131050")
		refused := p.send(ctx, t, notification("refused"))
		p.becomes(ctx, t, refused, "failed")

		types, stored := p.types(ctx, t)
		require.Equal(t, 2, types["DispatchUnknown"], "two answers never came")
		require.Equal(t, 1, types["DispatchFailed"], "one was refused and may be tried again")
		t.Run("S27_what is said and to whom is stored in clear nowhere", func(t *testing.T) {
			require.NotContains(t, stored, playSecret)
			require.NotContains(t, stored, playAda)
		})
		t.Run("no message was given to the platform twice", func(t *testing.T) {
			given := map[string]int{}
			for _, got := range p.Log() {
				if got.Wamid != "" {
					given[got.Callback]++
				}
			}
			require.Len(t, given, len(sent)+1)
			for _, n := range given {
				require.Equal(t, 1, n)
			}
		})
		t.Run("S08_no device is named in any byte that left", func(t *testing.T) {
			log, err := json.Marshal(p.Log())
			require.NoError(t, err)
			inbox, err := json.Marshal(p.Inbox(playAda))
			require.NoError(t, err)
			require.Contains(t, string(log), playSecret, "the platform did get what was written")
			for _, bytes := range []string{string(log), string(inbox)} {
				require.NotContains(t, bytes, playDevice)
				require.NotContains(t, bytes, p.device.String())
			}
		})
	})
}

// TestWithoutATokenMessagesWait: another process may have one.
func TestWithoutATokenMessagesWait(t *testing.T) {
	config := testConfig(t)
	a, err := open(t.Context(), config, time.Now, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer func() { require.NoError(t, a.close()) }()
	for _, policy := range a.policyList() {
		require.NotEqual(t, "sending", policy.Name())
	}
}

// TestThePlatformIsServedUntilStopped runs the verb as the guide says.
func TestThePlatformIsServedUntilStopped(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	out := &lines{first: make(chan string, 1)}
	ended := make(chan error, 1)
	go func() { ended <- simulate(ctx, sim.Config{Now: time.Now}, "127.0.0.1:0", out) }()
	address := strings.TrimPrefix(<-out.first, "The platform is at ")
	response, err := http.Get(strings.Replace(address, "/v24.0", "/sim/log", 1))
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
	stop()
	require.NoError(t, <-ended)
}

// lines hands on the first line that is written.
type lines struct{ first chan string }

func (l *lines) Write(text []byte) (int, error) {
	l.first <- strings.TrimSpace(string(text))
	return len(text), nil
}

// TestS36_APictureIsKeptSealed: what a customer sends is fetched from the platform, and nobody reads it on the disk.
func TestS36_APictureIsKeptSealed(t *testing.T) {
	onPlatform(t, sim.Config{}, func(ctx context.Context, p *play) {
		p.Write(playAda, sim.Says{Number: playNumber, Text: "Ecco", File: p.Upload([]byte("bytes of a picture"), "image/jpeg")})
		var stored events.MediaStored
		require.Eventually(t, func() bool {
			for r, err := range p.app.store.ReadAll(ctx, events.Start) {
				require.NoError(t, err)
				if event, _, err := events.DecodeRecord(r); err == nil {
					if e, is := event.(events.MediaStored); is {
						stored = e
					}
				}
			}
			return stored.SHA256 != ""
		}, time.Minute, 5*time.Millisecond)
		require.Equal(t, "image/jpeg", stored.MediaType)
		kept, err := media.In(filepath.Join(p.app.config.Data, "media")).Get(ctx, stored.SHA256)
		require.NoError(t, err)
		opened, err := p.app.vault.Open(ctx, events.Sealed(kept), id.Of[id.Fact](stored.MessageID), "media")
		require.NoError(t, err)
		require.Equal(t, "bytes of a picture", string(opened))
		require.NotContains(t, string(kept), "picture")
	})
}
