package endpoint

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
)

// admin is the one user who may touch streams whose names begin with $.
const admin = "admin"

// users knows the passwords by their hashes, so that comparing takes the same time for each.
type users map[string][sha256.Size]byte

func newUsers(passwords map[string]string) users {
	known := make(users, len(passwords))
	for name, password := range passwords {
		known[name] = sha256.Sum256([]byte(password))
	}
	return known
}

type userKey struct{}

// authenticate finds out who the client is: whoever names somebody has to have the password, for any call. No name is
// anonymous. Without TLS nobody is asked.
func (s *Server) authenticate(ctx context.Context) (context.Context, error) {
	if s.users == nil {
		return ctx, nil
	}
	header := metadata.ValueFromIncomingContext(ctx, "authorization")
	if len(header) == 0 {
		return ctx, nil
	}
	name, password, ok := basic(header[0])
	if !ok || len(header) > 1 || !s.users.have(name, password) {
		return ctx, problem(codes.Unauthenticated, "", "wrong user or password")
	}
	return context.WithValue(ctx, userKey{}, name), nil
}

// basic reads the header of RFC 7617.
func basic(header string) (name, password string, ok bool) {
	scheme, encoded, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "basic") {
		return "", "", false
	}
	pair, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return "", "", false
	}
	return strings.Cut(string(pair), ":")
}

func (u users) have(name, password string) bool {
	want, known := u[name]
	got := sha256.Sum256([]byte(password))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1 && known
}

// userName is who the client is, as records say it.
func userName(ctx context.Context) string {
	if name, known := ctx.Value(userKey{}).(string); known {
		return name
	}
	return "system"
}

// permit is nil if the client may touch a stream ("$all" for the whole log); every call that names a stream asks here.
// The metadata of a stream is as open as the stream itself.
func (s *Server) permit(ctx context.Context, stream string) error {
	if s.users == nil {
		return nil
	}
	name, known := ctx.Value(userKey{}).(string)
	switch {
	case !known:
		return denied("anonymous clients may not touch streams")
	case name != admin && strings.HasPrefix(strings.TrimPrefix(stream, "$$"), "$"):
		return denied("only admin may touch system streams")
	}
	return nil
}

// permitWrite is permit for calls that write.
func (s *Server) permitWrite(ctx context.Context, stream string) error {
	if s.cfg.ReadOnly {
		return denied("this endpoint is read-only")
	}
	return s.permit(ctx, stream)
}
