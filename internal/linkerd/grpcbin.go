package linkerd

import (
	"encoding/base64"
	"net/http"
	"strings"
)

const grpcTraceBinHeader = "Grpc-Trace-Bin"

// The fields of the binary format behind its version byte.
// Spec: https://github.com/census-instrumentation/opencensus-specs/blob/master/encodings/BinaryEncoding.md
const (
	traceIDField = 0
	spanIDField  = 1
	flagsField   = 2
)

// grpcTraceBin is the binary format in base64. Since 2.320 the proxy wants it padded, which
// grpc-go never does: it ignores every such header that grpc-go writes.
type grpcTraceBin struct{ padded bool }

func (f grpcTraceBin) parse(h http.Header) (traceContext, bool) {
	value, ok := firstValue(h, grpcTraceBinHeader)
	if !ok {
		return traceContext{}, false
	}
	encoding := base64.StdEncoding
	if !f.padded {
		encoding, value = base64.RawStdEncoding, strings.TrimRight(value, "=")
	}
	payload, err := encoding.Strict().DecodeString(value)
	if err != nil || len(payload) == 0 {
		return traceContext{}, false
	}
	return parseBinary(payload[1:]) // whatever the version
}

// parseBinary reads fields in any order, of which the last of a kind counts. It stops at an
// unknown one and keeps what it has, which may be nothing.
func parseBinary(rest []byte) (tc traceContext, ok bool) {
	take := func(size int) (field []byte) {
		if ok = len(rest) >= size; ok {
			field, rest = rest[:size], rest[size:]
		}
		return field
	}
	for ok = true; ok && len(rest) > 0; {
		field := rest[0]
		rest = rest[1:]
		switch field {
		case traceIDField:
			tc.traceID = take(traceIDBytes)
		case spanIDField:
			tc.parentID = take(spanIDBytes)
		case flagsField:
			if b := take(1); ok {
				tc.flags = b[0]
			}
		default:
			return tc, true
		}
	}
	return tc, ok
}

// rewrite writes every field, a missing trace ID as one of no bytes.
func (f grpcTraceBin) rewrite(h http.Header, tc traceContext, id spanID) {
	payload := append([]byte{0, traceIDField}, tc.traceID...)
	payload = append(append(payload, spanIDField), id[:]...)
	payload = append(payload, flagsField, tc.flags)
	h[grpcTraceBinHeader] = []string{base64.StdEncoding.EncodeToString(payload)}
}
