// Package content decides on what a business shows in several languages: the packages that its devices download, and
// structured messages.
//
// Invariants:
//   - A package has one current version in each language; publishing what is current changes nothing.
//   - A device downloads when it is linked, 31 days after each download that worked (S49), and five minutes after each that
//     failed (S50). Each turn ends once.
package content

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"daybook/domain"
	"daybook/domain/account"
	"daybook/domain/timer"
	"daybook/events"
	"daybook/events/id"
)

// Stream names the stream of an account's content.
func Stream(account id.Account) string { return "content-" + account.String() }

// How long content is good for, and how long after a failure it is tried again.
const (
	goodFor    = 31 * 24 * time.Hour
	retryAfter = 5 * time.Minute
)

// packagesMax bounds an account's packages, each language counted.
const packagesMax = 100

var (
	packageForm = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)
	digestForm  = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// State is an account's content as far as decisions need it.
type State struct {
	current map[edition]events.PackageVersion
	devices map[id.Device]refresh
}

// edition is a package in a language.
type edition struct{ name, locale string }

// refresh is where a device stands.
type refresh struct{ turn, failed int }

// Evolve folds one event. It may change the maps of the state that it is given.
func Evolve(s State, event events.Event) State {
	if s.current == nil {
		s.current, s.devices = map[edition]events.PackageVersion{}, map[id.Device]refresh{}
	}
	switch e := event.(type) {
	case events.ContentPublished:
		s.current[edition{e.Package, e.Locale}] = e.PackageVersion
	case events.ContentRefreshScheduled:
		s.devices[e.DeviceID] = refresh{}
	case events.ContentRefreshed:
		s.devices[e.DeviceID] = refresh{turn: e.Turn + 1}
	case events.ContentRefreshFailed:
		s.devices[e.DeviceID] = refresh{turn: e.Turn + 1, failed: e.Attempt}
	}
	return s
}

// Publish is the command to make content current.
type Publish struct {
	Package string // 1 to 64 small letters, digits, - and _
	Locale  string
	SHA256  string // of the content
}

// Publish makes content the current version of a package in a language.
func (s State) Publish(owner id.Account, c Publish) ([]events.Event, error) {
	switch {
	case !packageForm.MatchString(c.Package):
		return nil, domain.Malformed("PackageInvalid", "package", "package must have 1 to 64 small letters, digits, - or _")
	case !account.IsLanguage(c.Locale):
		return nil, domain.Malformed("LanguageInvalid", "locale", "locale must be such as it or pt_BR, not %q", c.Locale)
	case !digestForm.MatchString(c.SHA256):
		return nil, domain.Malformed("DigestInvalid", "sha256", "sha256 must be a SHA-256 in hex")
	}
	was, known := s.current[edition{c.Package, c.Locale}]
	switch {
	case known && was.SHA256 == c.SHA256:
		return nil, nil
	case !known && len(s.current) == packagesMax:
		return nil, domain.Refuse("TooManyPackages", "an account has at most %d packages, each language counted", packagesMax)
	}
	return []events.Event{events.ContentPublished{AccountID: owner, PackageVersion: events.PackageVersion{
		Package: c.Package, Locale: c.Locale, Version: was.Version + 1, SHA256: c.SHA256,
	}}}, nil
}

// Current lists what a device downloads, in order.
func (s State) Current() []events.PackageVersion {
	return slices.SortedFunc(maps.Values(s.current), func(a, b events.PackageVersion) int {
		return strings.Compare(a.Package+" "+a.Locale, b.Package+" "+b.Locale)
	})
}

// Schedule has a device download for the first time. A device that does already changes nothing.
func (s State) Schedule(owner id.Account, device id.Device, at time.Time) ([]events.Event, error) {
	if _, known := s.devices[device]; known {
		return nil, nil
	}
	return []events.Event{events.ContentRefreshScheduled{AccountID: owner, DeviceID: device, NextAt: at}}, nil
}

// Turn returns the turn of a device that a timer belongs to, unless it has ended.
func (s State) Turn(owner id.Account, device id.Device, fired id.Timer) (turn int, open bool) {
	d, known := s.devices[device]
	return d.turn, known && timerOf(owner, device, d.turn, time.Time{}).ID() == fired
}

// Refreshed ends a turn that worked: the device has what the turn began with. A turn that has ended changes nothing.
func (s State) Refreshed(owner id.Account, device id.Device, turn int, had []events.PackageVersion, now time.Time) ([]events.Event, error) {
	if d, known := s.devices[device]; !known || d.turn != turn {
		return nil, nil
	}
	return []events.Event{events.ContentRefreshed{
		AccountID: owner, DeviceID: device, Turn: turn, Packages: had, RefreshedAt: now, NextAt: now.Add(goodFor),
	}}, nil
}

// Failed ends a turn that did not work. A turn that has ended changes nothing.
func (s State) Failed(owner id.Account, device id.Device, turn int, code string, now time.Time) ([]events.Event, error) {
	d, known := s.devices[device]
	if !known || d.turn != turn {
		return nil, nil
	}
	return []events.Event{events.ContentRefreshFailed{
		AccountID: owner, DeviceID: device, Turn: turn, Attempt: d.failed + 1, Code: code, FailedAt: now, RetryAt: now.Add(retryAfter),
	}}, nil
}

// Next returns the timer that follows from an event of this stream: of the next turn of a device.
func Next(event events.Event) (_ timer.Set, follows bool) {
	switch e := event.(type) {
	case events.ContentRefreshScheduled:
		return timerOf(e.AccountID, e.DeviceID, 0, e.NextAt), true
	case events.ContentRefreshed:
		return timerOf(e.AccountID, e.DeviceID, e.Turn+1, e.NextAt), true
	case events.ContentRefreshFailed:
		return timerOf(e.AccountID, e.DeviceID, e.Turn+1, e.RetryAt), true
	}
	return timer.Set{}, false
}

func timerOf(owner id.Account, device id.Device, turn int, due time.Time) timer.Set {
	return timer.Set{
		Account: owner, Kind: events.TimerContentRefresh, Stream: Stream(owner), Subject: device.String(), Ordinal: turn, Due: due,
	}
}
