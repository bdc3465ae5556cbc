package propagation

import (
	"context"
	"net/url"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/otel/baggage"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// maxUberTraceID is the length of the longest uber-trace-id, its colons percent-encoded.
const maxUberTraceID = len("4bf92f3577b34da6a3ce929d0e0e4736%3A00f067aa0ba902b7%3A0000000000000000%3A01")

// The flags of uber-trace-id.
const (
	jaegerSampled = 0x01
	jaegerDebug   = 0x02
)

// ParseJaeger parses the value of an uber-trace-id header: {trace ID}:{span ID}:{parent span
// ID}:{flags}. The span context is valid and remote; the decision is [Debug] if the debug flag is
// set, which counts as sampled, otherwise [NoDecision].
//
// Jaeger's clients leave leading zeroes out, so that IDs may be short, and encode the header like
// a URL, so that a colon may be %3A. The parent span ID is checked and dropped. ParseJaeger does
// not allocate.
//
// The error is [ErrSyntax], [ErrZeroID] or [ErrTooLong].
//
// Spec: Jaeger, Propagation Format, https://www.jaegertracing.io/sdk-migration/#propagation-format
func ParseJaeger(value string) (trace.SpanContext, Decision, error) {
	if len(value) > maxUberTraceID {
		return trace.SpanContext{}, NoDecision, ErrTooLong
	}
	var parent [8]byte
	var flags [1]byte
	sc, in := trace.SpanContextConfig{Remote: true}, scanner{rest: value}
	in.shortHex(sc.TraceID[:])
	in.skipColon()
	in.shortHex(sc.SpanID[:])
	in.skipColon()
	in.shortHex(parent[:])
	in.skipColon()
	in.shortHex(flags[:])
	in.end()
	if in.failed {
		return trace.SpanContext{}, NoDecision, ErrSyntax
	}
	if !sc.TraceID.IsValid() || !sc.SpanID.IsValid() {
		return trace.SpanContext{}, NoDecision, ErrZeroID
	}
	decision := NoDecision
	if flags[0]&jaegerDebug != 0 {
		decision = Debug
	}
	if flags[0]&(jaegerSampled|jaegerDebug) != 0 {
		sc.TraceFlags = trace.FlagsSampled
	}
	return trace.NewSpanContext(sc), decision, nil
}

// skipColon reads a colon, or its percent-encoding.
func (in *scanner) skipColon() {
	if strings.HasPrefix(in.rest, "%3A") || strings.HasPrefix(in.rest, "%3a") {
		in.rest = in.rest[len("%3A"):]
		return
	}
	in.skip(':')
}

// AppendJaeger appends the value of an uber-trace-id header to dst, with all leading zeroes, and
// 0 for the parent span ID, which Jaeger has deprecated. Of a decision only [Debug] can be written.
// It writes zero IDs as they are; check sc.IsValid first.
//
// Spec: Jaeger, Propagation Format, https://www.jaegertracing.io/sdk-migration/#propagation-format
func AppendJaeger(dst []byte, sc trace.SpanContext, decision Decision) []byte {
	traceID, spanID := sc.TraceID(), sc.SpanID()
	dst = appendHex(dst, traceID[:])
	dst = append(dst, ':')
	dst = appendHex(dst, spanID[:])
	switch {
	case decision == Debug:
		return append(dst, ":0:3"...)
	case sc.IsSampled():
		return append(dst, ":0:1"...)
	}
	return append(dst, ":0:0"...)
}

// Jaeger is the propagator of the headers of Jaeger's own, retired clients.
//
// It reads and writes uber-trace-id. Where that or one of the following is in a request, it also
// reads baggage from uberctx-{key} and jaeger-baggage, which is added to what the context has,
// but never written in this form. A request without IDs may have jaeger-debug-id: this is a
// [Debug] decision, and a text that middlewares put on the trace's first span, to find it by.
//
// In Linkerd's mesh: the proxy neither reads nor writes any of these.
//
// Spec: Jaeger, Propagation Format, https://www.jaegertracing.io/sdk-migration/#propagation-format
type Jaeger struct {
	_ struct{}
}

var _ otelpropagation.TextMapPropagator = Jaeger{}

// Extract returns ctx with the remote span context, the decision and the baggage that from
// holds, or ctx if it holds none.
func (p Jaeger) Extract(ctx context.Context, from otelpropagation.TextMapCarrier) context.Context {
	return extract(ctx, from, p)
}

// Inject writes the span context of ctx into the carrier, and removes a jaeger-debug-id. Without
// a span in ctx it writes nothing, and removes an uber-trace-id that is malformed.
func (p Jaeger) Inject(ctx context.Context, into otelpropagation.TextMapCarrier) {
	inject(ctx, into, p)
}

// Fields returns the name of the header that Inject writes.
func (p Jaeger) Fields() []string { return p.writes().names() }

func (Jaeger) writes() fieldSet { return fieldsOf(fieldUberTraceID) }
func (Jaeger) reads() fieldSet {
	return fieldsOf(fieldUberTraceID, fieldJaegerDebugID, fieldJaegerBaggage)
}
func (p Jaeger) heads() fieldSet { return p.reads() }

func (Jaeger) write(ctx context.Context, sc trace.SpanContext, c carrier) {
	b := new(block)
	b.add(0, AppendJaeger(b.free(), sc, decisionFor(ctx, sc)))
	b.write(&c, fieldUberTraceID)
}

// maxDebugID bounds jaeger-debug-id: it becomes an attribute.
const maxDebugID = 128

func (Jaeger) read(c carrier) (got found) {
	value, debugID := c.first(fieldUberTraceID), c.first(fieldJaegerDebugID)
	list := c.first(fieldJaegerBaggage)
	if value == "" && debugID == "" && list == "" {
		return found{}
	}
	sc, decision, err := ParseJaeger(value)
	got.sc, got.decision = sc, decision
	if err == nil || debugID == "" {
		debugID = "" // with IDs it means nothing
	} else {
		got.decision = Debug
		debugID = strings.ToValidUTF8(debugID[:min(len(debugID), maxDebugID)], "")
	}
	if baggage := c.jaegerBaggage(list); debugID != "" || baggage.Len() > 0 {
		got.rare = &rarelyFound{debugID: debugID, baggage: baggage}
	}
	return got
}

// leastPair is how many bytes every pair of jaeger-baggage counts for, which bounds their number: a
// list can be full of empty ones.
const leastPair = maxBaggageBytes / maxBaggageCommas

// jaegerBaggage reads uberctx-{key} and list, a value of jaeger-baggage: key=value, key=value.
func (c *carrier) jaegerBaggage(list string) baggage.Baggage {
	var kept jaegerBaggage
	c.uberctx(&kept)
	list = list[:min(len(list), maxBaggageBytes+1)] // enough to see that it is too long
	for list != "" {
		var pair string
		pair, list, _ = strings.Cut(list, ",")
		if !kept.room(max(len(pair)+len(","), leastPair)) {
			break
		}
		if key, value, ok := strings.Cut(strings.Trim(pair, " \t"), "="); ok {
			kept.add(key, value)
		}
	}
	b, _ := baggage.New(kept.members...)
	return b
}

// What uberctx-{key} begins with, as http.Header has it.
const uberctx = "Uberctx-"

// cutUberctx returns the key of the baggage that a header with the given name has.
func cutUberctx(name string) (key string, ok bool) {
	if len(name) < len(uberctx) || !strings.EqualFold(name[:len(uberctx)], uberctx) {
		return "", false
	}
	return name[len(uberctx):], true
}

// uberctx adds what all uberctx-{key} hold, as long as there is room.
func (c *carrier) uberctx(kept *jaegerBaggage) {
	if c.other != nil {
		for _, name := range c.other.Keys() {
			if key, ok := cutUberctx(name); ok && key != "" && !kept.addHeader(key, c.other.Get(name)) {
				return
			}
		}
		return
	}
	for name, values := range c.header {
		if key, ok := strings.CutPrefix(name, uberctx); ok && len(values) > 0 && !kept.addHeader(key, values[0]) {
			return
		}
	}
}

// removeUberctx removes all uberctx-{key}.
func (c *carrier) removeUberctx() {
	if c.other != nil {
		for _, name := range c.other.Keys() {
			if _, ok := cutUberctx(name); ok {
				c.removeNamed(name)
			}
		}
		return
	}
	for name := range c.header {
		if strings.HasPrefix(name, uberctx) {
			delete(c.header, name)
		}
	}
}

// jaegerBaggage is as much of it as is propagated.
type jaegerBaggage struct {
	members []baggage.Member
	bytes   int
}

// room reports whether there is room for so many bytes more, and one member.
func (kept *jaegerBaggage) room(bytes int) bool {
	kept.bytes += bytes
	return kept.bytes <= maxBaggageBytes && len(kept.members) < maxBaggageMembers
}

func (kept *jaegerBaggage) addHeader(key, value string) bool {
	if !kept.room(len(key) + len("=") + len(value) + len(",")) {
		return false
	}
	kept.add(key, value)
	return true
}

// add adds a member whose key is of any case, and whose value is encoded like a URL's. As a baggage
// header it may be longer than it came: there must be room for that.
func (kept *jaegerBaggage) add(key, value string) {
	length := len(value)
	if decoded, err := url.QueryUnescape(value); err == nil {
		value = decoded // otherwise it was not encoded
	}
	if !kept.room(max(encodedLen(value)-length, 0)) || !utf8.ValidString(key) { // which ToLower would make valid
		return
	}
	if m, err := baggage.NewMemberRaw(strings.ToLower(key), value); err == nil {
		kept.members = append(kept.members, m)
	}
}
