package grpcmw_test

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/meshtrace/meshtrace/grpcmw"
)

// link is what lies between a client and a server, for tests that cut it.
type link struct {
	cc     *grpc.ClientConn
	srv    *grpc.Server
	conn   net.Conn
	cancel context.CancelCauseFunc
}

// cuttable connects a traced client to a traced server by a connection that can be cut.
func (w wired) cuttable(t *testing.T, s *testService) *link {
	t.Helper()
	lis, l := bufconn.Listen(1<<20), new(link)
	l.srv = grpc.NewServer(append(w.server(grpcmw.Config{TracerProvider: w.provider}), grpc.WaitForHandlers(true))...)
	pb.RegisterTestServiceServer(l.srv, s)
	served := make(chan error)
	go func() { served <- l.srv.Serve(lis) }()
	var err error
	l.cc, err = grpc.NewClient(target, append(w.client(grpcmw.ClientConfig{TracerProvider: w.provider}),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			conn, err := lis.DialContext(ctx)
			l.conn = conn
			return conn, err
		}))...)
	if err != nil {
		t.Fatal(err)
	}
	connect(l.cc)
	t.Cleanup(func() {
		l.cc.Close()
		l.srv.Stop()
		<-served
	})
	return l
}

// A stream's span ends when the stream does, in each way that there is.
func TestAStreamEnds(t *testing.T) {
	tests := []struct {
		rule           string
		serve          func(pb.TestService_FullDuplexCallServer) error
		use            func(l *link, s pb.TestService_FullDuplexCallClient)
		client, server codes.Code
	}{
		{
			rule:  "at its end",
			serve: echo,
			use: func(_ *link, s pb.TestService_FullDuplexCallClient) {
				s.CloseSend()
				s.Recv()
			},
		},
		{
			rule:   "with the server's error",
			serve:  func(pb.TestService_FullDuplexCallServer) error { return status.Error(codes.DataLoss, "") },
			use:    func(_ *link, s pb.TestService_FullDuplexCallClient) { drain(s) },
			client: codes.DataLoss, server: codes.DataLoss,
		},
		{
			rule:  "when the server returns although the client has more to send",
			serve: func(pb.TestService_FullDuplexCallServer) error { return nil },
			use: func(_ *link, s pb.TestService_FullDuplexCallClient) {
				for s.Send(helloDuplex) == nil {
				}
				drain(s)
			},
		},
		{
			rule:   "when its context is cancelled, though nobody receives",
			serve:  echo,
			use:    func(l *link, _ pb.TestService_FullDuplexCallClient) { l.cancel(nil) },
			client: codes.Canceled, server: codes.Canceled,
		},
		{
			rule:   "when its context is cancelled between messages",
			serve:  echo,
			client: codes.Canceled, server: codes.Canceled,
			use: func(l *link, s pb.TestService_FullDuplexCallClient) {
				s.Send(helloDuplex)
				s.Recv()
				l.cancel(nil)
				s.Recv()
			},
		},
		{
			rule:   "when the client closes the connection, though nobody receives",
			serve:  echo,
			use:    func(l *link, _ pb.TestService_FullDuplexCallClient) { l.cc.Close() },
			client: codes.Canceled, server: codes.Canceled,
		},
		{
			rule:  "when the server is stopped",
			serve: echo,
			use: func(l *link, s pb.TestService_FullDuplexCallClient) {
				go l.srv.Stop()
				drain(s)
			},
			client: codes.Unavailable, server: codes.Canceled,
		},
		{
			rule:  "when the connection is lost",
			serve: echo,
			use: func(l *link, s pb.TestService_FullDuplexCallClient) {
				s.Send(helloDuplex)
				s.Recv()
				l.conn.Close()
				drain(s)
			},
			client: codes.Unavailable, server: codes.Canceled,
		},
		{
			rule:  "when what is to be sent is no message",
			serve: echo,
			use: func(_ *link, s pb.TestService_FullDuplexCallClient) {
				s.(interface{ SendMsg(any) error }).SendMsg("not a message")
			},
			client: codes.Internal, server: codes.Canceled,
		},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			eachWiring(t, func(t *testing.T, w wired) {
				begun := make(chan struct{})
				l := w.cuttable(t, &testService{duplex: func(s pb.TestService_FullDuplexCallServer) error {
					close(begun)
					return tt.serve(s)
				}})
				ctx, cancel := context.WithCancelCause(context.Background())
				defer cancel(nil)
				l.cancel = cancel
				s, err := pb.NewTestServiceClient(l.cc).FullDuplexCall(ctx)
				if err != nil {
					t.Fatal(err)
				}
				<-begun
				tt.use(l, s)
				client, server := w.only(t, trace.SpanKindClient, 2), w.only(t, trace.SpanKindServer, 2)
				checkAttrs(t, client, map[string]string{"rpc.response.status_code": codeNames[tt.client]})
				checkAttrs(t, server, map[string]string{"rpc.response.status_code": codeNames[tt.server]})
			})
		})
	}
}

var codeNames = map[codes.Code]string{
	codes.OK: "OK", codes.Canceled: "CANCELLED", codes.DeadlineExceeded: "DEADLINE_EXCEEDED", codes.DataLoss: "DATA_LOSS",
	codes.Unavailable: "UNAVAILABLE", codes.Internal: "INTERNAL", codes.Unknown: "UNKNOWN",
}

// expiring is a context whose deadline passes when a test says so.
type expiring struct {
	context.Context
	over chan struct{}
}

func (c expiring) Done() <-chan struct{} { return c.over }

func (c expiring) Err() error {
	select {
	case <-c.over:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

func TestAStreamEndsAtItsDeadline(t *testing.T) {
	eachWiring(t, func(t *testing.T, w wired) {
		l := w.cuttable(t, &testService{duplex: echo})
		ctx := expiring{context.Background(), make(chan struct{})}
		if _, err := pb.NewTestServiceClient(l.cc).FullDuplexCall(ctx); err != nil {
			t.Fatal(err)
		}
		close(ctx.over) // and nobody receives
		checkAttrs(t, w.only(t, trace.SpanKindClient, 2), map[string]string{"rpc.response.status_code": "DEADLINE_EXCEEDED"})
	})
}

// Both sides send and receive at the same time, as they may.
func TestBothDirectionsAtOnce(t *testing.T) {
	const messages = 200
	both := func(send func() error, recv func() error) {
		var wg sync.WaitGroup
		wg.Go(func() {
			for range messages {
				send()
			}
		})
		wg.Go(func() {
			for range messages {
				recv()
			}
		})
		wg.Wait()
	}
	eachWiring(t, func(t *testing.T, w wired) {
		s := &testService{duplex: func(s pb.TestService_FullDuplexCallServer) error {
			both(func() error { return s.Send(helloOut) }, func() error { _, err := s.Recv(); return err })
			return nil
		}}
		c := w.dial(t, s, grpcmw.Config{MessageEvents: 5}, grpcmw.ClientConfig{MessageEvents: 5})
		stream, err := c.FullDuplexCall(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		both(func() error { return stream.Send(helloDuplex) }, func() error { _, err := stream.Recv(); return err })
		if err := drain(stream); err != nil {
			t.Fatal(err)
		}
		for _, got := range w.wait(2) {
			checkAttrs(t, got, map[string]string{"rpc.grpc.sent_messages": "200", "rpc.grpc.received_messages": "200"})
			if len(got.Events()) != 5 {
				t.Errorf("%v: %d events", got.SpanKind(), len(got.Events()))
			}
		}
	})
}

func TestMessageEvents(t *testing.T) {
	eachWiring(t, func(t *testing.T, w wired) {
		c := w.dial(t, &testService{duplex: echo}, grpcmw.Config{}, grpcmw.ClientConfig{MessageEvents: 10})
		s, err := c.FullDuplexCall(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			s.Send(helloDuplex)
			s.Recv()
		}
		s.CloseSend()
		drain(s)
		got := w.only(t, trace.SpanKindClient, 2).Events()
		want := []map[string]string{
			{"rpc.message.type": "SENT", "rpc.message.id": "1"}, {"rpc.message.type": "RECEIVED", "rpc.message.id": "1"},
			{"rpc.message.type": "SENT", "rpc.message.id": "2"}, {"rpc.message.type": "RECEIVED", "rpc.message.id": "2"},
		}
		if len(got) != len(want) {
			t.Fatalf("%d events, want %d", len(got), len(want))
		}
		for i, event := range got {
			if w.handler {
				want[i]["rpc.message.uncompressed_size"] = "7"
			}
			for k, v := range want[i] {
				if texts(event.Attributes)[k] != v {
					t.Errorf("event %d: %s = %q, want %q", i, k, texts(event.Attributes)[k], v)
				}
			}
		}
	})
}

// An interceptor may answer a stream itself. gRPC does not hear of that.
func TestAStreamThatAnInterceptorMadeUp(t *testing.T) {
	for _, end := range []error{io.EOF, status.Error(codes.NotFound, "")} {
		r := newRecorder()
		cfg := grpcmw.ClientConfig{TracerProvider: ours(t, r, nil)}
		s, err := grpcmw.StreamClientInterceptor(cfg)(context.Background(), &grpc.StreamDesc{ServerStreams: true}, nil, "/a.B/C",
			func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, ...grpc.CallOption) (grpc.ClientStream, error) {
				return &madeUp{answers: []error{nil, end}}, nil
			})
		if err != nil {
			t.Fatal(err)
		}
		for s.RecvMsg(nil) == nil {
		}
		s.RecvMsg(nil) // again: the span must end once
		want := map[string]string{"rpc.response.status_code": "OK", "rpc.grpc.received_messages": "1"}
		if end != io.EOF {
			want["rpc.response.status_code"] = "NOT_FOUND"
		}
		checkAttrs(t, r.wait(1)[0], want)
	}
}

type madeUp struct {
	grpc.ClientStream
	answers []error
}

func (s *madeUp) RecvMsg(any) error {
	answer := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	return answer
}
