package exporter

// What an OTLP server answers: how many spans it rejected.

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// parsePartialSuccess reads an ExportTraceServiceResponse. What is malformed, and what follows it,
// is ignored: the status has already said that the server took the request.
//
// Spec: opentelemetry-proto 1.x, trace_service.proto
func parsePartialSuccess(response []byte) (rejected int, message string) {
	eachField(response, func(field protowire.Number, kind protowire.Type, partial []byte) {
		if field != 1 || kind != protowire.BytesType {
			return
		}
		eachField(partial, func(field protowire.Number, kind protowire.Type, value []byte) {
			switch {
			case field == 1 && kind == protowire.VarintType:
				n, _ := protowire.ConsumeVarint(value)
				rejected = int(min(max(int64(n), 0), math.MaxInt32))
			case field == 2 && kind == protowire.BytesType:
				message = string(value)
			}
		})
	})
	return rejected, message
}

// eachField calls f for every field of a message, up to the first that is malformed. The value of a
// field of bytes comes without its length.
func eachField(message []byte, f func(field protowire.Number, kind protowire.Type, value []byte)) {
	for len(message) > 0 {
		field, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return
		}
		message = message[n:]
		size := protowire.ConsumeFieldValue(field, kind, message)
		if size < 0 {
			return
		}
		value := message[:size]
		if kind == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(value)
		}
		f(field, kind, value)
		message = message[size:]
	}
}
