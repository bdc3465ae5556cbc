package linkerd_test

import (
	"context"
	"encoding/hex"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"

	"github.com/meshtrace/meshtrace/internal/linkerd"
)

const (
	testMethods = "/grpc.testing.TestService/"

	w3cSampled = "00-" + tid + "-" + sid + "-01"

	// patience bounds a call that hangs, and is never reached otherwise.
	patience = time.Minute
)

// A testService is grpc-go's, whose methods do what a test says.
type testService struct {
	pb.UnimplementedTestServiceServer
	unary  func(context.Context, *pb.SimpleRequest) (*pb.SimpleResponse, error)
	input  func(pb.TestService_StreamingInputCallServer) error
	output func(*pb.StreamingOutputCallRequest, pb.TestService_StreamingOutputCallServer) error
	duplex func(pb.TestService_FullDuplexCallServer) error
}

func (s testService) UnaryCall(ctx context.Context, r *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	return s.unary(ctx, r)
}

func (s testService) StreamingInputCall(stream pb.TestService_StreamingInputCallServer) error {
	return s.input(stream)
}

func (s testService) StreamingOutputCall(r *pb.StreamingOutputCallRequest, stream pb.TestService_StreamingOutputCallServer) error {
	return s.output(r, stream)
}

func (s testService) FullDuplexCall(stream pb.TestService_FullDuplexCallServer) error {
	return s.duplex(stream)
}

// A grpcMesh is a client of a and a server behind b, which are meshed.
type grpcMesh struct {
	pb.TestServiceClient
	a, b   *pod
	server *grpc.Server
}

// startGRPC runs s on grpc-go's own server, and dials it with grpc-go's own client, so that all
// between is the two proxies.
func startGRPC(t *testing.T, mode linkerd.Mode, s testService) grpcMesh {
	t.Helper()
	server, addr := serveGRPC(t, s)
	b := startPod(t, nil, linkerd.Config{Mode: mode, App: addr})
	a := startPod(t, nil, linkerd.Config{
		Mode:   mode,
		Routes: map[string]linkerd.Endpoint{"b.default:8080": {Addr: b.inbound, Meshed: true}},
	})
	return grpcMesh{dialGRPC(t, a.outbound), a, b, server}
}

func serveGRPC(t *testing.T, s testService) (server *grpc.Server, addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server = grpc.NewServer(grpc.WaitForHandlers(true), grpc.MaxRecvMsgSize(1<<25))
	pb.RegisterTestServiceServer(server, s)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) })
	t.Cleanup(func() {
		server.Stop()
		serving.Wait()
	})
	return server, l.Addr().String()
}

// dialGRPC returns a client whose connections all go to addr, as a pod's go to its proxy.
func dialGRPC(t *testing.T, addr string) pb.TestServiceClient {
	t.Helper()
	cc, err := grpc.NewClient("passthrough:///b.default:8080",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUserAgent("test"),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1<<25)),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close() })
	return pb.NewTestServiceClient(cc)
}

// calling returns the context of a call that carries metadata, a sampled traceparent if there is
// none.
func calling(t *testing.T, kv ...string) context.Context {
	t.Helper()
	if len(kv) == 0 {
		kv = []string{"traceparent", w3cSampled}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return metadata.AppendToOutgoingContext(ctx, kv...)
}

// spans returns those of both proxies, in the order of the request.
func (m grpcMesh) spans(t *testing.T) []*tracepb.Span {
	t.Helper()
	var all []*tracepb.Span
	for _, p := range []*pod{m.a, m.b} {
		spans := p.flushed(t)
		slices.Reverse(spans) // the client's ends first
		all = append(all, spans...)
	}
	return all
}

// checkChain checks that spans are those of a call to method: four, or two if they are those of
// one proxy, each the child of the one before. It returns the last one's ID.
func checkChain(t *testing.T, spans []*tracepb.Span, method string, directions ...string) string {
	t.Helper()
	if len(spans) != 2*len(directions) {
		t.Fatalf("%d spans, want %d: %v", len(spans), 2*len(directions), spans)
	}
	parent := sid
	for i, s := range spans {
		kind := []tracepb.Span_SpanKind{tracepb.Span_SPAN_KIND_SERVER, tracepb.Span_SPAN_KIND_CLIENT}[i%2]
		if s.Name != method || s.Kind != kind || hex.EncodeToString(s.TraceId) != tid || hex.EncodeToString(s.ParentSpanId) != parent {
			t.Errorf("span %d: %s %v of trace %x below %x, want %s %v of trace %s below %s",
				i, s.Name, s.Kind, s.TraceId, s.ParentSpanId, method, kind, tid, parent)
		}
		if got := attributes(t, s.Attributes)["direction"]; got != directions[i/2] {
			t.Errorf("span %d is %v, want %s", i, got, directions[i/2])
		}
		parent = id(s)
	}
	return parent
}

// checkMetadata compares the keys that want names, nil meaning that there is none.
func checkMetadata(t *testing.T, who string, got, want metadata.MD) {
	t.Helper()
	for key, values := range want {
		if diff := cmp.Diff(values, got[key]); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", who, key, diff)
		}
	}
}
