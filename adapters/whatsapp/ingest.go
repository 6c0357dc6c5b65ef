package whatsapp

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"daybook/commands"
	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
)

// actorPlatform is who tells us, in every envelope that a delivery causes.
const actorPlatform events.Actor = "platform:whatsapp"

// parallelMax bounds the appends under way for one delivery. It is large because they wait for the disk together: a
// store with group commit makes many durable by one fsync.
const parallelMax = 64

// Ingester records deliveries. It is safe for concurrent use.
type Ingester struct {
	Recorder Recorder
	Vault    Vault
	Routes   Routes
	Now      func() time.Time
}

// Result says what became of the updates of a delivery: each was recorded in its conversation (now, or before), or is
// in quarantine.
type Result struct{ Updates, Placed, Quarantined int }

// Ingest makes a delivery durable, whole. After an error some of it may be recorded; taking the same delivery again is
// safe at any time and records what is missing. The error is a *MalformedError when the body is not JSON.
func (in *Ingester) Ingest(ctx context.Context, body []byte) (Result, error) {
	items, err := parse(body)
	if err != nil {
		return Result{}, err
	}
	w := in.work(items, in.Now().UTC(), commands.Meta{
		Actor: actorPlatform, Source: "webhook", Correlation: id.New[id.Trace](),
	})
	if err := w.place(ctx); err != nil {
		return Result{}, err
	}
	if err := w.park(ctx); err != nil {
		return Result{}, err
	}
	return Result{len(items), len(items) - len(w.parked), len(w.parked)}, nil
}

// work is one delivery on its way in.
type work struct {
	*Ingester

	meta       commands.Meta
	receivedAt time.Time
	items      []item

	unbound map[events.WamidHash]bool    // ids of messages that were found without them
	owners  map[string]id.Account        // by phone number id
	holders map[string][]commands.Holder // by WABA id
	spots   []*spot                      // those items that have a place in a conversation, in order of arrival
	matters []*matter                    // those that are told of an account, once for each account
	keys    map[events.KeyScope]events.DataKey
	typed   map[id.Account][]events.CommandConfigured // what customers may type after a slash

	mu     sync.Mutex
	parked []parked // those that have none
	landed string   // the stream that the last one recorded is in
}

// spot is where an item belongs.
type spot struct {
	*item

	part     *part // of the item, when it has parts
	hash     events.WamidHash
	message  id.Message
	party    conversation.Party
	subject  id.Customer   // whose data the item is: the conversation's customer, or one participant of a group
	somebody events.Person // the subject, while only the platform's names are known
}

func (in *Ingester) work(items []item, receivedAt time.Time, meta commands.Meta) *work {
	return &work{
		Ingester: in, meta: meta, receivedAt: receivedAt, items: items,
		owners: map[string]id.Account{}, unbound: map[events.WamidHash]bool{}, holders: map[string][]commands.Holder{}, typed: map[id.Account][]events.CommandConfigured{},
		keys: map[events.KeyScope]events.DataKey{},
	}
}

// place records every item that has a place. Those that have none are parked, in memory only.
func (w *work) place(ctx context.Context) error {
	if err := w.findOwners(ctx); err != nil {
		return err
	}
	if err := w.findHolders(ctx); err != nil {
		return err
	}
	routes, err := w.findRoutes(ctx)
	if err != nil {
		return err
	}
	w.assign(routes)
	if err := w.findPeople(ctx); err != nil {
		return err
	}
	if err := w.findCommands(ctx); err != nil {
		return err
	}
	scopes := make([]events.KeyScope, 0, len(w.items))
	for _, s := range w.spots {
		scopes = append(scopes, w.scope(s))
	}
	for _, m := range w.matters {
		scopes = append(scopes, w.matterScope(m))
	}
	for i := range w.parked {
		scopes = append(scopes, w.parkedScope(&w.parked[i]))
	}
	if err := w.fetchKeys(ctx, scopes); err != nil {
		return err
	}
	if err := w.record(ctx); err != nil {
		return err
	}
	return w.recordMatters(ctx)
}

// findOwners finds the account of every business number in the delivery.
func (w *work) findOwners(ctx context.Context) error {
	asked := map[string]bool{"": true}
	for i := range w.items {
		phoneNumberID := number(w.items[i].phoneNumberID)
		if asked[phoneNumberID] {
			continue
		}
		asked[phoneNumberID] = true
		account, found, err := w.Recorder.NumberOwner(ctx, phoneNumberID)
		if err != nil {
			return fmt.Errorf("finding the owner of number %s: %w", phoneNumberID, err)
		}
		if found {
			w.owners[phoneNumberID] = account
		}
	}
	return nil
}

// findRoutes finds the messages of all statuses at once.
func (w *work) findRoutes(ctx context.Context) (map[events.WamidHash]Route, error) {
	seen := map[events.WamidHash]bool{}
	var hashes []events.WamidHash
	for i := range w.items {
		if s := w.items[i].status; s != nil {
			if hash := w.Vault.WamidHash(s.wamid); !seen[hash] {
				seen[hash] = true
				hashes = append(hashes, hash)
			}
		}
	}
	if len(hashes) == 0 {
		return nil, nil //nolint:nilnil // no statuses, no routes
	}
	routes, err := w.Routes.Lookup(ctx, hashes)
	if err != nil {
		return nil, fmt.Errorf("looking up %d messages: %w", len(hashes), err)
	}
	if routes == nil {
		routes = map[events.WamidHash]Route{}
	}
	return routes, w.reconcile(ctx, routes)
}

// reconcile finds the messages of those statuses whose platform id is bound to none by what we gave the platform with the
// message: its answer, which names the id, never came.
func (w *work) reconcile(ctx context.Context, routes map[events.WamidHash]Route) error {
	for i := range w.items {
		it := &w.items[i]
		if it.status == nil || it.status.callback == (commands.Callback{}) {
			continue
		}
		hash := w.Vault.WamidHash(it.status.wamid)
		if _, known := routes[hash]; known {
			continue
		}
		party, found, err := w.Recorder.Party(ctx, it.status.callback.Conversation)
		if err != nil {
			return fmt.Errorf("finding the conversation of a status: %w", err)
		}
		if found && party.PhoneNumberID == it.phoneNumberID {
			w.unbound[hash] = true
			routes[hash] = Route{party.Account, party.Conversation, it.status.callback.Message, party.Customer, party.PhoneNumberID}
		}
	}
	return nil
}

// assign gives every item its place, or parks it. A status belongs where its message is, whatever the delivery says of
// the number.
func (w *work) assign(routes map[events.WamidHash]Route) {
	for i := range w.items {
		it := &w.items[i]
		switch {
		case it.message != nil:
			account, known := w.owners[it.phoneNumberID]
			if !known {
				w.setAside(it, events.UnknownNumber, ruleNumber, "")
				continue
			}
			hash := w.Vault.WamidHash(it.message.wamid)
			w.spots = append(w.spots, &spot{
				item: it, hash: hash, message: conversation.InboundID(hash), somebody: it.message.from,
				party: conversation.Party{Account: account, PhoneNumberID: it.phoneNumberID},
			})
		case it.status != nil:
			hash := w.Vault.WamidHash(it.status.wamid)
			route, known := routes[hash]
			if !known {
				w.setAside(it, events.UnknownMessage, "no message is bound to the id", hash)
				continue
			}
			w.spots = append(w.spots, &spot{
				item: it, hash: hash, message: route.Message, somebody: it.status.participant, subject: route.Recipient,
				party: conversation.Party{
					Conversation: route.Conversation, Account: route.Account,
					PhoneNumberID: route.PhoneNumberID, Customer: route.Recipient,
				},
			})
		case it.told != nil:
			w.assignTold(it)
		case len(it.parts) > 0:
			w.assignParts(it)
		default:
			w.setAside(it, it.reason, it.detail, "")
		}
	}
}

// assignParts gives each part of an item its place, or parks the item.
func (w *work) assignParts(it *item) {
	account, known := w.owners[it.phoneNumberID]
	if !known {
		w.setAside(it, events.UnknownNumber, ruleNumber, "")
		return
	}
	for i := range it.parts {
		p := &it.parts[i]
		s := &spot{
			item: it, part: p, somebody: p.customer, party: conversation.Party{Account: account, PhoneNumberID: it.phoneNumberID},
		}
		if p.wamid != "" {
			s.hash = w.Vault.WamidHash(p.wamid)
			s.message = conversation.InboundID(s.hash)
		}
		w.spots = append(w.spots, s)
	}
}

// findPeople asks the vault once per account who everybody is.
func (w *work) findPeople(ctx context.Context) error {
	unknown := map[id.Account][]*spot{}
	for _, s := range w.spots {
		if s.somebody != (events.Person{}) {
			unknown[s.party.Account] = append(unknown[s.party.Account], s)
		}
	}
	for account, spots := range unknown {
		var people []events.Person
		at := map[events.Person]int{}
		for _, s := range spots {
			if _, known := at[s.somebody]; !known {
				at[s.somebody] = len(people)
				people = append(people, s.somebody)
			}
		}
		customers, err := w.Vault.Customers(ctx, account, people)
		if err != nil {
			return fmt.Errorf("finding %d customers of account %s: %w", len(people), account, err)
		}
		for _, s := range spots {
			s.setSubject(customers[at[s.somebody]])
		}
	}
	return nil
}

// setSubject says who the person is. Of all but a status that is also the conversation's customer.
func (s *spot) setSubject(customer id.Customer) {
	s.subject = customer
	if s.status == nil {
		s.party.Customer = customer
		s.party.Conversation = conversation.IDOf(s.party.PhoneNumberID, customer)
	}
}

// record appends to all conversations at once, and to each in order of arrival.
func (w *work) record(ctx context.Context) error {
	var order []id.Conversation
	together := map[id.Conversation][]*spot{}
	for _, s := range w.spots {
		in := s.party.Conversation
		if together[in] == nil {
			order = append(order, in)
		}
		together[in] = append(together[in], s)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelMax)
	for _, in := range order {
		group.Go(func() error { return w.recordConversation(ctx, together[in]) })
	}
	return group.Wait()
}

func (w *work) recordConversation(ctx context.Context, spots []*spot) error {
	updates := make([]conversation.Update, len(spots))
	facts := make(map[id.Fact][]*spot, len(spots))
	for i, s := range spots {
		updates[i] = w.seal(s)
		if s.status != nil {
			facts[s.fact()] = append(facts[s.fact()], s)
		}
	}
	party := spots[0].party
	outcome, err := w.Recorder.RecordUpdates(ctx, w.meta, commands.Delivery{
		Account: party.Account, PhoneNumberID: party.PhoneNumberID, Customer: party.Customer,
		Conversation: party.Conversation, Updates: updates,
	})
	if err != nil {
		return fmt.Errorf("recording %d updates of conversation %s: %w", len(updates), party.Conversation, err)
	}
	w.mu.Lock()
	w.landed = outcome.Stream
	w.mu.Unlock()
	for _, update := range outcome.Unplaced {
		status, ok := update.(conversation.StatusUpdate)
		if !ok {
			return fmt.Errorf("conversation %s has no place for a message received", party.Conversation)
		}
		for _, s := range facts[status.FactID] {
			w.setAside(s.item, events.UnknownMessage, "the conversation has no such message", s.hash)
		}
		delete(facts, status.FactID) // repeats in one delivery come back together
	}
	return nil
}
