package propagation

import (
	"context"

	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// B3 is the propagator of Zipkin's format that writes several headers: X-B3-TraceId,
// X-B3-SpanId, X-B3-Sampled and X-B3-Flags. It reads both encodings, the single header first, as
// the specification says; [Linkerd] knows better what a mesh has rewritten.
//
// A decision that comes without IDs, and one that is deferred to us, are kept in the context for
// the samplers of this module. A debug trace is written as X-B3-Flags: 1 without X-B3-Sampled,
// as the specification says; the flag ends with its trace. A deferred decision is written by no
// X-B3-Sampled, as long as no span of this process has been started under it.
//
// In Linkerd's mesh: the proxy reads the several headers if it finds neither traceparent nor
// grpc-trace-bin, and rewrites X-B3-SpanId. It takes only X-B3-Sampled: 1 for sampled: use
// [LinkerdB3] if debug traces shall have its spans.
//
// Spec: B3 Propagation, https://github.com/openzipkin/b3-propagation
type B3 struct {
	_ struct{}

	// TraceID64 writes the lower 64 bits of the trace ID only, for tracers that know no more.
	// Traces that other formats carry too then fall apart. Default: all 128 bits.
	TraceID64 bool

	// ParentSpanID writes X-B3-ParentSpanId, if the span in the context knows its parent.
	// Default: not, as nobody needs it who does not share spans between client and server.
	ParentSpanID bool

	// sampledWithDebug writes X-B3-Sampled: 1 beside X-B3-Flags: 1.
	sampledWithDebug bool
}

// B3Single is the propagator of Zipkin's format that writes the single header b3. It reads both
// encodings, the single header first. All else is as with [B3].
//
// In Linkerd's mesh: the proxy neither reads nor writes b3.
//
// Spec: B3 Propagation, Single Header, https://github.com/openzipkin/b3-propagation#single-header
type B3Single struct {
	_ struct{}

	// TraceID64 writes the lower 64 bits of the trace ID only. Default: all 128 bits.
	TraceID64 bool

	// ParentSpanID writes the parent span ID, if the span in the context knows its parent.
	ParentSpanID bool
}

var (
	_ otelpropagation.TextMapPropagator = B3{}
	_ otelpropagation.TextMapPropagator = B3Single{}
)

// Extract returns ctx with the remote span context or the decision that from holds, or ctx if it
// holds none.
func (p B3) Extract(ctx context.Context, from otelpropagation.TextMapCarrier) context.Context {
	return extract(ctx, from, p)
}

// Inject writes the span context of ctx into the carrier, and removes those B3 headers that say
// something else. Without a span in ctx it writes nothing, and removes headers that are
// malformed.
func (p B3) Inject(ctx context.Context, into otelpropagation.TextMapCarrier) { inject(ctx, into, p) }

// Fields returns the names of the headers that Inject writes.
func (p B3) Fields() []string { return p.writes().names() }

// Extract returns ctx with the remote span context or the decision that from holds, or ctx if it
// holds none.
func (p B3Single) Extract(ctx context.Context, from otelpropagation.TextMapCarrier) context.Context {
	return extract(ctx, from, p)
}

// Inject writes the span context of ctx into the carrier, and removes those B3 headers that say
// something else. Without a span in ctx it writes nothing, and removes headers that are
// malformed.
func (p B3Single) Inject(ctx context.Context, into otelpropagation.TextMapCarrier) {
	inject(ctx, into, p)
}

// Fields returns the name of the header that Inject writes.
func (p B3Single) Fields() []string { return p.writes().names() }

const (
	b3SeveralFields = fieldSet(1<<fieldB3TraceID | 1<<fieldB3SpanID | 1<<fieldB3ParentSpanID | 1<<fieldB3Sampled | 1<<fieldB3Flags)
	b3SeveralHeads  = fieldSet(1<<fieldB3TraceID | 1<<fieldB3Sampled | 1<<fieldB3Flags)
	b3SingleField   = fieldSet(1 << fieldB3)
)

func (B3) reads() fieldSet        { return b3SeveralFields | b3SingleField }
func (B3Single) reads() fieldSet  { return b3SeveralFields | b3SingleField }
func (B3) heads() fieldSet        { return b3SeveralHeads | b3SingleField }
func (B3Single) heads() fieldSet  { return b3SeveralHeads | b3SingleField }
func (B3Single) writes() fieldSet { return b3SingleField }
func (p B3) writes() fieldSet {
	if p.ParentSpanID {
		return b3SeveralFields
	}
	return b3SeveralFields &^ (1 << fieldB3ParentSpanID)
}

func (B3) read(c carrier) found       { return readB3(&c) }
func (B3Single) read(c carrier) found { return readB3(&c) }

func readB3(c *carrier) found {
	if got := readB3Single(c); !got.empty() {
		return got
	}
	return readB3Several(c)
}

func readB3Single(c *carrier) found {
	value := c.first(fieldB3)
	if value == "" {
		return found{}
	}
	sc, decision, err := ParseB3Single(value)
	if err != nil {
		return found{}
	}
	return found{sc: sc, decision: decision}
}

func readB3Several(c *carrier) found {
	h := B3Headers{
		TraceID: c.first(fieldB3TraceID),
		Sampled: c.first(fieldB3Sampled),
		Flags:   c.first(fieldB3Flags),
	}
	if h.TraceID == "" && h.Sampled == "" && h.Flags == "" {
		return found{}
	}
	h.SpanID, h.ParentSpanID = c.first(fieldB3SpanID), c.first(fieldB3ParentSpanID)
	sc, decision, err := ParseB3(h)
	if err != nil {
		return found{}
	}
	return found{sc: sc, decision: decision}
}

func (p B3) write(ctx context.Context, sc trace.SpanContext, c carrier) {
	b, traceID, spanID := new(block), sc.TraceID(), sc.SpanID()
	if p.TraceID64 {
		b.add(0, appendHex(b.free(), traceID[8:]))
	} else {
		b.add(0, appendHex(b.free(), traceID[:]))
	}
	b.add(1, appendHex(b.free(), spanID[:]))
	if parent := parentOf(ctx); p.ParentSpanID && parent.IsValid() {
		b.add(2, appendHex(b.free(), parent[:]))
	}
	decision := decisionFor(ctx, sc)
	if decision == Debug {
		b.values[4] = "1"
	}
	switch {
	case decision == Deferred, decision == Debug && !p.sampledWithDebug:
	case sc.IsSampled():
		b.values[3] = "1"
	default:
		b.values[3] = "0"
	}
	b.write(&c, fieldB3TraceID, fieldB3SpanID, fieldB3ParentSpanID, fieldB3Sampled, fieldB3Flags)
}

func (p B3Single) write(ctx context.Context, sc trace.SpanContext, c carrier) {
	b, decision := new(block), decisionFor(ctx, sc)
	text := appendB3Single(b.free(), sc, decision, p.TraceID64)
	if parent := parentOf(ctx); p.ParentSpanID && parent.IsValid() && decision != Deferred {
		text = appendHex(append(text, '-'), parent[:])
	}
	b.add(0, text)
	b.write(&c, fieldB3)
}

// parentOf returns the ID of the parent of ctx's span, if the span knows it, as those of
// OpenTelemetry's SDK and of this module do.
func parentOf(ctx context.Context) trace.SpanID {
	span, ok := trace.SpanFromContext(ctx).(interface{ Parent() trace.SpanContext })
	if !ok {
		return trace.SpanID{}
	}
	return span.Parent().SpanID()
}
