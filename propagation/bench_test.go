package propagation_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/meshtrace/meshtrace/internal/seam"
	"github.com/meshtrace/meshtrace/propagation"
	"go.opentelemetry.io/contrib/propagators/b3"
	"go.opentelemetry.io/otel/baggage"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// compositions are the same formats from us and from OpenTelemetry and its contrib.
var compositions = []struct {
	name         string
	ours, theirs otelpropagation.TextMapPropagator
}{
	{"w3c", alone(propagation.TraceContext{}), otelpropagation.TraceContext{}},
	{"b3multi", alone(propagation.B3{}), contribB3},
	{"b3", alone(propagation.B3Single{}), b3.New()},
	{"w3c+baggage", alone(propagation.TraceContext{}, propagation.Baggage{}),
		otelpropagation.NewCompositeTextMapPropagator(otelpropagation.TraceContext{}, otelpropagation.Baggage{})},
	{"w3c+b3multi", alone(propagation.TraceContext{}, propagation.B3{}),
		otelpropagation.NewCompositeTextMapPropagator(contribB3, otelpropagation.TraceContext{})}, // the last wins
}

// request is what a service's request has beside trace headers.
func request() http.Header {
	return http.Header{"Accept": {"*/*"}, "User-Agent": {"bench"}, "Content-Type": {"application/json"}}
}

// BenchmarkExtract's rows by=us and by=peer make a context; by=us/seam is how the middlewares of
// this module read.
func BenchmarkExtract(b *testing.B) {
	ctx, _ := span(trace.FlagsSampled)
	for _, c := range compositions {
		for _, in := range []struct {
			name string
			h    http.Header
		}{
			{"span", injected(ctx, c.ours, request())},
			{"none", request()},
		} {
			benchmarkExtract(b, "format="+c.name+"/in="+in.name, c.ours, c.theirs, in.h)
		}
	}
	state := injected(ctx, propagation.TraceContext{}, request())
	state.Set("tracestate", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE")
	benchmarkExtract(b, "format=w3c/in=tracestate", propagation.TraceContext{}, otelpropagation.TraceContext{}, state)
	bag := injected(ctx, propagation.TraceContext{}, request())
	bag.Set("baggage", "tenant=acme,user=42;ttl=5")
	w3cBaggage, w3cB3 := compositions[3], compositions[4]
	benchmarkExtract(b, "format=w3c+baggage/in=baggage", w3cBaggage.ours, w3cBaggage.theirs, bag)
	benchmarkExtract(b, "format=w3c+baggage/in=baggage/read=yes", reading{w3cBaggage.ours}, reading{w3cBaggage.theirs}, bag)
	benchmarkExtract(b, "format=w3c+b3multi/in=b3", w3cB3.ours, w3cB3.theirs, injected(ctx, propagation.B3{}, request()))
	benchmarkExtract(b, "format=linkerd/in=span", propagation.Linkerd(), nil, injected(ctx, propagation.Linkerd(), request()))
	benchmarkExtract(b, "format=linkerd/in=none", propagation.Linkerd(), nil, request())
}

// reading is a propagator whose user asks for the baggage of every request.
type reading struct {
	otelpropagation.TextMapPropagator
}

func (p reading) Extract(ctx context.Context, from otelpropagation.TextMapCarrier) context.Context {
	ctx = p.TextMapPropagator.Extract(ctx, from)
	baggage.FromContext(ctx)
	return ctx
}

func benchmarkExtract(b *testing.B, name string, ours, theirs otelpropagation.TextMapPropagator, h http.Header) {
	background, carrier := context.Background(), otelpropagation.HeaderCarrier(h)
	b.Run(name+"/by=us", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ours.Extract(background, carrier)
		}
	})
	if fast, ok := ours.(seam.HeaderExtractor); ok {
		b.Run(name+"/by=us/seam", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				fast.ExtractHeader(h)
			}
		})
	}
	if theirs != nil {
		b.Run(name+"/by=peer", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				theirs.Extract(background, carrier)
			}
		})
	}
}

func BenchmarkInject(b *testing.B) {
	ctx, _ := span(trace.FlagsSampled)
	for _, c := range compositions {
		benchmarkInject(b, "format="+c.name+"/headers=3", c.ours, ctx, request())
		benchmarkInject(b, "format="+c.name+"/headers=3/peer", c.theirs, ctx, request())
	}
	benchmarkInject(b, "format=none/headers=3", setter{}, ctx, request())
	many := request()
	for i := range 20 {
		many.Set(fmt.Sprintf("x-own-%d", i), "v")
	}
	linkerd := propagation.Linkerd()
	benchmarkInject(b, "format=linkerd/headers=0", linkerd, ctx, http.Header{})
	benchmarkInject(b, "format=linkerd/headers=3", linkerd, ctx, request())
	benchmarkInject(b, "format=linkerd/headers=23", linkerd, ctx, many)
	benchmarkInject(b, "format=linkerd/headers=3/span=no", linkerd, context.Background(), request())
}

// setter does what no propagator can do without: it makes a header's value and sets it.
type setter struct {
	otelpropagation.TextMapPropagator
}

func (setter) Inject(_ context.Context, into otelpropagation.TextMapCarrier) {
	value := new(struct {
		slice [1]string
		text  [len(traceparent)]byte
	})
	value.slice[0] = traceparent
	into.(otelpropagation.HeaderCarrier)["Traceparent"] = value.slice[:]
}

func benchmarkInject(b *testing.B, name string, p otelpropagation.TextMapPropagator, ctx context.Context, h http.Header) {
	b.Run(strings.Replace(name, "/peer", "/by=peer", 1), func(b *testing.B) {
		b.ReportAllocs()
		carrier := otelpropagation.HeaderCarrier(h)
		for b.Loop() {
			p.Inject(ctx, carrier)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	bench := func(name string, parse func()) {
		b.Run("format="+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				parse()
			}
		})
	}
	_, sc := span(trace.FlagsSampled)
	single, uber, xray := tid+"-"+sid+"-1", tid+":"+sid+":0:1", xrayRoot+";Parent="+sid+";Sampled=1"
	bin := propagation.AppendGRPCTraceBin(nil, sc)
	several := propagation.B3Headers{TraceID: tid, SpanID: sid, Sampled: "1"}
	dd := propagation.DatadogHeaders{TraceID: ddTrace, ParentID: ddSpan, SamplingPriority: "1", Tags: ddTID}
	bench("traceparent", func() { _, _ = propagation.ParseTraceparent(traceparent) })
	bench("tracestate", func() { _, _ = propagation.ParseTracestate("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE") })
	bench("b3", func() { _, _, _ = propagation.ParseB3Single(single) })
	bench("b3multi", func() { _, _, _ = propagation.ParseB3(several) })
	bench("jaeger", func() { _, _, _ = propagation.ParseJaeger(uber) })
	bench("grpctracebin", func() { _, _ = propagation.ParseGRPCTraceBin(bin) })
	bench("xray", func() { _, _, _ = propagation.ParseXRay(xray) })
	bench("datadog", func() { _, _, _ = propagation.ParseDatadog(dd) })
	bench("baggage", func() { propagation.ParseBaggage("user=alice,tenant=blue") })
}

// BenchmarkAdversary reads headers that somebody has made to be expensive. None of them may cost
// more for being longer than its format's bound.
func BenchmarkAdversary(b *testing.B) {
	const mega = 1 << 20
	with := func(key, value string) http.Header {
		return http.Header{"Traceparent": {traceparent}, key: {value}}
	}
	for _, in := range []struct {
		name string
		h    http.Header
	}{
		{"tracestate=10000 members", with("Tracestate", members(10_000, ""))},
		{"tracestate=32 longest members", with("Tracestate", longestMembers())},
		{"tracestate=16 KB of commas", with("Tracestate", strings.Repeat(",", 16_400))},
		{"tracestate=1 MB of commas", with("Tracestate", strings.Repeat(",", mega))},
		{"tracestate=10000 headers", http.Header{"Traceparent": {traceparent}, "Tracestate": make([]string, 10_000)}},
		{"traceparent=1 MB of digits", http.Header{"Traceparent": {strings.Repeat("0", mega)}}},
		{"traceparent=1 MB later version", http.Header{"Traceparent": {"cc" + traceparent[2:] + "-" + strings.Repeat("x", mega)}}},
		{"traceparent=10000 headers", http.Header{"Traceparent": make([]string, 10_000)}},
		{"traceparent=NUL", http.Header{"Traceparent": {strings.Repeat("\x00", len(traceparent))}}},
		{"traceparent=invalid UTF-8", http.Header{"Traceparent": {strings.Repeat("\xff", len(traceparent))}}},
		{"tracestate=NUL", with("Tracestate", strings.Repeat("\x00", mega))},
		{"tracestate=invalid UTF-8", with("Tracestate", strings.Repeat("\xff", mega))},
		{"tracestate=separators", with("Tracestate", strings.Repeat("=,", mega/2))},
		{"tracestate=512 characters of small members", with("Tracestate", members(32, "")+strings.Repeat(" ", 512-len(members(32, ""))))},
		{"traceparent=separators", http.Header{"Traceparent": {strings.Repeat("-", mega)}}},
		{"b3=1 MB", http.Header{"B3": {strings.Repeat("0-", mega/2)}}},
		{"x-b3-traceid=1 MB", http.Header{"X-B3-Traceid": {strings.Repeat("a", mega)}, "X-B3-Spanid": {strings.Repeat("b", mega)}, "X-B3-Sampled": {strings.Repeat("true", mega/4)}}},
		{"uber-trace-id=1 MB", http.Header{"Uber-Trace-Id": {strings.Repeat("%3A", mega/3)}}},
		{"jaeger-debug-id=1 MB", http.Header{"Jaeger-Debug-Id": {strings.Repeat("\xff", mega)}}},
		{"jaeger-baggage=1 MB", http.Header{"Jaeger-Baggage": {strings.Repeat("a=b,", mega/4)}}},
		{"grpc-trace-bin=1 MB", http.Header{"Grpc-Trace-Bin": {strings.Repeat("A", mega)}}},
		{"baggage=1 MB of members", with("Baggage", strings.Repeat("a=b,", mega/4))},
		{"baggage=1 MB of commas", with("Baggage", strings.Repeat(",", mega))},
		{"baggage=1 MB of spaces", with("Baggage", strings.Repeat(" ", mega))},
		{"jaeger-baggage=1 MB of commas", http.Header{"Jaeger-Baggage": {strings.Repeat(",", mega)}}},
		{"jaeger-baggage=1 MB of spaces", http.Header{"Jaeger-Baggage": {strings.Repeat(" ", mega)}}},
		{"baggage=NUL", with("Baggage", strings.Repeat("\x00", mega))},
		{"baggage=invalid UTF-8", with("Baggage", strings.Repeat("\xff", mega))},
		{"baggage=separators", with("Baggage", strings.Repeat("=;,", mega/3))},
		{"baggage=8192 bytes of percents", with("Baggage", "a="+strings.Repeat("%20", 2730))},
		{"baggage=8192 bytes of properties", with("Baggage", "a=1"+strings.Repeat(";p", 4094))},
		{"uberctx=10000 headers", manyUberctx()},
		{"every format=NUL", everyFormat(strings.Repeat("\x00", mega))},
		{"every format=invalid UTF-8", everyFormat(strings.Repeat("\xff", mega))},
		{"every format=separators", everyFormat(strings.Repeat("-:;,=%", mega/6))},
		{"baggage=64 members of one key", with("Baggage", strings.Repeat("a=%20,", 64))},
	} {
		b.Run(in.name, func(b *testing.B) {
			b.ReportAllocs()
			p, background, carrier := propagation.Linkerd(), context.Background(), otelpropagation.HeaderCarrier(in.h)
			for b.Loop() {
				p.Extract(background, carrier)
			}
		})
	}
	xray, timing := strings.Repeat("Root=;", mega/6), strings.Repeat(`a;desc="`, mega/8)
	dd := propagation.DatadogHeaders{TraceID: strings.Repeat("1", mega), ParentID: "1", Tags: strings.Repeat(",", mega)}
	b.Run("x-amzn-trace-id=1 MB", func(b *testing.B) {
		for b.Loop() {
			_, _, _ = propagation.ParseXRay(xray)
		}
	})
	b.Run("x-datadog-trace-id=1 MB", func(b *testing.B) {
		for b.Loop() {
			_, _, _ = propagation.ParseDatadog(dd)
		}
	})
	b.Run("server-timing=1 MB", func(b *testing.B) {
		for b.Loop() {
			_, _ = propagation.ParseServerTiming(timing)
		}
	})
}

// everyFormat is a request with the value in every header that is read.
func everyFormat(value string) http.Header {
	h := http.Header{}
	for _, key := range []string{
		"Traceparent", "Tracestate", "Baggage", "Grpc-Trace-Bin", "B3", "X-B3-Traceid", "X-B3-Spanid", "X-B3-Parentspanid", "X-B3-Sampled",
		"X-B3-Flags", "Uber-Trace-Id", "Jaeger-Debug-Id", "Jaeger-Baggage", "Uberctx-K",
	} {
		h[key] = []string{value}
	}
	return h
}

// manyUberctx is a request with more of Jaeger's baggage than is read.
func manyUberctx() http.Header {
	h := http.Header{"Uber-Trace-Id": {"1:1:0:1"}}
	for i := range 10_000 {
		h[fmt.Sprintf("Uberctx-%d", i)] = []string{"v"}
	}
	return h
}

// longestMembers is as long as a tracestate is looked at, and has to be cut and re-joined.
func longestMembers() string {
	list := make([]string, 32)
	for i := range list {
		list[i] = fmt.Sprintf("%02d%s=%s", i, strings.Repeat("k", 254), strings.Repeat("v", 256))
	}
	return strings.Join(list, ",")
}
