package exporter

// The settings: what they mean, their defaults, and what is wrong with them.

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
)

// Config says where spans go and how. The zero value is ready to use: OTLP over HTTP to a
// collector or Jaeger on this machine.
type Config struct {
	_ struct{} // keyed literals only, so a new field breaks nobody

	// Endpoint is a URL whose scheme names the protocol. Default: http://localhost:4318.
	//
	//	http, https                 OTLP over HTTP, protobuf; default path /v1/traces
	//	grpc, grpcs                 OTLP over gRPC; default port 4317
	//	jaeger+http, jaeger+https   Jaeger's Thrift over HTTP; default port 14268, path /api/traces
	//	jaeger+grpc, jaeger+grpcs   Jaeger's model over gRPC, api_v2; default port 14250
	//
	// With gRPC the path is the method's: the URL has none. Without TLS gRPC goes past proxies.
	// User information becomes basic authentication, and is never shown.
	Endpoint string

	// Headers go with every request, for example an API key. Those that describe the body,
	// Content-Type and Content-Encoding, are the exporter's own. With gRPC they are metadata:
	// letters, digits and "-_." are a key, of which those that begin with grpc- are gRPC's own,
	// and printable ASCII is a value; the value of a key that ends in -bin may hold any bytes,
	// and is sent in base64.
	Headers map[string]string

	// TLS configures the schemes https and grpcs. Default: the system's certificate authorities.
	TLS *tls.Config

	// Compression of request bodies. Default: none, which costs the least where the collector
	// is near; gzip is for distant ones.
	Compression Compression

	// Timeout is how long one attempt to deliver may take, and how long Shutdown, ForceFlush
	// and ExportSpans may if their context has no deadline. Default: 10 s.
	Timeout time.Duration

	Batch Batch
	Queue Queue
	Retry Retry

	// Transport sends the requests. Default: one of its own, which takes proxies from the
	// environment. It must not be one that traces, and for gRPC it must speak HTTP/2.
	Transport http.RoundTripper

	// OnError is told of failed deliveries and lost spans, at most once in ten seconds; the
	// counts are in Stats. It runs on a goroutine of its own, one call at a time, and may use
	// the exporter. What Shutdown returns it is not told. Default: otel.Handle.
	OnError func(error)
}

// Compression is how request bodies are compressed.
type Compression string

// The compressions.
const (
	NoCompression Compression = "none"
	Gzip          Compression = "gzip"
)

// Batch bounds a request. One is sent as soon as there are spans to fill it, give or take what
// each processor has collected of its own, or when the oldest span has waited long enough.
type Batch struct {
	_ struct{}

	// MaxSpans in a request. Default: 2048.
	MaxSpans int

	// MaxBytes of encoded spans in a request, before compression. A span of more than half of
	// it is dropped. From 16 KiB to 1 GiB. Default: 1 MiB.
	MaxBytes int

	// MaxAge of the oldest span that waits. Default: 1 s.
	MaxAge time.Duration
}

// Queue bounds the spans that are held: those not sent yet, those being sent, and those to be
// sent again.
type Queue struct {
	_ struct{}

	// MaxBytes of memory for encoded spans. Past it the oldest are dropped. Default: 32 MiB,
	// about 60,000 spans. At least four times what Batch.MaxBytes times InFlight says. The
	// buffers for request bodies take InFlight times Batch.MaxBytes besides, and a connection
	// a quarter of a megabyte, or one megabyte for gRPC.
	MaxBytes int

	// InFlight is how many requests are under way at once, at the most. From 1 to 1024.
	// Default: 2.
	InFlight int
}

// Retry says when a failed delivery is tried again: after Initial, and up to Max as failures
// follow each other, with jitter; or when the server says. Refused and broken connections,
// timeouts, and status 408, 429 and 5xx are tried again for as long as the queue has room; of gRPC's
// codes CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE and DATA_LOSS, and
// RESOURCE_EXHAUSTED if the server says when.
type Retry struct {
	_ struct{}

	Initial time.Duration // Default: 500 ms.
	Max     time.Duration // Default: 30 s.
}

const (
	maxBatchBytes = 1 << 30 // less than a length in Thrift or a message in protobuf may be
	maxInFlight   = 1 << 10
)

func (c Config) withDefaults() Config {
	c.Endpoint = cmp.Or(c.Endpoint, "http://localhost:4318")
	c.Compression = cmp.Or(c.Compression, NoCompression)
	c.Timeout = cmp.Or(c.Timeout, 10*time.Second)
	c.Batch.MaxSpans = cmp.Or(c.Batch.MaxSpans, 2048)
	c.Batch.MaxBytes = cmp.Or(c.Batch.MaxBytes, 1<<20)
	c.Batch.MaxAge = cmp.Or(c.Batch.MaxAge, time.Second)
	c.Queue.InFlight = cmp.Or(c.Queue.InFlight, 2)
	c.Queue.MaxBytes = cmp.Or(c.Queue.MaxBytes, max(32<<20, c.leastQueue()))
	c.Retry.Initial = cmp.Or(c.Retry.Initial, 500*time.Millisecond)
	c.Retry.Max = cmp.Or(c.Retry.Max, max(30*time.Second, c.Retry.Initial))
	if c.OnError == nil {
		c.OnError = otel.Handle
	}
	return c
}

// leastQueue is the smallest sensible Queue.MaxBytes: what is being sent can't be dropped, takes up
// to twice its bytes, and must leave as much again for what is recorded meanwhile.
func (c Config) leastQueue() int { return 4 * c.Batch.MaxBytes * c.Queue.InFlight }

// Validate returns what New would have to say against c, all of it.
func (c Config) Validate() error {
	c = c.withDefaults()
	dest, err := parseEndpoint(c.Endpoint)
	errs := []error{err}
	check := func(ok bool, setting string, value any, rule string) {
		if !ok {
			errs = append(errs, fmt.Errorf("exporter: %s %q: %s", setting, cut(fmt.Sprint(value)), rule))
		}
	}
	within := func(n, low, high int, setting string) {
		check(low <= n && n <= high, setting, n, fmt.Sprintf("must be from %d to %d", low, high))
	}
	check(c.Compression == NoCompression || c.Compression == Gzip, "Compression", c.Compression, "must be none or gzip")
	check(c.Timeout > 0, "Timeout", c.Timeout, "must be positive")
	check(c.Batch.MaxSpans > 0, "Batch.MaxSpans", c.Batch.MaxSpans, "must be positive")
	within(c.Batch.MaxBytes, minBatchBytes, maxBatchBytes, "Batch.MaxBytes")
	check(c.Batch.MaxAge > 0, "Batch.MaxAge", c.Batch.MaxAge, "must be positive")
	within(c.Queue.InFlight, 1, maxInFlight, "Queue.InFlight")
	check(c.Queue.MaxBytes >= c.leastQueue(), "Queue.MaxBytes", c.Queue.MaxBytes,
		fmt.Sprintf("must be at least 4 * Batch.MaxBytes * Queue.InFlight = %d", c.leastQueue()))
	check(c.Retry.Initial > 0, "Retry.Initial", c.Retry.Initial, "must be positive")
	check(c.Retry.Max >= c.Retry.Initial, "Retry.Max", c.Retry.Max, "must not be less than Retry.Initial")
	canonical := make(map[string]bool)
	for _, key := range slices.Sorted(maps.Keys(c.Headers)) {
		name, value := http.CanonicalHeaderKey(key), c.Headers[key]
		if dest.call == (unary{}) {
			check(validMetadataKey(key), "Headers key", key, `must be of letters, digits, "-", "_" and ".", and not begin with grpc-`)
			check(validMetadataValue(key, value), "Headers value of key", key, "must be printable ASCII")
		} else {
			check(validHeaderKey(key), "Headers key", key, "must be an HTTP token")
			check(validHeaderValue(value), "Headers value of key", key, "must not hold control characters")
		}
		check(!canonical[name], "Headers key", key, "must not be there twice")
		canonical[name] = true
	}
	return errors.Join(errs...)
}

// validHeaderKey reports whether key is a token.
//
// Spec: RFC 9110, section 5.6.2, https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2
func validHeaderKey(key string) bool {
	for _, c := range []byte(key) {
		switch {
		case '0' <= c && c <= '9', 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z':
		case strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return key != ""
}

// validHeaderValue reports whether value has no control characters, which could end the header.
func validHeaderValue(value string) bool {
	for _, c := range []byte(value) {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// cut returns the beginning of s, for an error message that quotes it.
func cut(s string) string { return s[:min(len(s), 64)] }
