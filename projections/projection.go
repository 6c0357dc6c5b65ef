package projections

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"daybook/events"
)

// Definition makes a projection anew. An engine asks for one per build: a projection holds the rows of the batch at
// work, so no two builds can share it. Nor may its tables be kept where the next call replaces them: a table takes rows from
// the handlers of its own projection only, while they are at work.
type Definition func() *Projection

// Projection is one version of one read model's writer. Make it with [New] and give it tables and handlers.
type Projection struct {
	name    string
	version int
	build   int // which one of this version, from 1
	ddl     string
	tables  []table
	handler map[string]func(At) error // by stored event name
	handed  map[string]onTx           // by stored event name, too
	all     func(At) error            // every event, before the typed handler
	parks   *parks                    // nil: it pauses at what fails
	at      *Recorded                 // the event at work; nil: none
	misuse  []error

	nth      int // of the events that were applied
	met      int // the last of them that writes rows that are compared with others
	meetings int // how many of those gathered do
}

// New begins a projection. The name is lower-case letters, digits and underscores, and not [Reserved]; the version counts
// from 1 and must rise whenever rows would come out differently; ddl creates the tables, with unqualified names.
func New(name string, version int, ddl string) *Projection {
	p := &Projection{name: name, version: version, build: 1, ddl: ddl, handler: map[string]func(At) error{}, handed: map[string]onTx{}}
	if !validName.MatchString(name) {
		p.misusedf("the name must match %s", validName)
	}
	if strings.HasPrefix(name, "pg_") {
		p.misusedf("the name must not begin with pg_: Postgres keeps such schemas for itself")
	}
	if name == Reserved {
		p.misusedf("the engine itself uses the name %s: choose another one", name)
	}
	if version < 1 {
		p.misusedf("version %d is not positive", version)
	}
	return p
}

// validName leaves room for version and build within Postgres's 63 bytes.
var validName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,49}$`)

// Name is the read model's name, the same for all versions.
func (p *Projection) Name() string { return p.name }

// Version is the version of tables and handlers.
func (p *Projection) Version() int { return p.version }

// Schema is the physical Postgres schema of this build, such as "messages_v1", or "messages_v1_b2" when the version was
// built again. It is also the Watermill topic: two builds of one projection stand at different places.
func (p *Projection) Schema() string {
	schema := p.name + "_v" + strconv.Itoa(p.version)
	if p.build > 1 {
		schema += "_b" + strconv.Itoa(p.build)
	}
	return schema
}

// On handles one event of the catalogue, in log order. Older stored versions arrive as the current struct. An event
// whose type is handled but whose data, version or envelope cannot be read is an error: the projection pauses.
func On[E events.Event](p *Projection, handle func(e E, at At) error) {
	name, free := newHandler[E](p, handle == nil)
	if !free {
		return
	}
	p.handler[name] = func(at At) error {
		e, err := decodeAs[E](at)
		if err != nil {
			return err
		}
		return handle(e, at)
	}
}

// newHandler names an event that gets a handler, if it has none yet.
func newHandler[E events.Event](p *Projection, none bool) (name string, free bool) {
	name = events.NameOf[E]()
	if name == "" {
		p.misusedf("a handler takes one event of the catalogue by value, as in On(p, func(e events.TermsAccepted, at projections.At) error { … }), "+
			"and %s is none", reflect.TypeFor[E]())
		return name, false
	}
	if none {
		p.misusedf("the handler for event %s is nil", name)
	}
	if p.handler[name] != nil || p.handed[name] != nil {
		p.misusedf("two handlers for event %s", name)
		return name, false
	}
	return name, true
}

func decodeAs[E events.Event](at At) (e E, err error) {
	decoded, err := at.decode()
	if err != nil {
		return e, err
	}
	e, ok := decoded.(E)
	if !ok {
		return e, fmt.Errorf("event %s decodes as %T", at.Type, decoded)
	}
	return e, nil
}

// OnAll handles every event but the store's own ($-named) ones, undecoded, known or not. It runs before the typed
// handler of the same event.
func OnAll(p *Projection, handle func(at At) error) {
	if handle == nil {
		p.misusedf("the handler for all events is nil")
	}
	if p.all != nil {
		p.misusedf("two handlers for all events")
		return
	}
	p.all = handle
}

// Handles lists the stored names of the events that have a handler, sorted; "*" stands for OnAll's.
func (p *Projection) Handles() []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(p.handler)), maps.Keys(p.handed))
	slices.Sort(names)
	if p.all != nil {
		names = append(names, "*")
	}
	return names
}

// apply runs the handlers of one event, but for one that gets the transaction.
func (p *Projection) apply(r *Recorded) error {
	p.nth++
	return p.work(r, func() error {
		at := At{r}
		if p.all != nil {
			if err := p.all(at); err != nil {
				return err
			}
		}
		if handle := p.handler[r.Type]; handle != nil {
			return handle(at)
		}
		return nil
	})
}

// work runs a handler of an event, whose panic is its error. Only meanwhile rows are taken.
func (p *Projection) work(r *Recorded, handle func() error) (err error) {
	p.at = r
	defer func() {
		p.at = nil
		if cause := recover(); cause != nil {
			err = fmt.Errorf("handler panicked: %v", cause)
		}
	}()
	return handle()
}

// pending tells whether there is anything to write.
func (p *Projection) pending() bool { return slices.ContainsFunc(p.tables, table.pending) }

// reset forgets the rows that were gathered.
func (p *Projection) reset() {
	p.meetings = 0
	for _, t := range p.tables {
		t.reset()
	}
}

func (p *Projection) misusedf(format string, args ...any) {
	p.misuse = append(p.misuse, &MisuseError{p.Schema(), fmt.Sprintf(format, args...)})
}

// check reports every mistake of the definition that can be seen without a database.
func (p *Projection) check() error {
	p.checkPartitions()
	if len(p.Handles()) == 0 && p.name != headName {
		p.misusedf("it handles no event: give it handlers by On, OnAll or OnTx")
	}
	return errors.Join(p.misuse...)
}

// begin makes the projection of the nth definition, and checks it.
func (define Definition) begin(n int) (*Projection, error) {
	if define == nil {
		return nil, &MisuseError{fmt.Sprintf("number %d", n), "its definition is nil"}
	}
	p := define()
	if p == nil {
		return nil, &MisuseError{fmt.Sprintf("number %d", n), "its definition returns nil: it has to make a projection each time"}
	}
	return p, p.check()
}

// anew makes the projection of a build. It asks for one more, which nobody projects: tables that are kept where another
// call of the definition replaces them are that one's then, and take no rows. So the first event finds out.
func (define Definition) anew() *Projection {
	p := define()
	_ = define()
	return p
}

// MisuseError is a mistake in a projection's definition. Running again cannot cure it.
type MisuseError struct {
	Projection string // name and version, such as "messages_v1"; "number 2" of the definitions when there is none
	Problem    string // names table and field
}

func (e *MisuseError) Error() string { return "projection " + e.Projection + ": " + e.Problem }
