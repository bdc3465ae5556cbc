package linkerd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/meshtrace/meshtrace/internal/linkerd"
)

// The server's last message is sent only when the client has got the one before, and has said so
// past the proxies: none may wait for another.
func TestGRPCServerStream(t *testing.T) {
	got := make(chan struct{})
	m := startGRPC(t, linkerd.Modern, testService{output: func(_ *pb.StreamingOutputCallRequest, stream pb.TestService_StreamingOutputCallServer) error {
		for i := range 10 {
			if err := stream.Send(&pb.StreamingOutputCallResponse{Payload: &pb.Payload{Body: []byte{byte(i)}}}); err != nil {
				return err
			}
			<-got
		}
		stream.SetTrailer(metadata.Pairs("tail", "2"))
		return status.Error(codes.OutOfRange, "no more")
	}})
	stream, err := m.StreamingOutputCall(calling(t), &pb.StreamingOutputCallRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		resp, err := stream.Recv()
		if err != nil || !bytes.Equal(resp.Payload.GetBody(), []byte{byte(i)}) {
			t.Fatalf("message %d: %v, error %v", i, resp, err)
		}
		got <- struct{}{}
	}
	if _, err := stream.Recv(); status.Code(err) != codes.OutOfRange || stream.Trailer().Get("tail")[0] != "2" {
		t.Errorf("error %v, trailer %v", err, stream.Trailer())
	}
	checkChain(t, m.spans(t), testMethods+"StreamingOutputCall", "outbound", "inbound")
}

func TestGRPCClientStream(t *testing.T) {
	got := make(chan int32)
	m := startGRPC(t, linkerd.Modern, testService{input: func(stream pb.TestService_StreamingInputCallServer) error {
		var sum int32
		for {
			r, err := stream.Recv()
			if err == io.EOF {
				return stream.SendAndClose(&pb.StreamingInputCallResponse{AggregatedPayloadSize: sum})
			}
			if err != nil {
				return err
			}
			sum += int32(len(r.Payload.GetBody()))
			got <- sum
		}
	}})
	stream, err := m.StreamingInputCall(calling(t))
	if err != nil {
		t.Fatal(err)
	}
	for i := range int32(10) {
		if err := stream.Send(&pb.StreamingInputCallRequest{Payload: &pb.Payload{Body: []byte("x")}}); err != nil {
			t.Fatal(err)
		}
		if sum := <-got; sum != i+1 { // before the next is sent
			t.Fatalf("the server got %d bytes, want %d", sum, i+1)
		}
	}
	resp, err := stream.CloseAndRecv()
	if err != nil || resp.AggregatedPayloadSize != 10 {
		t.Errorf("answer %v, error %v", resp, err)
	}
	checkChain(t, m.spans(t), testMethods+"StreamingInputCall", "outbound", "inbound")
}

// echo answers each message with itself, after a header, and ends when its client does.
func echo(stream pb.TestService_FullDuplexCallServer) error {
	_ = stream.SendHeader(metadata.Pairs("head", "1"))
	for {
		r, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(&pb.StreamingOutputCallResponse{Payload: r.Payload}); err != nil {
			return err
		}
	}
}

// Both sides speak by turns, and the spans are there before they have begun.
func TestGRPCBothStream(t *testing.T) {
	m := startGRPC(t, linkerd.Modern, testService{duplex: echo})
	stream, err := m.FullDuplexCall(calling(t))
	if err != nil {
		t.Fatal(err)
	}
	if head, err := stream.Header(); err != nil || len(head["head"]) != 1 {
		t.Fatalf("header %v, error %v", head, err)
	}
	checkChain(t, m.spans(t), testMethods+"FullDuplexCall", "outbound", "inbound")
	for i := range 10 {
		checkEcho(t, stream, bytes.Repeat([]byte{byte(i)}, i))
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != io.EOF {
		t.Errorf("error %v, want the end", err)
	}
	checkChain(t, m.spans(t), testMethods+"FullDuplexCall", "outbound", "inbound")
}

func checkEcho(t *testing.T, stream pb.TestService_FullDuplexCallClient, body []byte) {
	t.Helper()
	if err := stream.Send(&pb.StreamingOutputCallRequest{Payload: &pb.Payload{Body: body}}); err != nil {
		t.Fatal(err)
	}
	if resp, err := stream.Recv(); err != nil || !bytes.Equal(resp.Payload.GetBody(), body) {
		t.Fatalf("%d bytes came back as %d, error %v", len(body), len(resp.GetPayload().GetBody()), err)
	}
}

// A server that has answered does not wait for the rest of what it is asked.
func TestGRPCServerEndsFirst(t *testing.T) {
	m := startGRPC(t, linkerd.Modern, testService{duplex: func(stream pb.TestService_FullDuplexCallServer) error {
		_, _ = stream.Recv()
		return status.Error(codes.PermissionDenied, "enough")
	}})
	stream, err := m.FullDuplexCall(calling(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&pb.StreamingOutputCallRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); status.Code(err) != codes.PermissionDenied {
		t.Errorf("error %v, want %v", err, codes.PermissionDenied)
	}
	checkChain(t, m.spans(t), testMethods+"FullDuplexCall", "outbound", "inbound")
}

// Messages larger than any window, more than one at a time, both ways.
func TestGRPCLargeMessages(t *testing.T) {
	m := startGRPC(t, linkerd.Modern, testService{duplex: echo})
	body := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // 4 MiB
	var calls sync.WaitGroup
	for range 3 {
		stream, err := m.FullDuplexCall(calling(t))
		if err != nil {
			t.Fatal(err)
		}
		calls.Go(func() {
			for range 2 {
				checkEcho(t, stream, body)
			}
			_ = stream.CloseSend()
			if _, err := stream.Recv(); err != io.EOF {
				t.Errorf("error %v, want the end", err)
			}
		})
	}
	calls.Wait()
}

// More calls at once than one connection of HTTP/2 may have.
func TestGRPCManyCallsAtOnce(t *testing.T) {
	m := startGRPC(t, linkerd.Modern, testService{duplex: echo})
	ctx := calling(t, "traceparent", "00-"+tid+"-"+sid+"-00")
	var calls sync.WaitGroup
	for i := range 600 {
		calls.Go(func() {
			stream, err := m.FullDuplexCall(ctx)
			if err != nil {
				t.Error(err)
				return
			}
			checkEcho(t, stream, []byte(fmt.Sprint(i)))
			_ = stream.CloseSend()
			if _, err := stream.Recv(); err != io.EOF {
				t.Errorf("error %v, want the end", err)
			}
		})
	}
	calls.Wait()
	if spans := m.spans(t); len(spans) != 0 {
		t.Errorf("%d spans of calls that are not sampled", len(spans))
	}
}

// waiting is a server's method that says that it was reached, and waits until it is left.
func waiting(reached chan<- error) func(pb.TestService_FullDuplexCallServer) error {
	return func(stream pb.TestService_FullDuplexCallServer) error {
		reached <- nil
		<-stream.Context().Done()
		reached <- stream.Context().Err()
		return stream.Context().Err()
	}
}

func TestGRPCCancelBeforeTheAnswer(t *testing.T) {
	reached := make(chan error)
	m := startGRPC(t, linkerd.Modern, testService{duplex: waiting(reached)})
	ctx, cancel := context.WithCancel(calling(t))
	stream, err := m.FullDuplexCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	<-reached
	cancel()
	if _, err := stream.Recv(); status.Code(err) != codes.Canceled {
		t.Errorf("error %v, want %v", err, codes.Canceled)
	}
	if err := <-reached; !errors.Is(err, context.Canceled) {
		t.Errorf("the server saw %v, want %v", err, context.Canceled)
	}
	if spans := m.spans(t); len(spans) != 0 {
		t.Errorf("%d spans, want none", len(spans))
	}
}

func TestGRPCCancelWithinStream(t *testing.T) {
	reached := make(chan error)
	m := startGRPC(t, linkerd.Modern, testService{duplex: func(stream pb.TestService_FullDuplexCallServer) error {
		_ = stream.SendHeader(nil)
		return waiting(reached)(stream)
	}})
	ctx, cancel := context.WithCancel(calling(t))
	stream, err := m.FullDuplexCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	<-reached
	if _, err := stream.Header(); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-reached; !errors.Is(err, context.Canceled) {
		t.Errorf("the server saw %v, want %v", err, context.Canceled)
	}
	checkChain(t, m.spans(t), testMethods+"FullDuplexCall", "outbound", "inbound")
}

func TestGRPCDeadline(t *testing.T) {
	deadlines := make(chan time.Duration, 1)
	m := startGRPC(t, linkerd.Modern, testService{unary: func(ctx context.Context, _ *pb.SimpleRequest) (*pb.SimpleResponse, error) {
		end, _ := ctx.Deadline()
		deadlines <- time.Until(end)
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	ctx, cancel := context.WithTimeout(calling(t), 200*time.Millisecond)
	defer cancel()
	if _, err := m.UnaryCall(ctx, &pb.SimpleRequest{}); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("error %v, want %v", err, codes.DeadlineExceeded)
	}
	select {
	case left := <-deadlines:
		if left > 200*time.Millisecond {
			t.Errorf("the server had %v, want at most 200ms", left)
		}
	default: // the machine was too slow for the call to get there
	}
}
