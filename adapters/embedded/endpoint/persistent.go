package endpoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/persistent"
	"google.golang.org/grpc/codes"

	"daybook/adapters/embedded"
	"daybook/events"
	"daybook/events/id"
)

// Groups of persistent subscriptions are kept as EventStoreDB keeps them: each event of this stream lists all of them.
const (
	groupsStream  = "$persistentSubscriptionConfig"
	groupsType    = "$PersistentConfig"
	groupsVersion = "2"
)

type groups struct {
	Version   string    `json:"version"`
	Updated   time.Time `json:"updated"`
	UpdatedBy string    `json:"updatedBy"` //nolint:tagliatelle // EventStoreDB's names
	Entries   []group   `json:"entries"`
}

func (g *groups) have(stream, name string) bool {
	return slices.ContainsFunc(g.Entries, func(e group) bool { return e.Stream == stream && e.Group == name })
}

// persistentService is the service PersistentSubscriptions. Only Create is there: groups are recorded, nobody is served.
type persistentService struct {
	persistent.UnimplementedPersistentSubscriptionsServer

	server *Server
}

// Create records a group for a stream, which need not exist, or for $all.
func (p persistentService) Create(ctx context.Context, request *persistent.CreateReq) (*persistent.CreateResp, error) {
	wanted, start, err := parseGroup(request.GetOptions())
	if err != nil {
		return nil, err
	}
	if err := p.server.permitWrite(ctx, wanted.Stream); err != nil {
		return nil, err
	}
	head, err := p.server.store.Head(ctx)
	if err != nil {
		return nil, storeProblem(err)
	}
	if reason := wanted.flaw(start, head); reason != "" {
		return nil, refused(wanted, reason)
	}
	for {
		err := p.server.record(ctx, wanted)
		if _, lost := errors.AsType[*events.WrongRevisionError](err); lost {
			continue // to another one that was recorded at the same time
		}
		if large, ok := errors.AsType[*embedded.TooLargeError](err); ok {
			return nil, refused(wanted, large.Error())
		}
		if err != nil {
			return nil, p.server.answer(err, "create group", wanted.Stream)
		}
		return &persistent.CreateResp{}, nil
	}
}

// record adds a group to the list, unless it is there.
func (s *Server) record(ctx context.Context, wanted group) error {
	last, found, err := s.store.ReadLast(ctx, groupsStream)
	if err != nil {
		return err
	}
	all, expected := groups{}, events.NoStream
	if found {
		expected = events.Exactly(last.Revision)
		if last.Type != groupsType || json.Unmarshal(last.Data, &all) != nil {
			return refused(wanted, "what is recorded in "+groupsStream+" cannot be read")
		}
	}
	if all.have(wanted.Stream, wanted.Group) {
		return problem(codes.AlreadyExists, subscriptionExists,
			fmt.Sprintf("Subscription group %s on stream %s already exists.", wanted.Group, wanted.Stream),
			"stream-name", wanted.Stream, "group-name", wanted.Group)
	}
	all.Version, all.Updated, all.UpdatedBy = groupsVersion, s.cfg.Now().UTC(), userName(ctx)
	all.Entries = append(all.Entries, wanted)
	data, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("listing groups: %w", err)
	}
	list := events.Proposed{ID: id.New[id.Event](), Type: groupsType, Data: data}
	_, err = s.store.Append(ctx, groupsStream, expected, []events.Proposed{list})
	return err
}

// refused says that a group cannot be as it is wanted.
func refused(wanted group, reason string) error {
	return problem(codes.Internal, subscriptionRefused,
		fmt.Sprintf("Subscription group %s on stream %s failed: '%s'.", wanted.Group, wanted.Stream, reason),
		"stream-name", wanted.Stream, "group-name", wanted.Group, "reason", reason)
}
