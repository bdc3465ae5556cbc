package exporter

// The exporter as its users see it: spans in, flush, shutdown.

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/meshtrace/meshtrace/internal/sdkseam"
	"github.com/meshtrace/meshtrace/internal/seam"
)

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
	pipeline *pipeline // of its own goroutine

	wake    chan struct{} // a shard has something to collect
	aging   atomic.Bool   // all will be collected before long
	sealed  sealed
	asked   chan func()             // what else the pipeline's goroutine is to do
	posted  chan delivery           // what came of a post
	done    chan struct{}           // closed when the pipeline has ended
	abandon context.CancelCauseFunc // ends the posts under way, and the pipeline
	ending  atomic.Bool             // Shutdown was called
}

var (
	_ sdktrace.SpanExporter = (*Exporter)(nil)
	_ sdkseam.Sink          = (*Exporter)(nil)
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
	dest, err := parseEndpoint(cfg.Endpoint)
	if err != nil {
		return nil, err
	}
	ctx, abandon := context.WithCancelCause(seam.Untraced(context.Background()))
	e := &Exporter{
		cfg:      cfg,
		protocol: dest.protocol,
		poster:   newPoster(cfg, dest),
		shards:   make([]*shard, shardCount(cfg.Queue.MaxBytes)),
		wake:     make(chan struct{}, 1),
		asked:    make(chan func()),
		posted:   make(chan delivery),
		done:     make(chan struct{}),
		abandon:  abandon,
	}
	for i := range e.shards {
		e.shards[i] = new(shard)
	}
	e.memory.init(cfg, len(e.shards))
	e.pipeline = newPipeline(e)
	go e.pipeline.run(ctx)
	return e, nil
}

// Consume encodes r and holds the bytes for delivery.
func (e *Exporter) Consume(r *sdkseam.Record) {
	if e.shardOf(r).add(e, r) {
		select {
		case e.wake <- struct{}{}:
		default: // it has been told already
		}
	}
}

// shardOf spreads spans by their random IDs.
func (e *Exporter) shardOf(r *sdkseam.Record) *shard {
	id := r.SpanContext.SpanID()
	return e.shards[int(id[7])%len(e.shards)]
}

// ExportSpans takes spans from an OpenTelemetry span processor. It returns when they are
// delivered, given up, or kept to be sent again because the server is down: a processor that had
// to wait for the server to come back would drop the spans that end meanwhile.
//
// It returns [ErrShutdown] after Shutdown, how many spans were dropped meanwhile, or ctx's error if
// ctx is done first. Spans that ctx did not wait for are still held and delivered later: they
// must not be exported again.
func (e *Exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if e.ending.Load() {
		return ErrShutdown
	}
	if len(spans) == 0 {
		return nil
	}
	lost := e.loss.total()
	var r sdkseam.Record
	for _, s := range spans {
		e.readSpan(&r, s)
		e.Consume(&r)
	}
	return e.flush(ctx, handOver, lost)
}

// ForceFlush sends what is held without waiting for a batch to fill, and returns when every span
// that was taken before the call is delivered or given up, or when ctx is done. A context without
// deadline is given Config.Timeout.
func (e *Exporter) ForceFlush(ctx context.Context) error {
	return e.flush(ctx, sendNow, e.loss.total())
}

// flush asks the pipeline to send all that it holds, and waits for the end of that. lost is how
// many spans had been lost before.
func (e *Exporter) flush(ctx context.Context, u urgency, lost uint64) error {
	ctx, cancel := e.bounded(ctx)
	defer cancel()
	if err := e.await(newFlush(ctx, u)); err != nil {
		return e.loss.because(fmt.Errorf("exporter: flush: %w; %d spans are held", err, e.Stats().InFlight))
	}
	if lost = e.loss.total() - lost; lost > 0 {
		return e.loss.because(fmt.Errorf("exporter: flush: %d spans were dropped", lost))
	}
	return nil
}

// bounded returns ctx with a deadline.
func (e *Exporter) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, e.cfg.Timeout)
}

// cancelGrace is how long Shutdown waits for posts that it has cancelled. They end at once, unless
// Config.Transport ignores their context.
const cancelGrace = time.Second

// Shutdown delivers what is held and ends the exporter. It returns by the deadline of ctx, or
// after Config.Timeout if ctx has none; what is not delivered by then is dropped. Spans that come
// later are dropped, and counted. A second call waits for the first one, or for ctx.
//
// The error says how many spans were lost in the exporter's life, and why. A second call has
// nothing to say about that.
func (e *Exporter) Shutdown(ctx context.Context) error {
	ctx, cancel := e.bounded(ctx)
	defer cancel()
	if e.ending.Swap(true) {
		select {
		case <-e.done:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("exporter: shutdown: %w", ctx.Err())
		}
	}
	for _, s := range e.shards {
		s.close() // what was consumed before is flushed, what comes later is counted as lost
	}
	err := e.await(newFlush(ctx, lastChance))
	if err != nil {
		err = fmt.Errorf("shutdown: %w", err)
	}
	e.abandon(err)
	select {
	case <-e.done:
	case <-time.After(cancelGrace):
	}
	return e.loss.because(e.Stats().lossError())
}
