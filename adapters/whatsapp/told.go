package whatsapp

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"daybook/commands"
	"daybook/domain/template"
	"daybook/events"
	"daybook/events/id"
)

// told is what an update tells of an account, or of one of its templates. Whose it is follows from where it stood: from
// metadata, from the number that the value displays, or from the WABA alone, which several accounts may share.
type told struct {
	display  string // digits of the number that it is about; empty: of the whole account
	template *template.Name
	facts    func(common) []events.ToldEvent
}

// common is what the facts of one account have in common.
type common struct {
	events.ToldFact

	phoneNumberID string
	template      id.Template
}

// matter is an item as it is told of one account.
type matter struct {
	*item

	account       id.Account
	phoneNumberID string
	fact          id.Fact
	stream        string // where it was recorded
}

// findHolders finds the accounts of every WABA that something is told of.
func (w *work) findHolders(ctx context.Context) error {
	for i := range w.items {
		it := &w.items[i]
		wabaID := number(it.wabaID)
		if _, asked := w.holders[wabaID]; asked || it.told == nil || it.phoneNumberID != "" || wabaID == "" {
			continue
		}
		holders, err := w.Recorder.WABAHolders(ctx, wabaID)
		if err != nil {
			return fmt.Errorf("finding the accounts of WABA %s: %w", wabaID, err)
		}
		w.holders[wabaID] = holders
	}
	return nil
}

// assignTold gives an item to every account that it is told of, or parks it.
func (w *work) assignTold(it *item) {
	if it.phoneNumberID != "" {
		account, known := w.owners[it.phoneNumberID]
		if !known {
			w.setAside(it, events.UnknownNumber, ruleNumber, "")
			return
		}
		w.addMatter(it, account, it.phoneNumberID)
		return
	}
	before := len(w.matters)
	for _, holder := range w.holders[number(it.wabaID)] {
		at := slices.IndexFunc(holder.Numbers, func(n events.BusinessNumber) bool { return n.DisplayPhoneNumber == it.told.display })
		switch {
		case it.told.display == "":
			w.addMatter(it, holder.Account, "")
		case at >= 0:
			w.addMatter(it, holder.Account, holder.Numbers[at].PhoneNumberID)
		}
	}
	if len(w.matters) == before {
		w.setAside(it, events.UnknownAccount, "no account claims entry.id and has value.display_phone_number", "")
	}
}

func (w *work) addMatter(it *item, account id.Account, phoneNumberID string) {
	w.matters = append(w.matters, &matter{
		item: it, account: account, phoneNumberID: phoneNumberID,
		fact: id.Derive[id.Fact]("told", account.String(), w.Vault.Digest("told", it.canonical())),
	})
}

// matterScope is the key of what is told of an account.
func (w *work) matterScope(m *matter) events.KeyScope {
	return events.KeyScope{Account: m.account, Subject: m.account.UUID, Class: events.ClassAccount, Year: w.receivedAt.Year()}
}

// recordMatters appends to all accounts at once, and to each in order of arrival.
func (w *work) recordMatters(ctx context.Context) error {
	together := map[id.Account][]*matter{}
	for _, m := range w.matters {
		together[m.account] = append(together[m.account], m)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelMax)
	for _, matters := range together {
		group.Go(func() (err error) {
			for _, m := range matters {
				if m.stream, err = w.Recorder.RecordTold(ctx, w.meta, w.tell(m)); err != nil {
					return fmt.Errorf("recording what is told of account %s: %w", m.account, err)
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// tell turns a matter into what the domain takes: the update itself is sealed.
func (w *work) tell(m *matter) commands.Told {
	a := common{
		ToldFact: events.ToldFact{
			AccountID: m.account, FactID: m.fact, ToldAt: m.toldAt(w.receivedAt), Raw: w.keys[w.matterScope(m)].Seal(m.fact, "raw", m.raw),
		},
		phoneNumberID: m.phoneNumberID,
	}
	if m.told.template != nil {
		a.template = template.IDOf(m.account, *m.told.template)
	}
	return commands.Told{Account: m.account, Template: m.told.template, Facts: m.told.facts(a)}
}

// toldAt is the platform's time of telling, which is the entry's; when it gives none, that of our receiving it.
func (m *matter) toldAt(received time.Time) time.Time {
	if at, timed := seconds(m.entryTime); timed {
		return at
	}
	return received
}
