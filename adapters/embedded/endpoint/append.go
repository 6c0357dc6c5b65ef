package endpoint

import (
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
)

// streamService is the service Streams. BatchAppend is not there.
type streamService struct {
	streams.UnimplementedStreamsServer

	server *Server
}

// Read is a bounded read or a subscription.
func (s streamService) Read(request *streams.ReadReq, call streams.Streams_ReadServer) error {
	return s.server.Read(request, call)
}
