package main

import (
	"context"
	"path/filepath"
	"time"

	"daybook/adapters/media"
	"daybook/adapters/vault"
	"daybook/adapters/whatsapp/graph"
	"daybook/commands/policies"
	"daybook/events"
	"daybook/readmodels/timers"
)

// policyList lists the policies: one line to add one, and a test of its amnesia.
func (a *app) policyList() []policies.Policy {
	list := []policies.Policy{
		policies.NewRating(a.store, a.now),
		policies.NewTimers(dueTimers{a}, a.commands, a.now),
		policies.NewReplies(a.store, a.commands, letters{a}, a.now),
		policies.NewPeriods(a.commands),
		policies.NewCampaigns(a.commands, vault.Copies{Vault: a.vault}, a.config.CampaignRate),
		policies.NewCampaignCharges(a.store, a.commands),
		policies.NewCampaignOutcomes(a.store, a.commands),
	}
	if a.config.WhatsAppToken == "" { // another process may have one: nothing is sent and nothing is lost here
		return list
	}
	platform := a.openPlatform()
	return append(list,
		policies.NewSending(a.store, a.commands, platform, a.now),
		policies.NewMedia(a.store, a.commands, graph.Media{Client: platform, Files: media.In(filepath.Join(a.config.Data, "media"))}),
	)
}

// openPlatform makes the client of the platform.
func (a *app) openPlatform() *graph.Client {
	client := graph.New(graph.Config{URL: a.config.WhatsAppURL, Token: a.config.WhatsAppToken, Vault: a.vault, Erased: erased, Now: a.now})
	a.onClose(func() error { client.Close(); return nil })
	return client
}

// timersName is the index of timers.
const timersName = "timers"

// indexWait bounds how long the poller waits for the index to know of what it has fired. Past it the poller rests, and says
// why.
const indexWait = 5 * time.Second

// dueTimers finds due timers in their index.
type dueTimers struct{ *app }

func (d dueTimers) Due(ctx context.Context, asOf events.Position, now time.Time, limit int) ([]policies.DueTimer, error) {
	wait, cancel := context.WithTimeout(ctx, indexWait)
	defer cancel()
	index, err := d.engine.Read(wait, timersName, asOf)
	if err != nil {
		return nil, err
	}
	rows, err := timers.Due(ctx, d.database, index.Schema, now, limit)
	if err != nil {
		return nil, err
	}
	due := make([]policies.DueTimer, len(rows))
	for i, row := range rows {
		due[i] = policies.DueTimer{ID: row.ID, Account: row.Account}
	}
	return due, nil
}
