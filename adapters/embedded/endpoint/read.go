package endpoint

import (
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc/codes"
)

// Read answers bounded reads and subscriptions.
func (s *Server) Read(*streams.ReadReq, streams.Streams_ReadServer) error {
	return problem(codes.Unimplemented, "", "reads are not there yet")
}
