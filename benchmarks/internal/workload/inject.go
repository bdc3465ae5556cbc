package workload

import (
	"context"
	"fmt"
	"net/http"

	"go.opentelemetry.io/contrib/propagators/b3"
	"go.opentelemetry.io/otel/baggage"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/benchmarks/internal/contender"
	"github.com/meshtrace/meshtrace/propagation"
)

// injections are the ways to write a span context into an http.Header.
func injections() []Workload {
	composite := otelpropagation.NewCompositeTextMapPropagator(otelpropagation.TraceContext{}, otelpropagation.Baggage{})
	severalB3 := b3.New(b3.WithInjectEncoding(b3.B3MultipleHeader))
	return []Workload{
		injection{
			name: "inject/format=w3c", title: "inject W3C",
			ours: propagation.TraceContext{}, theirs: otelpropagation.TraceContext{},
		}.workload(),
		injection{
			name: "inject/format=composite", title: "inject W3C and baggage, of which there is none",
			ours: propagation.Linkerd(), theirs: composite,
		}.workload(),
		injection{
			name: "inject/format=composite/baggage=yes", title: "inject W3C with tracestate, and baggage",
			state: "vendor=opaque,other=1", baggage: "tenant=acme,user=42;ttl=5",
			ours: propagation.Linkerd(), theirs: composite,
		}.workload(),
		injection{
			name: "inject/format=composite/baggage=passing", title: "inject W3C with tracestate, and the baggage that came with the request",
			received: http.Header{"Tracestate": {"vendor=opaque,other=1"}, "Baggage": {"tenant=acme,user=42;ttl=5"}},
			ours:     propagation.Linkerd(), theirs: composite,
		}.workload(),
		injection{
			name: "inject/format=w3c+b3", title: "inject W3C and B3, several headers",
			ours:   propagation.New(propagation.Config{Inject: []otelpropagation.TextMapPropagator{propagation.TraceContext{}, propagation.B3{}}}),
			theirs: otelpropagation.NewCompositeTextMapPropagator(otelpropagation.TraceContext{}, severalB3),
		}.workload(),
		injection{
			name: "inject/format=b3", title: "inject B3, several headers",
			ours: propagation.B3{}, theirs: severalB3,
		}.workload(),
	}
}

// injection is a way to write headers, ours and theirs.
type injection struct {
	name, title    string
	state, baggage string      // what there is to be written beside IDs and flags
	received       http.Header // or what of it came in, beside traceparent
	ours, theirs   otelpropagation.TextMapPropagator
}

func (in injection) workload() Workload {
	return Workload{
		Name:       in.name,
		Title:      in.title,
		Contenders: []contender.Name{contender.None, contender.Meshtrace, contender.OTel},
		setup: func(name contender.Name, _ string) (*Run, error) {
			ctx, err := in.context()
			if err != nil {
				return nil, err
			}
			if in.received != nil {
				ctx = in.extracted(name)
			}
			return &Run{do: in.loop(ctx, name), flush: nothing, shutdown: nothing}, nil
		},
	}
}

// context returns the context from which is injected.
func (in injection) context() (context.Context, error) {
	traceID, err := trace.TraceIDFromHex(CallersTraceID)
	if err != nil {
		return nil, err
	}
	spanID, err := trace.SpanIDFromHex(CallersSpanID)
	if err != nil {
		return nil, err
	}
	state, err := trace.ParseTraceState(in.state)
	if err != nil {
		return nil, err
	}
	bag, err := baggage.Parse(in.baggage)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	if bag.Len() > 0 {
		ctx = baggage.ContextWithBaggage(ctx, bag)
	}
	return trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: traceID, SpanID: spanID, TraceFlags: trace.FlagsSampled, TraceState: state,
	})), nil
}

// extracted returns the context of a request that the contender has received.
func (in injection) extracted(name contender.Name) context.Context {
	header := in.received.Clone()
	header.Set("traceparent", "00-"+CallersTraceID+"-"+CallersSpanID+"-01")
	p := in.theirs
	if name == contender.Meshtrace {
		p = in.ours
	}
	return p.Extract(context.Background(), otelpropagation.HeaderCarrier(header))
}

// loop returns what injects n times into the headers of a small request, each time as if for the
// first time.
func (in injection) loop(ctx context.Context, name contender.Name) func(n int) error {
	header := http.Header{"Accept": {"application/json"}, "User-Agent": {"user-service/1.0"}}
	plain := len(header)
	inject := in.injectorOf(name)
	return func(n int) error {
		for range n {
			for _, key := range injectedKeys {
				delete(header, key)
			}
			inject(ctx, header)
		}
		if name != contender.None && len(header) == plain {
			return fmt.Errorf("nothing was injected into %v", header)
		}
		return nil
	}
}

// injectedKeys are what any injector writes.
var injectedKeys = []string{"Traceparent", "Tracestate", "Baggage", "X-B3-Traceid", "X-B3-Spanid", "X-B3-Sampled"}

func (in injection) injectorOf(name contender.Name) func(context.Context, http.Header) {
	p := in.theirs
	switch name {
	case contender.None:
		return func(context.Context, http.Header) {}
	case contender.Meshtrace:
		p = in.ours
	}
	return func(ctx context.Context, h http.Header) { p.Inject(ctx, otelpropagation.HeaderCarrier(h)) }
}
