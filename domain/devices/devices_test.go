package devices_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/domain"
	"daybook/domain/account"
	"daybook/domain/devices"
	"daybook/domain/scenario"
	"daybook/events"
	"daybook/events/id"
)

var firm = id.Derive[id.Account]("test", "firm")

func device(n int) id.Device { return id.Derive[id.Device]("test", strconv.Itoa(n)) }

func linked(n int, kind events.DeviceKind, name string) events.DeviceLinked {
	return events.DeviceLinked{AccountID: firm, DeviceID: device(n), Kind: kind, Platform: "ios", Name: name}
}

func unlinked(n int) events.DeviceUnlinked {
	return events.DeviceUnlinked{AccountID: firm, DeviceID: device(n), Reason: events.UnlinkedByOwner}
}

func link(n int, kind events.DeviceKind, name string, plan account.Plan) func(devices.State) ([]events.Event, error) {
	return func(s devices.State) ([]events.Event, error) {
		return s.Link(firm, device(n), devices.Link{Kind: string(kind), Platform: "ios", Name: name}, plan)
	}
}

func rename(n int, name string) func(devices.State) ([]events.Event, error) {
	return func(s devices.State) ([]events.Event, error) { return s.Rename(device(n), name) }
}

func unlink(n int) func(devices.State) ([]events.Event, error) {
	return func(s devices.State) ([]events.Event, error) { return s.Unlink(device(n), events.UnlinkedByOwner) }
}

// registry is a registry with so many smartphones and then so many computers.
func registry(smartphones, computers int) scenario.Scenario[devices.State] {
	s := scenario.New(devices.Evolve)
	for n := range smartphones + computers {
		kind := events.Smartphone
		if n >= smartphones {
			kind = events.Computer
		}
		s = s.Given(linked(n, kind, "device "+strconv.Itoa(n)))
	}
	return s
}

func TestS01_StandardAccountLinksAtMostFourDevices(t *testing.T) {
	t.Parallel()
	full := registry(1, 2).When(link(8, events.Tablet, "fourth", account.Standard)).Then(t, linked(8, events.Tablet, "fourth"))
	rejection := full.When(link(9, events.Tablet, "fifth", account.Standard)).Rejected(t, "DeviceLimitReached")
	require.Equal(t, domain.Conflict, rejection.Kind)
	full.Given(unlinked(8)).When(link(9, events.Tablet, "fifth", account.Standard)).Then(t, linked(9, events.Tablet, "fifth"))
}

func TestS02_StandardAccountLinksAtMostOneSmartphone(t *testing.T) {
	t.Parallel()
	registry(1, 0).When(link(9, events.Smartphone, "second", account.Standard)).Rejected(t, "SmartphoneLimitReached")
	registry(0, 3).When(link(9, events.Smartphone, "first", account.Standard)).Then(t, linked(9, events.Smartphone, "first"))
}

func TestS03_PremiumAccountLinksTenDevicesOfAnyKind(t *testing.T) {
	t.Parallel()
	registry(9, 0).When(link(9, events.Smartphone, "tenth", account.Premium)).Then(t, linked(9, events.Smartphone, "tenth")).
		When(link(10, events.Tablet, "eleventh", account.Premium)).Rejected(t, "DeviceLimitReached")
}

func TestS04_DeviceHasAKind(t *testing.T) {
	t.Parallel()
	for _, kind := range []events.DeviceKind{events.Smartphone, events.Tablet, events.Computer} {
		registry(0, 0).When(link(0, kind, "one", account.Standard)).Then(t, linked(0, kind, "one"))
	}
	registry(0, 0).When(link(0, "toaster", "one", account.Standard)).Rejected(t, "DeviceKindUnknown")
	for _, platform := range []string{"", " ", "an\x1bdroid", "an\x00droid", strings.Repeat("x", 33)} {
		registry(0, 0).When(func(s devices.State) ([]events.Event, error) {
			return s.Link(firm, device(0), devices.Link{Kind: "tablet", Platform: platform, Name: "one"}, account.Standard)
		}).Rejected(t, "PlatformInvalid")
	}
}

func TestS05_DeviceNamesAreUniqueWithinTheAccount(t *testing.T) {
	t.Parallel()
	mario := scenario.New(devices.Evolve).Given(linked(1, events.Smartphone, "iPhone Mario"))
	for _, name := range []string{"iPhone Mario", "IPHONE MARIO", "  iphone mario\n"} {
		mario.When(link(2, events.Tablet, name, account.Standard)).Rejected(t, "DeviceNameTaken")
	}
	cafe := scenario.New(devices.Evolve).Given(linked(1, events.Smartphone, "Caff\u00e8"), linked(2, events.Tablet, "Straße"))
	cafe.When(link(3, events.Tablet, "CAFFE\u0300", account.Standard)).Rejected(t, "DeviceNameTaken")
	cafe.When(rename(1, "STRASSE")).Rejected(t, "DeviceNameTaken")

	// The name of an unlinked device is free.
	mario.Given(unlinked(1)).When(link(2, events.Smartphone, "iPhone Mario", account.Standard)).
		Then(t, linked(2, events.Smartphone, "iPhone Mario"))
}

func TestS05_DeviceCanBeRenamed(t *testing.T) {
	t.Parallel()
	renamed := func(name, previous string) events.DeviceRenamed {
		return events.DeviceRenamed{AccountID: firm, DeviceID: device(1), Name: name, PreviousName: previous}
	}
	mario := scenario.New(devices.Evolve).Given(linked(1, events.Smartphone, "iPhone Mario"), linked(2, events.Tablet, "iPad"))
	mario.When(rename(1, "iPhone Mario")).Then(t)
	mario.When(rename(1, " iPhone Mario ")).Then(t)
	mario.When(rename(1, "iphone MARIO")).Then(t, renamed("iphone MARIO", "iPhone Mario"))
	mario.When(rename(1, "ipad")).Rejected(t, "DeviceNameTaken")
	luigi := mario.When(rename(1, "Samsung Luigi")).Then(t, renamed("Samsung Luigi", "iPhone Mario"))
	luigi.When(rename(2, "iPhone Mario")).Then(t,
		events.DeviceRenamed{AccountID: firm, DeviceID: device(2), Name: "iPhone Mario", PreviousName: "iPad"})
	for _, name := range []string{"", "  ", "a\tb", "a\x00b", "\xff", strings.Repeat("x", 51)} {
		require.Equal(t, "name", mario.When(rename(1, name)).Rejected(t, "DeviceNameInvalid").Field)
	}
	mario.When(rename(1, strings.Repeat("è", 50))).Then(t, renamed(strings.Repeat("è", 50), "iPhone Mario"))

	require.Equal(t, domain.NotFound, mario.When(rename(9, "x")).Rejected(t, "DeviceUnknown").Kind)
	mario.Given(unlinked(1)).When(rename(1, "x")).Rejected(t, "DeviceNotLinked")
}

func TestS06_OnlyALinkedDeviceCanSend(t *testing.T) {
	t.Parallel()
	sends := func(n int) func(devices.State) ([]events.Event, error) {
		return func(s devices.State) ([]events.Event, error) {
			name, err := s.Sender(device(n))
			if err == nil {
				require.Equal(t, "device 0", name)
			}
			return nil, err
		}
	}
	registry(1, 1).When(sends(0)).Then(t)
	registry(1, 1).When(sends(5)).Rejected(t, "DeviceNotLinked")
	registry(1, 1).Given(unlinked(0)).When(sends(0)).Rejected(t, "DeviceNotLinked")
}

func TestS10_DowngradeUnlinksNothingAndBlocksLinking(t *testing.T) {
	t.Parallel()
	tooMany := registry(0, 6)
	tooMany.When(link(9, events.Computer, "more", account.Standard)).Rejected(t, "DeviceLimitReached")
	tooMany.When(rename(0, "still mine")).Then(t,
		events.DeviceRenamed{AccountID: firm, DeviceID: device(0), Name: "still mine", PreviousName: "device 0"})
	tooMany.Given(unlinked(0), unlinked(1)).When(link(9, events.Computer, "more", account.Standard)).Rejected(t, "DeviceLimitReached")
	tooMany.Given(unlinked(0), unlinked(1), unlinked(2)).When(link(9, events.Computer, "more", account.Standard)).
		Then(t, linked(9, events.Computer, "more"))

	twoPhones := registry(2, 0)
	twoPhones.When(link(9, events.Computer, "more", account.Standard)).Rejected(t, "SmartphoneLimitReached")
	twoPhones.Given(unlinked(0)).When(link(9, events.Computer, "more", account.Standard)).Then(t, linked(9, events.Computer, "more"))
}

func TestUnlink(t *testing.T) {
	t.Parallel()
	gone := registry(1, 0).When(unlink(0)).Then(t, unlinked(0))
	gone.When(unlink(0)).Then(t)
	gone.When(unlink(7)).Rejected(t, "DeviceUnknown")
	gone.When(link(0, events.Tablet, "back", account.Standard)).Rejected(t, "DeviceExists")
	gone.When(func(s devices.State) ([]events.Event, error) { return s.Unlink(device(0), "rust") }).Rejected(t, "ReasonUnknown")
}

// Whatever is asked in whatever order, the registry stays within its limits and names stay unique.
func TestRegistryInvariantsHold(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		plan := account.Plan(rapid.IntRange(0, 1).Draw(t, "plan"))
		kinds := map[id.Device]events.DeviceKind{}
		names := map[id.Device]string{}
		var s devices.State
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			n := rapid.IntRange(0, 14).Draw(t, "device")
			name := rapid.SampledFrom([]string{"a", "A", "b", " B", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"}).Draw(t, "name")
			kind := rapid.SampledFrom([]events.DeviceKind{events.Smartphone, events.Tablet}).Draw(t, "kind")
			ask := rapid.SampledFrom([]func(devices.State) ([]events.Event, error){
				link(n, kind, name, plan), link(n, kind, name, plan), rename(n, name), unlink(n),
			}).Draw(t, "ask")
			decided, err := ask(s)
			require.False(t, err != nil && len(decided) > 0)
			for _, event := range decided {
				s = devices.Evolve(s, event)
				switch e := event.(type) {
				case events.DeviceLinked:
					require.NotContains(t, kinds, e.DeviceID, "an id is never used again")
					kinds[e.DeviceID], names[e.DeviceID] = e.Kind, e.Name
				case events.DeviceRenamed:
					require.Equal(t, names[e.DeviceID], e.PreviousName)
					names[e.DeviceID] = e.Name
				case events.DeviceUnlinked:
					delete(names, e.DeviceID)
				}
			}
			unique, smartphones := map[string]bool{}, 0
			for d, name := range names {
				unique[strings.ToLower(name)] = true
				if kinds[d] == events.Smartphone {
					smartphones++
				}
			}
			require.Len(t, unique, len(names))
			if plan == account.Standard {
				require.LessOrEqual(t, len(names), 4)
				require.LessOrEqual(t, smartphones, 1)
			}
			require.LessOrEqual(t, len(names), 10)
		}
	})
}
