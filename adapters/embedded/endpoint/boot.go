package endpoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"daybook/adapters/embedded"
	"daybook/events"
	"daybook/events/id"
)

// account is a user as EventStoreDB records it; passwords stay in the configuration.
type account struct {
	LoginName string   `json:"loginName"` //nolint:tagliatelle // EventStoreDB's names
	FullName  string   `json:"fullName"`  //nolint:tagliatelle // EventStoreDB's names
	Groups    []string `json:"groups"`
}

// Boot writes what every EventStoreDB has in its log before anything else, and what clients look for to find out
// whether it is ready: the users. Where something is in these streams already, it stays as it is; so repeats write
// nothing. A read-only endpoint writes nothing either.
func (s *Server) Boot(ctx context.Context) error {
	if s.cfg.ReadOnly {
		return nil
	}
	accounts := []account{
		{admin, "Event Store Administrator", []string{"$admins"}},
		{"ops", "Event Store Operations", []string{"$ops"}},
	}
	var listed []events.Proposed
	for _, a := range accounts {
		created, err := json.Marshal(a)
		if err != nil {
			return fmt.Errorf("describing user %s: %w", a.LoginName, err)
		}
		stream := "$user-" + a.LoginName
		acl := `{"$acl":{"$w":"$admins","$d":"$admins","$mw":"$admins"}}`
		if err := s.begin(ctx, "$$"+stream, bootEvent("$metadata", a, []byte(acl))); err != nil {
			return err
		}
		if err := s.begin(ctx, stream, bootEvent("$UserCreated", a, created)); err != nil {
			return err
		}
		name := bootEvent("$User", a, []byte(a.LoginName))
		name.Binary = true
		listed = append(listed, name)
	}
	return s.begin(ctx, "$users", listed...)
}

// begin writes the first events of a stream, unless it has others or is deleted.
func (s *Server) begin(ctx context.Context, stream string, first ...events.Proposed) error {
	_, err := s.store.Append(ctx, stream, events.NoStream, first)
	if _, ok := errors.AsType[*events.WrongRevisionError](err); ok {
		return nil
	}
	if _, ok := errors.AsType[*embedded.DeletedError](err); ok {
		return nil
	}
	return err
}

// bootEvent has an id that depends on nothing else, so that it is the same at every start.
func bootEvent(kind string, of account, data []byte) events.Proposed {
	return events.Proposed{ID: id.Derive[id.Event]("boot", kind, of.LoginName), Type: kind, Data: data}
}
