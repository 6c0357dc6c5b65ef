package scenario_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/domain"
	"daybook/domain/scenario"
	"daybook/events"
)

// recorder catches what a failing scenario would say.
type recorder struct {
	testing.TB

	said string
}

func (r *recorder) Helper() {}

func (r *recorder) Fatalf(format string, args ...any) {
	r.said = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func complaint(check func(t testing.TB)) string {
	r := &recorder{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		check(r)
	}()
	<-done
	return r.said
}

func count(n int, _ events.Event) int { return n + 1 }

func decide(decided []events.Event, err error) func(int) ([]events.Event, error) {
	return func(int) ([]events.Event, error) { return decided, err }
}

func TestScenarioSaysWhatDiffers(t *testing.T) {
	t.Parallel()
	one := []events.Event{events.DeviceLinked{Kind: events.Tablet, Name: "iPad"}}
	said := complaint(func(t testing.TB) {
		scenario.New(count).When(decide(one, nil)).Then(t, events.DeviceLinked{Kind: events.Tablet, Name: "iPad Luigi"})
	})
	require.Contains(t, said, "-   \"name\": \"iPad Luigi\"\n+   \"name\": \"iPad\"")
	require.Contains(t, said, "    \"kind\": \"tablet\"")

	require.Contains(t, complaint(func(t testing.TB) { scenario.New(count).When(decide(one, nil)).Then(t) }), "- (nothing)")
	require.Contains(t, complaint(func(t testing.TB) { scenario.New(count).When(decide(one, nil)).Rejected(t, "X") }), "iPad")
	require.Contains(t, complaint(func(t testing.TB) {
		scenario.New(count).When(decide(nil, domain.Refuse("Y", "why"))).Rejected(t, "X")
	}), "got Y: why")
	require.Contains(t, complaint(func(t testing.TB) {
		scenario.New(count).When(decide(one, domain.Refuse("X", "why"))).Rejected(t, "X")
	}), "and yet decided")
	require.Contains(t, complaint(func(t testing.TB) {
		scenario.New(count).When(decide(nil, domain.Refuse("Y", "why"))).Then(t)
	}), "rejected: Y: why")
}

func TestScenarioKeepsItsPast(t *testing.T) {
	t.Parallel()
	linked := events.DeviceLinked{Name: "iPad"}
	start := scenario.New(count).Given(linked)
	start.Given(linked, linked).When(func(n int) ([]events.Event, error) {
		require.Equal(t, 3, n)
		return nil, nil
	}).Then(t)
	start.When(decide([]events.Event{linked}, nil)).Then(t, linked).When(func(n int) ([]events.Event, error) {
		require.Equal(t, 2, n)
		return nil, nil
	}).Then(t)
}
