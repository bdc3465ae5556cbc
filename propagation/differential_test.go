package propagation_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/meshtrace/meshtrace/propagation"
	"go.opentelemetry.io/contrib/propagators/b3"
	"go.opentelemetry.io/otel"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// A rival is a propagator of OpenTelemetry or its contrib that ours stands in for.
type rival struct {
	ours, theirs otelpropagation.TextMapPropagator
}

var (
	rivalW3C      = &rival{propagation.TraceContext{}, otelpropagation.TraceContext{}}
	rivalB3       = &rival{propagation.B3{}, b3.New(b3.WithInjectEncoding(b3.B3MultipleHeader))}
	rivalB3Single = &rival{propagation.B3Single{}, b3.New(b3.WithInjectEncoding(b3.B3SingleHeader))}
	rivalBaggage  = &rival{propagation.Baggage{}, otelpropagation.Baggage{}}
)

// differences are all ways in which ours behave differently, on purpose.
var differences = []struct {
	rival  *rival
	reason string
	in     http.Header            // an example, in which nothing else differs
	is     func(http.Header) bool // nil if it shows only where headers are written into
	into   http.Header            // what is there already
}{
	{rivalW3C, "several traceparent headers mean none; theirs takes the first",
		http.Header{"Traceparent": {traceparent, traceparent}},
		func(h http.Header) bool { return len(h["Traceparent"]) > 1 }, nil},
	{rivalW3C, "unknown flags of version 00 are masked; theirs restarts the trace",
		traceparentOf("00", tid, sid, "09"),
		func(h http.Header) bool {
			tp := h.Get("Traceparent")
			return strings.HasPrefix(tp, "00-") && len(tp) == len(traceparent) && tp[len(tp)-2:] > "03"
		}, nil},
	{rivalW3C, "of a later version only the sampled flag may be parsed; theirs reads random too",
		traceparentOf("01", tid, sid, "03"),
		func(h http.Header) bool {
			tp := h.Get("Traceparent")
			return !strings.HasPrefix(tp, "00-") && len(tp) >= len(traceparent) && mask(tp[54])&2 != 0
		}, nil},
	{rivalW3C, "version 00 may not end in a dash; theirs takes it",
		http.Header{"Traceparent": {traceparent + "-"}},
		func(h http.Header) bool {
			return strings.HasPrefix(h.Get("Traceparent"), "00-") && strings.HasSuffix(h.Get("Traceparent"), "-")
		}, nil},
	{rivalW3C, "tracestate headers are combined; theirs takes the first",
		http.Header{"Traceparent": {traceparent}, "Tracestate": {"a=1", "b=2"}},
		func(h http.Header) bool { return len(h["Tracestate"]) > 1 }, nil},
	{rivalW3C, "of duplicate keys the first is kept; theirs drops the tracestate",
		http.Header{"Traceparent": {traceparent}, "Tracestate": {"a=1,b=2,a=3"}},
		func(h http.Header) bool {
			seen := map[string]bool{}
			for _, member := range splitMembers(h.Get("Tracestate")) {
				key, _ := cutMember(member)
				if seen[key] {
					return true
				}
				seen[key] = true
			}
			return false
		}, nil},
	{rivalW3C, "keys of level 2 are carried; theirs drops the tracestate",
		http.Header{"Traceparent": {traceparent}, "Tracestate": {"1a=1,b@=2,c=3"}},
		func(h http.Header) bool {
			for _, member := range splitMembers(h.Get("Tracestate")) {
				if !level1MemberRE.MatchString(member) {
					return true
				}
			}
			return false
		}, nil},
	{rivalW3C, "white space and empty members go out as they came, or do no harm; theirs removes them, or drops the tracestate",
		http.Header{"Traceparent": {traceparent}, "Tracestate": {"a=1 ,, b=2"}},
		func(h http.Header) bool {
			ts := h.Get("Tracestate")
			return strings.Join(splitMembers(ts), ",") != ts
		}, nil},
	{rivalW3C, "a tracestate longer than 512 characters is cut by whole members; theirs carries any length",
		http.Header{"Traceparent": {traceparent}, "Tracestate": {list(member("a", 200), member("b", 200), member("c", 200))}},
		func(h http.Header) bool { return len(h.Get("Tracestate")) > 512 }, nil},

	{rivalB3, "nothing is written without IDs; theirs writes a decision, so that a process without tracing stops others'",
		http.Header{"X-B3-Sampled": {"1"}},
		func(h http.Header) bool { return !extracted(propagation.B3{}, h).IsValid() && len(h.Get("B3")) != 1 }, nil},
	{rivalB3, "hex digits may be upper case, as Linkerd's proxy has it; theirs refuses them",
		b3Header(propagation.B3Headers{TraceID: strings.ToUpper(tid), SpanID: sid, Sampled: "1"}),
		func(h http.Header) bool {
			return hasUpper(h.Get("B3") + h.Get("X-B3-Traceid") + h.Get("X-B3-Spanid") + h.Get("X-B3-Parentspanid"))
		}, nil},
	{rivalB3, "a single header with nothing but a decision wins, as in brave; theirs reads the several then",
		together(http.Header{"B3": {"d"}}, b3Header(propagation.B3Headers{TraceID: tid, SpanID: sid, Sampled: "1"})),
		func(h http.Header) bool { return len(h.Get("B3")) == 1 }, nil},
	{rivalB3Single, "nothing is written without IDs; theirs writes a decision, so that a process without tracing stops others'",
		http.Header{},
		func(h http.Header) bool { return !extracted(propagation.B3{}, h).IsValid() && len(h.Get("B3")) != 1 }, nil},
	{rivalB3Single, "hex digits may be upper case, as Linkerd's proxy has it; theirs refuses them",
		http.Header{"B3": {strings.ToUpper(tid) + "-" + sid + "-1"}},
		func(h http.Header) bool {
			return hasUpper(h.Get("B3") + h.Get("X-B3-Traceid") + h.Get("X-B3-Spanid") + h.Get("X-B3-Parentspanid"))
		}, nil},
	{rivalB3Single, "a single header with nothing but a decision wins, as in brave; theirs reads the several then",
		together(http.Header{"B3": {"0"}}, b3Header(propagation.B3Headers{TraceID: tid, SpanID: sid, Sampled: "1"})),
		func(h http.Header) bool { return len(h.Get("B3")) == 1 }, nil},

	{rivalBaggage, "of more than 8192 bytes over all headers the members that fit are kept; theirs keeps none",
		http.Header{"Baggage": {"a=1", "b=" + strings.Repeat("v", 8190)}},
		func(h http.Header) bool { return len(strings.Join(h["Baggage"], ",")) > 8192 }, nil},
	{rivalBaggage, "of more than 64 members over several headers the first are kept; theirs keeps some, at random, and adds those that a header's own limit had left",
		http.Header{"Baggage": {baggageMembers(0, 60), baggageMembers(60, 70)}},
		func(h http.Header) bool { return len(splitMembers(strings.Join(h["Baggage"], ","))) > 64 }, nil},

	{rivalBaggage, "of more than 256 members with empty ones the first are kept; theirs reads all",
		http.Header{"Baggage": {"a=1" + strings.Repeat(",", 256) + "b=2"}},
		func(h http.Header) bool { return strings.Count(strings.Join(h["Baggage"], ","), ",") >= 256 }, nil},
	{rivalW3C, "a tracestate that is not the span's is removed; theirs leaves it",
		http.Header{"Traceparent": {traceparent}}, nil, http.Header{"Tracestate": {"stale=1"}}},
	{rivalW3C, "what is malformed is removed, though there is no span; theirs leaves it",
		http.Header{}, nil, http.Header{"Traceparent": {"00-" + tid + "-" + sid + "-"}}},
	{rivalB3, "a single header that says something else is removed; theirs leaves it",
		b3Header(propagation.B3Headers{TraceID: tid, SpanID: sid, Sampled: "1"}), nil, http.Header{"B3": {"0"}}},
	{rivalB3, "flags and a parent that are not the span's are removed; theirs leaves them",
		b3Header(propagation.B3Headers{TraceID: tid, SpanID: sid, Sampled: "1"}), nil, http.Header{"X-B3-Flags": {"1"}, "X-B3-Parentspanid": {pid}}},
	{rivalB3Single, "several headers that say something else are removed; theirs leaves them",
		http.Header{"B3": {tid + "-" + sid + "-1"}}, nil, b3Header(propagation.B3Headers{Sampled: "0"})},
}

func hasUpper(s string) bool { return strings.ToLower(s) != s }

// mask returns the value of a hex digit, or 0.
func mask(digit byte) int { return max(0, strings.IndexByte("0123456789abcdef", digit)) }

// Theirs reports a bad header once in the life of the process, which says nothing here.
func init() { otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {})) }

// behaviour is what can be seen of a propagator that reads h and writes what it has read.
func behaviour(p otelpropagation.TextMapPropagator, h, into http.Header) string {
	ctx := p.Extract(context.Background(), otelpropagation.HeaderCarrier(h))
	sc := trace.SpanContextFromContext(ctx)
	out := injected(ctx, p, into.Clone())
	if b, ok := out["Baggage"]; ok {
		b[0] = strings.Join(sorted(strings.Split(b[0], ",")), ",") // theirs has them in any order
	}
	return fmt.Sprintf("span context %s-%s-%s %q, baggage %q, sends %q",
		sc.TraceID(), sc.SpanID(), sc.TraceFlags(), sc.TraceState(), baggageOf(ctx), out)
}

func TestIntendedDifferences(t *testing.T) {
	for _, d := range differences {
		t.Run(d.reason, func(t *testing.T) {
			if ours, theirs := behaviour(d.rival.ours, d.in, d.into), behaviour(d.rival.theirs, d.in, d.into); ours == theirs {
				t.Errorf("no difference: %s", ours)
			}
			for _, other := range differences {
				if other.rival == d.rival && other.is != nil && d.into == nil && other.is(d.in) != (other.reason == d.reason) {
					t.Errorf("the example is one for: %s", other.reason)
				}
			}
		})
	}
}

// compare checks that ours and theirs do the same with h, or that the difference is intended.
func (r *rival) compare(t *testing.T, h http.Header) {
	t.Helper()
	ours, theirs := behaviour(r.ours, h, nil), behaviour(r.theirs, h, nil)
	if ours == theirs {
		return
	}
	for _, d := range differences {
		if d.rival == r && d.is != nil && d.is(h) {
			return
		}
	}
	t.Errorf("%q:\nours   %s\ntheirs %s", h, ours, theirs)
}

func FuzzAgainstOpenTelemetryTraceContext(f *testing.F) {
	for _, tt := range traceparentTests {
		f.Add(tt.in, "a=1")
	}
	for _, tt := range tracestateTests {
		if len(tt.in) == 1 {
			f.Add(traceparent, tt.in[0])
		}
	}
	f.Fuzz(func(t *testing.T, tp, ts string) {
		rivalW3C.compare(t, http.Header{"Traceparent": {tp}, "Tracestate": {ts}})
	})
}

func FuzzAgainstContribB3(f *testing.F) {
	for _, tt := range b3SingleTests {
		f.Add(tt.in, "", "", "", "", "")
	}
	for _, tt := range b3Tests {
		f.Add("", tt.in.TraceID, tt.in.SpanID, tt.in.ParentSpanID, tt.in.Sampled, tt.in.Flags)
	}
	f.Fuzz(func(t *testing.T, single, traceID, spanID, parentSpanID, sampled, flags string) {
		h := b3Header(propagation.B3Headers{TraceID: traceID, SpanID: spanID, ParentSpanID: parentSpanID, Sampled: sampled, Flags: flags})
		if single != "" {
			h.Set("b3", single)
		}
		rivalB3.compare(t, h)
		rivalB3Single.compare(t, h)
	})
}

func FuzzAgainstOpenTelemetryBaggage(f *testing.F) {
	for _, tt := range baggageTests {
		if in := append(append([]string(nil), tt.in...), "", ""); len(tt.in) < 3 && len(in[0]) < 1000 {
			f.Add(in[0], in[1])
		}
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		rivalBaggage.compare(t, http.Header{"Baggage": {a, b}})
	})
}
