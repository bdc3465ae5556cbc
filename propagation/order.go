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
	foreign       bool // some reader is not of this package
	baggage       bool // some reader is Baggage
	w3cFirst      bool // the first that wins is enough, and W3C's is read first

	writers []writer
	fields  []string // what the writers write
	stale   fieldSet // what they do not, and would contradict them
	egress  egress
}

// A reader is a format of ours, or Baggage, or a propagator of which we know nothing.
type reader struct {
	format  format
	fields  fieldSet // that format reads
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
	if h, ok := from.(otelpropagation.HeaderCarrier); ok && o.w3cFirst {
		var sc trace.SpanContext
		if o.extractUsual(http.Header(h), &sc) {
			return trace.ContextWithRemoteSpanContext(ctx, sc)
		}
	}
	s := search{carrier: carrierOf(from), goOn: o.linkConflicts}
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
	if o.w3cFirst && o.extractUsual(h, &sc) {
		return sc, true
	}
	if o.foreign || o.baggage && len(h["Baggage"]) > 0 {
		return trace.SpanContext{}, false
	}
	s := search{carrier: carrier{header: h}, goOn: o.linkConflicts}
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

// extractUsual reads the headers of nearly every request in a mesh: one traceparent of version 00,
// which is to be read first, and neither tracestate nor baggage. It takes less than half the time
// of the search (BenchmarkExtract).
func (o *order) extractUsual(h http.Header, sc *trace.SpanContext) bool {
	values := h["Traceparent"]
	return len(values) == 1 && len(h["Tracestate"]) == 0 && (!o.baggage || len(h["Baggage"]) == 0) && parse00(values[0], sc)
}

// ExtractMetadata is extractUsual for gRPC's metadata.
func (o *order) ExtractMetadata(md map[string][]string) (sc trace.SpanContext, plain bool) {
	values := md["traceparent"]
	if !o.w3cFirst || len(values) != 1 || len(md["tracestate"]) > 0 || o.baggage && len(md["baggage"]) > 0 {
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
	missed  int
}

// read reads the next format. Most requests that do not have the first three have none at all,
// which shows at one glance at all their headers.
func (s *search) read(r *reader) {
	if s.missed == 3 {
		s.carrier.lookOnce()
	}
	if s.carrier.lacks(r.fields) {
		return
	}
	s.missed++
	got := r.format.read(s.carrier)
	s.add(&got)
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
