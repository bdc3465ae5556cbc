package grpcmw

import (
	"context"
	"time"

	"google.golang.org/grpc"
)

// ServerInterceptors returns the options that make a server trace its calls by a
// [UnaryServerInterceptor] and a [StreamServerInterceptor], ahead of those in later options.
func ServerInterceptors(cfg Config) []grpc.ServerOption {
	s := newServer(cfg)
	return []grpc.ServerOption{grpc.ChainUnaryInterceptor(s.unary), grpc.ChainStreamInterceptor(s.stream)}
}

// ClientInterceptors returns the options that make a connection trace its calls by a
// [UnaryClientInterceptor] and a [StreamClientInterceptor], ahead of those in later options.
func ClientInterceptors(cfg ClientConfig) []grpc.DialOption {
	c := newClient(cfg)
	return []grpc.DialOption{grpc.WithChainUnaryInterceptor(c.unary), grpc.WithChainStreamInterceptor(c.stream)}
}

// UnaryServerInterceptor returns an interceptor that traces the unary calls of a server.
//
// It does not see calls whose method does not exist, which a [Server] does, or whose request cannot be
// read, nor the sizes of messages, nor the metadata of responses. It should be the first of the
// interceptors, so that its span has what the others do.
func UnaryServerInterceptor(cfg Config) grpc.UnaryServerInterceptor { return newServer(cfg).unary }

// unary serves a unary call.
func (s *server) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (resp any, err error) {
	if c := handled(ctx, info.FullMethod); c != nil {
		defer c.passPanic()
		return next(ctx, req)
	}
	call := s.start(ctx, info.FullMethod)
	if !call.observed() {
		return next(call.Context, req)
	}
	c := served{rpc: call, server: s}
	defer c.leave(&err)
	resp, err = next(call.Context, req)
	c.returned = true
	return resp, err
}

// handled returns the call with the given context if a stats handler of ours observes it.
func handled(ctx context.Context, fullMethod string) *served {
	if c, ok := ctx.Value(taggedKey{}).(*tagged); ok && c.method == fullMethod {
		return &c.call
	}
	return nil
}

// StreamServerInterceptor returns an interceptor that traces the streams of a server. What it does
// not see is what a [UnaryServerInterceptor] does not.
func StreamServerInterceptor(cfg Config) grpc.StreamServerInterceptor { return newServer(cfg).stream }

// stream serves a stream.
func (s *server) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
	if c := handled(ss.Context(), info.FullMethod); c != nil {
		defer c.passPanic()
		return next(srv, ss)
	}
	call := s.start(ss.Context(), info.FullMethod)
	c := &served{rpc: call, server: s, streams: true}
	if !call.observed() {
		return next(srv, &passedServerStream{ss, call.Context})
	}
	defer c.leave(&err)
	err = next(srv, &servedStream{ss, c})
	c.returned = true
	return err
}

// UnaryClientInterceptor returns an interceptor that traces the unary calls of a client.
//
// It does not see the attempts that gRPC makes at a call, nor the server that it picks, nor the sizes
// of messages. It should be the first of the interceptors: what those behind it do is then inside its
// span, and an attempt that one of them makes is not a call of its own.
func UnaryClientInterceptor(cfg ClientConfig) grpc.UnaryClientInterceptor {
	return newClient(cfg).unary
}

// unary makes a unary call.
func (c *client) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	call := c.start(ctx, method, targetOf(cc))
	if !call.observed() {
		return invoke(&unobserved{call.Context, methodOf(method)}, method, req, reply, cc, opts...)
	}
	out := &called{rpc: call, client: c}
	defer out.abandon() // does nothing if the call has ended
	err := invoke(out, method, req, reply, cc, out.options(opts)...)
	out.finish(err, time.Time{})
	return err
}

// options returns the options with those by which the call learns what it is to record.
func (c *called) options(opts []grpc.CallOption) []grpc.CallOption {
	if c.cfg.Capture.Response.list.Empty() {
		return opts
	}
	c.response = new(response)
	return append(opts[:len(opts):len(opts)], grpc.Header(&c.response.header), grpc.Trailer(&c.response.trailer))
}

// StreamClientInterceptor returns an interceptor that traces the streams of a client. What it does not
// see is what a [UnaryClientInterceptor] does not.
//
// The span of a stream ends when the stream does: when its end, or an error, was received; when its
// context is cancelled; or when the connection is closed. One of these must happen, as gRPC demands
// anyway.
func StreamClientInterceptor(cfg ClientConfig) grpc.StreamClientInterceptor {
	return newClient(cfg).stream
}

// stream begins a stream.
func (c *client) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	call := c.start(ctx, method, targetOf(cc))
	if !call.observed() {
		return streamer(&unobserved{call.Context, methodOf(method)}, desc, cc, method, opts...)
	}
	out := &called{rpc: call, client: c, streams: true}
	begun := false
	defer func() {
		if !begun {
			out.abandon()
		}
	}()
	opts = out.options(opts)
	over := grpc.OnFinish(func(err error) { out.over(err, desc) })
	cs, err := streamer(out, desc, cc, method, append(opts[:len(opts):len(opts)], over)...)
	begun = err == nil
	if err != nil {
		out.finish(err, time.Time{})
		return nil, err
	}
	return out.observe(cs, desc), nil
}
