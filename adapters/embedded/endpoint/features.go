package endpoint

import (
	"context"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
)

// version is the EventStoreDB that this endpoint behaves like. Clients refuse anything but three numbers.
const version = "24.10.0"

type featuresService struct {
	serverfeatures.UnimplementedServerFeaturesServer
}

// GetSupportedMethods says what works here. Clients decide by it what they call, so it names nothing that does not.
func (featuresService) GetSupportedMethods(context.Context, *shared.Empty) (*serverfeatures.SupportedMethods, error) {
	const (
		streams    = "event_store.client.streams.streams"
		persistent = "event_store.client.persistent_subscriptions.persistentsubscriptions"
		gossip     = "event_store.client.gossip.gossip"
		features   = "event_store.client.server_features.serverfeatures"
	)
	method := func(service, name string, features ...string) *serverfeatures.SupportedMethod {
		return &serverfeatures.SupportedMethod{ServiceName: service, MethodName: name, Features: features}
	}
	return &serverfeatures.SupportedMethods{
		EventStoreServerVersion: version,
		Methods: []*serverfeatures.SupportedMethod{
			method(streams, "read", "position", "events"),
			method(streams, "append"),
			method(streams, "delete"),
			method(streams, "tombstone"),
			method(persistent, "create", "stream", "all"),
			method(gossip, "read"),
			method(features, "getsupportedmethods"),
		},
	}, nil
}
