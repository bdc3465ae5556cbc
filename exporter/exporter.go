package exporter

// The exporter as its users see it: settings, spans in, flush, shutdown.

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/meshtrace/meshtrace/internal/seam"
)

// Config says where spans go and how. The zero value is ready to use: OTLP over HTTP to a
// collector or Jaeger on this machine.
type Config struct {
	_ struct{} // keyed literals only, so a new field breaks nobody

	// Endpoint is a URL whose scheme names the protocol. Default: http://localhost:4318.
	//
	//	http, https                 OTLP over HTTP, protobuf; default path /v1/traces
	//	jaeger+http, jaeger+https   Jaeger's Thrift over HTTP; default port 14268, path /api/traces
	//
	// User information becomes basic authentication, and is never shown.
	Endpoint string

	// Headers go with every request, for example an API key.
	Headers map[string]string

	// TLS configures the https schemes. Default: the system's certificate authorities.
	TLS *tls.Config

	// Compression of request bodies. Default: none, which costs the least where the collector
	// is near; gzip is for distant ones.
	Compression Compression

	// Timeout is how long one attempt to deliver may take, and how long Shutdown may if its
	// context has no deadline. Default: 10 s.
	Timeout time.Duration

	Batch Batch
	Queue Queue
	Retry Retry

	// Transport sends the requests. Default: one of its own, which takes proxies from the
	// environment. It must not be one that traces.
	Transport http.RoundTripper

	// OnError is told of failed deliveries and lost spans, at most once in ten seconds; the
	// counts are in Stats. It must not block. Default: otel.Handle.
	OnError func(error)
}

// Compression is how request bodies are compressed.
type Compression string

// The compressions.
const (
	NoCompression Compression = "none"
	Gzip          Compression = "gzip"
)

// Batch says when spans are sent: as soon as one of the limits is reached.
type Batch struct {
	_ struct{}

	MaxSpans int           // in a request, at the most. Default: 2048.
	MaxBytes int           // of encoded spans in a request, before compression. Default: 1 MiB.
	MaxAge   time.Duration // of the oldest span that waits. Default: 1 s.
}

// Queue bounds the spans that are held: those not sent yet, those being sent, and those to be
// sent again.
type Queue struct {
	_ struct{}

	// MaxBytes of memory for encoded spans. Past it the oldest are dropped. Default: 32 MiB,
	// about 60,000 spans. At least twice what Batch.MaxBytes times InFlight says. The request
	// bodies under way take InFlight times Batch.MaxBytes besides.
	MaxBytes int

	// InFlight is how many requests are under way at once, at the most. Default: 2.
	InFlight int
}

// Retry says when a failed delivery is tried again: after Initial, and up to Max as failures
// follow each other, with jitter; or when the server says. Refused and broken connections,
// timeouts, and status 408, 429 and 5xx are tried again for as long as the queue has room.
type Retry struct {
	_ struct{}

	Initial time.Duration // Default: 500 ms.
	Max     time.Duration // Default: 30 s.
}

// ErrShutdown is what ExportSpans returns after Shutdown.
var ErrShutdown = errors.New("exporter: shut down")

// Exporter delivers spans. It is an [sdktrace.SpanExporter], safe for concurrent use.
type Exporter struct {
	cfg      Config
	protocol protocol
	poster   *poster
	origins  origins
	memory   memory
	shards   []*shard
	loss     loss
	errs     errorLimiter

	wake    chan struct{}      // a shard has something to collect
	flushes chan *flush        // ForceFlush and Shutdown ask for an empty queue
	posted  chan delivery      // what came of a post
	done    chan struct{}      // closed when the pipeline has ended
	abandon context.CancelFunc // ends the posts under way

	shutdown sync.Once
}

var (
	_ sdktrace.SpanExporter = (*Exporter)(nil)
	_ seam.Sink             = (*Exporter)(nil)
)

// New returns an exporter that works as cfg says, and starts its one goroutine; Shutdown ends it.
// It does not connect to anything yet: a collector may come later than the service.
//
// The error joins everything that is wrong with cfg, each by the setting's name.
func New(cfg Config) (*Exporter, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	dest, _ := parseEndpoint(cfg.Endpoint)
	ctx, abandon := context.WithCancel(seam.Untraced(context.Background()))
	e := &Exporter{
		cfg:      cfg,
		protocol: dest.protocol,
		poster:   newPoster(cfg, dest),
		shards:   make([]*shard, shardCount()),
		errs:     errorLimiter{report: cfg.OnError},
		wake:     make(chan struct{}, 1),
		flushes:  make(chan *flush),
		posted:   make(chan delivery),
		done:     make(chan struct{}),
		abandon:  abandon,
	}
	for i := range e.shards {
		e.shards[i] = new(shard)
	}
	e.memory.init(cfg, len(e.shards))
	go e.run(ctx)
	return e, nil
}

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

// leastQueue is the smallest sensible Queue.MaxBytes: what is being sent can't be dropped, and
// must leave as much again for what is recorded meanwhile.
func (c Config) leastQueue() int { return 2 * c.Batch.MaxBytes * c.Queue.InFlight }

// Validate returns what New would have to say against c, all of it.
func (c Config) Validate() error {
	c = c.withDefaults()
	_, err := parseEndpoint(c.Endpoint)
	errs := []error{err}
	check := func(ok bool, setting string, value any, rule string) {
		if !ok {
			errs = append(errs, fmt.Errorf("exporter: %s \"%v\": %s", setting, value, rule))
		}
	}
	check(c.Compression == NoCompression || c.Compression == Gzip, "Compression", c.Compression, "must be none or gzip")
	check(c.Timeout > 0, "Timeout", c.Timeout, "must be positive")
	check(c.Batch.MaxSpans > 0, "Batch.MaxSpans", c.Batch.MaxSpans, "must be positive")
	check(c.Batch.MaxBytes >= minBatchBytes, "Batch.MaxBytes", c.Batch.MaxBytes, fmt.Sprintf("must be at least %d", minBatchBytes))
	check(c.Batch.MaxAge > 0, "Batch.MaxAge", c.Batch.MaxAge, "must be positive")
	check(c.Queue.InFlight > 0, "Queue.InFlight", c.Queue.InFlight, "must be positive")
	check(c.Queue.MaxBytes >= c.leastQueue(), "Queue.MaxBytes", c.Queue.MaxBytes,
		fmt.Sprintf("must be at least 2 * Batch.MaxBytes * Queue.InFlight = %d", c.leastQueue()))
	check(c.Retry.Initial > 0, "Retry.Initial", c.Retry.Initial, "must be positive")
	check(c.Retry.Max >= c.Retry.Initial, "Retry.Max", c.Retry.Max, "must not be less than Retry.Initial")
	for key, value := range c.Headers {
		check(validHeaderKey(key), "Headers key", key, "must be an HTTP token")
		check(validHeaderValue(value), "Headers value of key", key, "must not hold control characters")
	}
	return errors.Join(errs...)
}

// Consume encodes r and holds the bytes for delivery.
func (e *Exporter) Consume(r *seam.Record) {
	if e.shardOf(r).add(e, r) {
		select {
		case e.wake <- struct{}{}:
		default: // it has been told already
		}
	}
}

// shardOf spreads spans by their random IDs.
func (e *Exporter) shardOf(r *seam.Record) *shard {
	id := r.SpanContext.SpanID()
	return e.shards[int(id[7])%len(e.shards)]
}

// ExportSpans takes spans from an OpenTelemetry span processor and returns when they are delivered
// or given up.
//
// It returns [ErrShutdown] after Shutdown, ctx's error if ctx is done first, or how many spans
// were dropped meanwhile. Spans that ctx did not wait for are still held and delivered later:
// they must not be exported again.
func (e *Exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if e.isShutdown() {
		return ErrShutdown
	}
	var r seam.Record
	for _, s := range spans {
		e.readSpan(&r, s)
		e.Consume(&r)
	}
	return e.ForceFlush(ctx)
}

// ForceFlush sends what is held without waiting for a batch to fill, and returns when every span
// that was taken before the call is delivered or given up, or when ctx is done.
func (e *Exporter) ForceFlush(ctx context.Context) error {
	before := e.loss.total()
	f := &flush{finished: make(chan struct{})}
	select {
	case e.flushes <- f:
	case <-e.done:
		return nil // Shutdown has flushed
	case <-ctx.Done():
		return fmt.Errorf("exporter: flush: %w", ctx.Err())
	}
	select {
	case <-f.finished:
	case <-ctx.Done():
		return fmt.Errorf("exporter: flush: %w; %d spans are still held", ctx.Err(), e.Stats().InFlight)
	}
	if lost := e.loss.total() - before; lost > 0 {
		return fmt.Errorf("exporter: flush: %d spans were dropped: %w", lost, e.loss.lastError())
	}
	return nil
}

// Shutdown delivers what is held and ends the exporter. It returns by the deadline of ctx, or
// after Config.Timeout if ctx has none; what is not delivered by then is dropped. Spans that come
// later are dropped, and counted. A second call waits for the first, and returns nil.
//
// The error says how many spans were lost in the exporter's life, and why.
func (e *Exporter) Shutdown(ctx context.Context) error {
	var err error
	e.shutdown.Do(func() { err = e.end(ctx) })
	return err
}

func (e *Exporter) end(ctx context.Context) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, e.cfg.Timeout)
		defer cancel()
	}
	for _, s := range e.shards {
		s.close()
	}
	f := &flush{finished: make(chan struct{}), last: true}
	select {
	case e.flushes <- f:
	case <-ctx.Done():
	}
	select {
	case <-f.finished:
	case <-ctx.Done():
	}
	e.abandon() // what is still held is dropped, and the goroutine ends
	<-e.done
	return e.Stats().lossError(e.loss.lastError())
}

func (e *Exporter) isShutdown() bool { return e.shards[0].isClosed() }
