package linkerd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

const (
	queueSpans      = 100              // spans that wait to be put into a batch; more are dropped
	batchSpans      = 1000             // spans that make a batch due before its time
	defaultInterval = 10 * time.Second // what makes it due otherwise
)

var errClosed = errors.New("linkerd: the proxy is closed")

// A sink takes the spans of a proxy to its collector.
//
//	offer -> queue -> collect -> batches -> send -> collector
//
// While a collector hangs, one batch is under way, one waits in batches, and one grows until it
// is full; then the queue fills up, and what comes after that is dropped.
type sink struct {
	collector string
	transport *http.Transport
	resource  *resourcepb.Resource
	interval  time.Duration

	queue   chan queued
	batches chan batch
	dropped atomic.Int64

	ctx     context.Context // ends when the sink is closed
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// queued is a span, or the mark that a flush leaves behind all spans that it is to wait for.
type queued struct {
	span    *tracepb.Span
	flushed chan<- struct{}
}

type batch struct {
	spans   []*tracepb.Span
	flushed []chan<- struct{} // closed when the spans have been sent
}

func newSink(collector string, transport *http.Transport, res *resourcepb.Resource, interval time.Duration) *sink {
	s := &sink{
		collector: collector,
		transport: transport,
		resource:  res,
		interval:  interval,
		queue:     make(chan queued, queueSpans),
		batches:   make(chan batch, 1),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.running.Go(s.collect)
	s.running.Go(s.send)
	return s
}

// offer queues span, or drops it. It never blocks.
func (s *sink) offer(span *tracepb.Span) {
	select {
	case s.queue <- queued{span: span}:
	default:
		s.dropped.Add(1)
	}
}

// collect makes batches of what is in the queue.
func (s *sink) collect() {
	ticker := time.NewTicker(s.interval)
	defer ticker.Stop()
	var growing batch
	due := false
	for {
		queue, batches := s.queue, s.batches
		if len(growing.spans) >= batchSpans {
			queue, due = nil, true
		}
		if !due {
			batches = nil
		}
		select {
		case q := <-queue:
			due = growing.add(q) || due
		case batches <- growing:
			growing, due = batch{}, false
		case <-ticker.C:
			due = due || len(growing.spans) > 0
		case <-s.ctx.Done():
			return
		}
	}
}

// add reports whether b is now due at once, because of a flush.
func (b *batch) add(q queued) bool {
	if q.flushed != nil {
		b.flushed = append(b.flushed, q.flushed)
		return true
	}
	b.spans = append(b.spans, q.span)
	return false
}

// send exports one batch after the other. One that fails is lost.
func (s *sink) send() {
	for {
		select {
		case b := <-s.batches:
			if len(b.spans) > 0 {
				s.export(b.spans)
			}
			for _, flushed := range b.flushed {
				close(flushed)
			}
		case <-s.ctx.Done():
			return
		}
	}
}

// export posts spans, with no deadline, and looks neither at errors nor at the answer.
func (s *sink) export(spans []*tracepb.Span) {
	// On the wire this is an ExportTraceServiceRequest, whose Go package would link gRPC.
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource:   s.resource,
		ScopeSpans: []*tracepb.ScopeSpans{{Spans: spans}},
	}}})
	if err != nil {
		return
	}
	req, err := http.NewRequestWithContext(s.ctx, http.MethodPost, s.collector, bytes.NewReader(body))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	resp, err := s.transport.RoundTrip(req)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)) // read it, and the connection is kept
}

func (s *sink) flush(ctx context.Context) error {
	flushed := make(chan struct{})
	select {
	case s.queue <- queued{flushed: flushed}:
	case <-s.ctx.Done():
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-flushed:
		return nil
	case <-s.ctx.Done():
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *sink) close() {
	s.cancel()
	s.running.Wait()
	s.transport.CloseIdleConnections()
}
