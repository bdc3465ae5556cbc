package grpcmw_test

import (
	"context"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/meshtrace/meshtrace/grpcmw"
	"github.com/meshtrace/meshtrace/internal/linkerd"
)

// proxySpans are those that two proxies have exported, by their parent's ID.
type proxySpans struct {
	mu       sync.Mutex
	byParent map[string]*tracepb.Span
}

func (p *proxySpans) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var batch tracepb.TracesData
	if err := proto.Unmarshal(body, &batch); err != nil {
		panic(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, rs := range batch.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				p.byParent[hex.EncodeToString(s.ParentSpanId)] = s
			}
		}
	}
}

// descend returns how many spans follow each other below the one with that ID, and the last one's ID.
func (p *proxySpans) descend(id string) (count int, last string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s := p.byParent[id]; s != nil; s = p.byParent[id] {
		count, id = count+1, hex.EncodeToString(s.SpanId)
	}
	return count, id
}

// listen serves h on loopback until the test ends.
func listen(t *testing.T, h http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := linkerd.NewServer(h)
	var serving sync.WaitGroup
	serving.Go(func() { _ = srv.Serve(l) })
	t.Cleanup(func() {
		_ = srv.Close()
		serving.Wait()
	})
	return l.Addr().String()
}

// A mesh is two proxies, and the spans that they export.
type mesh struct {
	outbound, inbound *linkerd.Proxy
	spans             *proxySpans
	addr              string // of the outbound side
}

// newMesh runs a proxy around the application that listens at app, and another that reaches it as test.mesh.
func newMesh(t *testing.T, app string) *mesh {
	t.Helper()
	m := &mesh{spans: &proxySpans{byParent: make(map[string]*tracepb.Span)}}
	collector := "http://" + listen(t, m.spans) + "/v1/traces"
	start := func(cfg linkerd.Config) *linkerd.Proxy {
		cfg.Collector = collector
		p, err := linkerd.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		return p
	}
	m.inbound = start(linkerd.Config{App: app})
	m.outbound = start(linkerd.Config{Routes: map[string]linkerd.Endpoint{
		"test.mesh:8080": {Addr: listen(t, m.inbound.Inbound()), Meshed: true},
	}})
	m.addr = listen(t, m.outbound.Outbound())
	return m
}

func (m *mesh) flush(t *testing.T) {
	t.Helper()
	for _, p := range []*linkerd.Proxy{m.outbound, m.inbound} {
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// throughMesh serves s behind both proxies, and dials it.
func (w wired) throughMesh(t *testing.T, s *testService) (*mesh, pb.TestServiceClient) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer(append(w.server(grpcmw.Config{TracerProvider: w.provider}), grpc.WaitForHandlers(true))...)
	pb.RegisterTestServiceServer(srv, s)
	var serving sync.WaitGroup
	serving.Go(func() { _ = srv.Serve(l) })
	t.Cleanup(func() {
		srv.Stop()
		serving.Wait()
	})
	m := newMesh(t, l.Addr().String())
	cc, err := grpc.NewClient(target, append(w.client(grpcmw.ClientConfig{TracerProvider: w.provider}),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", m.addr)
		}))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close() })
	return m, pb.NewTestServiceClient(cc)
}

// Through two proxies the server's span is below theirs, which are below the client's, in whichever
// way the call ends.
func TestThroughTheMesh(t *testing.T) {
	echo := func(stream pb.TestService_FullDuplexCallServer) error {
		for {
			if _, err := stream.Recv(); err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
			if err := stream.Send(&pb.StreamingOutputCallResponse{}); err != nil {
				return err
			}
		}
	}
	for _, tt := range []struct {
		rule           string
		service        *testService
		call           func(t *testing.T, c pb.TestServiceClient)
		proxies        int    // spans of theirs
		client, server string // status; a server that may not be reached in time has none
	}{
		{"unary", &testService{unary: func(context.Context, *pb.SimpleRequest) (*pb.SimpleResponse, error) {
			return &pb.SimpleResponse{}, nil
		}}, func(t *testing.T, c pb.TestServiceClient) {
			if _, err := c.UnaryCall(t.Context(), &pb.SimpleRequest{}); err != nil {
				t.Error(err)
			}
		}, 4, "OK", "OK"},
		{"an error, which is all of the answer", &testService{unary: func(context.Context, *pb.SimpleRequest) (*pb.SimpleResponse, error) {
			return nil, status.Error(codes.NotFound, "nobody")
		}}, func(t *testing.T, c pb.TestServiceClient) {
			if _, err := c.UnaryCall(t.Context(), &pb.SimpleRequest{}); status.Code(err) != codes.NotFound {
				t.Error(err)
			}
		}, 4, "NOT_FOUND", "NOT_FOUND"},
		{"a stream", &testService{duplex: echo}, func(t *testing.T, c pb.TestServiceClient) {
			stream, err := c.FullDuplexCall(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if err := stream.Send(&pb.StreamingOutputCallRequest{}); err != nil {
					t.Fatal(err)
				}
				if _, err := stream.Recv(); err != nil {
					t.Fatal(err)
				}
			}
			_ = stream.CloseSend()
			if _, err := stream.Recv(); err != io.EOF {
				t.Error(err)
			}
		}, 4, "OK", "OK"},
		{"a stream that its client leaves", &testService{duplex: echo}, func(t *testing.T, c pb.TestServiceClient) {
			ctx, cancel := context.WithCancel(t.Context())
			stream, err := c.FullDuplexCall(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if err := stream.Send(&pb.StreamingOutputCallRequest{}); err != nil {
				t.Fatal(err)
			}
			if _, err := stream.Recv(); err != nil {
				t.Fatal(err)
			}
			cancel()
		}, 4, "CANCELLED", "CANCELLED"},
		{"a deadline: the proxies leave no span", &testService{unary: func(ctx context.Context, _ *pb.SimpleRequest) (*pb.SimpleResponse, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}, func(t *testing.T, c pb.TestServiceClient) {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if _, err := c.UnaryCall(ctx, &pb.SimpleRequest{}); status.Code(err) != codes.DeadlineExceeded {
				t.Error(err)
			}
		}, 0, "DEADLINE_EXCEEDED", ""},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			eachWiring(t, func(t *testing.T, w wired) {
				m, c := w.throughMesh(t, tt.service)
				tt.call(t, c)
				spans := 2
				if tt.server == "" {
					spans = 1
				}
				client := w.only(t, trace.SpanKindClient, spans)
				checkCode(t, client, tt.client)
				m.flush(t)
				count, last := m.spans.descend(client.SpanContext().SpanID().String())
				if count != tt.proxies {
					t.Errorf("%d spans of proxies, want %d", count, tt.proxies)
				}
				if tt.server == "" {
					return
				}
				server := w.only(t, trace.SpanKindServer, spans)
				checkCode(t, server, tt.server)
				if got := server.Parent().SpanID().String(); got != last || !server.Parent().IsRemote() {
					t.Errorf("the server's span is below %s, want %s", got, last)
				}
			})
		})
	}
}

// checkCode compares the status of a call.
func checkCode(t *testing.T, s sdktrace.ReadOnlySpan, want string) {
	t.Helper()
	if got := attrs(s)["rpc.response.status_code"]; got != want {
		t.Errorf("the %v's span has the status %s, want %s", s.SpanKind(), got, want)
	}
}
