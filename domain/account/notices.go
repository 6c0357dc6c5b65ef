package account

import (
	"slices"

	"daybook/domain"
	"daybook/events"
	"daybook/events/id"
)

// NoticesStream is where the platform's notices are, for all accounts.
const NoticesStream = "notices"

// noticesShown is how many notices are remembered: the newest.
const noticesShown = 100

// Notices is what the platform published last, the newest at the end. The slice is replaced, never changed.
type Notices struct {
	shown []events.PlatformNoticePublished
}

// EvolveNotices folds one event.
func EvolveNotices(n Notices, event events.Event) Notices {
	if e, ok := event.(events.PlatformNoticePublished); ok {
		n.shown = append(slices.Clone(n.shown[max(0, len(n.shown)-noticesShown+1):]), e)
	}
	return n
}

// Shown returns the notices, the newest at the end.
func (n Notices) Shown() []events.PlatformNoticePublished { return n.shown }

// Notice tells all businesses something, from the platform's own account (S54).
func (s State) Notice(notice id.Message, texts []events.LocalizedReply) ([]events.Event, error) {
	if err := s.Usable(); err != nil {
		return nil, err
	}
	if !s.platform {
		return nil, domain.Refuse("NotPlatformAccount", "only the platform's own account publishes notices")
	}
	texts, err := localized("locales", texts)
	if err != nil {
		return nil, err
	}
	return []events.Event{events.PlatformNoticePublished{AccountID: s.id, NoticeID: notice, Locales: texts}}, nil
}
