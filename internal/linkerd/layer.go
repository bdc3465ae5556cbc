package linkerd

import (
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

type direction string

const (
	inbound  direction = "inbound"
	outbound direction = "outbound"
)

// spanFlags says of every span that its parent is remote, for client spans too, and leaves the
// sampled bit out.
const spanFlags = uint32(tracepb.SpanFlags_SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK | tracepb.SpanFlags_SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK)

// A layer makes the spans of one kind on one side of the proxy.
type layer struct {
	formats   []format // none: tracing is off
	direction direction
	kind      tracepb.Span_SpanKind
	sink      *sink
	next      http.RoundTripper
}

// RoundTrip rewrites the trace context of req, if it has one, and records a span, if it is
// sampled. An error leaves no span.
func (l *layer) RoundTrip(req *http.Request) (*http.Response, error) {
	tc, format := parse(l.formats, req.Header)
	if format == nil {
		return l.next.RoundTrip(req)
	}
	id := newSpanID()
	req = copyRequest(req)
	format.rewrite(req.Header, tc, id)
	if !tc.sampled() {
		return l.next.RoundTrip(req)
	}
	span := l.start(req, tc, id)
	resp, err := l.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	end(span, resp)
	if tc.exportable() {
		l.sink.offer(span)
	}
	return resp, nil
}

func (l *layer) start(req *http.Request, tc traceContext, id spanID) *tracepb.Span {
	return &tracepb.Span{
		TraceId:           tc.traceID,
		SpanId:            id[:],
		ParentSpanId:      tc.parentID,
		Flags:             spanFlags,
		Name:              req.URL.EscapedPath(), // no route, so the name of every path
		Kind:              l.kind,
		StartTimeUnixNano: uint64(time.Now().UnixNano()),
		Attributes:        requestAttributes(l.direction, req),
	}
}

// end finishes span at the head of the response. Its status stays unset, whatever the code.
func end(span *tracepb.Span, resp *http.Response) {
	span.EndTimeUnixNano = uint64(time.Now().UnixNano())
	span.Attributes = append(span.Attributes, text("http.response.status_code", strconv.Itoa(resp.StatusCode)))
}

func newSpanID() (id spanID) {
	binary.BigEndian.PutUint64(id[:], rand.Uint64()) // zero is as good as any other, as in the proxy
	return id
}

// copyRequest returns a request whose header and URL may be changed. The rest stays shared, the
// trailers above all: they are filled in while the body is read.
func copyRequest(req *http.Request) *http.Request {
	dup := *req
	dup.Header = maps.Clone(req.Header)
	dup.URL = new(url.URL)
	*dup.URL = *req.URL
	return &dup
}
