package campaign

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"
	"strings"

	"daybook/events"
	"daybook/events/id"
)

// Chunk is the audiences of one chunk of a campaign, and what became of their recipients.
type Chunk struct {
	taken    []events.AudienceTaken // newest last: an audience that was taken and never set is of no use
	outcomes []events.RecipientOutcome
}

// EvolveChunk folds one event of a chunk's stream.
func EvolveChunk(c Chunk, event events.Event) Chunk {
	switch e := event.(type) {
	case events.AudienceTaken:
		c.taken = append(c.taken, e)
	case events.RecipientsWritten:
		c.outcomes = append(c.outcomes, e.Outcomes...)
	}
	return c
}

// Take notes the recipients of an audience, once.
func (c Chunk) Take(taken events.AudienceTaken) ([]events.Event, error) {
	if c.find(taken.AudienceID) != nil {
		return nil, nil
	}
	taken.SHA256 = Digest(taken.Recipients)
	return []events.Event{taken}, nil
}

// Recipients returns the recipients of an audience; nil when it was not taken.
func (c Chunk) Recipients(audience id.Audience) []events.Recipient {
	if taken := c.find(audience); taken != nil {
		return taken.Recipients
	}
	return nil
}

func (c Chunk) find(audience id.Audience) *events.AudienceTaken {
	i := slices.IndexFunc(c.taken, func(t events.AudienceTaken) bool { return t.AudienceID == audience })
	if i < 0 {
		return nil
	}
	return &c.taken[i]
}

// Outcomes returns what became of recipients from one on up to another; false when that is not noted yet.
func (c Chunk) Outcomes(from, to int) ([]events.RecipientOutcome, bool) {
	if to > len(c.outcomes) {
		return nil, false
	}
	return c.outcomes[from:to], true
}

// Write notes what became of recipients from one on, once.
func (c Chunk) Write(w events.RecipientsWritten) ([]events.Event, error) {
	if w.From != len(c.outcomes) {
		return nil, nil
	}
	return []events.Event{w}, nil
}

// Digest is SHA-256, in hex, over the recipients: a line each of customer, dialling prefix, country and language, divided by
// tabs. What is sealed is not in it: it changes when it is sealed anew, and nothing when it is erased.
func Digest(recipients []events.Recipient) string {
	sum := sha256.New()
	for _, r := range recipients {
		_, _ = io.WriteString(sum, strings.Join([]string{r.CustomerID.String(), r.Dialling.Prefix, r.Dialling.Country, r.Locale}, "\t")+"\n")
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// DigestOf is the digest of an audience, of its chunks' digests in order, a line each.
func DigestOf(chunks []string) string {
	sum := sha256.New()
	for _, chunk := range chunks {
		_, _ = io.WriteString(sum, chunk+"\n")
	}
	return hex.EncodeToString(sum.Sum(nil))
}
