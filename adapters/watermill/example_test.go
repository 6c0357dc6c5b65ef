package watermill_test

import (
	"context"
	"fmt"
	"log"

	wm "github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"

	"daybook/adapters/embedded"
	"daybook/adapters/watermill"
)

func Example() {
	store, err := embedded.Open("orders", embedded.InMemory())
	if err != nil {
		log.Fatal(err)
	}
	publisher := watermill.NewPublisher(store)
	placed := message.NewMessage(wm.NewUUID(), []byte(`{"order":17}`))
	placed.Metadata.Set(watermill.KeyType, "OrderPlaced")
	if err := publisher.Publish("order-17", placed); err != nil {
		log.Fatal(err)
	}

	subscriber := watermill.NewReader(watermill.Config{Log: store}).Events(new(watermill.Memory))
	messages, err := subscriber.Subscribe(context.Background(), "order-17")
	if err != nil {
		log.Fatal(err)
	}
	msg := <-messages
	fmt.Println(msg.Metadata.Get(watermill.KeyType), string(msg.Payload))
	msg.Ack()

	if err := subscriber.Close(); err != nil {
		log.Fatal(err)
	}
	if err := store.Close(); err != nil {
		log.Fatal(err)
	}
	// Output: OrderPlaced {"order":17}
}
