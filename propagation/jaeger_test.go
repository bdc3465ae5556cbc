package propagation_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/meshtrace/meshtrace/internal/seam"
	"github.com/meshtrace/meshtrace/propagation"
	"go.opentelemetry.io/otel/baggage"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

var jaegerTests = []struct {
	rule     string // in the words of Jaeger's documentation, or of its clients
	in       string
	want     string // as AppendJaeger writes it
	decision propagation.Decision
	err      error
}{
	{"sampled", tid + ":" + sid + ":0:1", tid + ":" + sid + ":0:1", propagation.NoDecision, nil},
	{"not sampled", tid + ":" + sid + ":0:0", tid + ":" + sid + ":0:0", propagation.NoDecision, nil},
	{"debug and sampled", tid + ":" + sid + ":0:3", tid + ":" + sid + ":0:3", propagation.Debug, nil},
	{"debug alone counts as sampled", tid + ":" + sid + ":0:2", tid + ":" + sid + ":0:3", propagation.Debug, nil},
	{"firehose and other flags are dropped", tid + ":" + sid + ":0:9", tid + ":" + sid + ":0:1", propagation.NoDecision, nil},
	{"flags may be two digits", tid + ":" + sid + ":0:01", tid + ":" + sid + ":0:1", propagation.NoDecision, nil},
	{"trace ID may be 64 bits", tid64 + ":" + sid + ":0:1", padto + ":" + sid + ":0:1", propagation.NoDecision, nil},
	{"leading zeroes may be omitted", "abc:1:0:1", "00000000000000000000000000000abc:0000000000000001:0:1", propagation.NoDecision, nil},
	{"leading zeroes may be omitted of an odd number of digits", "abcde:fff:0:1", "000000000000000000000000000abcde:0000000000000fff:0:1", propagation.NoDecision, nil},
	{"parent span ID is ignored", tid + ":" + sid + ":" + pid + ":1", tid + ":" + sid + ":0:1", propagation.NoDecision, nil},
	{"the value may be URL-encoded", tid + "%3A" + sid + "%3a0%3A1", tid + ":" + sid + ":0:1", propagation.NoDecision, nil},
	{"upper case", strings.ToUpper(tid) + ":" + strings.ToUpper(sid) + ":0:1", tid + ":" + sid + ":0:1", propagation.NoDecision, nil},

	{"three fields", tid + ":" + sid + ":1", "", propagation.NoDecision, propagation.ErrSyntax},
	{"five fields", tid + ":" + sid + ":0:1:2", "", propagation.NoDecision, propagation.ErrSyntax},
	{"trace ID is empty", ":" + sid + ":0:1", "", propagation.NoDecision, propagation.ErrSyntax},
	{"trace ID is too long", "0" + tid + ":" + sid + ":0:1", "", propagation.NoDecision, propagation.ErrSyntax},
	{"trace ID must be hex", "x" + tid[1:] + ":" + sid + ":0:1", "", propagation.NoDecision, propagation.ErrSyntax},
	{"trace ID zero is not valid", "0:" + sid + ":0:1", "", propagation.NoDecision, propagation.ErrZeroID},
	{"span ID is empty", tid + "::0:1", "", propagation.NoDecision, propagation.ErrSyntax},
	{"span ID is too long", tid + ":0" + sid + ":0:1", "", propagation.NoDecision, propagation.ErrSyntax},
	{"span ID zero is not valid", tid + ":0:0:1", "", propagation.NoDecision, propagation.ErrZeroID},
	{"parent span ID is empty", tid + ":" + sid + "::1", "", propagation.NoDecision, propagation.ErrSyntax},
	{"parent span ID must be hex", tid + ":" + sid + ":x:1", "", propagation.NoDecision, propagation.ErrSyntax},
	{"flags are empty", tid + ":" + sid + ":0:", "", propagation.NoDecision, propagation.ErrSyntax},
	{"flags are one byte", tid + ":" + sid + ":0:100", "", propagation.NoDecision, propagation.ErrSyntax},
	{"half a colon", tid + "%3" + sid + ":0:1", "", propagation.NoDecision, propagation.ErrSyntax},
	{"too long", tid + ":" + sid + ":" + pid + ":" + strings.Repeat("0", 20), "", propagation.NoDecision, propagation.ErrTooLong},
	{"empty", "", "", propagation.NoDecision, propagation.ErrSyntax},
}

func TestParseJaeger(t *testing.T) {
	for _, tt := range jaegerTests {
		t.Run(tt.rule, func(t *testing.T) {
			sc, decision, err := propagation.ParseJaeger(tt.in)
			if decision != tt.decision || err != tt.err {
				t.Fatalf("ParseJaeger(%q): decision %d, error %v; want %d, %v", tt.in, decision, err, tt.decision, tt.err)
			}
			if err != nil {
				return
			}
			if got := string(propagation.AppendJaeger(nil, sc, decision)); got != tt.want || !sc.IsRemote() {
				t.Errorf("ParseJaeger(%q) = %q, remote %t; want %q", tt.in, got, sc.IsRemote(), tt.want)
			}
		})
	}
}

func TestJaegerExtract(t *testing.T) {
	const id = tid + ":" + sid + ":0:1"
	for _, tt := range []struct {
		rule    string
		in      http.Header
		valid   bool
		debugID string
		baggage map[string]string
	}{
		{"IDs alone", http.Header{"Uber-Trace-Id": {id}}, true, "", map[string]string{}},
		{"uberctx-{key}", http.Header{"Uber-Trace-Id": {id}, "Uberctx-User-Id": {"a%20b+c"}, "Uberctx-": {"x"}}, true, "", map[string]string{"user-id": "a b c"}},
		{"uberctx-{key} that was not encoded", http.Header{"Uber-Trace-Id": {id}, "Uberctx-K": {"100%"}}, true, "", map[string]string{"k": "100%"}},
		{"uberctx-{key} that is no text is left out", http.Header{"Uber-Trace-Id": {id}, "Uberctx-K": {"%ff"}}, true, "", map[string]string{}},
		{"uberctx-{key} whose key is no text is left out", http.Header{"Uber-Trace-Id": {id}, "Uberctx-\xff": {"v"}}, true, "", map[string]string{}},
		{"jaeger-baggage", http.Header{"Uber-Trace-Id": {id}, "Jaeger-Baggage": {"a=1, b=2,c"}}, true, "", map[string]string{"a": "1", "b": "2"}},
		{"jaeger-baggage without IDs", http.Header{"Jaeger-Baggage": {"a=1"}}, false, "", map[string]string{"a": "1"}},
		{"jaeger-debug-id without IDs", http.Header{"Jaeger-Debug-Id": {"ticket-7"}}, false, "ticket-7", map[string]string{}},
		{"jaeger-debug-id with IDs means nothing", http.Header{"Uber-Trace-Id": {id}, "Jaeger-Debug-Id": {"ticket-7"}}, true, "", map[string]string{}},
		{"jaeger-debug-id is cut", http.Header{"Jaeger-Debug-Id": {strings.Repeat("x", 1000)}}, false, strings.Repeat("x", 128), map[string]string{}},
		{"jaeger-debug-id is made text", http.Header{"Jaeger-Debug-Id": {"a\xffb"}}, false, "ab", map[string]string{}},
		{"uberctx-{key} alone is of nobody's trace", http.Header{"Uberctx-K": {"v"}}, false, "", map[string]string{}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			ctx := propagation.Jaeger{}.Extract(context.Background(), otelpropagation.HeaderCarrier(tt.in))
			if sc := trace.SpanContextFromContext(ctx); sc.IsValid() != tt.valid {
				t.Errorf("span context %v, want valid %t", sc, tt.valid)
			}
			if got := seam.DebugIDFromContext(ctx); got != tt.debugID {
				t.Errorf("debug ID %q, want %q", got, tt.debugID)
			}
			if got := seam.DecisionFromContext(ctx, trace.TraceID{}) == propagation.Debug; got != (tt.debugID != "") {
				t.Errorf("debug decision %t, want %t", got, !got)
			}
			if diff := cmp.Diff(tt.baggage, baggageOf(ctx)); diff != "" {
				t.Errorf("baggage (-want +got):\n%s", diff)
			}
		})
	}
}

// baggageOf returns the keys and values of ctx's baggage.
func baggageOf(ctx context.Context) map[string]string {
	members := map[string]string{}
	for _, m := range baggage.FromContext(ctx).Members() {
		members[m.Key()] = m.Value()
	}
	return members
}

func TestJaegerBaggageInMetadata(t *testing.T) {
	md := metadata{"uber-trace-id": {"1:1:0:1"}, "uberctx-a": {"1"}, "uberctx-b%20c": {"2"}, "uberctx-": {"3"}, "x-uberctx-d": {"4"}}
	ctx := propagation.Jaeger{}.Extract(context.Background(), md)
	if diff := cmp.Diff(map[string]string{"a": "1", "b%20c": "2"}, baggageOf(ctx)); diff != "" {
		t.Errorf("baggage (-want +got):\n%s", diff)
	}
}

func TestJaegerBaggageIsBounded(t *testing.T) {
	many, large := http.Header{"Uber-Trace-Id": {"1:1:0:1"}}, http.Header{"Uber-Trace-Id": {"1:1:0:1"}}
	for i := range 1000 {
		many.Set(fmt.Sprintf("uberctx-k%d", i), "v")
		large.Set(fmt.Sprintf("uberctx-k%d", i), strings.Repeat("v", 1000))
	}
	many["Jaeger-Baggage"] = []string{strings.Repeat("k=v,", 100_000)}
	for name, tt := range map[string]struct {
		in   http.Header
		want int
	}{"members": {many, 64}, "bytes": {large, 8}} {
		t.Run(name, func(t *testing.T) {
			ctx := propagation.Jaeger{}.Extract(context.Background(), otelpropagation.HeaderCarrier(tt.in))
			if got := baggage.FromContext(ctx).Len(); got != tt.want {
				t.Errorf("%d members, want %d", got, tt.want)
			}
		})
	}
}

func TestJaegerBaggageKeepsTheFirst(t *testing.T) {
	for name, value := range map[string]string{"members": "v", "bytes": strings.Repeat("v", 126)} {
		t.Run(name, func(t *testing.T) {
			list, want, bytes := []string{}, map[string]string{}, 0
			for i := range 100 {
				key := fmt.Sprintf("k%03d", i)
				list = append(list, key+"="+value)
				if bytes += len(key) + len(value) + 2; bytes <= 8192 && i < 64 {
					want[key] = value
				}
			}
			h := http.Header{"Uber-Trace-Id": {"1:1:0:1"}, "Jaeger-Baggage": {strings.Join(list, ",")}}
			ctx := propagation.Jaeger{}.Extract(context.Background(), otelpropagation.HeaderCarrier(h))
			if diff := cmp.Diff(want, baggageOf(ctx)); diff != "" {
				t.Errorf("baggage (-want +got):\n%s", diff)
			}
		})
	}
}

func TestJaegerBaggageIsAddedToBaggage(t *testing.T) {
	h := http.Header{
		"Uber-Trace-Id": {"1:1:0:1"}, "Uberctx-A": {"jaeger"}, "Uberctx-B": {"jaeger"},
		"Baggage": {"a=w3c"},
	}
	p := propagation.New(propagation.Config{Extract: []otelpropagation.TextMapPropagator{propagation.Jaeger{}, propagation.Baggage{}}})
	ctx := p.Extract(context.Background(), otelpropagation.HeaderCarrier(h))
	if diff := cmp.Diff(map[string]string{"a": "w3c", "b": "jaeger"}, baggageOf(ctx)); diff != "" {
		t.Errorf("baggage (-want +got):\n%s", diff)
	}
}

func TestJaegerInject(t *testing.T) {
	ctx, _ := span(trace.FlagsSampled)
	h := injected(ctx, propagation.Jaeger{}, http.Header{"Jaeger-Debug-Id": {"x"}})
	if diff := cmp.Diff(http.Header{"Uber-Trace-Id": {tid + ":" + sid + ":0:1"}}, h); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	for _, ctx := range []context.Context{ctx, context.Background()} {
		h = injected(ctx, propagation.Jaeger{}, http.Header{"Jaeger-Baggage": {"nonsense"}, "Uber-Trace-Id": {"x"}})
		if h.Get("Jaeger-Baggage") != "nonsense" || h.Get("Uber-Trace-Id") == "x" {
			t.Errorf("jaeger-baggage is not Inject's, and uber-trace-id is: %v", h)
		}
	}
	debug := propagation.Jaeger{}.Extract(context.Background(), otelpropagation.MapCarrier{"uber-trace-id": "1:1:0:3"})
	if got := injected(debug, propagation.B3{}, nil).Get("X-B3-Flags"); got != "1" {
		t.Errorf("a debug trace goes on in B3 with X-B3-Flags %q", got)
	}
}
