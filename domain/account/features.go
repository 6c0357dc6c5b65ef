package account

import (
	"daybook/domain"
	"daybook/events"
)

// features are those that are open to the account. It is one word's worth of flags, so that a state can be copied.
type features uint8

func bitOf(f events.Feature) features {
	switch f {
	case events.FeatureCampaigns:
		return 1
	case events.FeatureCommands:
		return 2
	case events.FeatureBetaDevices:
		return 4
	}
	return 0
}

func (f features) evolve(event events.Event) features {
	e, ok := event.(events.FeatureChanged)
	switch {
	case !ok:
		return f
	case e.Enabled:
		return f | bitOf(e.Feature)
	}
	return f &^ bitOf(e.Feature)
}

// Features lists all features that there are.
func Features() []events.Feature {
	return []events.Feature{events.FeatureCampaigns, events.FeatureCommands, events.FeatureBetaDevices}
}

// Has reports whether a feature is open to the account.
func (s State) Has(f events.Feature) bool { return s.features&bitOf(f) != 0 }

// Require refuses what needs a feature that is not open to the account.
func (s State) Require(f events.Feature) error {
	if !s.Has(f) {
		return domain.Refuse("FeatureNotEnabled", "the account does not have the feature %s", f)
	}
	return nil
}

// ChangeFeature opens a feature to the account, or closes it.
func (s State) ChangeFeature(f events.Feature, enabled bool) ([]events.Event, error) {
	switch {
	case !s.Exists():
		return nil, unknown()
	case bitOf(f) == 0:
		return nil, domain.Malformed("FeatureUnknown", "feature", "feature must be campaigns, commands or beta_devices, not %q", f)
	case s.Has(f) == enabled:
		return nil, nil
	}
	return []events.Event{events.FeatureChanged{AccountID: s.id, Feature: f, Enabled: enabled}}, nil
}
