package propagation

import (
	"context"
	"net/http"

	"github.com/meshtrace/meshtrace/internal/seam"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Config says in which formats headers are read and written. The zero value is that of
// [Linkerd].
type Config struct {
	_ struct{}

	// Extract are the formats to be read, best first: the first that yields a valid span context
	// wins, and the others' are ignored. Any propagator fits; what one carries beside a span
	// context, as Baggage does, is read in any case. Nil means what Linkerd reads.
	Extract []otelpropagation.TextMapPropagator

	// Inject are the formats to be written. Headers of all other formats that this package knows
	// are removed: they would contradict. Nil means what Linkerd writes.
	Inject []otelpropagation.TextMapPropagator

	// LinkConflicts keeps the span contexts that lost and are of another trace than the one that
	// won: the span of a request then links to them. It needs all formats to be read for every
	// request. Default: they are ignored.
	LinkConflicts bool
}

// New returns a propagator that reads and writes formats as cfg says. It is safe for concurrent
// use if its members are.
//
// A decision without IDs (see [Decision]) counts only if no format yields a span context.
// If all members are of this package, the middlewares of this module read a common request's
// headers without allocation.
func New(cfg Config) otelpropagation.TextMapPropagator {
	if cfg.Extract == nil {
		cfg.Extract = linkerdExtract()
	}
	if cfg.Inject == nil {
		cfg.Inject = linkerdInject()
	}
	o := &order{links: cfg.LinkConflicts, stale: allFields}
	for _, p := range cfg.Extract {
		o.addReader(p)
	}
	for _, p := range cfg.Inject {
		o.addWriter(p)
	}
	return o
}

// An order is several propagators that act as one.
type order struct {
	readers []reader
	writers []writer
	fields  []string
	stale   fieldSet // what no writer writes
	links   bool

	foreign bool // some reader is not ours
	baggage bool // some reader is Baggage
}

// A reader is one of ours, or any other.
type reader struct {
	format format
	other  otelpropagation.TextMapPropagator
}

// A writer is one of ours, or any other.
type writer struct {
	ours interface {
		write(context.Context, trace.SpanContext, carrier)
	}
	trace bool // ours is to be asked only with a valid span context
	other otelpropagation.TextMapPropagator
}

var (
	_ otelpropagation.TextMapPropagator = (*order)(nil)
	_ seam.HeaderExtractor              = (*order)(nil)
)

func (o *order) addReader(p otelpropagation.TextMapPropagator) {
	switch p := p.(type) {
	case nil:
	case *order:
		o.readers = append(o.readers, p.readers...)
		o.foreign, o.baggage = o.foreign || p.foreign, o.baggage || p.baggage
	case format:
		o.readers = append(o.readers, reader{format: p})
	case Baggage:
		o.readers = append(o.readers, reader{other: p})
		o.baggage = true
	default:
		o.readers = append(o.readers, reader{other: p})
		o.foreign = true
	}
}

func (o *order) addWriter(p otelpropagation.TextMapPropagator) {
	switch p := p.(type) {
	case nil:
		return
	case *order:
		o.writers = append(o.writers, p.writers...)
	case format:
		o.writers = append(o.writers, writer{ours: p, trace: true})
	case Baggage:
		o.writers = append(o.writers, writer{ours: p})
	default:
		o.writers = append(o.writers, writer{other: p})
	}
	for _, name := range p.Fields() {
		o.addField(name)
	}
}

func (o *order) addField(name string) {
	for _, known := range o.fields {
		if known == name {
			return
		}
	}
	o.fields = append(o.fields, name)
	if f, known := fieldOf(http.CanonicalHeaderKey(name)); known {
		o.stale &^= 1 << f
	}
}

// Extract returns ctx with the span context that wins, and with all else that the members find.
func (o *order) Extract(ctx context.Context, from otelpropagation.TextMapCarrier) context.Context {
	c, s := carrierOf(from), search{all: o.links}
	for _, r := range o.readers {
		if r.format == nil {
			ctx = s.ask(ctx, r.other, from)
		} else if !s.done() {
			s.add(r.format.read(c))
		}
	}
	if len(s.links) > 0 {
		ctx = seam.ContextWithLinks(ctx, s.links)
	}
	return s.won.context(ctx)
}

// ExtractHeader returns the span context that Extract would put into a context, if it would put
// nothing else there.
func (o *order) ExtractHeader(h http.Header) (sc trace.SpanContext, plain bool) {
	if o.foreign || o.baggage && len(h["Baggage"]) > 0 {
		return trace.SpanContext{}, false
	}
	c, s := carrier{header: h}, search{all: o.links}
	for _, r := range o.readers {
		if r.format != nil && !s.done() {
			s.add(r.format.read(c))
		}
	}
	return s.won.sc, s.won.plain() && len(s.links) == 0
}

// A search goes through the formats.
type search struct {
	won   found
	all   bool // look for conflicts
	links []trace.Link
}

// done reports whether the remaining formats need not be read.
func (s *search) done() bool { return s.won.sc.IsValid() && !s.all }

// add adds what the next format found.
func (s *search) add(got found) {
	switch {
	case !s.won.sc.IsValid():
		if got.sc.IsValid() || s.won.empty() {
			s.won = got
		}
	case got.sc.IsValid() && got.sc.TraceID() != s.won.sc.TraceID():
		s.links = append(s.links, trace.Link{SpanContext: got.sc})
	}
}

// ask lets a propagator that is none of our formats extract for itself, and takes part of it
// what may be a span context.
func (s *search) ask(ctx context.Context, p otelpropagation.TextMapPropagator, from otelpropagation.TextMapCarrier) context.Context {
	before := trace.SpanContextFromContext(ctx)
	ctx = p.Extract(ctx, from)
	if after := trace.SpanContextFromContext(ctx); after.IsValid() && !after.Equal(before) {
		s.add(found{sc: after})
		// If it lost, its span context is in ctx now, but the winner's will lie over it.
	}
	return ctx
}

// Inject writes what ctx holds, in all formats that are to be written, and removes the headers
// of all others. Without a span in ctx it removes those that are malformed.
func (o *order) Inject(ctx context.Context, into otelpropagation.TextMapCarrier) {
	c := carrierOf(into)
	if !c.writable() {
		return
	}
	sc := trace.SpanContextFromContext(ctx)
	if sc.IsValid() {
		c.removeAll(o.stale)
	} else {
		c.removeMalformed(allFields)
	}
	for _, w := range o.writers {
		switch {
		case w.other != nil:
			w.other.Inject(ctx, into)
		case sc.IsValid() || !w.trace:
			w.ours.write(ctx, sc, c)
		}
	}
}

// Fields returns the names of all headers that Inject may write.
func (o *order) Fields() []string { return append([]string(nil), o.fields...) }
