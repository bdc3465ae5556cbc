package grpcmw

import (
	"context"
	"sync/atomic"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
)

// ServerHandler returns a stats handler that traces a server's calls.
//
// It sees what interceptors do not: calls of methods that the server does not have, and those that
// end before their request has been read; the sizes of messages; and the metadata of responses. It
// does not see a panic, only that the handler did not return. Interceptors of this package in the
// same server add what the panic was, and start no spans of their own.
//
// The span starts before any interceptor runs: what an interceptor puts into the context is not
// there for the Config's functions to see.
//
// It belongs into an option before that of a [Server]. In a later one it is told that calls of methods
// that do not exist begin, before anybody can know. Their spans end with the same name as otherwise, but
// the sampler is asked about the name that the client made up, and a call that gRPC refuses before it
// calls any handler keeps that name.
func ServerHandler(cfg Config) stats.Handler { return &serverHandler{newServer(cfg)} }

type serverHandler struct{ *server }

// TagRPC gives a call its context. Its span starts when gRPC has found who serves it: a client may
// make up methods, and they must not become names of spans.
func (h *serverHandler) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	return &tagged{Context: ctx, method: info.FullMethodName}
}

// HandleRPC follows a call.
func (h *serverHandler) HandleRPC(ctx context.Context, event stats.RPCStats) {
	c, ok := ctx.Value(taggedKey{}).(*tagged)
	if !ok {
		return
	}
	switch event := event.(type) {
	case *stats.Begin:
		c.begin(h.server, event)
	case *stats.InPayload:
		c.receive(message{bytes: event.Length, compressed: event.CompressedLength})
	case *stats.OutPayload:
		c.send(message{bytes: event.Length, compressed: event.CompressedLength})
	case *stats.OutHeader:
		c.respond(event.Header)
	case *stats.OutTrailer:
		c.reply(h.server, event)
	case *stats.End:
		c.end(event)
	}
}

// TagConn keeps the client's address for the calls that come by a connection.
func (h *serverHandler) TagConn(ctx context.Context, info *stats.ConnTagInfo) context.Context {
	return &connection{Context: ctx, client: addressOf(info.RemoteAddr)}
}

// HandleConn does nothing: a connection is no span.
func (h *serverHandler) HandleConn(context.Context, stats.ConnStats) {}

// tagged is the context of a call that a stats handler follows.
type tagged struct {
	context.Context // as gRPC made it

	method  string // as gRPC has it
	call    served
	begun   atomic.Bool // call is there
	replied atomic.Bool // the status went out
}

type taggedKey struct{}

// Value returns c to those who look for it, and otherwise what the call's context has.
func (c *tagged) Value(key any) any {
	switch {
	case key == (taggedKey{}):
		return c
	case c.begun.Load():
		return c.call.Value(key)
	}
	return c.Context.Value(key)
}

// begin starts the call.
func (c *tagged) begin(s *server, event *stats.Begin) {
	c.call.server, c.call.rpc = s, s.start(c.Context, c.method)
	c.call.streams = event.IsClientStream || event.IsServerStream
	c.begun.Store(true)
}

// observed reports whether the call has begun, and anybody wants to know what becomes of it.
func (c *tagged) observed() bool { return c.begun.Load() && c.call.observed() }

func (c *tagged) receive(m message) {
	if c.observed() {
		c.call.receive(m)
	}
}

func (c *tagged) send(m message) {
	if c.observed() {
		c.call.send(m)
	}
}

// respond records the metadata of the response.
func (c *tagged) respond(md metadata.MD) {
	if c.observed() {
		c.call.cfg.Capture.Response.setResponse(c.call.span, md)
	}
}

// reply notes that the status went out. If the call has not begun, the server has no such method,
// and gRPC says no more of it.
func (c *tagged) reply(s *server, event *stats.OutTrailer) {
	c.replied.Store(true)
	if c.begun.Load() {
		c.respond(event.Trailer)
		return
	}
	s.refuse(c.Context, c.method)
}

// end ends the call.
func (c *tagged) end(event *stats.End) {
	if !c.observed() {
		return
	}
	out := serverOutcome(event.Error)
	switch {
	case c.call.thrown != nil:
		out = out.because(c.call.thrown)
	case event.Error == nil && !c.replied.Load() && c.Err() == nil:
		out = abortedOutcome(nil) // the client is there, and got no status
	}
	c.call.end(out)
}
