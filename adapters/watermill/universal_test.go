package watermill_test

import (
	"os"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/tests"
	"github.com/stretchr/testify/require"

	"daybook/adapters/storetest"
	"daybook/adapters/watermill"
)

// features are what Watermill's universal suite may ask of the one-event Subscriber and the Publisher.
var features = tests.Features{
	ConsumerGroups:      true,  // a group is a value of Checkpoints
	GuaranteedOrder:     true,  // the log's order, and no message before the Ack of the one before
	Persistent:          true,  // the log stays
	ExactlyOnceDelivery: false, // a crash between the Ack and the saved checkpoint delivers again
	ContextPreserved:    false, // the log keeps what was said, not who waits for it

	ForceShort: os.Getenv("DAYBOOK_TEST_LONG") != "1",
}

var stores = map[string]func(t *testing.T) storetest.Store{
	"Embedded":     func(t *testing.T) storetest.Store { t.Helper(); return storetest.LendEmbedded(t) },
	"EventStoreDB": func(t *testing.T) storetest.Store { t.Helper(); return storetest.LendRemote(t) },
}

// TestUniversal runs Watermill's universal suite twice over each store: with subscribers that go on where others were,
// each with a reader of its own as in a process of its own; and with subscribers that begin at the beginning, all on one
// reader.
func TestUniversal(t *testing.T) {
	t.Parallel()
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			on := open(t)
			t.Run("GoingOn", func(t *testing.T) {
				t.Parallel()
				checkpoints := new(watermill.Memory)
				universal(t, on, features, func() *watermill.Subscriber { return newReader(on).Events(checkpoints) })
			})
			t.Run("FromTheStart", func(t *testing.T) {
				t.Parallel()
				reader, features := newReader(on), features
				features.NewSubscriberReceivesOldMessages = true
				universal(t, on, features, func() *watermill.Subscriber { return reader.Events(new(watermill.Memory)) })
			})
		})
	}
}

func universal(t *testing.T, on storetest.Store, features tests.Features, ungrouped func() *watermill.Subscriber) {
	t.Helper()
	pair := func(t *testing.T, subscriber *watermill.Subscriber) (message.Publisher, message.Subscriber) {
		t.Helper()
		t.Cleanup(func() { require.NoError(t, subscriber.Close()) }) // the suite does not close all of them
		return watermill.NewPublisher(on), subscriber
	}
	var groups sync.Map
	tests.TestPubSub(t, features,
		func(t *testing.T) (message.Publisher, message.Subscriber) {
			t.Helper()
			return pair(t, ungrouped())
		},
		func(t *testing.T, group string) (message.Publisher, message.Subscriber) {
			t.Helper()
			checkpoints, _ := groups.LoadOrStore(group, new(watermill.Memory))
			return pair(t, newReader(on).Events(checkpoints.(*watermill.Memory)))
		})
}

func newReader(log watermill.Log) *watermill.Reader {
	return watermill.NewReader(watermill.Config{Log: log, MinPause: time.Microsecond, MaxPause: time.Millisecond})
}
