package policies

import "time"

// NewRatingInAppendsOf is NewRating with other limits of one append.
func NewRatingInAppendsOf(store RatingStore, now func() time.Time, maxEvents, maxBytes int) Policy {
	return newRating(store, now, maxEvents, maxBytes)
}

// ChargesKept is how many charges a shard remembers.
const ChargesKept = chargesKept
