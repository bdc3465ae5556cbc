package grpcmw

import (
	"context"
	"io"
	"time"

	"google.golang.org/grpc"
)

// passedServerStream is a stream that nobody observes, in the context that goes on.
type passedServerStream struct {
	grpc.ServerStream
	ctx context.Context
}

// Context returns the handler's context.
func (s *passedServerStream) Context() context.Context { return s.ctx }

// servedStream is a stream that is served under observation. One goroutine may send while another
// one receives.
type servedStream struct {
	grpc.ServerStream
	call *served
}

// Context returns the handler's context.
func (s *servedStream) Context() context.Context { return s.call.Context }

// SendMsg sends a message, and counts it.
func (s *servedStream) SendMsg(m any) error {
	err := s.ServerStream.SendMsg(m)
	if err == nil {
		s.call.send(message{bytes: unknownSize})
	}
	return err
}

// RecvMsg receives a message, and counts it.
func (s *servedStream) RecvMsg(m any) error {
	err := s.ServerStream.RecvMsg(m)
	if err == nil {
		s.call.receive(message{bytes: unknownSize})
	}
	return err
}

// observe returns the stream that counts its messages; cs itself if a stats handler does.
func (c *called) observe(cs grpc.ClientStream, desc *grpc.StreamDesc) grpc.ClientStream {
	if c.attempted() {
		return cs
	}
	return &calledStream{cs, c, desc}
}

// over ends the call when gRPC says that the stream is over. If that may have one response only, gRPC
// says so before it hands that out.
func (c *called) over(err error, desc *grpc.StreamDesc) {
	if err == nil && !desc.ServerStreams && !c.attempted() {
		c.receive(message{bytes: unknownSize})
	}
	c.finish(err, time.Time{})
}

// calledStream is a stream that goes out under observation. One goroutine may send while another one
// receives.
type calledStream struct {
	grpc.ClientStream
	call *called
	desc *grpc.StreamDesc
}

// SendMsg sends a message, and counts it.
func (s *calledStream) SendMsg(m any) error {
	err := s.ClientStream.SendMsg(m)
	if err == nil {
		s.call.send(message{bytes: unknownSize})
	}
	return err
}

// RecvMsg receives a message, and counts it. The stream's end ends the call, if gRPC has not said
// so before: an interceptor may have made the stream up.
func (s *calledStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	switch {
	case err == io.EOF:
		s.call.finish(nil, time.Time{})
	case err != nil:
		s.call.finish(err, time.Time{})
	case s.desc.ServerStreams:
		s.call.receive(message{bytes: unknownSize})
	}
	return err
}
