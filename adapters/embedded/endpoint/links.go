package endpoint

import (
	"bytes"
	"strconv"

	"daybook/adapters/embedded"
	"daybook/events"
)

// linkType is the type of events that point to another event. Their data is <revision>@<stream>.
const linkType = "$>"

// target is where such an event points to.
type target struct {
	stream   string
	revision uint64
}

// parseLink reads what a link says. The first @ divides: streams may have others in their names.
func parseLink(data []byte) (target, bool) {
	digits, stream, found := bytes.Cut(data, []byte{'@'})
	revision, err := strconv.ParseUint(string(digits), 10, 63)
	if !found || err != nil || len(stream) == 0 {
		return target{}, false
	}
	return target{string(stream), revision}, true
}

// resolve returns what to send for a record: the record itself, or, if links are to be resolved and it is one, the link
// with the event that it points to. The event is nil if it cannot be read: missing, hidden, or not for this client.
func (r *reading) resolve(record *events.Record) (event, link *events.Record, err error) {
	if !r.query.resolve || record.Type != linkType {
		return record, nil, nil
	}
	at, ok := parseLink(record.Data)
	if !ok {
		return record, nil, nil
	}
	if r.permit(r.call.Context(), at.stream) == nil {
		event, err = r.lookUp(at)
	}
	return event, record, err
}

// lookUp reads one event as it would be seen in its stream; nil if it would not.
func (r *reading) lookUp(at target) (found *events.Record, err error) {
	ctx := r.call.Context()
	view, err := r.store.View(ctx, at.stream)
	if err != nil || view.State != embedded.Live || view.Empty {
		return nil, err
	}
	for record, err := range r.visible(view, r.store.ReadStream(ctx, at.stream, at.revision)) {
		if err != nil {
			return nil, err
		}
		if record.Revision == at.revision {
			found = &record
		}
		break
	}
	return found, nil
}
