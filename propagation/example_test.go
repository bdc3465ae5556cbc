package propagation_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/meshtrace/meshtrace/propagation"
	"go.opentelemetry.io/contrib/propagators/b3"
	"go.opentelemetry.io/otel/baggage"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// inSpan returns a context with a span in it.
func inSpan() context.Context {
	sc, _ := propagation.ParseTraceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	return trace.ContextWithSpanContext(context.Background(), sc)
}

func show(h http.Header) {
	for _, key := range slices.Sorted(maps.Keys(h)) {
		fmt.Printf("%s: %s\n", key, h.Get(key))
	}
}

// A request has passed a Linkerd proxy, which has rewritten traceparent, and left B3 as the
// calling application wrote it.
func ExampleLinkerd() {
	h := http.Header{}
	h.Set("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-aaaaaaaaaaaaaaaa-01")
	h.Set("x-b3-traceid", "4bf92f3577b34da6a3ce929d0e0e4736")
	h.Set("x-b3-spanid", "00f067aa0ba902b7")
	h.Set("x-b3-sampled", "1")

	p := propagation.Linkerd()
	ctx := p.Extract(context.Background(), otelpropagation.HeaderCarrier(h))
	fmt.Println("parent:", trace.SpanContextFromContext(ctx).SpanID())

	p.Inject(ctx, otelpropagation.HeaderCarrier(h))
	show(h)
	// Output:
	// parent: aaaaaaaaaaaaaaaa
	// Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-aaaaaaaaaaaaaaaa-01
}

// A debug trace in a mesh that knows only B3.
func ExampleLinkerdB3() {
	p := propagation.LinkerdB3()
	ctx := p.Extract(context.Background(), otelpropagation.MapCarrier{"b3": "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-d"})

	h := http.Header{}
	p.Inject(ctx, otelpropagation.HeaderCarrier(h))
	show(h)
	// Output:
	// X-B3-Flags: 1
	// X-B3-Sampled: 1
	// X-B3-Spanid: 00f067aa0ba902b7
	// X-B3-Traceid: 4bf92f3577b34da6a3ce929d0e0e4736
}

// The order of reading is chosen, and contrib's propagator stands in for ours.
func ExampleNew() {
	p := propagation.New(propagation.Config{
		Extract: []otelpropagation.TextMapPropagator{propagation.TraceContext{}, b3.New(), propagation.Baggage{}},
		Inject:  []otelpropagation.TextMapPropagator{propagation.TraceContext{}, propagation.B3{}},
	})

	h := http.Header{}
	h.Set("b3", "a3ce929d0e0e4736-00f067aa0ba902b7-1")
	ctx := p.Extract(context.Background(), otelpropagation.HeaderCarrier(h))

	p.Inject(ctx, otelpropagation.HeaderCarrier(h))
	show(h)
	// Output:
	// Traceparent: 00-0000000000000000a3ce929d0e0e4736-00f067aa0ba902b7-01
	// X-B3-Sampled: 1
	// X-B3-Spanid: 00f067aa0ba902b7
	// X-B3-Traceid: 0000000000000000a3ce929d0e0e4736
}

func ExampleFromNames() {
	if _, err := propagation.FromNames("tracecontext", "b3single"); err != nil {
		fmt.Println(err)
	}
	p, _ := propagation.FromNames("tracecontext", "b3")
	fmt.Println(p.Fields())
	// Output:
	// propagation: name "b3single": want tracecontext, baggage, b3, b3multi, jaeger, xray, datadog, grpctracebin, linkerd, linkerdb3 or none
	// [traceparent tracestate b3]
}

func ExampleTraceContext() {
	h := http.Header{}
	propagation.TraceContext{}.Inject(inSpan(), otelpropagation.HeaderCarrier(h))
	show(h)
	// Output: Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
}

func ExampleB3() {
	h := http.Header{}
	propagation.B3{}.Inject(inSpan(), otelpropagation.HeaderCarrier(h))
	show(h)
	// Output:
	// X-B3-Sampled: 1
	// X-B3-Spanid: 00f067aa0ba902b7
	// X-B3-Traceid: 4bf92f3577b34da6a3ce929d0e0e4736
}

func ExampleB3Single() {
	h := http.Header{}
	propagation.B3Single{TraceID64: true}.Inject(inSpan(), otelpropagation.HeaderCarrier(h))
	show(h)
	// Output: B3: a3ce929d0e0e4736-00f067aa0ba902b7-1
}

func ExampleJaeger() {
	h := http.Header{}
	propagation.Jaeger{}.Inject(inSpan(), otelpropagation.HeaderCarrier(h))
	show(h)
	// Output: Uber-Trace-Id: 4bf92f3577b34da6a3ce929d0e0e4736:00f067aa0ba902b7:0:1
}

func ExampleGRPCTraceBin() {
	h := http.Header{}
	propagation.GRPCTraceBin{}.Inject(inSpan(), otelpropagation.HeaderCarrier(h))
	show(h)
	// Output: Grpc-Trace-Bin: AABL+S81d7NNpqPOkp0ODkc2AQDwZ6oLqQK3AgE=
}

func ExampleXRay() {
	h := http.Header{}
	propagation.XRay{}.Inject(inSpan(), otelpropagation.HeaderCarrier(h))
	show(h)
	// Output: X-Amzn-Trace-Id: Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=1
}

func ExampleDatadog() {
	h := http.Header{}
	propagation.Datadog{}.Inject(inSpan(), otelpropagation.HeaderCarrier(h))
	show(h)
	// Output:
	// X-Datadog-Parent-Id: 67667974448284343
	// X-Datadog-Sampling-Priority: 1
	// X-Datadog-Tags: _dd.p.tid=4bf92f3577b34da6
	// X-Datadog-Trace-Id: 11803532876627986230
}

// Of the baggage only one key may leave.
func ExampleBaggage() {
	b, _ := baggage.Parse("tenant=blue,session=secret")
	h := http.Header{}
	p := propagation.Baggage{Keys: []string{"tenant"}}
	p.Inject(baggage.ContextWithBaggage(context.Background(), b), otelpropagation.HeaderCarrier(h))
	show(h)
	// Output: Baggage: tenant=blue
}

// A child process is part of the trace.
func ExampleEnviron() {
	env := propagation.Environ{"PATH=/bin"} // os.Environ()
	propagation.Linkerd().Inject(inSpan(), &env)
	fmt.Println(env) // cmd.Env = env

	// In the child, with the environment that it was given:
	ctx := propagation.Linkerd().Extract(context.Background(), &env)
	fmt.Println(trace.SpanContextFromContext(ctx).TraceID())
	// Output:
	// [PATH=/bin TRACEPARENT=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01]
	// 4bf92f3577b34da6a3ce929d0e0e4736
}

func ExampleInjectResponse() {
	h := http.Header{}
	propagation.InjectResponse(h, trace.SpanContextFromContext(inSpan()))
	show(h)
	// Output:
	// Server-Timing: traceparent;desc="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	// Traceresponse: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
}

func ExampleParseTraceparent() {
	sc, err := propagation.ParseTraceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03")
	fmt.Println(sc.TraceID(), sc.SpanID(), sc.IsSampled(), sc.IsRandom(), err)
	_, err = propagation.ParseTraceparent("00-00000000000000000000000000000000-00f067aa0ba902b7-01")
	fmt.Println(err == propagation.ErrZeroID)
	// Output:
	// 4bf92f3577b34da6a3ce929d0e0e4736 00f067aa0ba902b7 true true <nil>
	// true
}

func ExampleParseTracestate() {
	state, err := propagation.ParseTracestate("rojo=00f067aa0ba902b7", "1@congo=t61rcWkgMzE,rojo=old")
	fmt.Println(state, err)
	// Output: rojo=00f067aa0ba902b7,1@congo=t61rcWkgMzE <nil>
}

func ExampleParseB3Single() {
	sc, decision, err := propagation.ParseB3Single("80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1")
	fmt.Println(sc.TraceID(), decision == propagation.Deferred, err)
	sc, decision, err = propagation.ParseB3Single("0")
	fmt.Println(sc.IsValid(), decision == propagation.Deny, err)
	// Output:
	// 80f198ee56343ba864fe8b2a57d3eff7 true <nil>
	// false true <nil>
}
