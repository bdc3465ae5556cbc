package receiver

import "google.golang.org/protobuf/encoding/protowire"

// The fields on the way to a span, in opentelemetry/proto/collector/trace/v1 and trace/v1.
const (
	fieldResourceSpans protowire.Number = 1 // of ExportTraceServiceRequest
	fieldScopeSpans    protowire.Number = 2 // of ResourceSpans
	fieldSpans         protowire.Number = 2 // of ScopeSpans
)

// CountSpans returns how many spans an encoded ExportTraceServiceRequest holds. It reports false
// if body is malformed.
//
// It steps over the spans without decoding them: the receiver shares the machine with what it
// serves, and should take no more of it than it must.
func CountSpans(body []byte) (spans int, ok bool) {
	return count(body, fieldResourceSpans, fieldScopeSpans, fieldSpans)
}

// count returns how many fields message has at the end of a path of nested messages.
func count(message []byte, path ...protowire.Number) (n int, ok bool) {
	for len(message) > 0 {
		number, kind, size := protowire.ConsumeTag(message)
		if size < 0 {
			return 0, false
		}
		message = message[size:]
		if size = protowire.ConsumeFieldValue(number, kind, message); size < 0 {
			return 0, false
		}
		value := message[:size]
		message = message[size:]
		switch {
		case number != path[0] || kind != protowire.BytesType:
		case len(path) == 1:
			n++
		default:
			nested, _ := protowire.ConsumeBytes(value)
			below, ok := count(nested, path[1:]...)
			if !ok {
				return 0, false
			}
			n += below
		}
	}
	return n, true
}
