package watermill

import (
	"context"
	"sync"

	"daybook/events"
)

// Memory holds checkpoints of one store for as long as the process lives: for tests, and for readers that are to begin
// at the start of the log each time. The zero value is ready.
type Memory struct {
	mu sync.Mutex
	at map[string]events.Position
}

var _ Checkpoints = (*Memory)(nil)

// Load implements Checkpoints. It never fails.
func (m *Memory) Load(_ context.Context, topic string) (events.Position, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.at[topic], nil
}

// Save implements Checkpoints. It never fails.
func (m *Memory) Save(_ context.Context, topic string, at events.Position) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.at == nil {
		m.at = map[string]events.Position{}
	}
	m.at[topic] = max(m.at[topic], at)
	return nil
}
