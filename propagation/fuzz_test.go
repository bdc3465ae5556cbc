package propagation_test

import (
	"context"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/meshtrace/meshtrace/internal/seam"
	"github.com/meshtrace/meshtrace/propagation"
	"go.opentelemetry.io/otel/baggage"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

func FuzzTraceparent(f *testing.F) {
	for _, tt := range traceparentTests {
		f.Add(tt.in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got := ""
		if sc, err := propagation.ParseTraceparent(in); err == nil {
			got = string(propagation.AppendTraceparent(nil, sc))
		}
		if want := referenceTraceparent(in); got != want {
			t.Fatalf("ParseTraceparent(%q) = %q, want %q", in, got, want)
		}
		if got != "" && referenceTraceparent(got) != got {
			t.Errorf("%q is not stable", got)
		}
	})
}

func FuzzTracestate(f *testing.F) {
	for _, tt := range tracestateTests {
		if in := append(slices.Clone(tt.in), "", "", ""); len(tt.in) < 4 {
			f.Add(in[0], in[1], in[2], uint8(len(tt.in)))
		}
	}
	f.Fuzz(func(t *testing.T, a, b, c string, n uint8) {
		in := []string{a, b, c}[:n%4]
		got, err := propagation.ParseTracestate(in...)
		want, ok := referenceTracestate(in)
		if got != want || ok != (err == nil) {
			t.Fatalf("ParseTracestate(%q) = %q, %v; want %q, %t", in, got, err, want, ok)
		}
		if again, err := propagation.ParseTracestate(got); again != got || err != nil {
			t.Errorf("ParseTracestate(%q) = %q, %v; not stable", got, again, err)
		}
		if ok && want != "" {
			checkTracestatePasses(t, in, want)
		}
	})
}

// checkTracestatePasses checks that a tracestate goes through a process that does not touch it,
// and that OpenTelemetry's type holds as much of it as it can.
func checkTracestatePasses(t *testing.T, in []string, want string) {
	ctx := propagation.TraceContext{}.Extract(context.Background(), otelpropagation.HeaderCarrier(http.Header{
		"Traceparent": {traceparent}, "Tracestate": in,
	}))
	if out := injected(ctx, propagation.TraceContext{}, nil).Get("tracestate"); out != want {
		t.Errorf("tracestate %q went out as %q", want, out)
	}
	held := trace.SpanContextFromContext(ctx).TraceState()
	for _, member := range splitMembers(want) {
		if key, value := cutMember(member); level1MemberRE.MatchString(member) && held.Get(key) != value {
			t.Errorf("of tracestate %q, %q is not held", want, member)
		} else if !level1MemberRE.MatchString(member) && held.Get(key) != "" {
			t.Errorf("of tracestate %q, %q is held", want, member)
		}
	}
}

func FuzzB3Single(f *testing.F) {
	for _, tt := range b3SingleTests {
		f.Add(tt.in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got := b3Text(propagation.ParseB3Single(in))
		if want := referenceB3Single(in); got != want {
			t.Fatalf("ParseB3Single(%q) = %q, want %q", in, got, want)
		}
		if got != "" && b3Text(propagation.ParseB3Single(got)) != got {
			t.Errorf("%q is not stable", got)
		}
	})
}

func FuzzB3(f *testing.F) {
	for _, tt := range b3Tests {
		f.Add(tt.in.TraceID, tt.in.SpanID, tt.in.ParentSpanID, tt.in.Sampled, tt.in.Flags)
	}
	f.Fuzz(func(t *testing.T, traceID, spanID, parentSpanID, sampled, flags string) {
		in := propagation.B3Headers{TraceID: traceID, SpanID: spanID, ParentSpanID: parentSpanID, Sampled: sampled, Flags: flags}
		if got, want := b3Text(propagation.ParseB3(in)), referenceB3(in); got != want {
			t.Fatalf("ParseB3(%+v) = %q, want %q", in, got, want)
		}
		checkStable(t, propagation.B3{}, b3Header(in))
	})
}

func FuzzJaeger(f *testing.F) {
	for _, tt := range jaegerTests {
		f.Add(tt.in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got := ""
		if sc, decision, err := propagation.ParseJaeger(in); err == nil {
			got = string(propagation.AppendJaeger(nil, sc, decision))
		}
		if want := referenceJaeger(in); got != want {
			t.Fatalf("ParseJaeger(%q) = %q, want %q", in, got, want)
		}
		if got != "" && referenceJaeger(got) != got {
			t.Errorf("%q is not stable", got)
		}
	})
}

func FuzzGRPCTraceBin(f *testing.F) {
	for _, tt := range grpcTraceBinTests {
		bin, err := hex.DecodeString(tt.in)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(bin)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		got := ""
		sc, err := propagation.ParseGRPCTraceBin(in)
		if err == nil {
			got = string(propagation.AppendTraceparent(nil, sc))
		}
		if want := referenceGRPCTraceBin(in); got != want {
			t.Fatalf("ParseGRPCTraceBin(%x) = %q, want %q", in, got, want)
		}
		again, againErr := propagation.ParseGRPCTraceBin(propagation.AppendGRPCTraceBin(nil, sc))
		if err == nil && (againErr != nil || !again.Equal(sc)) {
			t.Errorf("%v became %v, %v; not stable", sc, again, againErr)
		}
	})
}

func FuzzXRay(f *testing.F) {
	for _, tt := range xrayTests {
		f.Add(tt.in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		sc, decision, err := propagation.ParseXRay(in)
		got := b3Text(sc, decision, err)
		if want := referenceXRay(in); got != want {
			t.Fatalf("ParseXRay(%q) = %q, want %q", in, got, want)
		}
		if err == nil && referenceXRay(string(propagation.AppendXRay(nil, sc, decision))) != got {
			t.Errorf("%q is not stable", got)
		}
	})
}

func FuzzDatadog(f *testing.F) {
	for _, tt := range datadogTests {
		f.Add(tt.in.TraceID, tt.in.ParentID, tt.in.SamplingPriority, tt.in.Tags)
	}
	f.Fuzz(func(t *testing.T, traceID, parentID, priority, tags string) {
		in := propagation.DatadogHeaders{TraceID: traceID, ParentID: parentID, SamplingPriority: priority, Tags: tags}
		if got, want := b3Text(propagation.ParseDatadog(in)), referenceDatadog(in); got != want {
			t.Fatalf("ParseDatadog(%+v) = %q, want %q", in, got, want)
		}
		checkStable(t, propagation.Datadog{}, datadog(traceID, parentID, priority, tags))
	})
}

// checkStable checks that what p writes of what it has read is read and written as the same.
func checkStable(t *testing.T, p otelpropagation.TextMapPropagator, h http.Header) {
	ctx := p.Extract(context.Background(), otelpropagation.HeaderCarrier(h))
	once := injected(ctx, p, nil)
	again := p.Extract(context.Background(), otelpropagation.HeaderCarrier(once))
	if diff := cmp.Diff(once, injected(again, p, nil)); diff != "" {
		t.Errorf("%q is not stable (-once +again):\n%s", h, diff)
	}
	if sc := trace.SpanContextFromContext(ctx); !sc.Equal(trace.SpanContextFromContext(again)) {
		t.Errorf("%v became %v", sc, trace.SpanContextFromContext(again))
	}
}

func FuzzBaggage(f *testing.F) {
	for _, tt := range baggageTests {
		if in := append(slices.Clone(tt.in), "", ""); len(tt.in) < 3 && len(in[0]) < 1000 {
			f.Add(in[0], in[1], uint8(len(tt.in)))
		}
	}
	f.Fuzz(func(t *testing.T, a, b string, n uint8) {
		in := []string{a, b}[:n%3]
		got := propagation.ParseBaggage(in...)
		text := string(propagation.AppendBaggage(nil, got, nil))
		if want := string(propagation.AppendBaggage(nil, referenceBaggage(in), nil)); text != want {
			t.Fatalf("ParseBaggage(%q) = %q, want %q", in, text, want)
		}
		again := string(propagation.AppendBaggage(nil, propagation.ParseBaggage(text), nil))
		if len(text) > 8192 || again != text {
			t.Errorf("%q became %q; not stable", text, again)
		}
	})
}

func FuzzServerTiming(f *testing.F) {
	for _, tt := range serverTimingTests {
		if len(tt.in) == 1 {
			f.Add(tt.in[0], "")
		}
	}
	f.Add(`cache;desc="a, b; \"c\"";dur=2, traceparent;desc="`+traceparent+`"`, "")
	f.Add("db", "traceparent; Desc = "+traceparent)
	f.Fuzz(func(t *testing.T, a, b string) {
		got := ""
		sc, err := propagation.ParseServerTiming(a, b)
		if err == nil {
			got = string(propagation.AppendTraceparent(nil, sc))
		}
		if want := referenceServerTiming(a, b); got != want {
			t.Fatalf("ParseServerTiming(%q, %q) = %q, %v; want %q", a, b, got, err, want)
		}
		again, againErr := propagation.ParseServerTiming(string(propagation.AppendServerTiming(nil, sc)))
		if err == nil && (againErr != nil || !again.Equal(sc)) {
			t.Errorf("%v became %v, %v; not stable", sc, again, againErr)
		}
	})
}

// What a header holds in base64, or a carrier in bytes.
func FuzzGRPCTraceBinText(f *testing.F) {
	f.Add(padded)
	f.Add(padded[:39])
	f.Add(padded[:20] + "\r\n\r\n" + padded[20:])
	f.Add(padded[:38] + "F=")
	f.Add("\x00\x00")
	f.Fuzz(func(t *testing.T, in string) {
		got := ""
		if sc := extracted(propagation.GRPCTraceBin{}, http.Header{"Grpc-Trace-Bin": {in}}); sc.IsValid() {
			got = string(propagation.AppendTraceparent(nil, sc))
		}
		if want := referenceGRPCTraceBin(referenceBase64(in)); got != want {
			t.Fatalf("grpc-trace-bin %q is %q, want %q", in, got, want)
		}
	})
}

func FuzzJaegerBaggage(f *testing.F) {
	f.Add("User-Id", "a%20b+c", "a=1, b=2,c")
	f.Add("K", "100%", "k=v,K=w")
	f.Add("K", "\xff", "=,a=%ff,%3d=\t")
	f.Add("A", strings.Repeat("\u00fc", 3000), "b=1")
	f.Add("A", strings.Repeat("\u00fc", 1300), "b="+strings.Repeat("\u00fc", 1300))
	f.Add("A", "1", strings.Repeat(",", 254)+"b=1")
	f.Add("A", "1", strings.Repeat(",", 255)+"b=1")
	f.Add("A", "1", "b="+strings.Repeat("v", 9000)+",c=1")
	f.Fuzz(func(t *testing.T, key, value, list string) {
		h := http.Header{"Uber-Trace-Id": {"1:1:0:1"}, "Uberctx-" + key: {value}, "Jaeger-Baggage": {list}}
		ctx := propagation.Jaeger{}.Extract(context.Background(), otelpropagation.HeaderCarrier(h))
		if diff := cmp.Diff(referenceJaegerBaggage(key, value, list), baggageOf(ctx)); diff != "" {
			t.Fatalf("baggage of %q (-want +got):\n%s", h, diff)
		}
	})
}

// Baggage goes out the same whether somebody has asked for it or not, but for the order.
func FuzzBaggagePassesThrough(f *testing.F) {
	for _, tt := range baggageTests {
		if len(tt.in) == 1 && len(tt.in[0]) < 1000 {
			f.Add(tt.in[0])
		}
	}
	f.Add("b=1,a=2;p=%20;q")
	f.Add("b=%2C%25%22%0A%7F")
	f.Fuzz(func(t *testing.T, in string) {
		p := propagation.Baggage{}
		ctx := p.Extract(context.Background(), otelpropagation.HeaderCarrier(http.Header{"Baggage": {in}}))
		unread := injected(ctx, p, nil).Get("baggage")
		want := string(propagation.AppendBaggage(nil, referenceBaggage([]string{in}), nil))
		if got := string(propagation.AppendBaggage(nil, baggage.FromContext(ctx), nil)); got != want {
			t.Fatalf("%q is %q in the context, want %q", in, got, want)
		}
		if read := injected(ctx, p, nil).Get("baggage"); read != want {
			t.Fatalf("%q went out as %q when read, want %q", in, read, want)
		}
		if list := strings.Join(sorted(strings.Split(unread, ",")), ","); list != strings.Join(sorted(strings.Split(want, ",")), ",") {
			t.Fatalf("%q went out unread as %q, want %q in any order", in, unread, want)
		}
	})
}

// The seam finds what Extract finds, whatever the headers, and both find what a search does; and what
// is written for it is read as the same.
func FuzzOrder(f *testing.F) {
	f.Add(traceparent, "a=1,1b=2", "0", tid, sid, "1", "1:1:0:1", padded)
	f.Add("", "", tid+"-"+sid+"-d", tid, sid, "", "", padded[:39])
	f.Add("01-"+tid+"-"+sid+"-01-x", "=", "", "", "", "0", "1%3A1:0:3", "\x00")
	f.Add("", "", "", tid, sid, "1", "", "")
	f.Fuzz(func(t *testing.T, tp, ts, b3, traceID, spanID, sampled, uber, bin string) {
		h := http.Header{
			"Traceparent": {tp}, "Tracestate": {ts}, "B3": {b3}, "X-B3-Traceid": {traceID}, "X-B3-Spanid": {spanID},
			"X-B3-Sampled": {sampled}, "Uber-Trace-Id": {uber}, "Grpc-Trace-Bin": {bin},
		}
		present := http.Header{} // a request has no empty headers
		for key, values := range h {
			if values[0] != "" {
				present[key] = values
			}
		}
		for order := range orders {
			checkUsual(t, order, present)
			checkUsual(t, order, h)
		}
		p := propagation.Linkerd()
		ctx := p.Extract(context.Background(), otelpropagation.HeaderCarrier(h))
		want := trace.SpanContextFromContext(ctx)
		if sc, plain := p.(seam.HeaderExtractor).ExtractHeader(h); plain && !sc.Equal(want) {
			t.Errorf("ExtractHeader found %v, Extract %v", sc, want)
		}
		md := make(map[string][]string)
		for key, values := range h {
			md[strings.ToLower(key)] = values
		}
		if sc, plain := p.(seam.MetadataExtractor).ExtractMetadata(md); plain && !sc.Equal(want) {
			t.Errorf("ExtractMetadata found %v, Extract %v", sc, want)
		}
		if !want.IsValid() {
			passed := injected(context.Background(), p, h.Clone())
			again := p.Extract(context.Background(), otelpropagation.HeaderCarrier(passed))
			if sc := trace.SpanContextFromContext(again); sc.IsValid() {
				t.Errorf("nothing in %q, but %v when passed on as %q", h, sc, passed)
			}
			return
		}
		out := injected(ctx, p, h.Clone())
		if got := extracted(p, out); !got.Equal(want) || referenceTraceparent(out.Get("traceparent")) != out.Get("traceparent") {
			t.Errorf("%v was sent on as %q, which is %v", want, out, got)
		}
		if diff := cmp.Diff([]string{"Traceparent", "Tracestate"}[:len(out)], keysOf(out)); diff != "" {
			t.Errorf("fields (-want +got):\n%s", diff)
		}
	})
}
