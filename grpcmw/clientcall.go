package grpcmw

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"google.golang.org/grpc/metadata"
)

// called is a call that goes out under observation. It is the context that the call goes out with,
// so that a stats handler finds it for each attempt that gRPC makes.
type called struct {
	rpc
	*client
	traffic  traffic // as an interceptor sees it
	streams  bool    // there may be several requests or responses
	response *response
	alone    *clientHandler // if there is no interceptor that hears of the end
	ended    atomic.Bool

	mu       sync.Mutex
	attempts int
	first    attempt
	last     *attempt // nil if no stats handler has seen one
}

// response is the metadata of a response, as an interceptor gets it.
type response struct{ header, trailer metadata.MD }

type calledKey struct{}

// Value returns c to those who look for it, and otherwise what the context below has.
func (c *called) Value(key any) any {
	if key == (calledKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// finish ends the call, the first time. If ended is zero, it has ended just now.
func (c *called) finish(err error, ended time.Time) { c.finishAs(clientOutcome(err), ended) }

// abandon ends a call that nobody has ended: an interceptor further in panicked.
func (c *called) abandon() { c.finishAs(abortedOutcome(nil), time.Time{}) }

func (c *called) finishAs(out outcome, ended time.Time) {
	if c.ended.Swap(true) {
		return
	}
	last, learnt := c.settle()
	if c.response != nil {
		c.cfg.Capture.Response.setResponse(c.span, c.response.header)
		c.cfg.Capture.Response.setResponse(c.span, c.response.trailer)
	}
	c.rpc.end(&out, ended, func(dst []attribute.KeyValue) []attribute.KeyValue {
		dst = appendServer(dst, learnt)
		if c.cfg.StatusDetails {
			dst = appendDetails(dst, out.status)
		}
		if last == nil {
			return appendTraffic(dst, &c.traffic, c.streams)
		}
		return last.appendTo(dst)
	})
}

// attempted reports whether a stats handler has seen an attempt.
func (c *called) attempted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last != nil
}

// settle returns the last attempt, if any was seen, and the target, if it was learnt only since
// the call began.
func (c *called) settle() (last *attempt, learnt address) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.alone != nil && c.to == (address{}) {
		learnt = c.alone.target()
		c.to = learnt
	}
	return c.last, learnt
}

// receive and send count messages that an interceptor saw.
func (c *called) receive(m message) { c.traffic.receive(c.span, m, c.cfg.MessageEvents) }
func (c *called) send(m message)    { c.traffic.send(c.span, m, c.cfg.MessageEvents) }

// unobserved is the context of a call that goes out and that nobody observes. It tells a stats
// handler so, and hides the call inside of which this one may be made.
type unobserved struct {
	context.Context
	method string
}

// Value returns u to those who look for the call, and otherwise what the context below has.
func (u *unobserved) Value(key any) any {
	switch key {
	case calledKey{}:
		return u
	case attemptKey{}:
		return nil
	}
	return u.Context.Value(key)
}
