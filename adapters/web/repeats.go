package web

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"github.com/danielgtaylor/huma/v2"
	lru "github.com/hashicorp/golang-lru/v2"

	"daybook/commands"
	"daybook/events/id"
)

// identified is a command's input: it says by which key a repeat is recognised, and within what.
type identified interface {
	Identity() (scope, key string)
}

// command registers an operation that changes something. The command's id follows from the idempotency key, within the
// account and whatever the route.
func command[In identified, Out any](s *server, a huma.API, who access, op huma.Operation, handle func(context.Context, commands.Meta, *In) (*Out, error)) {
	endpoint(s, a, who, op, func(ctx context.Context, in *In) (*Out, error) {
		scope, key := (*in).Identity()
		meta := metaOf(ctx)
		if key == "" {
			return handle(ctx, meta, in)
		}
		meta.Command = id.Derive[id.Command]("idempotency", scope, key)
		request, err := digest(op.OperationID, in)
		if err != nil {
			return nil, err
		}
		if err := s.used.check(meta.Command, request); err != nil {
			return nil, err
		}
		out, err := handle(ctx, meta, in)
		if err == nil {
			s.used.remember(meta.Command, request)
		}
		return out, err
	})
}

// usedKeys remembers for which request each idempotency key was used, lately and in this process. For good, each stream
// knows its own commands; only here is it noticed that a key comes again for another stream, such as another customer's.
// Digests stay in memory: they cover personal data.
type usedKeys struct {
	requests *lru.Cache[id.Command, [sha256.Size]byte]
}

// maxUsedKeys bounds the memory: about 100 bytes each.
const maxUsedKeys = 1 << 15

func newUsedKeys() usedKeys {
	requests, err := lru.New[id.Command, [sha256.Size]byte](maxUsedKeys)
	if err != nil {
		panic(err) // only a size below 1 is an error
	}
	return usedKeys{requests}
}

func (u usedKeys) check(command id.Command, request [sha256.Size]byte) error {
	if before, ok := u.requests.Get(command); ok && before != request {
		return &commands.CommandReusedError{Command: command}
	}
	return nil
}

func (u usedKeys) remember(command id.Command, request [sha256.Size]byte) {
	u.requests.Add(command, request)
}

// digest covers the operation and everything that was asked of it.
func digest(operation string, in any) ([sha256.Size]byte, error) {
	fields, err := json.Marshal(in)
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("digest of %s: %w", operation, err)
	}
	return sha256.Sum256(append([]byte(operation+"\n"), fields...)), nil
}
