package api

import (
	"time"

	"daybook/events/id"
)

// MessageFigures is how many messages an account had, bucket by bucket.
type MessageFigures struct {
	AccountID id.Account           `json:"account_id" format:"uuid" doc:"The business."`
	Bucket    string               `json:"bucket"     enum:"hour,day" doc:"How long a bucket is, in the account's time zone."`
	Figures   []Figures            `json:"figures"    nullable:"false" doc:"By start, then device, category and market. Buckets in which nothing happened are left out."`
	Positions []ProjectionPosition `json:"positions"  nullable:"false" doc:"How far each projection was that this was read from."`
}

// Figures count the messages of one bucket or, when asked by something, of one part of it. Each counts once for every
// recipient, in the bucket in which it was written, whatever became of it later: so a rate compares the same messages.
type Figures struct {
	Start         time.Time     `json:"start"              doc:"When the bucket begins, with the offset of the account's time zone." example:"2026-10-05T00:00:00+02:00"`
	Device        *FigureDevice `json:"device,omitempty"   doc:"By device: which one wrote; missing for what customers wrote."`
	Category      string        `json:"category,omitempty" doc:"By category: what it was sent as; missing for what customers wrote." example:"utility"`
	Market        string        `json:"market,omitempty"   doc:"By market: the recipient's when it was written; missing for what customers wrote and when no rate card told." example:"Italy"`
	Received      int64         `json:"received"           doc:"Written by customers." example:"12"`
	Sent          int64         `json:"sent"               doc:"Sent on by the platform." example:"40"`
	Delivered     int64         `json:"delivered"          doc:"Reached the recipient, also when the platform only told that it was read or played." example:"38"`
	Read          int64         `json:"read"               doc:"Told to be read. Played alone does not count: people who keep their reading to themselves still show that." example:"31"`
	Failed        int64         `json:"failed"             doc:"Given up by the platform. What reached another device of the recipient is delivered as well." example:"1"`
	Answers       int64         `json:"answers"            doc:"First answers to customers who were waiting for one." example:"9"`
	AnswerSeconds int64         `json:"answer_seconds"     doc:"How long those had waited, together: divided by answers, the mean first-response time." example:"540"`
}

// FigureDevice is a device by the name that it has now, or had last.
type FigureDevice struct {
	ID   id.Device `json:"id"   format:"uuid" doc:"The device."`
	Name string    `json:"name" doc:"What it is called now, or was called last." example:"iPhone banco"`
}
