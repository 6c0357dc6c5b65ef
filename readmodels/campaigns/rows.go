package campaigns

import (
	"time"

	"daybook/events/id"
)

// CampaignRow is a row of campaigns.
type CampaignRow struct {
	CampaignID    id.Campaign `db:"campaign_id,key"`
	AccountID     *id.Account `db:"account_id"`
	PhoneNumberID *string     `db:"phone_number_id"`
	Name          *string     `db:"name"`
	Template      *string     `db:"template"`
	Category      *string     `db:"category"`
	Phase         *string     `db:"phase"`
	PausedFor     *string     `db:"paused_for"`
	Segment       *string     `db:"segment"`
	Recipients    *int64      `db:"recipients"`
	StartsAt      *time.Time  `db:"starts_at"`
	EndsAt        *time.Time  `db:"ends_at"`
	Timezone      *string     `db:"timezone"`
	DeviceName    *string     `db:"device_name"`
	LimitMicros   *int64      `db:"limit_micros"`
	Currency      *string     `db:"currency"`
	StartedAt     *time.Time  `db:"started_at"`
}

// MoneyRow is a row of money.
type MoneyRow struct {
	CampaignID id.Campaign `db:"campaign_id,key"`
	Spent      int64       `db:"spent"`
	Reserved   int64       `db:"reserved"`
}

// SpendRow is a row of spend.
type SpendRow struct {
	CampaignID id.Campaign `db:"campaign_id,key"`
	Market     string      `db:"market,key"`
	Charged    int64       `db:"charged"`
	Micros     int64       `db:"micros"`
}

// FunnelRow is a row of funnel.
type FunnelRow struct {
	CampaignID id.Campaign `db:"campaign_id,key"`
	Market     string      `db:"market,key"`
	Written    int64       `db:"written"`
	Sent       int64       `db:"sent"`
	Delivered  int64       `db:"delivered"`
	Read       int64       `db:"read"`
	Failed     int64       `db:"failed"`
	Expired    int64       `db:"expired"`
}

// SkipRow is a row of skips.
type SkipRow struct {
	CampaignID id.Campaign `db:"campaign_id,key"`
	Reason     string      `db:"reason,key"`
	Recipients int64       `db:"recipients"`
}
