package linkerd

import "net/http"

const (
	b3TraceIDHeader = "X-B3-Traceid"
	b3SpanIDHeader  = "X-B3-Spanid"
	b3SampledHeader = "X-B3-Sampled"
)

// b3 is B3 in several headers. The single b3 header, the parent's ID and the debug flag are never
// read: sampled is what says exactly 1, and nothing else.
type b3 struct{}

func (b3) parse(h http.Header) (tc traceContext, ok bool) {
	traceID, ok := firstValue(h, b3TraceIDHeader)
	if !ok {
		return traceContext{}, false
	}
	parentID, ok := firstValue(h, b3SpanIDHeader)
	if !ok {
		return traceContext{}, false
	}
	// Zeroes are accepted, and so is an empty value, which is padded to zeroes.
	if tc.traceID, ok = parseID(traceID, traceIDBytes); !ok {
		return traceContext{}, false
	}
	if tc.parentID, ok = parseID(parentID, spanIDBytes); !ok {
		return traceContext{}, false
	}
	if sampled, _ := firstValue(h, b3SampledHeader); sampled == "1" {
		tc.flags = flagSampled
	}
	return tc, true
}

// rewrite changes one header of the several. X-B3-ParentSpanId stays the one that the calling
// application sent, so it names no span's parent any more.
func (b3) rewrite(h http.Header, _ traceContext, id spanID) {
	h[b3SpanIDHeader] = []string{id.String()}
}
