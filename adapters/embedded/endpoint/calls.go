package endpoint

import (
	"context"
	"errors"
	"runtime/debug"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
)

// unary is what every call with one request goes through: who is it, and what went wrong.
func (s *Server) unary(
	ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler,
) (reply any, err error) {
	defer s.recovered(info.FullMethod, &err)
	ctx, err = s.authenticate(ctx)
	if err == nil {
		reply, err = handle(ctx, request)
	}
	if p, ok := errors.AsType[*problemError](err); ok {
		err = errors.Join(p, grpc.SetTrailer(ctx, p.trailers))
		return nil, p
	}
	return reply, err
}

// stream is the same for calls with streams of messages.
func (s *Server) stream(
	service any, call grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler,
) (err error) {
	defer s.recovered(info.FullMethod, &err)
	ctx, err := s.authenticate(call.Context())
	if err == nil {
		err = handle(service, &authenticated{ServerStream: call, ctx: ctx})
	}
	if p, ok := errors.AsType[*problemError](err); ok {
		call.SetTrailer(p.trailers)
		return p
	}
	return err
}

// authenticated is a call whose context knows who the client is.
type authenticated struct {
	grpc.ServerStream

	ctx context.Context //nolint:containedctx // a gRPC stream has its context inside
}

func (a *authenticated) Context() context.Context { return a.ctx }

// recovered keeps a fault of ours in one call from taking down the process, which may be the whole application.
func (s *Server) recovered(method string, err *error) {
	if fault := recover(); fault != nil {
		s.log.Error("call of a client crashed", "method", method, "fault", fault, "stack", string(debug.Stack()))
		*err = problem(codes.Internal, "", "internal error")
	}
}
