package propagation_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/meshtrace/meshtrace/internal/seam"
	"github.com/meshtrace/meshtrace/propagation"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

const (
	tid64 = "a3ce929d0e0e4736"                 // a trace ID of 64 bits
	padto = "0000000000000000a3ce929d0e0e4736" // and what it is here
	pid   = "05e3ac9a4f6e3b90"                 // a parent span ID
	zero  = "0000000000000000"
)

var b3SingleTests = []struct {
	rule     string // in the words of the specification, or of brave
	in       string
	want     string // as AppendB3Single writes it, "" if there are no IDs
	decision propagation.Decision
	err      error
}{
	{"accept", tid + "-" + sid + "-1", tid + "-" + sid + "-1", propagation.NoDecision, nil},
	{"deny", tid + "-" + sid + "-0", tid + "-" + sid + "-0", propagation.NoDecision, nil},
	{"debug implies accept", tid + "-" + sid + "-d", tid + "-" + sid + "-d", propagation.Debug, nil},
	{"defer is absence of the sampling state", tid + "-" + sid, tid + "-" + sid, propagation.Deferred, nil},
	{"parent span ID in the final position", tid + "-" + sid + "-1-" + pid, tid + "-" + sid + "-1", propagation.NoDecision, nil},
	{"deny with parent span ID", tid + "-" + sid + "-0-" + pid, tid + "-" + sid + "-0", propagation.NoDecision, nil},
	{"debug with parent span ID", tid + "-" + sid + "-d-" + pid, tid + "-" + sid + "-d", propagation.Debug, nil},
	{"trace ID of 16 digits", tid64 + "-" + sid + "-1", padto + "-" + sid + "-1", propagation.NoDecision, nil},
	{"trace ID of 16 digits, deferred", tid64 + "-" + sid, padto + "-" + sid, propagation.Deferred, nil},
	{"trace ID of 16 digits and parent span ID", tid64 + "-" + sid + "-1-" + pid, padto + "-" + sid + "-1", propagation.NoDecision, nil},
	{"upper case, which Linkerd's proxy reads", strings.ToUpper(tid) + "-" + strings.ToUpper(sid) + "-1", tid + "-" + sid + "-1", propagation.NoDecision, nil},

	{"sampling state on its own: deny", "0", "", propagation.Deny, nil},
	{"sampling state on its own: accept", "1", "", propagation.Accept, nil},
	{"sampling state on its own: debug", "d", "", propagation.Debug, nil},
	{"sampling state on its own: none of these", "2", "", propagation.NoDecision, propagation.ErrSampling},
	{"sampling state is lower case", "D", "", propagation.NoDecision, propagation.ErrSampling},
	{"sampling state is one character", tid + "-" + sid + "-true", "", propagation.NoDecision, propagation.ErrSampling},
	{"sampling state is none of 0, 1, d", tid + "-" + sid + "-2", "", propagation.NoDecision, propagation.ErrSampling},

	{"truncated: empty", "", "", propagation.NoDecision, propagation.ErrSyntax},
	{"truncated: a hyphen", "-", "", propagation.NoDecision, propagation.ErrSampling},
	{"truncated: a state and a hyphen", "1-", "", propagation.NoDecision, propagation.ErrSyntax},
	{"truncated: trace ID alone", tid, "", propagation.NoDecision, propagation.ErrSyntax},
	{"truncated: trace ID of 16 digits alone", tid64, "", propagation.NoDecision, propagation.ErrSyntax},
	{"truncated: no span ID", tid + "-", "", propagation.NoDecision, propagation.ErrSyntax},
	{"truncated: span ID", tid + "-" + sid[1:], "", propagation.NoDecision, propagation.ErrSyntax},
	{"truncated: no sampling state", tid + "-" + sid + "-", "", propagation.NoDecision, propagation.ErrSyntax},
	{"truncated: no parent span ID", tid + "-" + sid + "-1-", "", propagation.NoDecision, propagation.ErrSyntax},
	{"truncated: parent span ID", tid + "-" + sid + "-1-" + pid[1:], "", propagation.NoDecision, propagation.ErrSyntax},
	{"parent span ID without sampling state", tid + "-" + sid + "-" + pid, "", propagation.NoDecision, propagation.ErrSyntax},
	{"trace ID of 15 digits", tid64[1:] + "-" + sid + "-1", "", propagation.NoDecision, propagation.ErrSyntax},
	{"trace ID of 17 digits", tid64 + "0-" + sid + "-1", "", propagation.NoDecision, propagation.ErrSyntax},
	{"trace ID of 31 digits", tid[1:] + "-" + sid + "-1", "", propagation.NoDecision, propagation.ErrSyntax},
	{"trace ID must be hex", "?" + tid[1:] + "-" + sid + "-1", "", propagation.NoDecision, propagation.ErrSyntax},
	{"span ID must be hex", tid + "-?" + sid[1:] + "-1", "", propagation.NoDecision, propagation.ErrSyntax},
	{"parent span ID must be hex", tid + "-" + sid + "-1-?" + pid[1:], "", propagation.NoDecision, propagation.ErrSyntax},
	{"trace ID is zero", zero + zero + "-" + sid + "-1", "", propagation.NoDecision, propagation.ErrZeroID},
	{"span ID is zero", tid + "-" + zero + "-1", "", propagation.NoDecision, propagation.ErrZeroID},
	{"parent span ID is zero", tid + "-" + sid + "-1-" + zero, "", propagation.NoDecision, propagation.ErrZeroID},
	{"too long", tid + "-" + sid + "-1-" + pid + "-", "", propagation.NoDecision, propagation.ErrTooLong},
	{"fields are delimited", tid + sid + "-1", "", propagation.NoDecision, propagation.ErrSyntax},
	{"sampling state is delimited", tid + "-" + sid + "1", "", propagation.NoDecision, propagation.ErrSyntax},
	{"parent span ID is delimited", tid + "-" + sid + "-1" + pid, "", propagation.NoDecision, propagation.ErrSyntax},
	{"a UUID", "b970dafd-0d95-40aa-95d8-1d8725aebe40", "", propagation.NoDecision, propagation.ErrSyntax},
	{"not a tumor", "not-a-tumor", "", propagation.NoDecision, propagation.ErrSyntax},
}

func TestParseB3Single(t *testing.T) {
	for _, tt := range b3SingleTests {
		t.Run(tt.rule, func(t *testing.T) {
			sc, decision, err := propagation.ParseB3Single(tt.in)
			if decision != tt.decision || err != tt.err {
				t.Fatalf("ParseB3Single(%q): decision %d, error %v; want %d, %v", tt.in, decision, err, tt.decision, tt.err)
			}
			got := ""
			if sc.IsValid() {
				got = string(propagation.AppendB3Single(nil, sc, decision))
			}
			if got != tt.want || sc.IsValid() != sc.IsRemote() {
				t.Errorf("ParseB3Single(%q) = %q, remote %t; want %q", tt.in, got, sc.IsRemote(), tt.want)
			}
		})
	}
}

var b3Tests = []struct {
	rule     string
	in       propagation.B3Headers
	want     string // as AppendB3Single writes it, "" if there are no IDs
	decision propagation.Decision
	err      error
}{
	{"accept", propagation.B3Headers{TraceID: tid, SpanID: sid, Sampled: "1"}, tid + "-" + sid + "-1", propagation.NoDecision, nil},
	{"deny", propagation.B3Headers{TraceID: tid, SpanID: sid, Sampled: "0"}, tid + "-" + sid + "-0", propagation.NoDecision, nil},
	{"absent means defer", propagation.B3Headers{TraceID: tid, SpanID: sid}, tid + "-" + sid, propagation.Deferred, nil},
	{"debug implies accept", propagation.B3Headers{TraceID: tid, SpanID: sid, Flags: "1"}, tid + "-" + sid + "-d", propagation.Debug, nil},
	{"debug beside accept", propagation.B3Headers{TraceID: tid, SpanID: sid, Sampled: "1", Flags: "1"}, tid + "-" + sid + "-d", propagation.Debug, nil},
	{"debug beside deny", propagation.B3Headers{TraceID: tid, SpanID: sid, Sampled: "0", Flags: "1"}, tid + "-" + sid + "-d", propagation.Debug, nil},
	{"flags of any other number mean nothing", propagation.B3Headers{TraceID: tid, SpanID: sid, Sampled: "0", Flags: "3"}, tid + "-" + sid + "-0", propagation.NoDecision, nil},
	{"true, from before the specification", propagation.B3Headers{TraceID: tid, SpanID: sid, Sampled: "true"}, tid + "-" + sid + "-1", propagation.NoDecision, nil},
	{"false, from before the specification", propagation.B3Headers{TraceID: tid, SpanID: sid, Sampled: "False"}, tid + "-" + sid + "-0", propagation.NoDecision, nil},
	{"d is of the single header", propagation.B3Headers{TraceID: tid, SpanID: sid, Sampled: "d"}, "", propagation.NoDecision, propagation.ErrSampling},
	{"sampled is none of those", propagation.B3Headers{TraceID: tid, SpanID: sid, Sampled: "yes"}, "", propagation.NoDecision, propagation.ErrSampling},
	{"sampled is as long as true", propagation.B3Headers{TraceID: tid, SpanID: sid, Sampled: "keep"}, "", propagation.NoDecision, propagation.ErrSampling},
	{"sampled is as long as false", propagation.B3Headers{TraceID: tid, SpanID: sid, Sampled: "maybe"}, "", propagation.NoDecision, propagation.ErrSampling},
	{"sampled is false in no ASCII", propagation.B3Headers{TraceID: tid, SpanID: sid, Sampled: "fal\u017fe"}, "", propagation.NoDecision, propagation.ErrSampling},
	{"parent span ID", propagation.B3Headers{TraceID: tid, SpanID: sid, ParentSpanID: pid, Sampled: "1"}, tid + "-" + sid + "-1", propagation.NoDecision, nil},
	{"trace ID of 16 digits", propagation.B3Headers{TraceID: tid64, SpanID: sid, Sampled: "1"}, padto + "-" + sid + "-1", propagation.NoDecision, nil},
	{"upper case, which Linkerd's proxy reads", propagation.B3Headers{TraceID: strings.ToUpper(tid), SpanID: strings.ToUpper(sid), Sampled: "1"}, tid + "-" + sid + "-1", propagation.NoDecision, nil},

	{"no IDs: deny", propagation.B3Headers{Sampled: "0"}, "", propagation.Deny, nil},
	{"no IDs: accept", propagation.B3Headers{Sampled: "1"}, "", propagation.Accept, nil},
	{"no IDs: debug", propagation.B3Headers{Flags: "1"}, "", propagation.Debug, nil},
	{"no IDs: debug beside deny", propagation.B3Headers{Sampled: "0", Flags: "1"}, "", propagation.Debug, nil},
	{"no IDs and no state", propagation.B3Headers{}, "", propagation.NoDecision, propagation.ErrMissing},
	{"no IDs and flags that mean nothing", propagation.B3Headers{Flags: "0"}, "", propagation.NoDecision, propagation.ErrMissing},

	{"trace ID without span ID", propagation.B3Headers{TraceID: tid, Sampled: "1"}, "", propagation.NoDecision, propagation.ErrMissing},
	{"span ID without trace ID", propagation.B3Headers{SpanID: sid, Sampled: "1"}, "", propagation.NoDecision, propagation.ErrMissing},
	{"parent span ID without the others", propagation.B3Headers{ParentSpanID: pid, Sampled: "1"}, "", propagation.NoDecision, propagation.ErrMissing},
	{"trace ID of 15 digits", propagation.B3Headers{TraceID: tid64[1:], SpanID: sid}, "", propagation.NoDecision, propagation.ErrSyntax},
	{"trace ID of 17 digits", propagation.B3Headers{TraceID: tid64 + "0", SpanID: sid}, "", propagation.NoDecision, propagation.ErrSyntax},
	{"trace ID of 33 digits", propagation.B3Headers{TraceID: tid + "0", SpanID: sid}, "", propagation.NoDecision, propagation.ErrSyntax},
	{"trace ID must be hex", propagation.B3Headers{TraceID: "?" + tid[1:], SpanID: sid}, "", propagation.NoDecision, propagation.ErrSyntax},
	{"trace ID is zero", propagation.B3Headers{TraceID: zero, SpanID: sid}, "", propagation.NoDecision, propagation.ErrZeroID},
	{"span ID of 15 digits", propagation.B3Headers{TraceID: tid, SpanID: sid[1:]}, "", propagation.NoDecision, propagation.ErrSyntax},
	{"span ID of 17 digits", propagation.B3Headers{TraceID: tid, SpanID: sid + "0"}, "", propagation.NoDecision, propagation.ErrSyntax},
	{"span ID is zero", propagation.B3Headers{TraceID: tid, SpanID: zero}, "", propagation.NoDecision, propagation.ErrZeroID},
	{"parent span ID of 15 digits", propagation.B3Headers{TraceID: tid, SpanID: sid, ParentSpanID: pid[1:]}, "", propagation.NoDecision, propagation.ErrSyntax},
	{"parent span ID is zero", propagation.B3Headers{TraceID: tid, SpanID: sid, ParentSpanID: zero}, "", propagation.NoDecision, propagation.ErrZeroID},
}

func TestParseB3(t *testing.T) {
	for _, tt := range b3Tests {
		t.Run(tt.rule, func(t *testing.T) {
			sc, decision, err := propagation.ParseB3(tt.in)
			if decision != tt.decision || err != tt.err {
				t.Fatalf("ParseB3(%+v): decision %d, error %v; want %d, %v", tt.in, decision, err, tt.decision, tt.err)
			}
			got := ""
			if sc.IsValid() {
				got = string(propagation.AppendB3Single(nil, sc, decision))
			}
			if got != tt.want || sc.IsValid() != sc.IsRemote() {
				t.Errorf("ParseB3(%+v) = %q, remote %t; want %q", tt.in, got, sc.IsRemote(), tt.want)
			}
		})
	}
}

// b3Header returns headers as net/http has them.
func b3Header(h propagation.B3Headers) http.Header {
	header := http.Header{}
	for key, value := range map[string]string{
		"X-B3-TraceId": h.TraceID, "X-B3-SpanId": h.SpanID, "X-B3-ParentSpanId": h.ParentSpanID,
		"X-B3-Sampled": h.Sampled, "X-B3-Flags": h.Flags,
	} {
		if value != "" {
			header.Set(key, value)
		}
	}
	return header
}

func TestB3TakesTheSingleHeaderFirst(t *testing.T) {
	several := func() http.Header {
		return b3Header(propagation.B3Headers{TraceID: tid64, SpanID: sid, Sampled: "1"})
	}
	for _, tt := range []struct {
		rule   string
		single string
		want   string // trace ID
	}{
		{"the single header takes precedence", tid + "-" + sid + "-1", tid},
		{"a decision alone takes precedence too", "0", ""},
		{"one that is malformed does not", tid + "-" + sid + "-", padto},
	} {
		for name, p := range map[string]otelpropagation.TextMapPropagator{"B3": propagation.B3{}, "B3Single": propagation.B3Single{}} {
			t.Run(tt.rule+"/"+name, func(t *testing.T) {
				h := several()
				h.Set("b3", tt.single)
				sc := extracted(p, h)
				if got := sc.TraceID().String(); got != tt.want && sc.IsValid() {
					t.Errorf("trace ID %q, want %q", got, tt.want)
				}
				if sc.IsValid() != (tt.want != "") {
					t.Errorf("found %v, want %q", sc, tt.want)
				}
			})
		}
	}
}

// What a B3 request is forwarded as by a process that records nothing.
func TestB3PassThrough(t *testing.T) {
	ids := propagation.B3Headers{TraceID: tid, SpanID: sid}
	with := func(sampled, flags string) propagation.B3Headers {
		h := ids
		h.Sampled, h.Flags = sampled, flags
		return h
	}
	for _, tt := range []struct {
		rule    string
		in      propagation.B3Headers
		several propagation.B3Headers
		single  string
		proxied string // X-B3-Sampled as LinkerdB3 writes it
	}{
		{"accept", with("1", ""), with("1", ""), tid + "-" + sid + "-1", "1"},
		{"deny", with("0", ""), with("0", ""), tid + "-" + sid + "-0", "0"},
		{"defer stays defer", with("", ""), with("", ""), tid + "-" + sid, ""},
		{"debug is sent without X-B3-Sampled", with("1", "1"), with("", "1"), tid + "-" + sid + "-d", "1"},
		{"what is old is modernised", with("true", ""), with("1", ""), tid + "-" + sid + "-1", "1"},
		{"a decision without IDs writes nothing", propagation.B3Headers{Sampled: "0"}, propagation.B3Headers{}, "", ""},
		{"a debug flag without IDs writes nothing", propagation.B3Headers{Flags: "1"}, propagation.B3Headers{}, "", ""},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			ctx := propagation.B3{}.Extract(context.Background(), otelpropagation.HeaderCarrier(b3Header(tt.in)))
			if diff := cmp.Diff(b3Header(tt.several), injected(ctx, propagation.B3{}, nil)); diff != "" {
				t.Errorf("B3 (-want +got):\n%s", diff)
			}
			if got := injected(ctx, propagation.B3Single{}, nil).Get("b3"); got != tt.single {
				t.Errorf("B3Single: %q, want %q", got, tt.single)
			}
			proxied := tt.several
			proxied.Sampled = tt.proxied
			if diff := cmp.Diff(b3Header(proxied), injected(ctx, propagation.LinkerdB3(), nil)); diff != "" {
				t.Errorf("LinkerdB3 (-want +got):\n%s", diff)
			}
		})
	}
}

// What a process that records adds to that.
func TestB3DecisionsOfThisProcess(t *testing.T) {
	deferred := b3Header(propagation.B3Headers{TraceID: tid, SpanID: sid})
	debug := b3Header(propagation.B3Headers{TraceID: tid, SpanID: sid, Flags: "1"})
	debugOnly := b3Header(propagation.B3Headers{Flags: "1"})
	for _, tt := range []struct {
		rule    string
		in      http.Header
		sampler sdktrace.Sampler
		opts    []trace.SpanStartOption
		want    propagation.B3Headers // without IDs
	}{
		{"a deferred decision taken for", deferred, sdktrace.AlwaysSample(), nil, propagation.B3Headers{Sampled: "1"}},
		{"a deferred decision taken against", deferred, sdktrace.NeverSample(), nil, propagation.B3Headers{Sampled: "0"}},
		{"a debug trace goes on", debug, sdktrace.AlwaysSample(), nil, propagation.B3Headers{Flags: "1"}},
		{"a debug flag is not that of a span that was dropped", debug, sdktrace.NeverSample(), nil, propagation.B3Headers{Sampled: "0"}},
		{"a debug flag ends with its trace", debug, sdktrace.AlwaysSample(), []trace.SpanStartOption{trace.WithNewRoot()}, propagation.B3Headers{Sampled: "1"}},
		{"a debug flag without IDs is for the trace that starts", debugOnly, sdktrace.AlwaysSample(), nil, propagation.B3Headers{Flags: "1"}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			ctx := propagation.B3{}.Extract(context.Background(), otelpropagation.HeaderCarrier(tt.in))
			ctx, span := sdktrace.NewTracerProvider(sdktrace.WithSampler(tt.sampler)).Tracer("").Start(ctx, "", tt.opts...)
			defer span.End()
			h := injected(ctx, propagation.B3{}, nil)
			h.Del("X-B3-TraceId")
			h.Del("X-B3-SpanId")
			if diff := cmp.Diff(b3Header(tt.want), h); diff != "" {
				t.Errorf("headers beside IDs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecisionsForSamplers(t *testing.T) {
	id := spanContext(tid, sid, 0).TraceID()
	for _, tt := range []struct {
		rule string
		in   string // b3
		id   trace.TraceID
		want propagation.Decision
	}{
		{"deferred goes with its trace", tid + "-" + sid, id, propagation.Deferred},
		{"debug goes with its trace", tid + "-" + sid + "-d", id, propagation.Debug},
		{"debug of another trace does not count", tid64 + "-" + sid + "-d", id, propagation.NoDecision},
		{"deny alone is for a new trace", "0", trace.TraceID{}, propagation.Deny},
		{"accept alone is for a new trace", "1", trace.TraceID{}, propagation.Accept},
		{"debug alone is for a new trace", "d", trace.TraceID{}, propagation.Debug},
		{"accept with IDs is in the sampled flag", tid + "-" + sid + "-1", id, propagation.NoDecision},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			ctx := propagation.B3Single{}.Extract(context.Background(), otelpropagation.MapCarrier{"b3": tt.in})
			if got := seam.DecisionFromContext(ctx, tt.id); got != tt.want {
				t.Errorf("decision %d, want %d", got, tt.want)
			}
		})
	}
}

func TestB3Options(t *testing.T) {
	parent := trace.ContextWithRemoteSpanContext(context.Background(), spanContext(tid, pid, trace.FlagsSampled))
	ctx, child := sdktrace.NewTracerProvider().Tracer("").Start(parent, "")
	defer child.End()
	id := child.SpanContext().SpanID().String()
	for _, tt := range []struct {
		rule string
		p    otelpropagation.TextMapPropagator
		want http.Header
	}{
		{"128 bits and no parent by default", propagation.B3{}, b3Header(propagation.B3Headers{TraceID: tid, SpanID: id, Sampled: "1"})},
		{"64 bits", propagation.B3{TraceID64: true}, b3Header(propagation.B3Headers{TraceID: tid64, SpanID: id, Sampled: "1"})},
		{"parent span ID", propagation.B3{ParentSpanID: true}, b3Header(propagation.B3Headers{TraceID: tid, SpanID: id, ParentSpanID: pid, Sampled: "1"})},
		{"single: 128 bits and no parent by default", propagation.B3Single{}, http.Header{"B3": {tid + "-" + id + "-1"}}},
		{"single: 64 bits", propagation.B3Single{TraceID64: true}, http.Header{"B3": {tid64 + "-" + id + "-1"}}},
		{"single: parent span ID", propagation.B3Single{ParentSpanID: true}, http.Header{"B3": {tid + "-" + id + "-1-" + pid}}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			stale := b3Header(propagation.B3Headers{TraceID: tid, SpanID: pid, ParentSpanID: pid, Sampled: "0", Flags: "1"})
			stale.Set("b3", "0")
			if diff := cmp.Diff(tt.want, injected(ctx, tt.p, stale)); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
		})
	}
}

func TestB3ParentOfRootIsNotWritten(t *testing.T) {
	ctx, root := sdktrace.NewTracerProvider().Tracer("").Start(context.Background(), "")
	defer root.End()
	if got := injected(ctx, propagation.B3{ParentSpanID: true}, nil); got.Get("X-B3-ParentSpanId") != "" {
		t.Errorf("X-B3-ParentSpanId must be absent on the root span: %v", got)
	}
}
