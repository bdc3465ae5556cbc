package propagation_test

import (
	"context"
	"encoding/hex"
	"net/http"
	"testing"

	"github.com/meshtrace/meshtrace/internal/seam"
	"github.com/meshtrace/meshtrace/propagation"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

func wantAllocs(t *testing.T, most float64, what string, run func()) {
	t.Helper()
	if got := testing.AllocsPerRun(100, run); got > most {
		t.Errorf("%s: %v allocations, want at most %v", what, got, most)
	}
}

// Every row of every table, those that are accepted and those that are refused.
func TestParseDoesNotAllocate(t *testing.T) {
	for _, tt := range traceparentTests {
		wantAllocs(t, 0, "traceparent: "+tt.rule, func() { _, _ = propagation.ParseTraceparent(tt.in) })
	}
	for _, tt := range tracestateTests {
		most := 0.0
		if tt.err == nil && (len(tt.in) != 1 || tt.in[0] != tt.want) {
			most = 1 // for what is joined
		}
		wantAllocs(t, most, "tracestate: "+tt.rule, func() { _, _ = propagation.ParseTracestate(tt.in...) })
	}
	for _, tt := range b3SingleTests {
		wantAllocs(t, 0, "b3: "+tt.rule, func() { _, _, _ = propagation.ParseB3Single(tt.in) })
	}
	for _, tt := range b3Tests {
		wantAllocs(t, 0, "B3: "+tt.rule, func() { _, _, _ = propagation.ParseB3(tt.in) })
	}
	for _, tt := range jaegerTests {
		wantAllocs(t, 0, "Jaeger: "+tt.rule, func() { _, _, _ = propagation.ParseJaeger(tt.in) })
	}
	for _, tt := range grpcTraceBinTests {
		bin, _ := hex.DecodeString(tt.in)
		wantAllocs(t, 0, "grpc-trace-bin: "+tt.rule, func() { _, _ = propagation.ParseGRPCTraceBin(bin) })
	}
	for _, tt := range xrayTests {
		wantAllocs(t, 0, "X-Ray: "+tt.rule, func() { _, _, _ = propagation.ParseXRay(tt.in) })
	}
	for _, tt := range datadogTests {
		wantAllocs(t, 0, "Datadog: "+tt.rule, func() { _, _, _ = propagation.ParseDatadog(tt.in) })
	}
	timing := `db;dur=2, traceparent;desc="` + traceparent + `"`
	wantAllocs(t, 0, "Server-Timing", func() { _, _ = propagation.ParseServerTiming(timing) })
}

// alone returns an order of one format, or of several.
func alone(p ...otelpropagation.TextMapPropagator) otelpropagation.TextMapPropagator {
	return propagation.New(propagation.Config{Extract: p, Inject: p})
}

func TestExtractDoesNotAllocate(t *testing.T) {
	ctx, _ := span(trace.FlagsSampled)
	for name, p := range formats {
		accepted := injected(ctx, p, nil)
		refused := http.Header{}
		for key, values := range accepted {
			refused[key] = []string{values[0] + "\x00"}
		}
		order := alone(p)
		seam := order.(seam.HeaderExtractor)
		wantAllocs(t, 0, name+" accepted", func() {
			if sc, plain := seam.ExtractHeader(accepted); !plain || !sc.IsValid() {
				t.Fatal("not accepted")
			}
		})
		wantAllocs(t, 0, name+" refused", func() {
			if sc, plain := seam.ExtractHeader(refused); !plain || sc.IsValid() {
				t.Fatal("not refused")
			}
		})
		carrier := otelpropagation.HeaderCarrier(refused)
		wantAllocs(t, 0, name+" refused by Extract", func() { p.Extract(ctx, carrier) })
		wantAllocs(t, 0, name+" refused by Extract of an order", func() { order.Extract(ctx, carrier) })
	}
	linkerd := propagation.Linkerd().(seam.HeaderExtractor)
	for _, tt := range []struct {
		what string
		h    http.Header
	}{
		{"nothing", http.Header{"Accept": {"*/*"}}},
		{"B3, deny", b3Header(propagation.B3Headers{TraceID: tid, SpanID: sid, Sampled: "0"})},
		{"B3, upper case", b3Header(propagation.B3Headers{TraceID: "A" + tid[1:], SpanID: sid, Sampled: "1"})},
		{"a tracestate that is refused", http.Header{"Traceparent": {traceparent}, "Tracestate": {"A=1"}}},
		{"grpc-trace-bin without padding", http.Header{"Grpc-Trace-Bin": {padded[:39]}}},
	} {
		wantAllocs(t, 0, "Linkerd: "+tt.what, func() {
			if _, plain := linkerd.ExtractHeader(tt.h); !plain {
				t.Fatal("not plain")
			}
		})
	}
}

// A tracestate costs what OpenTelemetry's type needs to hold it, and no more.
func TestTracestateAllocatesWhatItsTypeNeeds(t *testing.T) {
	state := "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"
	needs := testing.AllocsPerRun(100, func() { _, _ = trace.ParseTraceState(state) })
	seam, h := propagation.Linkerd().(seam.HeaderExtractor), http.Header{"Traceparent": {traceparent}, "Tracestate": {state}}
	wantAllocs(t, needs, "tracestate", func() { seam.ExtractHeader(h) })
}

// Baggage that nobody asks for costs its context on the way in, and on the way out the slice that
// http.Header wants.
func TestUnreadBaggageIsNotParsed(t *testing.T) {
	in := otelpropagation.HeaderCarrier(http.Header{"Traceparent": {traceparent}, "Baggage": {"tenant=acme,user=42;ttl=5"}})
	linkerd, background := propagation.Linkerd(), context.Background()
	wantAllocs(t, 3, "Extract", func() { linkerd.Extract(background, in) })
	ctx, out := linkerd.Extract(background, in), otelpropagation.HeaderCarrier{}
	wantAllocs(t, 2, "Inject", func() { linkerd.Inject(ctx, out) })
}

func TestInjectAllocatesOnce(t *testing.T) {
	ctx, sc := span(trace.FlagsSampled)
	for name, p := range formats {
		// The map has had room for the fields since the first run.
		carrier, order := otelpropagation.HeaderCarrier{}, alone(p)
		wantAllocs(t, 1, name, func() { p.Inject(ctx, carrier) })
		wantAllocs(t, 1, name+" in an order", func() { order.Inject(ctx, carrier) })
	}
	state, err := trace.ParseTraceState("a=1,b=2")
	if err != nil {
		t.Fatal(err)
	}
	ctx = trace.ContextWithSpanContext(context.Background(), sc.WithTraceState(state))
	carrier := otelpropagation.HeaderCarrier{}
	wantAllocs(t, 2, "tracestate", func() { propagation.TraceContext{}.Inject(ctx, carrier) })

	in := http.Header{"Traceparent": {traceparent}, "Tracestate": {"1a=1, b=2"}}
	ctx = propagation.TraceContext{}.Extract(context.Background(), otelpropagation.HeaderCarrier(in))
	wantAllocs(t, 2, "tracestate of level 2", func() { propagation.TraceContext{}.Inject(ctx, carrier) })
	linkerd, none, passing := propagation.Linkerd(), context.Background(), http1("Traceparent", traceparent)
	wantAllocs(t, 0, "no span", func() { linkerd.Inject(none, passing) })
}
