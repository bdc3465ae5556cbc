package exporter

// What a gRPC server says of a call: code, message, and when to try again.

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// A grpcCode is a status code.
//
// Spec: https://github.com/grpc/grpc/blob/master/doc/statuscodes.md
type grpcCode int

// The codes that something follows from.
const (
	grpcOK                grpcCode = 0
	grpcCancelled         grpcCode = 1
	grpcUnknown           grpcCode = 2
	grpcDeadlineExceeded  grpcCode = 4
	grpcResourceExhausted grpcCode = 8
	grpcAborted           grpcCode = 10
	grpcOutOfRange        grpcCode = 11
	grpcUnavailable       grpcCode = 14
	grpcDataLoss          grpcCode = 15
)

var grpcCodeNames = [...]string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
	"PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
	"UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}

func (c grpcCode) String() string {
	if int(c) < len(grpcCodeNames) {
		return grpcCodeNames[c]
	}
	return strconv.Itoa(int(c))
}

// grpcStatus is how a call ended.
type grpcStatus struct {
	code       grpcCode
	message    string
	again      bool // the server says that the call may be made again
	retryAfter time.Duration
}

func (s grpcStatus) String() string { return s.code.String() + quoteAnswer([]byte(s.message)) }

// statusOf returns the status in the trailers of a response that was read to its end, or in its
// headers, if that is all there is. ok is false if it has none.
func statusOf(resp *http.Response) (s grpcStatus, ok bool) {
	const status = "Grpc-Status"
	h := resp.Trailer
	if h.Get(status) == "" {
		h = resp.Header
	}
	if h.Get(status) == "" {
		return grpcStatus{}, false
	}
	code, err := strconv.ParseUint(h.Get(status), 10, 31)
	if err != nil {
		code = uint64(grpcUnknown)
	}
	s = grpcStatus{code: grpcCode(code), message: h.Get("Grpc-Message")}
	if decoded, err := url.PathUnescape(s.message); err == nil { // otherwise raw, as the specification says
		s.message = decoded
	}
	s.retryAfter, s.again = parseRetryInfo(h.Get("Grpc-Status-Details-Bin"))
	return s, true
}

// outcome returns what the status says of the spans that were sent.
//
// Spec: OTLP 1.x, OTLP/gRPC Response, https://opentelemetry.io/docs/specs/otlp/#otlpgrpc-response
func (s grpcStatus) outcome() outcome {
	switch s.code {
	case grpcOK:
		return accepted
	case grpcResourceExhausted, grpcOutOfRange:
		if s.speaksOfSize() && !s.again {
			return oversize
		}
		if s.code == grpcResourceExhausted && !s.again {
			return refused
		}
		return failed
	case grpcCancelled, grpcDeadlineExceeded, grpcAborted, grpcUnavailable, grpcDataLoss:
		return failed
	}
	return refused
}

// speaksOfSize reports whether a server means that the message was larger than it takes. gRPC has no
// code for that, only sentences: of grpc-go and gRPC's core, Java, .NET and tonic.
func (s grpcStatus) speaksOfSize() bool {
	message := strings.ToLower(s.message)
	for _, words := range []string{"larger than max", "exceeds max", "exceeds the max", "too large", "size limit"} {
		if strings.Contains(message, words) {
			return true
		}
	}
	return false
}

// parseRetryInfo reads a google.rpc.Status in base64, with or without padding, and returns how long
// its RetryInfo says to wait. ok is false if it has none.
//
// Spec: googleapis, google/rpc/status.proto and error_details.proto, https://github.com/googleapis/googleapis
func parseRetryInfo(details string) (wait time.Duration, ok bool) {
	if details == "" || len(details) > maxAnswer {
		return 0, false
	}
	status, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(details, "="))
	if err != nil {
		return 0, false
	}
	eachMessage(status, 3, func(detail []byte) { // Status.details
		var url, value []byte // of a google.protobuf.Any
		eachMessage(detail, 1, func(b []byte) { url = b })
		eachMessage(detail, 2, func(b []byte) { value = b })
		if string(url[strings.LastIndexByte(string(url), '/')+1:]) != "google.rpc.RetryInfo" {
			return
		}
		ok = true
		eachMessage(value, 1, func(b []byte) { wait = parseDuration(b) }) // RetryInfo.retry_delay
	})
	return wait, ok
}

// eachMessage calls f for every field of that number in message that holds a message, or bytes.
func eachMessage(message []byte, number protowire.Number, f func([]byte)) {
	eachField(message, func(field protowire.Number, kind protowire.Type, value []byte) {
		if field == number && kind == protowire.BytesType {
			f(value)
		}
	})
}

// parseDuration reads a google.protobuf.Duration, within what a server may ask for.
func parseDuration(message []byte) time.Duration {
	var seconds, nanos int64
	eachField(message, func(field protowire.Number, kind protowire.Type, value []byte) {
		if kind != protowire.VarintType {
			return
		}
		n, _ := protowire.ConsumeVarint(value)
		switch field {
		case 1:
			seconds = int64(n)
		case 2:
			nanos = int64(int32(n))
		}
	})
	const most = int64(maxRetryAfter / time.Second)
	d := time.Duration(min(max(seconds, -most), most))*time.Second + time.Duration(nanos)
	return min(max(d, 0), maxRetryAfter)
}
