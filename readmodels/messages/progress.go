package messages

import "time"

// Status is how far a message came.
type Status string

// The statuses, in rising rank from queued to played; received is of inbound messages. Failed stands apart: it holds
// only while nothing says that the message was delivered.
const (
	StatusReceived  Status = "received"
	StatusQueued    Status = "queued"
	StatusAccepted  Status = "accepted"
	StatusSent      Status = "sent"
	StatusFailed    Status = "failed"
	StatusDelivered Status = "delivered"
	StatusRead      Status = "read"
	StatusPlayed    Status = "played"
)

// Progress is the steps of a message's way, by the platform's clock. Nil is a step not taken or not told.
type Progress struct {
	Status      Status // the furthest step
	SentAt      *time.Time
	DeliveredAt *time.Time
	// DeliveredInferred says that the platform skipped delivered, and DeliveredAt is the time of what implies it.
	DeliveredInferred bool
	ReadAt            *time.Time
	PlayedAt          *time.Time
	FailedAt          *time.Time
	Failure           *Failure   // with FailedAt, though a delivery may outrank it
	ExpiredAt         *time.Time // when it counted as lost
	Late              bool       // it was delivered after its life
}

// Failure is why the platform gave up, by its code. What it says beside may name people, and is sealed in the event.
type Failure struct{ Code int }

// steps are the times as stored.
type steps struct {
	SentAt      *time.Time `db:"sent_at"`
	DeliveredAt *time.Time `db:"delivered_at"`
	ReadAt      *time.Time `db:"read_at"`
	PlayedAt    *time.Time `db:"played_at"`
	FailedAt    *time.Time `db:"failed_at"`
	FailureCode *int       `db:"failure_code"`
	ExpiredAt   *time.Time `db:"expired_at"`
	Late        *bool      `db:"late"`
}

// progress ranks the steps: played over read over delivered over failed over sent over how it started.
func (s steps) progress(start Status) Progress {
	p := Progress{
		Status: start, SentAt: s.SentAt, DeliveredAt: s.DeliveredAt, ReadAt: s.ReadAt, PlayedAt: s.PlayedAt,
		FailedAt: s.FailedAt, ExpiredAt: s.ExpiredAt, Late: orZero(s.Late),
	}
	if s.FailureCode != nil {
		p.Failure = &Failure{*s.FailureCode}
	}
	if p.DeliveredAt == nil {
		p.DeliveredAt = earlier(s.ReadAt, s.PlayedAt)
		p.DeliveredInferred = p.DeliveredAt != nil
	}
	for _, step := range []struct {
		status Status
		at     *time.Time
	}{
		{StatusSent, s.SentAt},
		{StatusFailed, s.FailedAt},
		{StatusDelivered, p.DeliveredAt},
		{StatusRead, s.ReadAt},
		{StatusPlayed, s.PlayedAt},
	} {
		if step.at != nil {
			p.Status = step.status
		}
	}
	return p
}

// earliest takes each step's earlier time, and the failure that goes with it.
func (s steps) earliest(o steps) steps {
	if s.FailedAt == nil || o.FailedAt != nil && o.FailedAt.Before(*s.FailedAt) {
		s.FailureCode = o.FailureCode
	}
	s.SentAt = earlier(s.SentAt, o.SentAt)
	s.DeliveredAt = earlier(s.DeliveredAt, o.DeliveredAt)
	s.ReadAt = earlier(s.ReadAt, o.ReadAt)
	s.PlayedAt = earlier(s.PlayedAt, o.PlayedAt)
	s.FailedAt = earlier(s.FailedAt, o.FailedAt)
	return s
}

func earlier(a, b *time.Time) *time.Time {
	if a == nil || b != nil && b.Before(*a) {
		return b
	}
	return a
}
