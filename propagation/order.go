package propagation

import (
	"context"
	"net/http"
	"slices"

	"github.com/meshtrace/meshtrace/internal/seam"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// An order is several propagators that act as one.
type order struct {
	readers       []reader
	linkConflicts bool
	foreign       bool     // some reader is not of this package
	baggage       fieldSet // Baggage's, if a reader is that
	heads         fieldSet // of all formats
	usual         usual

	writers []writer
	fields  []string // what the writers write
	stale   fieldSet // what they do not, and would contradict them
	egress  egress
}

// A reader is a format of ours, or Baggage, or a propagator of which we know nothing.
type reader struct {
	format  format
	heads   fieldSet // of format
	baggage bool
	other   otelpropagation.TextMapPropagator
}

// A writer is a format of ours, or Baggage, or a propagator of which we know nothing.
type writer struct {
	format  format
	w3c     bool // format is TraceContext
	baggage *Baggage
	other   otelpropagation.TextMapPropagator
}

var (
	_ otelpropagation.TextMapPropagator = (*order)(nil)
	_ seam.HeaderExtractor              = (*order)(nil)
	_ seam.MetadataExtractor            = (*order)(nil)
	_ seam.HostInjector                 = (*order)(nil)
)

// Extract returns ctx with the span context that wins, and with all else that the members find.
func (o *order) Extract(ctx context.Context, from otelpropagation.TextMapCarrier) context.Context {
	c := carrierOf(from)
	if c.other == nil {
		var sc trace.SpanContext
		if o.usual.read(&c, &sc) {
			return trace.ContextWithRemoteSpanContext(ctx, sc)
		}
	}
	s := search{carrier: c, goOn: o.linkConflicts}
	for i := range o.readers {
		r := &o.readers[i]
		switch {
		case r.baggage:
			ctx = Baggage{}.Extract(ctx, from)
		case r.other != nil:
			ctx = s.ask(ctx, r.other, from)
		case s.goOn || !s.won.sc.IsValid():
			s.read(r)
		}
	}
	if len(s.lost) > 0 {
		ctx = seam.ContextWithLinks(ctx, s.lost)
	}
	return s.won.context(ctx)
}

// ExtractHeader returns the span context that Extract would put into a context, if it would put
// nothing else there.
func (o *order) ExtractHeader(h http.Header) (sc trace.SpanContext, plain bool) {
	c := carrier{header: h}
	if o.usual.read(&c, &sc) {
		return sc, true
	}
	if o.foreign || c.hasAny(o.baggage) {
		return trace.SpanContext{}, false
	}
	if !c.hasAny(o.heads) {
		return trace.SpanContext{}, true
	}
	s := search{carrier: c, goOn: o.linkConflicts}
	for i := range o.readers {
		r := &o.readers[i]
		if r.format == nil {
			continue
		}
		if s.read(r); s.won.sc.IsValid() && !s.goOn {
			break
		}
	}
	return s.won.sc, s.won.plain() && len(s.lost) == 0
}

// ExtractMetadata reads gRPC's metadata if it has what is usual in a mesh.
func (o *order) ExtractMetadata(md map[string][]string) (sc trace.SpanContext, plain bool) {
	values := md["traceparent"]
	if !o.usual.w3c || len(values) != 1 || len(md["tracestate"]) > 0 || o.baggage != 0 && len(md["baggage"]) > 0 {
		return trace.SpanContext{}, false
	}
	plain = parse00(values[0], &sc)
	return sc, plain
}

// A search goes through the formats.
type search struct {
	carrier carrier
	won     found
	goOn    bool // after one has won, for those that disagree
	lost    []trace.Link
}

// read reads the next format, if it is there.
func (s *search) read(r *reader) {
	if s.carrier.hasAny(r.heads) {
		got := r.format.read(s.carrier)
		s.add(&got)
	}
}

// add adds what the next format found.
func (s *search) add(got *found) {
	switch {
	case got.empty():
	case !s.won.sc.IsValid():
		if got.sc.IsValid() || s.won.empty() {
			s.won = *got
		}
	case got.sc.IsValid() && got.sc.TraceID() != s.won.sc.TraceID():
		s.lost = append(s.lost, trace.Link{SpanContext: got.sc})
	}
}

// ask lets a propagator of which we know nothing extract for itself. If it finds a span context
// and has not won, its span context is in the context that is returned, until the winner's comes
// to lie over it.
func (s *search) ask(ctx context.Context, p otelpropagation.TextMapPropagator, from otelpropagation.TextMapCarrier) context.Context {
	before := trace.SpanContextFromContext(ctx)
	ctx = p.Extract(ctx, from)
	if after := trace.SpanContextFromContext(ctx); after.IsValid() && !after.Equal(before) {
		s.add(&found{sc: after})
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
	valid := sc.IsValid()
	if valid {
		c.lookOnce()
		c.removeAll(o.stale)
	} else if o.stale != 0 {
		c.removeMalformed(traceFields)
	}
	for i := range o.writers {
		w := &o.writers[i]
		switch {
		case w.other != nil:
			w.other.Inject(ctx, into)
		case w.baggage != nil:
			w.baggage.write(ctx, valid, &c)
		case !valid:
		case w.w3c: // without the copies that a call through an interface takes: BenchmarkInject
			writeTraceContext(ctx, &sc, &c)
		default:
			w.format.write(ctx, sc, c)
		}
	}
}

// InjectTo does what Inject does if the host may be sent anything. Otherwise it removes what the
// carrier has: nothing of it may leave.
func (o *order) InjectTo(ctx context.Context, host string, into otelpropagation.TextMapCarrier) {
	if o.egress.allows(host) {
		o.Inject(ctx, into)
		return
	}
	c := carrierOf(into)
	c.removeAll(everyField)
	c.removeUberctx()
	for _, name := range o.fields {
		c.removeNamed(name)
	}
}

// Fields returns the names of all headers that Inject may write.
func (o *order) Fields() []string { return slices.Clone(o.fields) }
