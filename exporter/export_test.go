package exporter

// What tests see of the inside.

import (
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/meshtrace/meshtrace/internal/sdkseam"
)

// Held is what an exporter holds, counted one by one rather than by what has come and gone.
type Held struct {
	Spans   uint64
	Bytes   int64 // of the chunks that the spans are in
	Counted int64 // bytes, by the account that bounds them
	Flushes int   // that wait
	Stats   Stats // at the same moment
}

// Held looks through shards, queue and requests under way. It is exact if nothing goes on
// meanwhile: call synctest.Wait before.
func (e *Exporter) Held() (h Held) {
	counted := make(chan struct{})
	select {
	case e.asked <- func() { h = e.count(); close(counted) }:
		<-counted
	case <-e.done:
		h = e.count()
	}
	return h
}

func (e *Exporter) count() Held {
	h := Held{Counted: e.memory.held.Load(), Flushes: len(e.pipeline.flushing), Stats: e.Stats()}
	seen := make(map[*chunk]bool)
	add := func(chunks ...*chunk) {
		for _, c := range chunks {
			h.Spans += uint64(len(c.spans))
			for c.whole != nil {
				c = c.whole
			}
			if !seen[c] {
				h.Bytes += c.bytes()
			}
			seen[c] = true
		}
	}
	for _, s := range e.shards {
		s.mu.Lock()
		add(s.sealed...)
		add(s.open...)
		s.mu.Unlock()
	}
	add(e.pipeline.queue...)
	for _, b := range e.pipeline.flying {
		add(b.chunks...)
	}
	return h
}

// HeldBytes returns the bytes that count towards Queue.MaxBytes, at any time.
func (e *Exporter) HeldBytes() int64 { return e.memory.held.Load() }

// Shards returns their number.
func (e *Exporter) Shards() int { return len(e.shards) }

// EncodeOTLP returns a request with the spans, which must be of one resource.
func EncodeOTLP(records ...*sdkseam.Record) []byte { return encode(otlp{}, records) }

// EncodeJaegerThrift returns a Batch with the spans, which must be of one resource.
func EncodeJaegerThrift(records ...*sdkseam.Record) []byte { return encode(jaegerThrift{}, records) }

// EncodeJaegerProto returns a PostSpansRequest with the spans, which must be of one resource.
func EncodeJaegerProto(records ...*sdkseam.Record) []byte { return encode(jaegerProto{}, records) }

func encode(p protocol, records []*sdkseam.Record) []byte {
	c := &chunk{resource: records[0].Origin.Resource}
	for _, r := range records {
		c.buf = p.appendSpan(c.buf, r)
		c.spans = append(c.spans, spanEnd{r.Origin, len(c.buf)})
	}
	var b batch
	b.add(c)
	return slices.Concat(p.appendPieces(nil, &b)...)
}

func ParsePartialSuccess(response []byte) (int, string) { return parsePartialSuccess(response) }

func ParseRetryInfo(details string) (time.Duration, bool) { return parseRetryInfo(details) }

func GRPCTimeout(d time.Duration) string { return grpcTimeout(d) }

func (r Retry) Backoff(failures int) time.Duration { return r.backoff(failures) }

func RetryAfter(value string, now time.Time) time.Duration {
	return retryAfter(http.Header{"Retry-After": {value}}, now)
}

// Budget returns functions that take one byte from a budget, and give it back.
func Budget(bytes int64) (reserve func() bool, release func()) {
	m := &memory{budget: bytes}
	return func() bool { return m.reserve(1) }, func() { m.held.Add(-1) }
}

// Keeps reports whether a chunk's buffer of that size is kept for use again.
func (e *Exporter) Keeps(size int) bool { return e.memory.reset(&chunk{buf: make([]byte, size)}) }

// Origins returns how many are remembered.
func (e *Exporter) Origins() int {
	e.origins.mu.Lock()
	defer e.origins.mu.Unlock()
	return len(e.origins.known)
}

// SpanEncoders are the protocols' ways to encode a span, by name.
var SpanEncoders = map[string]func(dst []byte, r *sdkseam.Record) []byte{
	"otlp":         otlp{}.appendSpan,
	"jaegerThrift": jaegerThrift{}.appendSpan,
	"jaegerProto":  jaegerProto{}.appendSpan,
}

// UsesProxies reports whether the exporter's own transport takes proxies from the environment.
func (e *Exporter) UsesProxies() bool { return e.poster.own.Proxy != nil }

func NewPipe(conn net.Conn) net.Conn { return newPipe(conn, time.Minute) }
