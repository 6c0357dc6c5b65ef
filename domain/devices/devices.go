// Package devices decides on the registry of an account's linked devices.
//
// Invariants:
//   - A standard account links at most 4 devices (S1), of which at most 1 is a smartphone (S2); a premium account links
//     at most 10, of any kind (S3). A registry that is over the limits, after a downgrade, loses no device: linking is
//     refused until it is within them again (S10).
//   - Names have 1 to 50 characters and are unique among linked devices, whatever their case (S5).
//   - Device ids are never used again; the name of an unlinked device is free.
package devices

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"daybook/domain"
	"daybook/domain/account"
	"daybook/events"
	"daybook/events/id"
)

// Stream names the registry's stream.
func Stream(account id.Account) string { return "devices-" + account.String() }

// Limits of the two plans.
const (
	standardDevices     = 4
	standardSmartphones = 1
	premiumDevices      = 10
)

// State is a registry as far as decisions need it. The zero value has no devices.
type State struct {
	account id.Account
	linked  map[id.Device]device
	gone    map[id.Device]struct{}
}

type device struct {
	kind events.DeviceKind
	name string
}

// Evolve folds one event. It may change the maps of the state that it is given.
func Evolve(s State, event events.Event) State {
	if s.linked == nil {
		s.linked, s.gone = map[id.Device]device{}, map[id.Device]struct{}{}
	}
	switch e := event.(type) {
	case events.DeviceLinked:
		s.account = e.AccountID
		s.linked[e.DeviceID] = device{e.Kind, e.Name}
	case events.DeviceRenamed:
		s.linked[e.DeviceID] = device{s.linked[e.DeviceID].kind, e.Name}
	case events.DeviceUnlinked:
		delete(s.linked, e.DeviceID)
		s.gone[e.DeviceID] = struct{}{}
	}
	return s
}

// Link is the command to add a device.
type Link struct {
	Kind     string // smartphone, tablet or computer
	Platform string // such as "ios", "android", "web"
	Name     string // trimmed and brought to NFC
}

// Link adds a device under the plan that the account is on.
func (s State) Link(owner id.Account, added id.Device, c Link, plan account.Plan) ([]events.Event, error) {
	kind := events.DeviceKind(c.Kind)
	if kind != events.Smartphone && kind != events.Tablet && kind != events.Computer {
		return nil, domain.Malformed("DeviceKindUnknown", "kind", "kind must be smartphone, tablet or computer, not %q", c.Kind)
	}
	platform := strings.TrimSpace(c.Platform)
	if !isLine(platform, 32) {
		return nil, domain.Malformed("PlatformInvalid", "platform", "platform must have 1 to 32 characters and no control characters")
	}
	name, err := normal(c.Name)
	if err != nil {
		return nil, err
	}
	_, linked := s.linked[added]
	_, gone := s.gone[added]
	if linked || gone {
		return nil, domain.Refuse("DeviceExists", "device %s was linked before; ids are never used again", added)
	}
	if err = s.room(kind, plan); err != nil {
		return nil, err
	}
	if err = s.free(name, added); err != nil {
		return nil, err
	}
	return []events.Event{events.DeviceLinked{
		AccountID: owner, DeviceID: added, Kind: kind, Platform: platform, Name: name,
	}}, nil
}

// Rename gives a linked device another name. The same name again changes nothing.
func (s State) Rename(renamed id.Device, to string) ([]events.Event, error) {
	name, err := normal(to)
	if err != nil {
		return nil, err
	}
	d, err := s.find(renamed)
	if err != nil || d.name == name {
		return nil, err
	}
	if err = s.free(name, renamed); err != nil {
		return nil, err
	}
	return []events.Event{events.DeviceRenamed{
		AccountID: s.account, DeviceID: renamed, Name: name, PreviousName: d.name,
	}}, nil
}

// Unlink removes a device. A device that is unlinked already changes nothing.
func (s State) Unlink(removed id.Device, why events.UnlinkReason) ([]events.Event, error) {
	switch why {
	case events.UnlinkedByOwner, events.UnlinkedByInactivity, events.UnlinkedByOffboard:
	default:
		return nil, domain.Malformed("ReasonUnknown", "reason", "reason must be owner, inactivity or offboarded, not %q", why)
	}
	if _, gone := s.gone[removed]; gone {
		return nil, nil
	}
	if _, err := s.find(removed); err != nil {
		return nil, err
	}
	return []events.Event{events.DeviceUnlinked{AccountID: s.account, DeviceID: removed, Reason: why}}, nil
}

// Sender returns the present name of a device that is to send a message; only a linked one can.
func (s State) Sender(sending id.Device) (name string, err error) {
	d, linked := s.linked[sending]
	if !linked {
		return "", notLinked(sending)
	}
	return d.name, nil
}

func (s State) find(wanted id.Device) (device, error) {
	d, linked := s.linked[wanted]
	if linked {
		return d, nil
	}
	if _, gone := s.gone[wanted]; gone {
		return device{}, notLinked(wanted)
	}
	return device{}, domain.Missing("DeviceUnknown", "the account has no device %s", wanted)
}

// room refuses a device that would leave the registry outside the limits of the plan.
func (s State) room(kind events.DeviceKind, plan account.Plan) error {
	smartphones := 0
	for _, d := range s.linked {
		if d.kind == events.Smartphone {
			smartphones++
		}
	}
	if kind == events.Smartphone {
		smartphones++
	}
	limit := standardDevices
	if plan == account.Premium {
		limit = premiumDevices
	}
	switch {
	case len(s.linked) >= limit:
		return domain.Refuse("DeviceLimitReached", "the account has %d linked devices of %d", len(s.linked), limit)
	case plan == account.Standard && smartphones > standardSmartphones:
		return domain.Refuse("SmartphoneLimitReached", "a standard account links at most %d smartphone", standardSmartphones)
	}
	return nil
}

// free refuses a name that another linked device has, in any case.
func (s State) free(name string, except id.Device) error {
	fold := cases.Fold() // not kept: a Caser is not safe for concurrent use
	wanted := fold.String(name)
	for other, d := range s.linked {
		if other != except && fold.String(d.name) == wanted {
			return domain.Refuse("DeviceNameTaken", "another linked device is called %q", d.name)
		}
	}
	return nil
}

func normal(name string) (string, error) {
	name = norm.NFC.String(strings.TrimSpace(name))
	if !isLine(name, 50) {
		return "", domain.Malformed("DeviceNameInvalid", "name", "name must have 1 to 50 characters and no control characters")
	}
	return name, nil
}

func isLine(s string, limit int) bool {
	return s != "" && utf8.RuneCountInString(s) <= limit && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

func notLinked(d id.Device) error {
	return domain.Refuse("DeviceNotLinked", "device %s is not linked to the account", d)
}
