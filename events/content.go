package events

import (
	"time"

	"daybook/events/id"
)

// ContentPublished makes a version of a package of content the current one in a language. The content itself, the business's
// own words and pictures, is kept by its digest.
type ContentPublished struct {
	PackageVersion

	AccountID id.Account `json:"account_id"`
}

// PackageVersion is one version of a package in one language.
type PackageVersion struct {
	Package string `json:"package"`
	Locale  string `json:"locale"`
	Version int    `json:"version"` // from 1
	SHA256  string `json:"sha256"`  // in hex
}

// ContentRefreshScheduled says when a device downloads the account's content for the first time. It is not in the devices'
// stream, whose revision proves names.
type ContentRefreshScheduled struct {
	AccountID id.Account `json:"account_id"`
	DeviceID  id.Device  `json:"device_id"`
	NextAt    time.Time  `json:"next_at"`
}

// ContentRefreshed says that a device has the content that was current then, and when it looks again (S49).
type ContentRefreshed struct {
	AccountID   id.Account       `json:"account_id"`
	DeviceID    id.Device        `json:"device_id"`
	Turn        int              `json:"turn"` // of this device's downloads, failed ones included, from 0
	Packages    []PackageVersion `json:"packages,omitempty"`
	RefreshedAt time.Time        `json:"refreshed_at"`
	NextAt      time.Time        `json:"next_at"` // 31 days later
}

// ContentRefreshFailed says that a download failed, and when it is tried again (S50).
type ContentRefreshFailed struct {
	AccountID id.Account `json:"account_id"`
	DeviceID  id.Device  `json:"device_id"`
	Turn      int        `json:"turn"`
	Attempt   int        `json:"attempt"` // since the last that worked, from 1
	Code      string     `json:"code"`    // why, in a word
	FailedAt  time.Time  `json:"failed_at"`
	RetryAt   time.Time  `json:"retry_at"` // five minutes later
}

func (ContentPublished) isEvent()        {}
func (ContentRefreshScheduled) isEvent() {}
func (ContentRefreshed) isEvent()        {}
func (ContentRefreshFailed) isEvent()    {}
