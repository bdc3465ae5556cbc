package grpcmw

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/stats"
)

// ClientHandler returns a stats handler that traces the calls of a connection.
//
// It sees what interceptors do not: each attempt that gRPC makes at a call, and what it waited for;
// the server that was picked; and the sizes of messages. A call that was tried more than once has
// a span for each attempt below its own. Of these the first is made up for when there is a second,
// so what the server did for it is below the call's span.
//
// It is not told how a call ended, only how an attempt did. So if the server is UNAVAILABLE before it
// has answered, when gRPC may try again, the span ends an instant after the call. A retry policy for
// other statuses makes a call of each attempt. And if a stream has failed, but the client notices
// that by failing to send, gRPC tells that nothing was wrong; so the span of a stream of requests that
// is over without an answer ends an instant after the call too. With the interceptors of this package
// on the same connection, none of this is the case.
//
// Nor is it told the target: see [ClientConfig]. The span starts below all interceptors, and when
// names have been resolved; a call that is over before that has none.
func ClientHandler(cfg ClientConfig) stats.Handler {
	h := &clientHandler{client: newClient(cfg)}
	if cfg.Target != "" {
		h.told = parseTarget(cfg.Target)
	}
	return h
}

type clientHandler struct {
	*client
	dialled
	told    address // the target, if somebody told us
	waiting waiting
}

// target returns where calls go, or nothing if that is not known.
func (h *clientHandler) target() address {
	if h.told != (address{}) {
		return h.told
	}
	return h.dialled.address()
}

// TagRPC gives an attempt its context, and starts the span of a call that is new.
func (h *clientHandler) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	method := methodOf(info.FullMethodName)
	switch c := ctx.Value(calledKey{}).(type) { // what an interceptor of ours makes of it
	case *called:
		if c.method == method && !c.ended.Load() {
			return c.attempt(ctx, info)
		}
	case *unobserved:
		if c.method == method {
			return ctx
		}
	}
	if c := h.waiting.find(ctx.Done()); c != nil {
		return c.attempt(ctx, info)
	}
	call := h.start(ctx, info.FullMethodName, h.target())
	if !call.observed() {
		return &unobserved{call.Context, method}
	}
	c := new(struct { // most calls have one attempt, so one object is for both
		called
		only attempt
	})
	c.called.rpc, c.client, c.alone, c.first = call, h.client, h, &c.only
	return c.attempt(call.Context, info)
}

// HandleRPC follows an attempt.
func (h *clientHandler) HandleRPC(ctx context.Context, event stats.RPCStats) {
	a, ok := ctx.Value(attemptKey{}).(*attempt)
	if !ok {
		return
	}
	switch event := event.(type) {
	case *stats.Begin:
		a.begin(event)
	case *stats.DelayedPickComplete:
		a.event(pickedEvent)
	case *stats.OutHeader:
		a.leave(event)
	case *stats.OutPayload:
		a.send(message{bytes: event.Length, compressed: event.CompressedLength})
	case *stats.InHeader:
		a.answered.Store(true)
		a.respond(event.Header)
	case *stats.InPayload:
		a.receive(message{bytes: event.Length, compressed: event.CompressedLength})
	case *stats.InTrailer:
		a.respond(event.Trailer)
	case *stats.End:
		a.end(event)
		h.endCall(a)
	}
}

// TagConn and HandleConn do nothing: a connection is no span.
func (h *clientHandler) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context {
	return ctx
}
func (h *clientHandler) HandleConn(context.Context, stats.ConnStats) {}

// endCall ends the call with its attempt, unless an interceptor is going to, or there may be
// another attempt.
func (h *clientHandler) endCall(a *attempt) {
	switch {
	case a.call.alone == nil:
	case a.mayBeRetried():
		h.waiting.wait(a)
	default:
		a.call.finish(a.err, time.Time{})
	}
}

// giveUp ends the call, if it has not ended, as its latest attempt did.
func (c *called) giveUp() {
	c.mu.Lock()
	err, ended := c.err, c.errTime
	c.mu.Unlock()
	c.finish(err, ended)
}

// waiting are the calls of which an attempt has failed, and at which there may be another one. gRPC
// does not tell; but all attempts at a call have the same channel that says when the call is over.
type waiting struct {
	calls map[<-chan struct{}]*called
	count atomic.Int64
	mu    sync.Mutex // held to change calls
}

// wait keeps the call of an attempt until it is over, and then ends it.
func (w *waiting) wait(a *attempt) {
	over := a.Done()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.calls[over] != nil {
		return
	}
	if w.calls == nil {
		w.calls = make(map[<-chan struct{}]*called)
	}
	w.calls[over] = a.call
	w.count.Add(1)
	context.AfterFunc(a, func() {
		w.forget(over)
		a.call.giveUp()
	})
}

func (w *waiting) forget(over <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.calls, over)
	w.count.Add(-1)
}

// find returns the call that is over when the channel says so, if it is waiting.
func (w *waiting) find(over <-chan struct{}) *called {
	if w.count.Load() == 0 { // as nearly always
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls[over]
}
