package propagation_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/meshtrace/meshtrace/internal/seam"
	"github.com/meshtrace/meshtrace/propagation"
	"go.opentelemetry.io/contrib/propagators/b3"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Three requests in one: each format is of a trace of its own.
const (
	traceW3C    = "11111111111111111111111111111111"
	traceB3     = "22222222222222222222222222222222"
	traceJaeger = "33333333333333333333333333333333"
)

var disagreeing = http.Header{
	"Traceparent":   {"00-" + traceW3C + "-" + sid + "-01"},
	"X-B3-Traceid":  {traceB3},
	"X-B3-Spanid":   {sid},
	"X-B3-Sampled":  {"1"},
	"Uber-Trace-Id": {traceJaeger + ":" + sid + ":0:1"},
	"Baggage":       {"user=alice"},
}

type propagators = []otelpropagation.TextMapPropagator

var contribB3 = b3.New(b3.WithInjectEncoding(b3.B3MultipleHeader))

func TestFirstThatParsesWins(t *testing.T) {
	without := func(keys ...string) http.Header {
		h := disagreeing.Clone()
		for _, key := range keys {
			h.Del(key)
		}
		return h
	}
	several := without()
	several.Add("traceparent", several.Get("traceparent"))
	malformed := without()
	malformed.Set("traceparent", "00")
	for _, tt := range []struct {
		rule    string
		extract propagators
		in      http.Header
		want    string // trace ID
	}{
		{"the first", propagators{propagation.TraceContext{}, propagation.B3{}}, disagreeing, traceW3C},
		{"the first, the other way round", propagators{propagation.B3{}, propagation.TraceContext{}}, disagreeing, traceB3},
		{"the next, if the first is absent", propagators{propagation.TraceContext{}, propagation.B3{}}, without("Traceparent"), traceB3},
		{"the next, if the first is malformed", propagators{propagation.TraceContext{}, propagation.B3{}}, malformed, traceB3},
		{"the next, if the first came several times", propagators{propagation.TraceContext{}, propagation.B3{}}, several, traceB3},
		{"none", propagators{propagation.XRay{}}, disagreeing, ""},
		{"no formats at all", propagators{}, disagreeing, ""},
		{"nil is no format", propagators{nil, propagation.B3{}}, disagreeing, traceB3},
		{"OpenTelemetry's first", propagators{otelpropagation.TraceContext{}, propagation.B3{}}, disagreeing, traceW3C},
		{"OpenTelemetry's second", propagators{propagation.B3{}, otelpropagation.TraceContext{}}, disagreeing, traceB3},
		{"contrib's first", propagators{contribB3, propagation.TraceContext{}}, disagreeing, traceB3},
		{"contrib's second", propagators{propagation.TraceContext{}, contribB3}, disagreeing, traceW3C},
		{"two strangers", propagators{contribB3, otelpropagation.TraceContext{}}, disagreeing, traceB3},
		{"an order within an order", propagators{propagation.Jaeger{}, propagation.Linkerd()}, disagreeing, traceJaeger},
		{"an order within an order, second", propagators{propagation.Linkerd(), propagation.Jaeger{}}, disagreeing, traceW3C},
		{"Linkerd", nil, disagreeing, traceW3C},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			p := propagation.New(propagation.Config{Extract: tt.extract})
			sc := extracted(p, tt.in)
			if got := sc.TraceID().String(); sc.IsValid() != (tt.want != "") || sc.IsValid() && got != tt.want {
				t.Errorf("found %v, want trace %q", sc, tt.want)
			}
			if sc.IsValid() && !sc.IsRemote() {
				t.Error("not remote")
			}
			if got, plain := p.(seam.HeaderExtractor).ExtractHeader(tt.in); plain && !got.Equal(sc) {
				t.Errorf("ExtractHeader found %v, Extract %v", got, sc)
			}
		})
	}
	if got := extracted(propagation.LinkerdB3(), disagreeing).TraceID().String(); got != traceB3 {
		t.Errorf("LinkerdB3 found trace %q, want %q", got, traceB3)
	}
}

// wary embeds a format, and so has its methods, but believes nobody and writes a header of its own.
type wary struct{ propagation.TraceContext }

func (wary) Extract(ctx context.Context, _ otelpropagation.TextMapCarrier) context.Context {
	return ctx
}

func (wary) Inject(_ context.Context, into otelpropagation.TextMapCarrier) {
	into.Set("X-Wary", "1")
}

// What embeds a format of ours reads and writes as it does, and not as ours would.
func TestWhatEmbedsAFormatIsAStranger(t *testing.T) {
	for name, p := range map[string]otelpropagation.TextMapPropagator{"value": wary{}, "pointer": &wary{}} {
		t.Run(name, func(t *testing.T) {
			p := propagation.New(propagation.Config{Extract: propagators{p}, Inject: propagators{p}})
			if sc := extracted(p, disagreeing); sc.IsValid() {
				t.Errorf("found %v", sc)
			}
			if sc, plain := p.(seam.HeaderExtractor).ExtractHeader(disagreeing); plain {
				t.Errorf("ExtractHeader found %v", sc)
			}
			ctx, _ := span(trace.FlagsSampled)
			h := http.Header{}
			p.Inject(ctx, otelpropagation.HeaderCarrier(h))
			if diff := cmp.Diff(http.Header{"X-Wary": {"1"}}, h); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSpanThatIsThereHasNotBeenExtracted(t *testing.T) {
	ctx, before := span(trace.FlagsSampled)
	p := propagation.New(propagation.Config{Extract: propagators{otelpropagation.Baggage{}, propagation.TraceContext{}}})
	sc := trace.SpanContextFromContext(p.Extract(ctx, otelpropagation.HeaderCarrier(disagreeing)))
	if got := sc.TraceID().String(); got != traceW3C {
		t.Errorf("found %v, want trace %s", sc, traceW3C)
	}
	if sc := trace.SpanContextFromContext(p.Extract(ctx, otelpropagation.HeaderCarrier{})); !sc.Equal(before) {
		t.Errorf("found %v in nothing", sc)
	}
}

func TestBaggageIsReadWhoeverWins(t *testing.T) {
	for name, extract := range map[string]propagators{
		"ours first":      {propagation.Baggage{}, propagation.TraceContext{}},
		"ours last":       {propagation.TraceContext{}, propagation.Baggage{}},
		"another's first": {otelpropagation.Baggage{}, propagation.TraceContext{}},
		"another's last":  {propagation.TraceContext{}, otelpropagation.Baggage{}},
		"in a loser":      {propagation.TraceContext{}, otelpropagation.NewCompositeTextMapPropagator(contribB3, otelpropagation.Baggage{})},
		"Linkerd":         nil,
	} {
		t.Run(name, func(t *testing.T) {
			p := propagation.New(propagation.Config{Extract: extract})
			ctx := p.Extract(context.Background(), otelpropagation.HeaderCarrier(disagreeing))
			if diff := cmp.Diff(map[string]string{"user": "alice"}, baggageOf(ctx)); diff != "" {
				t.Errorf("baggage (-want +got):\n%s", diff)
			}
			if got := trace.SpanContextFromContext(ctx).TraceID().String(); got != traceW3C {
				t.Errorf("trace ID %q, want %q", got, traceW3C)
			}
		})
	}
}

func TestDecisionWithoutIDsCountsLast(t *testing.T) {
	deny := http.Header{"X-B3-Sampled": {"0"}}
	for _, tt := range []struct {
		rule string
		in   http.Header
		want propagation.Decision // for a new trace
	}{
		{"alone", deny, propagation.Deny},
		{"beside IDs of a better format", together(deny, http.Header{"Traceparent": {traceparent}}), propagation.NoDecision},
		{"beside IDs of a worse format", together(deny, http.Header{"Uber-Trace-Id": {"1:1:0:1"}}), propagation.NoDecision},
		{"the better of two decisions", together(deny, http.Header{"Jaeger-Debug-Id": {"x"}}), propagation.Deny},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			ctx := propagation.Linkerd().Extract(context.Background(), otelpropagation.HeaderCarrier(tt.in))
			if got := seam.DecisionFromContext(ctx, trace.TraceID{}); got != tt.want {
				t.Errorf("decision %d, want %d", got, tt.want)
			}
		})
	}
}

func TestLinkConflicts(t *testing.T) {
	agreeing := http.Header{
		"Traceparent":   {"00-" + traceW3C + "-" + sid + "-01"},
		"X-B3-Traceid":  {traceW3C},
		"X-B3-Spanid":   {pid}, // stale, as a proxy leaves it
		"X-B3-Sampled":  {"1"},
		"Uber-Trace-Id": {"malformed"},
	}
	for _, tt := range []struct {
		rule string
		cfg  propagation.Config
		in   http.Header
		want []string // trace IDs
	}{
		{"off by default", propagation.Config{}, disagreeing, nil},
		{"those that lost, best first", propagation.Config{LinkConflicts: true}, disagreeing, []string{traceB3, traceJaeger}},
		{"as an order within this one says", propagation.Config{Extract: propagators{
			propagation.New(propagation.Config{Extract: propagators{propagation.TraceContext{}}, LinkConflicts: true}), propagation.B3{},
		}}, disagreeing, []string{traceB3}},
		{"of the same trace is no conflict", propagation.Config{LinkConflicts: true}, agreeing, nil},
		{"those of strangers", propagation.Config{LinkConflicts: true, Extract: propagators{otelpropagation.TraceContext{}, contribB3}}, disagreeing, []string{traceB3}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			p := propagation.New(tt.cfg)
			ctx := p.Extract(context.Background(), otelpropagation.HeaderCarrier(tt.in))
			var got []string
			for _, link := range seam.LinksFromContext(ctx) {
				got = append(got, link.SpanContext.TraceID().String())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("links (-want +got):\n%s", diff)
			}
			if got := trace.SpanContextFromContext(ctx).TraceID().String(); got != traceW3C {
				t.Errorf("trace ID %q, want %q", got, traceW3C)
			}
		})
	}
}

// The seam must find what Extract finds.
func TestExtractHeaderIsExtract(t *testing.T) {
	tp := http.Header{"Traceparent": {traceparent}}
	for _, tt := range []struct {
		rule  string
		cfg   propagation.Config
		in    http.Header
		plain bool
	}{
		{"traceparent", propagation.Config{}, tp, true},
		{"traceparent and a tracestate that OpenTelemetry can hold", propagation.Config{}, together(tp, http.Header{"Tracestate": {"a=1,b=2"}}), true},
		{"several tracestate headers that OpenTelemetry can hold", propagation.Config{}, together(tp, http.Header{"Tracestate": {"a=1", "b=2"}}), true},
		{"a tracestate that OpenTelemetry cannot hold", propagation.Config{}, together(tp, http.Header{"Tracestate": {"1a=1"}}), false},
		{"a tracestate with white space", propagation.Config{}, together(tp, http.Header{"Tracestate": {"a=1, b=2"}}), false},
		{"a malformed tracestate", propagation.Config{}, together(tp, http.Header{"Tracestate": {"="}}), true},
		{"an empty tracestate", propagation.Config{}, together(tp, http.Header{"Tracestate": {""}}), true},
		{"grpc-trace-bin", propagation.Config{}, http.Header{"Grpc-Trace-Bin": {padded}}, true},
		{"B3, accept", propagation.Config{}, b3Header(propagation.B3Headers{TraceID: tid, SpanID: sid, Sampled: "1"}), true},
		{"B3, deny", propagation.Config{}, b3Header(propagation.B3Headers{TraceID: tid, SpanID: sid, Sampled: "0"}), true},
		{"B3, defer", propagation.Config{}, b3Header(propagation.B3Headers{TraceID: tid, SpanID: sid}), false},
		{"B3, debug", propagation.Config{}, b3Header(propagation.B3Headers{TraceID: tid, SpanID: sid, Flags: "1"}), false},
		{"B3, deny without IDs", propagation.Config{}, http.Header{"X-B3-Sampled": {"0"}}, false},
		{"b3", propagation.Config{}, http.Header{"B3": {tid + "-" + sid + "-1"}}, true},
		{"uber-trace-id", propagation.Config{}, http.Header{"Uber-Trace-Id": {"1:1:0:1"}}, true},
		{"uber-trace-id and baggage", propagation.Config{}, http.Header{"Uber-Trace-Id": {"1:1:0:1"}, "Uberctx-K": {"v"}}, false},
		{"jaeger-baggage", propagation.Config{}, http.Header{"Jaeger-Baggage": {"k=v"}}, false},
		{"jaeger-debug-id", propagation.Config{}, http.Header{"Jaeger-Debug-Id": {"x"}}, false},
		{"baggage", propagation.Config{}, together(tp, http.Header{"Baggage": {"a=1"}}), false},
		{"baggage that nobody reads", propagation.Config{Extract: propagators{propagation.TraceContext{}}}, together(tp, http.Header{"Baggage": {"a=1"}}), true},
		{"nothing", propagation.Config{}, http.Header{}, true},
		{"no header", propagation.Config{}, nil, true},
		{"malformed", propagation.Config{}, http.Header{"Traceparent": {"00"}}, true},
		{"several formats", propagation.Config{}, disagreeing, false},
		{"several formats, one of which wins", propagation.Config{Extract: propagators{propagation.TraceContext{}, propagation.B3{}}}, disagreeing, true},
		{"a conflict to be linked", propagation.Config{LinkConflicts: true, Extract: propagators{propagation.TraceContext{}, propagation.B3{}}}, disagreeing, false},
		{"no conflict", propagation.Config{LinkConflicts: true}, tp, true},
		{"a stranger", propagation.Config{Extract: propagators{otelpropagation.TraceContext{}}}, tp, false},
		{"a stranger within an order", propagation.Config{Extract: propagators{alone(otelpropagation.TraceContext{})}}, tp, false},
		{"an order within an order", propagation.Config{Extract: propagators{propagation.Linkerd()}}, tp, true},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			p := propagation.New(tt.cfg)
			before := tt.in.Clone()
			sc, plain := p.(seam.HeaderExtractor).ExtractHeader(tt.in)
			if plain != tt.plain {
				t.Fatalf("plain %t, want %t", plain, tt.plain)
			}
			if diff := cmp.Diff(before, tt.in); diff != "" {
				t.Errorf("headers were changed (-before +after):\n%s", diff)
			}
			if !plain {
				return
			}
			ctx := p.Extract(context.Background(), otelpropagation.HeaderCarrier(tt.in))
			if want := trace.SpanContextFromContext(ctx); !sc.Equal(want) {
				t.Errorf("ExtractHeader found %v, Extract %v", sc, want)
			}
			// A context says how many values were put into it.
			if sc.IsValid() {
				if n := strings.Count(fmt.Sprint(ctx), ".WithValue("); n != 1 {
					t.Errorf("Extract put more than a span context into the context: %v", ctx)
				}
			} else if ctx != context.Background() {
				t.Errorf("Extract put something into the context: %v", ctx)
			}
		})
	}
}

func TestInjectLeavesNoOtherFormat(t *testing.T) {
	ctx, _ := span(trace.FlagsSampled)
	stale := func() http.Header {
		h := disagreeing.Clone()
		for key, value := range map[string]string{
			"tracestate": "a=1", "b3": "0", "x-b3-flags": "1", "x-b3-parentspanid": pid, "grpc-trace-bin": padded,
			"jaeger-debug-id": "x", "x-amzn-trace-id": xrayRoot, "x-datadog-trace-id": "1", "x-datadog-parent-id": "2",
			"x-datadog-sampling-priority": "1", "x-datadog-tags": ddTID, "x-datadog-origin": "rum",
		} {
			h.Set(key, value)
		}
		return h
	}
	own := http.Header{"Accept": {"*/*"}, "X-Request-Id": {"7"}, "Uberctx-K": {"v"}}
	for _, tt := range []struct {
		rule string
		p    otelpropagation.TextMapPropagator
		want http.Header
	}{
		{"Linkerd", propagation.Linkerd(), http.Header{"Traceparent": {traceparent}}},
		{"LinkerdB3", propagation.LinkerdB3(), b3Header(propagation.B3Headers{TraceID: tid, SpanID: sid, Sampled: "1"})},
		{"two formats", propagation.New(propagation.Config{Inject: propagators{propagation.TraceContext{}, propagation.B3Single{}}}),
			http.Header{"Traceparent": {traceparent}, "B3": {tid + "-" + sid + "-1"}, "Baggage": {"user=alice"}}},
		{"both encodings of B3", propagation.New(propagation.Config{Inject: propagators{propagation.B3{}, propagation.B3Single{}, propagation.Jaeger{}}}),
			together(b3Header(propagation.B3Headers{TraceID: tid, SpanID: sid, Sampled: "1"}),
				http.Header{"B3": {tid + "-" + sid + "-1"}, "Uber-Trace-Id": {tid + ":" + sid + ":0:1"}, "Baggage": {"user=alice"}})},
		{"contrib's", propagation.New(propagation.Config{Inject: propagators{contribB3, propagation.Baggage{}}}),
			b3Header(propagation.B3Headers{TraceID: tid, SpanID: sid, Sampled: "1"})},
	} {
		for size, more := range map[string]int{"few headers": 0, "many headers": 40} {
			t.Run(tt.rule+"/"+size, func(t *testing.T) {
				in, want := together(stale(), own), together(tt.want, own)
				for i := range more {
					key := http.CanonicalHeaderKey("x-own-" + string(rune('a'+i%26)) + string(rune('a'+i/26)))
					in[key], want[key] = []string{"v"}, []string{"v"}
				}
				if tt.rule == "contrib's" {
					in.Del("x-b3-flags") // which contrib leaves, and it may
					in.Del("x-b3-parentspanid")
				}
				if diff := cmp.Diff(want, injected(ctx, tt.p, in)); diff != "" {
					t.Errorf("headers (-want +got):\n%s", diff)
				}
			})
		}
	}
	t.Run("a format that nobody knows", func(t *testing.T) {
		p := propagation.New(propagation.Config{Inject: propagators{hermit{}}})
		if diff := cmp.Diff(http.Header{"X-Hermit": {"1"}}, injected(ctx, p, http.Header{"Traceparent": {"x"}, "B3": {"0"}})); diff != "" {
			t.Errorf("headers (-want +got):\n%s", diff)
		}
	})
	t.Run("who writes no span context leaves what there is", func(t *testing.T) {
		p := propagation.New(propagation.Config{Inject: propagators{propagation.Baggage{}}})
		if diff := cmp.Diff(http.Header{"Traceparent": {"x"}}, injected(ctx, p, http.Header{"Traceparent": {"x"}})); diff != "" {
			t.Errorf("headers (-want +got):\n%s", diff)
		}
	})
	t.Run("a carrier from which nothing can be removed", func(t *testing.T) {
		md := metadata{"x-b3-traceid": {tid64}, "tracestate": {"a=1"}}
		propagation.Linkerd().Inject(ctx, md)
		if diff := cmp.Diff(metadata{"x-b3-traceid": {tid64}, "tracestate": {""}, "traceparent": {traceparent}}, md); diff != "" {
			t.Errorf("metadata (-want +got):\n%s", diff)
		}
	})
	t.Run("a Deleter", func(t *testing.T) {
		md := erasable{metadata{"x-b3-traceid": {tid64}, "tracestate": {"a=1"}, "baggage": {"a=1"}}}
		propagation.Linkerd().Inject(ctx, md)
		if diff := cmp.Diff(metadata{"traceparent": {traceparent}}, md.metadata); diff != "" {
			t.Errorf("metadata (-want +got):\n%s", diff)
		}
	})
}

// A reverse proxy copies the headers of a request that no middleware has read.
func TestPassThroughWithoutSpan(t *testing.T) {
	for _, tt := range []struct {
		rule     string
		in, want http.Header
	}{
		{"what is well formed stays, in all formats", disagreeing, disagreeing},
		{"what is malformed goes, and the rest stays",
			together(disagreeing, http.Header{"Traceparent": {"00-" + tid + "-" + sid + "-"}, "Tracestate": {"a=1"}}),
			func() http.Header { h := disagreeing.Clone(); h.Del("Traceparent"); return h }()},
		{"a decision without IDs stays", http.Header{"X-B3-Sampled": {"0"}}, http.Header{"X-B3-Sampled": {"0"}}},
		{"half a B3 goes", http.Header{"X-B3-Traceid": {tid}, "X-B3-Sampled": {"1"}}, http.Header{}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, injected(context.Background(), propagation.Linkerd(), tt.in.Clone())); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOrderFields(t *testing.T) {
	p := propagation.New(propagation.Config{Inject: propagators{
		propagation.TraceContext{}, propagation.Linkerd(), contribB3, nil,
	}})
	want := []string{"traceparent", "tracestate", "baggage", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "x-b3-flags"}
	got := p.Fields()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	slices.Reverse(got)
	if diff := cmp.Diff(want, p.Fields()); diff != "" {
		t.Errorf("fields after their slice was changed (-want +got):\n%s", diff)
	}
}

// A hermit is a propagator of a format that nobody else has.
type hermit struct{}

func (hermit) Fields() []string { return []string{"x-hermit"} }
func (hermit) Inject(_ context.Context, c otelpropagation.TextMapCarrier) {
	c.Set("x-hermit", "1")
}
func (hermit) Extract(ctx context.Context, _ otelpropagation.TextMapCarrier) context.Context {
	return ctx
}

// What the seam for gRPC's metadata takes for all there is, is all there is.
func TestUsualMetadata(t *testing.T) {
	type md = map[string][]string
	foreign := propagation.Config{Extract: []otelpropagation.TextMapPropagator{propagation.TraceContext{}, otelpropagation.Baggage{}}}
	tests := []struct {
		rule  string
		p     otelpropagation.TextMapPropagator
		md    md
		plain bool
	}{
		{"one traceparent", propagation.Linkerd(), md{"traceparent": {traceparent}, "b3": {"0"}}, true},
		{"none", propagation.Linkerd(), md{"b3": {tid + "-" + sid + "-1"}}, false},
		{"two", propagation.Linkerd(), md{"traceparent": {traceparent, traceparent}}, false},
		{"another version", propagation.Linkerd(), md{"traceparent": {"01" + traceparent[2:]}}, false},
		{"a tracestate", propagation.Linkerd(), md{"traceparent": {traceparent}, "tracestate": {"a=1"}}, false},
		{"baggage", propagation.Linkerd(), md{"traceparent": {traceparent}, "baggage": {"a=1"}}, false},
		{"baggage that nobody reads", alone(propagation.TraceContext{}), md{"traceparent": {traceparent}, "baggage": {"a=1"}}, true},
		{"an order in which B3 wins", propagation.LinkerdB3(), md{"traceparent": {traceparent}}, false},
		{"a foreign propagator", propagation.New(foreign), md{"traceparent": {traceparent}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			sc, plain := tt.p.(seam.MetadataExtractor).ExtractMetadata(tt.md)
			if plain != tt.plain || plain && traceparent != string(propagation.AppendTraceparent(nil, sc)) {
				t.Errorf("ExtractMetadata(%v) = %v, %v", tt.md, sc, plain)
			}
		})
	}
}
