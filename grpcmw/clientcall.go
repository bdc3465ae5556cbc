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
	sends    bool    // there may be several requests
	streams  bool    // or several responses
	response *response
	alone    *clientHandler // if there is no interceptor that hears of the end
	ended    atomic.Bool

	mu      sync.Mutex // held to make or end an attempt
	first   *attempt
	last    *attempt  // nil as long as no stats handler has seen one
	err     error     // that the latest attempt ended with
	errTime time.Time // when
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
func (c *called) abandon() {
	if !c.ended.Load() {
		c.finishAs(abortedOutcome(nil), time.Time{})
	}
}

func (c *called) finishAs(out outcome, ended time.Time) {
	if c.ended.Swap(true) {
		return
	}
	end := c.settle(&out)
	if c.response != nil {
		c.cfg.Capture.Response.setResponse(c.span, c.response.header)
		c.cfg.Capture.Response.setResponse(c.span, c.response.trailer)
	}
	c.rpc.end(&out, ended, func(dst []attribute.KeyValue) []attribute.KeyValue {
		dst = appendServer(dst, end.learnt)
		dst = appendPeer(dst, end.peer)
		dst = appendTraffic(dst, end.traffic, end.streams)
		if c.cfg.StatusDetails {
			dst = appendDetails(dst, out.status)
		}
		return dst
	})
}

// attempted reports whether a stats handler has seen an attempt.
func (c *called) attempted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last != nil
}

// settled is what has been seen of a call that has ended.
type settled struct {
	learnt  address // the target, if it was learnt only since the call began
	peer    address // that the last attempt was sent to
	traffic *traffic
	streams bool
}

// settle returns what has been seen of the call.
func (c *called) settle(out *outcome) settled {
	c.mu.Lock()
	defer c.mu.Unlock()
	end := settled{traffic: &c.traffic, streams: c.streams}
	if c.alone != nil && c.to == (address{}) {
		end.learnt = c.alone.target()
		c.to = end.learnt
	}
	if c.last == nil {
		return end
	}
	end.peer, end.traffic = c.last.peer, &c.last.traffic
	c.last.settle(out)
	return end
}

// settle ends the last attempt's own span, if that has not been done because it was not known how it
// ended, or whether it was one at all.
func (a *attempt) settle(out *outcome) {
	if a.told() {
		return
	}
	if a.ended.IsZero() { // another one was faster
		a.ended = time.Now()
	}
	if a.err == nil {
		a.err = out.status.Err()
	}
	a.endSpan()
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
