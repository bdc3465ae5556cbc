package propagation

import (
	"context"
	"strings"

	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// maxXRay bounds an X-Amzn-Trace-Id, to which load balancers and applications add fields of
// their own.
const maxXRay = 512

// ParseXRay parses the value of an X-Amzn-Trace-Id header: fields key=value, separated by
// semicolons, of which it reads Root, Parent and Sampled. The span context is valid and remote; the
// decision is [Deferred] if Sampled is ? or absent, otherwise [NoDecision]. ParseXRay does not
// allocate.
//
// The error is [ErrMissing] if there is no Parent, as in what a load balancer writes, or no Root,
// [ErrSyntax], [ErrZeroID], [ErrSampling] or [ErrTooLong].
//
// Spec: AWS X-Ray, Tracing header, https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
func ParseXRay(value string) (trace.SpanContext, Decision, error) {
	if len(value) > maxXRay {
		return trace.SpanContext{}, NoDecision, ErrTooLong
	}
	var root, parent, sampled string
	for more := true; more; {
		var pair string
		pair, value, more = strings.Cut(value, ";")
		switch key, value, _ := strings.Cut(strings.Trim(pair, " \t"), "="); key {
		case "Root":
			root = value
		case "Parent":
			parent = value
		case "Sampled":
			sampled = value
		}
	}
	if root == "" || parent == "" {
		return trace.SpanContext{}, NoDecision, ErrMissing
	}
	return parseXRayFields(root, parent, sampled)
}

func parseXRayFields(root, parent, sampled string) (trace.SpanContext, Decision, error) {
	sc, in := trace.SpanContextConfig{Remote: true}, scanner{rest: root}
	in.skip('1') // the version
	in.skip('-')
	in.hex(sc.TraceID[:4])
	in.skip('-')
	in.hex(sc.TraceID[4:])
	in.end()
	id := scanner{rest: parent}
	id.hex(sc.SpanID[:])
	id.end()
	if in.failed || id.failed {
		return trace.SpanContext{}, NoDecision, ErrSyntax
	}
	if !sc.TraceID.IsValid() || !sc.SpanID.IsValid() {
		return trace.SpanContext{}, NoDecision, ErrZeroID
	}
	decision := NoDecision
	switch sampled {
	case "1":
		sc.TraceFlags = trace.FlagsSampled
	case "0":
	case "?", "":
		decision = Deferred
	default:
		return trace.SpanContext{}, NoDecision, ErrSampling
	}
	return trace.NewSpanContext(sc), decision, nil
}

// AppendXRay appends the value of an X-Amzn-Trace-Id header to dst, with Sampled=? for
// [Deferred]. It writes zero IDs as they are; check sc.IsValid first.
//
// Spec: AWS X-Ray, Tracing header, https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
func AppendXRay(dst []byte, sc trace.SpanContext, decision Decision) []byte {
	traceID, spanID := sc.TraceID(), sc.SpanID()
	dst = append(dst, "Root=1-"...)
	dst = appendHex(dst, traceID[:4])
	dst = append(dst, '-')
	dst = appendHex(dst, traceID[4:])
	dst = append(dst, ";Parent="...)
	dst = appendHex(dst, spanID[:])
	switch {
	case decision == Deferred:
		return append(dst, ";Sampled=?"...)
	case sc.IsSampled():
		return append(dst, ";Sampled=1"...)
	}
	return append(dst, ";Sampled=0"...)
}

// XRay is the propagator of AWS X-Ray's header X-Amzn-Trace-Id.
//
// A trace ID of X-Ray begins with the time of its first request, in seconds; of other traces it
// just has their first four bytes there, which X-Ray accepts. Fields of the header that are not
// X-Ray's are not carried on.
//
// In Linkerd's mesh: the proxy neither reads nor writes it.
//
// Spec: AWS X-Ray, Tracing header, https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
type XRay struct {
	_ struct{}
}

var _ otelpropagation.TextMapPropagator = XRay{}

// Extract returns ctx with the remote span context that from holds, or ctx if it holds none.
func (p XRay) Extract(ctx context.Context, from otelpropagation.TextMapCarrier) context.Context {
	return extract(ctx, from, p)
}

// Inject writes the span context of ctx into the carrier. Without a span in ctx it writes
// nothing, and removes a header that is malformed.
func (p XRay) Inject(ctx context.Context, into otelpropagation.TextMapCarrier) { inject(ctx, into, p) }

// Fields returns the name of the header that Inject writes.
func (p XRay) Fields() []string { return p.writes().names() }

func (XRay) reads() fieldSet  { return fieldsOf(fieldXRay) }
func (XRay) writes() fieldSet { return fieldsOf(fieldXRay) }
func (XRay) heads() fieldSet  { return fieldsOf(fieldXRay) }

func (XRay) read(c carrier) found {
	value := c.first(fieldXRay)
	if value == "" {
		return found{}
	}
	sc, decision, err := ParseXRay(value)
	if err != nil {
		return found{}
	}
	return found{sc: sc, decision: decision}
}

func (XRay) write(ctx context.Context, sc trace.SpanContext, c carrier) {
	b := new(block)
	b.add(0, AppendXRay(b.free(), sc, decisionFor(ctx, sc)))
	b.write(&c, fieldXRay)
}
