package propagation

import (
	"net/http"
	"reflect"
	"slices"

	otelpropagation "go.opentelemetry.io/otel/propagation"
)

// Config says in which formats headers are read and written. The zero value is that of
// [Linkerd].
type Config struct {
	_ struct{}

	// Extract are the formats to be read, best first: the first that yields a valid span context
	// wins, and the others' are ignored. Any propagator fits; what one carries beside a span
	// context, as Baggage does, is read in any case. Nil means what Linkerd reads.
	Extract []otelpropagation.TextMapPropagator

	// Inject are the formats to be written. If one of them writes a span context, the headers of
	// all other formats that this package knows are removed: they would contradict. Nil means
	// what Linkerd writes.
	Inject []otelpropagation.TextMapPropagator

	// LinkConflicts keeps the span contexts that lost and are of another trace than the one that
	// won: the span of the request then links to them. For that, all formats are read of every
	// request. Default: they are ignored.
	LinkConflicts bool

	// WithholdFrom are hosts to which nothing is sent, and SendOnlyTo, unless nil, are all hosts to
	// which anything is sent: example.com is that host, .example.com is every host below it,
	// and * is every host. Ports do not matter, nor does case.
	//
	// The clients of this module's middlewares ask for every request; Inject, which is not told
	// the host, sends to all.
	WithholdFrom, SendOnlyTo []string
}

// New returns a propagator that reads and writes formats as cfg says. It is safe for concurrent
// use if the members are, and does not keep cfg's slices.
//
// A member may be what New has returned. Then its formats take its place, its LinkConflicts, if it is
// one of Extract, holds for all, and so do its WithholdFrom and SendOnlyTo, if it is one of Inject.
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
	o := &order{linkConflicts: cfg.LinkConflicts, egress: newEgress(cfg)}
	for _, p := range cfg.Extract {
		o.addReader(p)
	}
	if !o.linkConflicts && !o.foreign {
		o.usual = usualOf(o.readers, o.baggage)
	}
	for _, p := range cfg.Inject {
		o.addWriter(p)
	}
	return o
}

func (o *order) addReader(p otelpropagation.TextMapPropagator) {
	if f, ours := formatOf(p); ours {
		o.readers = append(o.readers, reader{format: f, heads: f.heads()})
		o.heads |= f.heads()
		return
	}
	switch p := p.(type) {
	case nil:
	case *order:
		o.readers = append(o.readers, p.readers...)
		o.foreign, o.baggage, o.heads = o.foreign || p.foreign, o.baggage|p.baggage, o.heads|p.heads
		o.linkConflicts = o.linkConflicts || p.linkConflicts
	case Baggage:
		o.readers = append(o.readers, reader{baggage: true})
		o.baggage = 1 << fieldBaggage
	default:
		o.readers = append(o.readers, reader{other: p})
		o.foreign = true
	}
}

// formatOf returns p as a format of this package. What embeds one has its methods, also those that are
// not exported, but an Extract and an Inject of its own: it is none.
func formatOf(p otelpropagation.TextMapPropagator) (f format, ours bool) {
	if f, ours = p.(format); !ours {
		return nil, false
	}
	t := reflect.TypeOf(p)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.PkgPath() != reflect.TypeFor[order]().PkgPath() {
		return nil, false
	}
	return f, true
}

func (o *order) addWriter(p otelpropagation.TextMapPropagator) {
	f, ours := formatOf(p)
	switch q := p.(type) {
	case nil:
		return
	case *order:
		o.writers = append(o.writers, q.writers...)
		o.egress.add(q.egress)
	case Baggage:
		o.writers = append(o.writers, writer{baggage: &q})
	default:
		w := writer{other: p}
		if ours {
			_, w3c := f.(TraceContext)
			w = writer{format: f, w3c: w3c}
		}
		o.writers = append(o.writers, w)
	}
	for _, name := range p.Fields() {
		if !slices.Contains(o.fields, name) {
			o.fields = append(o.fields, name)
		}
	}
	o.stale = staleBeside(o.fields)
}

// staleBeside returns the fields that would contradict those with the given names, if any of
// these says where a request stands in a trace.
func staleBeside(names []string) fieldSet {
	written := fieldSet(0)
	for _, name := range names {
		f, known := fieldOf(http.CanonicalHeaderKey(name))
		if !known {
			f = fieldCount // of a format that we do not know
		}
		written |= 1 << f
	}
	if written&^baggageFields == 0 {
		return 0
	}
	return traceFields &^ written
}
