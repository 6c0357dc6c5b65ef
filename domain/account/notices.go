package account

import (
	"daybook/domain"
	"daybook/events"
	"daybook/events/id"
)

// PublishNotice tells all businesses something, from the platform's own account (S54).
func (s State) PublishNotice(notice id.Message, texts []events.LocalizedReply) ([]events.Event, error) {
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
