package workload

import (
	"context"
	"errors"
	"net/http"

	"go.opentelemetry.io/contrib/propagators/b3"
	"go.opentelemetry.io/otel/baggage"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/benchmarks/internal/contender"
	"github.com/meshtrace/meshtrace/internal/seam"
	"github.com/meshtrace/meshtrace/propagation"
)

// extractions are the ways to read the caller's span context from an http.Header.
func extractions() []Workload {
	composite := otelpropagation.NewCompositeTextMapPropagator(b3.New(), otelpropagation.TraceContext{}, otelpropagation.Baggage{})
	return []Workload{
		extraction{
			name: "extract/format=w3c", title: "extract W3C, as the middleware does",
			theirs: viaContext(otelpropagation.TraceContext{}),
			ours:   viaHeader(propagation.New(propagation.Config{Extract: []otelpropagation.TextMapPropagator{propagation.TraceContext{}}})),
		}.workload(),
		extraction{
			name: "extract/format=w3c/interface=public", title: "extract W3C, by TextMapPropagator.Extract",
			theirs: viaContext(otelpropagation.TraceContext{}),
			ours:   viaContext(propagation.TraceContext{}),
		}.workload(),
		extraction{
			name: "extract/format=composite/header=w3c", title: "extract W3C or B3 and baggage; W3C came",
			theirs: viaContext(composite), ours: viaHeader(propagation.Linkerd()),
		}.workload(),
		extraction{
			name: "extract/format=composite/header=w3c+baggage", title: "extract W3C or B3 and baggage; W3C with tracestate and baggage came",
			header: http.Header{"Tracestate": {"vendor=opaque,other=1"}, "Baggage": {"tenant=acme,user=42;ttl=5"}},
			theirs: viaContext(composite), ours: viaHeader(propagation.Linkerd()),
		}.workload(),
		extraction{
			name: "extract/format=composite/header=w3c+baggage/read=yes", title: "extract the same, and the handler asks for the baggage",
			header: http.Header{"Tracestate": {"vendor=opaque,other=1"}, "Baggage": {"tenant=acme,user=42;ttl=5"}},
			theirs: asking(viaContext(composite)), ours: asking(viaHeader(propagation.Linkerd())),
		}.workload(),
		extraction{
			name: "extract/format=composite/header=b3", title: "extract W3C or B3 and baggage; B3 came", header: b3Headers,
			theirs: viaContext(composite), ours: viaHeader(propagation.Linkerd()),
		}.workload(),
		extraction{
			name: "extract/format=composite/header=none", title: "extract W3C or B3 and baggage; nothing came", header: http.Header{"Traceparent": nil},
			nothing: true,
			theirs:  viaContext(composite), ours: viaHeader(propagation.Linkerd()),
		}.workload(),
	}
}

// b3Headers are what a caller sends that knows only B3.
var b3Headers = http.Header{
	"Traceparent":  nil, // which the usual request has
	"X-B3-Traceid": {CallersTraceID},
	"X-B3-Spanid":  {CallersSpanID},
	"X-B3-Sampled": {"1"},
}

// extraction is a way to read headers, ours and theirs.
type extraction struct {
	name, title  string
	header       http.Header // beside those of the usual request, or in their place; nil removes one
	nothing      bool        // and nothing is to be found there
	ours, theirs extractor
}

// extractor reads the caller's span context. What it returns does not matter for as long as a
// tracer can find the span context there: in ctx, or beside it.
type extractor func(ctx context.Context, h http.Header) (context.Context, trace.SpanContext)

// viaContext extracts as everybody does.
func viaContext(p otelpropagation.TextMapPropagator) extractor {
	return func(ctx context.Context, h http.Header) (context.Context, trace.SpanContext) {
		return p.Extract(ctx, otelpropagation.HeaderCarrier(h)), trace.SpanContext{}
	}
}

// viaHeader extracts as meshtrace's middleware does.
func viaHeader(p otelpropagation.TextMapPropagator) extractor {
	fast, public := p.(seam.HeaderExtractor), viaContext(p)
	return func(ctx context.Context, h http.Header) (context.Context, trace.SpanContext) {
		if sc, plain := fast.ExtractHeader(h); plain {
			return ctx, sc
		}
		return public(ctx, h)
	}
}

// asking extracts, and asks for the baggage as a handler does that needs it.
func asking(extract extractor) extractor {
	return func(ctx context.Context, h http.Header) (context.Context, trace.SpanContext) {
		ctx, sc := extract(ctx, h)
		baggage.FromContext(ctx)
		return ctx, sc
	}
}

func (e extraction) workload() Workload {
	return Workload{
		Name:       e.name,
		Title:      e.title,
		Contenders: []contender.Name{contender.None, contender.Meshtrace, contender.OTel},
		setup: func(name contender.Name, _ string) (*Run, error) {
			r, err := parseRequest("01")
			if err != nil {
				return nil, err
			}
			for key, values := range e.header {
				if r.Header[key] = values; values == nil {
					delete(r.Header, key)
				}
			}
			return &Run{do: e.loop(name, r), flush: nothing, shutdown: nothing}, nil
		},
	}
}

// nothing is the flush and shutdown of a run that exports nothing.
func nothing(context.Context) error { return nil }

// loop returns what extracts n times.
func (e extraction) loop(name contender.Name, r *http.Request) func(n int) error {
	extract := e.extractorOf(name)
	ctx, header := r.Context(), r.Header
	return func(n int) error {
		var got extracted
		for range n {
			got.ctx, got.sc = extract(ctx, header)
		}
		if name == contender.None {
			return nil
		}
		return got.check(e.nothing)
	}
}

func (e extraction) extractorOf(name contender.Name) extractor {
	switch name {
	case contender.Meshtrace:
		return e.ours
	case contender.OTel:
		return e.theirs
	}
	return func(ctx context.Context, _ http.Header) (context.Context, trace.SpanContext) {
		return ctx, trace.SpanContext{}
	}
}

// extracted is what an extractor returns.
type extracted struct {
	ctx context.Context
	sc  trace.SpanContext
}

var (
	errNotExtracted = errors.New("the caller's span context was not found")
	errNothingCame  = errors.New("a span context was found where there is none")
)

// check returns an error unless the caller's span context is there, or nothing is.
func (x extracted) check(nothing bool) error {
	sc := x.sc
	if !sc.IsValid() {
		sc = trace.SpanContextFromContext(x.ctx)
	}
	if nothing {
		if sc.IsValid() {
			return errNothingCame
		}
		return nil
	}
	if sc.TraceID().String() != CallersTraceID || sc.SpanID().String() != CallersSpanID || !sc.IsSampled() || !sc.IsRemote() {
		return errNotExtracted
	}
	return nil
}
