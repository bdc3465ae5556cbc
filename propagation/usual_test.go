package propagation_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/meshtrace/meshtrace/internal/seam"
	"github.com/meshtrace/meshtrace/propagation"
	"go.opentelemetry.io/otel/baggage"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// slowCarrier is a carrier of which nothing is known, so that all formats of it are searched.
type slowCarrier struct {
	otelpropagation.HeaderCarrier
}

// orders are those in which W3C's or B3's headers can be read in the short way, and some in which
// they cannot.
var orders = map[string]otelpropagation.TextMapPropagator{
	"Linkerd":            propagation.Linkerd(),
	"LinkerdB3":          propagation.LinkerdB3(),
	"W3C":                alone(propagation.TraceContext{}),
	"B3":                 alone(propagation.B3{}),
	"B3, baggage":        alone(propagation.B3Single{}, propagation.Baggage{}),
	"W3C, B3":            alone(propagation.TraceContext{}, propagation.B3{}),
	"B3, W3C":            alone(propagation.B3Single{}, propagation.TraceContext{}),
	"Jaeger, B3, W3C":    alone(propagation.Jaeger{}, propagation.B3{}, propagation.TraceContext{}),
	"Datadog, X-Ray, B3": alone(propagation.Datadog{}, propagation.XRay{}, propagation.B3{}),
	"baggage, W3C":       alone(propagation.Baggage{}, propagation.TraceContext{}),
	"linking": propagation.New(propagation.Config{
		Extract: propagators{propagation.TraceContext{}, propagation.B3{}}, LinkConflicts: true,
	}),
}

// checkUsual checks that an order finds in an http.Header what it finds where it has to search.
func checkUsual(t *testing.T, order string, h http.Header) {
	t.Helper()
	p := orders[order]
	slow := p.Extract(context.Background(), slowCarrier{otelpropagation.HeaderCarrier(h)})
	fast := p.Extract(context.Background(), otelpropagation.HeaderCarrier(h))
	if got, want := describe(fast), describe(slow); got != want {
		t.Errorf("%s: Extract of %q found\n%s, the search\n%s", order, h, got, want)
	}
	want := trace.SpanContextFromContext(slow)
	if sc, plain := p.(seam.HeaderExtractor).ExtractHeader(h); plain && !sc.Equal(want) {
		t.Errorf("%s: ExtractHeader of %q found %v, the search %v", order, h, sc, want)
	}
}

// describe says all that was put into a context.
func describe(ctx context.Context) string {
	sc := trace.SpanContextFromContext(ctx)
	decision, traceID := seam.AnyDecision(ctx)
	return fmt.Sprint(ctx, sc.TraceID(), sc.SpanID(), sc.TraceFlags(), sc.TraceState(), sc.IsRemote(), decision, traceID, baggage.FromContext(ctx))
}

// What is read in the short way is what the search would find, for every rule of W3C and of B3, and
// whatever stands beside it.
func TestUsualIsTheSearch(t *testing.T) {
	requests := map[string]http.Header{"nothing": {}, "disagreeing": disagreeing}
	for _, tt := range traceparentTests {
		requests["traceparent: "+tt.rule] = http.Header{"Traceparent": {tt.in}}
	}
	for _, tt := range b3Tests {
		requests["B3: "+tt.rule] = b3Header(tt.in)
	}
	beside := []http.Header{
		{},
		{"Traceparent": {traceparent}},
		{"Traceparent": {traceparent, traceparent}},
		{"Traceparent": {"00"}},
		{"Traceparent": {}},
		{"Tracestate": {"a=1"}},
		{"Grpc-Trace-Bin": {padded}},
		{"B3": {"0"}},
		{"B3": {tid64 + "-" + sid + "-1"}},
		{"B3": {"x"}},
		{"X-B3-Traceid": {}},
		{"X-B3-Sampled": {"1", "0"}},
		{"X-B3-Flags": {"0"}},
		{"X-B3-Parentspanid": {"x"}},
		{"Uber-Trace-Id": {"1:1:0:1"}},
		{"X-Datadog-Trace-Id": {ddTrace}},
		{"Baggage": {"a=1"}},
	}
	for rule, h := range requests {
		t.Run(rule, func(t *testing.T) {
			for order := range orders {
				for _, more := range beside {
					checkUsual(t, order, together(h, more))
				}
			}
		})
	}
}
