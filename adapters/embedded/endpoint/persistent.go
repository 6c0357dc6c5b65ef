package endpoint

import (
	"github.com/EventStore/EventStore-Client-Go/v4/protos/persistent"
)

type persistentService struct {
	persistent.UnimplementedPersistentSubscriptionsServer

	server *Server
}
