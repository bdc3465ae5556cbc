package propagation_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/meshtrace/meshtrace/propagation"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// span returns a context with a span in it, and what is sent for it.
func span(flags trace.TraceFlags) (context.Context, trace.SpanContext) {
	sc := spanContext(tid, sid, flags)
	return trace.ContextWithSpanContext(context.Background(), sc), sc
}

func spanContext(traceID, spanID string, flags trace.TraceFlags) trace.SpanContext {
	t, err1 := trace.TraceIDFromHex(traceID)
	s, err2 := trace.SpanIDFromHex(spanID)
	if err1 != nil || err2 != nil {
		panic("not IDs: " + traceID + " " + spanID)
	}
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: t, SpanID: s, TraceFlags: flags})
}

// extracted returns the span context that p finds in h.
func extracted(p otelpropagation.TextMapPropagator, h http.Header) trace.SpanContext {
	return trace.SpanContextFromContext(p.Extract(context.Background(), otelpropagation.HeaderCarrier(h)))
}

// injected returns the headers after p has written into h.
func injected(ctx context.Context, p otelpropagation.TextMapPropagator, h http.Header) http.Header {
	if h == nil {
		h = http.Header{}
	}
	p.Inject(ctx, otelpropagation.HeaderCarrier(h))
	return h
}

func TestTraceContextExtract(t *testing.T) {
	const tp = traceparent
	for _, tt := range []struct {
		rule  string
		in    http.Header
		valid bool
		state string
	}{
		{"traceparent alone", http.Header{"Traceparent": {tp}}, true, ""},
		{"several traceparent headers mean none", http.Header{"Traceparent": {tp, tp}}, false, ""},
		{"traceparent and tracestate", http.Header{"Traceparent": {tp}, "Tracestate": {"foo=1,bar=2"}}, true, "foo=1,bar=2"},
		{"tracestate without traceparent must not be parsed", http.Header{"Tracestate": {"foo=1"}}, false, ""},
		{"tracestate beside a bad traceparent must not be parsed", http.Header{"Traceparent": {"00"}, "Tracestate": {"foo=1"}}, false, ""},
		{"a bad tracestate must not affect traceparent", http.Header{"Traceparent": {tp}, "Tracestate": {"foo=1,=2"}}, true, ""},
		{"tracestate over several headers", http.Header{"Traceparent": {tp}, "Tracestate": {"foo=1", "", "bar=2"}}, true, "foo=1,bar=2"},
		{"what level 1 does not know is not in the span context", http.Header{"Traceparent": {tp}, "Tracestate": {"1a=0,foo=1,b@=2"}}, true, "foo=1"},
		{"header name of wrong spelling", http.Header{"Trace-Parent": {tp}}, false, ""},
		{"nothing", nil, false, ""},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			sc := extracted(propagation.TraceContext{}, tt.in)
			if sc.IsValid() != tt.valid || sc.TraceState().String() != tt.state {
				t.Errorf("extracted %v with %q; want valid %t with %q", sc, sc.TraceState(), tt.valid, tt.state)
			}
		})
	}
}

// The headers of a request, after a service that records with OpenTelemetry's SDK has done
// something with the span context.
func TestTracestateOnItsWayThrough(t *testing.T) {
	const level2 = "1a=0,foo=1,b@=2"
	insert := func(key, value string) func(trace.TraceState) trace.TraceState {
		return func(ts trace.TraceState) trace.TraceState {
			ts, err := ts.Insert(key, value)
			if err != nil {
				t.Fatal(err)
			}
			return ts
		}
	}
	remove := func(key string) func(trace.TraceState) trace.TraceState {
		return func(ts trace.TraceState) trace.TraceState { return ts.Delete(key) }
	}
	for _, tt := range []struct {
		rule   string
		in     []string
		change func(trace.TraceState) trace.TraceState
		want   []string
	}{
		{"untouched", []string{"foo=1,bar=2"}, nil, []string{"foo=1,bar=2"}},
		{"untouched, white space and all", []string{" foo=1 ,,\tbar= 2"}, nil, []string{" foo=1 ,,\tbar= 2"}},
		{"untouched, a space at the end", []string{"foo=1 "}, nil, []string{"foo=1 "}},
		{"untouched, a space before a comma", []string{"foo=1 ,bar=2"}, nil, []string{"foo=1 ,bar=2"}},
		{"untouched, an empty member at the end", []string{"foo=1,"}, nil, []string{"foo=1,"}},
		{"untouched, a tenant of level 1", []string{"t@system=1,foo=2"}, nil, []string{"t@system=1,foo=2"}},
		{"untouched, more members than usual", []string{members(32, "")}, nil, []string{members(32, "")}},
		{"but for a duplicate", []string{"foo=1,bar=2,foo=3"}, nil, []string{"foo=1,bar=2"}},
		{"untouched, with keys of level 2", []string{level2}, nil, []string{level2}},
		{"untouched, with nothing but keys of level 2", []string{"1a=0"}, nil, []string{"1a=0"}},
		{"untouched, with a tenant of level 2", []string{"t@system-of-15-ch=1"}, nil, []string{"t@system-of-15-ch=1"}},
		{"untouched, over several headers", []string{"foo=1", "1a=2"}, nil, []string{"foo=1,1a=2"}},
		{"untouched, but for a duplicate", []string{"foo=1,1a=0,foo=2"}, nil, []string{"foo=1,1a=0"}},
		{"discarded", []string{"foo=1,@=2"}, nil, nil},
		{"empty", []string{""}, nil, nil},
		{"a new member is put in front", []string{"foo=1"}, insert("ot", "th:8"), []string{"ot=th:8,foo=1"}},
		{"a new member is put in front of keys of level 2", []string{level2}, insert("ot", "th:8"), []string{"ot=th:8,1a=0,foo=1,b@=2"}},
		{"a changed member moves to the front of keys of level 2", []string{level2}, insert("foo", "9"), []string{"foo=9,1a=0,b@=2"}},
		{"a deleted member goes from between keys of level 2", []string{level2}, remove("foo"), []string{"1a=0,b@=2"}},
		{"the 33rd member goes", []string{"1a=0," + members(31, "")}, insert("ot", "th:8"), []string{"ot=th:8,1a=0," + members(30, "")}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			in := http.Header{"Traceparent": {traceparent}, "Tracestate": tt.in}
			ctx := propagation.TraceContext{}.Extract(context.Background(), otelpropagation.HeaderCarrier(in))
			tp := sdktrace.NewTracerProvider(sdktrace.WithSampler(changing{tt.change}))
			ctx, server := tp.Tracer("").Start(ctx, "server")
			ctx, client := tp.Tracer("").Start(ctx, "client")
			defer server.End()
			defer client.End()

			want := http.Header{"Traceparent": {"00-" + tid + "-" + client.SpanContext().SpanID().String() + "-01"}}
			if tt.want != nil {
				want["Tracestate"] = tt.want
			}
			if diff := cmp.Diff(want, injected(ctx, propagation.TraceContext{}, nil)); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
		})
	}
}

// changing samples everything, and changes the tracestate of the first span of the process.
type changing struct {
	change func(trace.TraceState) trace.TraceState
}

func (s changing) Description() string { return "changing" }

func (s changing) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	parent := trace.SpanContextFromContext(p.ParentContext)
	state := parent.TraceState()
	if s.change != nil && parent.IsRemote() {
		state = s.change(state)
	}
	return sdktrace.SamplingResult{Decision: sdktrace.RecordAndSample, Tracestate: state}
}

func TestTracestateDoesNotGoOnIntoAnotherTrace(t *testing.T) {
	in := http.Header{"Traceparent": {traceparent}, "Tracestate": {"1a=0,foo=1"}}
	ctx := propagation.TraceContext{}.Extract(context.Background(), otelpropagation.HeaderCarrier(in))
	ctx, root := sdktrace.NewTracerProvider().Tracer("").Start(ctx, "root", trace.WithNewRoot())
	defer root.End()
	h := injected(ctx, propagation.TraceContext{}, http.Header{"Tracestate": {"stale=1"}})
	if got := h.Values("Tracestate"); got != nil {
		t.Errorf("tracestate of the old trace sent with the new one: %q", got)
	}
}

func TestTraceContextInject(t *testing.T) {
	sampled, _ := span(trace.FlagsSampled)
	random, _ := span(trace.FlagsSampled | trace.FlagsRandom)
	unknown, _ := span(0xff)
	for _, tt := range []struct {
		rule     string
		ctx      context.Context
		in, want http.Header
	}{
		{"a span", sampled, nil, http.Header{"Traceparent": {traceparent}}},
		{"the random flag is carried", random, nil, http.Header{"Traceparent": {"00-" + tid + "-" + sid + "-03"}}},
		{"unknown flags must be set to zero", unknown, nil, http.Header{"Traceparent": {"00-" + tid + "-" + sid + "-03"}}},
		{"what was there is overwritten", sampled, http.Header{"Traceparent": {"00-", "x"}}, http.Header{"Traceparent": {traceparent}}},
		{"a tracestate that was there is not ours", sampled, http.Header{"Tracestate": {"foo=1"}}, http.Header{"Traceparent": {traceparent}}},
		{"no span, nothing is written", context.Background(), nil, http.Header{}},
		{"no span, what is well formed passes", context.Background(), http.Header{"Traceparent": {traceparent}, "Tracestate": {"foo=1"}}, http.Header{"Traceparent": {traceparent}, "Tracestate": {"foo=1"}}},
		{"no span, empty flags would lose the connection", context.Background(), http.Header{"Traceparent": {"00-" + tid + "-" + sid + "-"}, "Tracestate": {"foo=1"}}, http.Header{}},
		{"no span, several headers are none", context.Background(), http.Header{"Traceparent": {traceparent, traceparent}}, http.Header{}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, injected(tt.ctx, propagation.TraceContext{}, tt.in)); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
		})
	}
}

func TestInjectedHeadersCanBeChangedByTheirOwner(t *testing.T) {
	ctx, _ := span(trace.FlagsSampled)
	for name, p := range formats {
		t.Run(name, func(t *testing.T) {
			h := injected(ctx, p, nil)
			before := h.Clone()
			for key := range h {
				h.Add(key, "more")
				h[key][0] += "x"
			}
			if diff := cmp.Diff(before, injected(ctx, p, nil)); diff != "" {
				t.Errorf("headers of another request (-want +got):\n%s", diff)
			}
			for key := range h {
				if got := h[key]; len(got) != 2 || got[0] != before[key][0]+"x" {
					t.Errorf("%s = %q", key, got)
				}
			}
		})
	}
}
