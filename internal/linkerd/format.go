package linkerd

import (
	"encoding/hex"
	"net/http"
)

// The lengths of IDs that a span is exported with. Headers are not held to them.
const (
	traceIDBytes = 16
	spanIDBytes  = 8
)

type spanID [spanIDBytes]byte

func (id spanID) String() string { return hex.EncodeToString(id[:]) }

// A format is one of the ways to write a trace context into headers. Keys are in canonical form.
type format interface {
	// parse returns the context in h. It reads only the first value of a header.
	parse(h http.Header) (traceContext, bool)

	// rewrite makes id the span ID in h, where parse has found tc.
	rewrite(h http.Header, tc traceContext, id spanID)
}

// A traceContext is what the proxy understood of a request's headers.
type traceContext struct {
	traceID  []byte // traceIDBytes long, unless the header's was longer or missing
	parentID []byte // spanIDBytes long, with the same exceptions
	flags    byte
}

const flagSampled = 1

func (tc traceContext) sampled() bool { return tc.flags&flagSampled != 0 }

// exportable reports whether a span of this context survives the conversion to OTLP.
func (tc traceContext) exportable() bool {
	return len(tc.traceID) == traceIDBytes && len(tc.parentID) == spanIDBytes
}

// parse returns the context that the first matching format finds in h, and that format.
func parse(formats []format, h http.Header) (traceContext, format) {
	for _, f := range formats {
		if tc, ok := f.parse(h); ok {
			return tc, f
		}
	}
	return traceContext{}, nil
}

// firstValue returns the first value of the header with the canonical key. A value with anything
// but visible ASCII, spaces and tabs counts as absent.
func firstValue(h http.Header, key string) (value string, ok bool) {
	values := h[key]
	if len(values) == 0 {
		return "", false
	}
	for i := range len(values[0]) {
		if c := values[0][i]; c != '\t' && (c < ' ' || c > '~') {
			return "", false
		}
	}
	return values[0], true
}

// parseID decodes hex digits of either case, and pads what is short with zeroes on the left.
// More than size bytes are accepted and kept.
func parseID(digits string, size int) ([]byte, bool) {
	id, err := hex.DecodeString(digits)
	if err != nil {
		return nil, false
	}
	if missing := size - len(id); missing > 0 {
		id = append(make([]byte, missing, size), id...)
	}
	return id, true
}
