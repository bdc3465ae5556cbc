package grpcmw_test

import (
	"context"
	"net"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/test/bufconn"

	"github.com/meshtrace/meshtrace/grpcmw"
	"github.com/meshtrace/meshtrace/span"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	traceID   = "0af7651916cd43dd8448eb211c80319c"
	parentID  = "b7ad6b7169203331"
	sampled   = "00-" + traceID + "-" + parentID + "-01"
	unsampled = "00-" + traceID + "-" + parentID + "-00"

	service = "grpc.testing.TestService/"
	target  = "passthrough:///test.mesh:8080"
)

// recorder is a processor that keeps what has ended, and lets tests wait for it.
type recorder struct {
	mu      sync.Mutex
	changed *sync.Cond
	started int
	ended   []sdktrace.ReadOnlySpan
}

func newRecorder() *recorder {
	r := new(recorder)
	r.changed = sync.NewCond(&r.mu)
	return r
}

func (r *recorder) OnStart(context.Context, sdktrace.ReadWriteSpan) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.started++
}

func (r *recorder) OnEnd(s sdktrace.ReadOnlySpan) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = append(r.ended, s)
	r.changed.Broadcast()
}

func (r *recorder) Shutdown(context.Context) error   { return nil }
func (r *recorder) ForceFlush(context.Context) error { return nil }

// wait returns what has ended when there are n spans. A server's span ends when its client has
// gone on already.
func (r *recorder) wait(n int) []sdktrace.ReadOnlySpan {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.ended) < n {
		r.changed.Wait()
	}
	return append([]sdktrace.ReadOnlySpan(nil), r.ended...)
}

// only returns the only span of a kind among those that have ended, of which there must be n when
// they all have.
func (r *recorder) only(t *testing.T, kind trace.SpanKind, n int) sdktrace.ReadOnlySpan {
	t.Helper()
	var found []sdktrace.ReadOnlySpan
	for _, s := range r.wait(n) {
		if s.SpanKind() == kind {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d spans are of kind %v, want 1", len(found), kind)
	}
	return found[0]
}

// providers are those that every behaviour is tested with.
var providers = []struct {
	name string
	make func(t testing.TB, r *recorder, s sdktrace.Sampler) trace.TracerProvider
}{
	{"ours", ours},
	{"official SDK", official},
}

func ours(t testing.TB, r *recorder, s sdktrace.Sampler) trace.TracerProvider {
	t.Helper()
	tp, err := span.NewProvider(span.Config{Sampler: s, Processors: []sdktrace.SpanProcessor{r}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tp.Shutdown(context.Background()) })
	return tp
}

func official(t testing.TB, r *recorder, s sdktrace.Sampler) trace.TracerProvider {
	t.Helper()
	opts := []sdktrace.TracerProviderOption{sdktrace.WithSpanProcessor(r)}
	if s != nil {
		opts = append(opts, sdktrace.WithSampler(s))
	}
	tp := sdktrace.NewTracerProvider(opts...)
	t.Cleanup(func() { tp.Shutdown(context.Background()) })
	return tp
}

// wirings are the ways to put this package into a server and a client.
var wirings = []struct {
	name    string
	handler bool // there are stats handlers
	both    bool // and interceptors
	unknown bool // calls of methods that do not exist are seen
	server  func(grpcmw.Config) []grpc.ServerOption
	client  func(grpcmw.ClientConfig) []grpc.DialOption
}{
	{"recommended", false, false, true, func(cfg grpcmw.Config) []grpc.ServerOption {
		return []grpc.ServerOption{grpcmw.Server(cfg)}
	}, func(cfg grpcmw.ClientConfig) []grpc.DialOption {
		return []grpc.DialOption{grpcmw.Client(cfg)}
	}},
	{"stats handlers", true, false, true, serverHandler, clientHandler},
	{"both", true, true, true, func(cfg grpcmw.Config) []grpc.ServerOption {
		return append(serverHandler(cfg), grpcmw.Server(cfg))
	}, func(cfg grpcmw.ClientConfig) []grpc.DialOption {
		return append(clientHandler(cfg), grpcmw.Client(cfg))
	}},
	{"both, in the other order", true, true, true, func(cfg grpcmw.Config) []grpc.ServerOption {
		return append([]grpc.ServerOption{grpcmw.Server(cfg)}, serverHandler(cfg)...)
	}, func(cfg grpcmw.ClientConfig) []grpc.DialOption {
		return append(grpcmw.ClientInterceptors(cfg), clientHandler(cfg)...)
	}},
	{"one by one", false, false, false, func(cfg grpcmw.Config) []grpc.ServerOption {
		return []grpc.ServerOption{
			grpc.UnaryInterceptor(grpcmw.UnaryServerInterceptor(cfg)),
			grpc.StreamInterceptor(grpcmw.StreamServerInterceptor(cfg)),
		}
	}, func(cfg grpcmw.ClientConfig) []grpc.DialOption {
		return []grpc.DialOption{
			grpc.WithUnaryInterceptor(grpcmw.UnaryClientInterceptor(cfg)),
			grpc.WithStreamInterceptor(grpcmw.StreamClientInterceptor(cfg)),
		}
	}},
}

func serverHandler(cfg grpcmw.Config) []grpc.ServerOption {
	return []grpc.ServerOption{grpc.StatsHandler(grpcmw.ServerHandler(cfg))}
}

// clientHandler tells the target, which the first call would not know yet otherwise.
func clientHandler(cfg grpcmw.ClientConfig) []grpc.DialOption {
	cfg.Target = target
	return []grpc.DialOption{grpc.WithStatsHandler(grpcmw.ClientHandler(cfg))}
}

// eachWiring runs a test with every wiring and every provider. Settings are added to the configs
// that the test has.
func eachWiring(t *testing.T, test func(t *testing.T, w wired)) {
	t.Helper()
	for _, wiring := range wirings {
		for _, provider := range providers {
			t.Run(wiring.name+"/"+provider.name, func(t *testing.T) {
				r := newRecorder()
				test(t, wired{
					recorder: r, handler: wiring.handler, both: wiring.both, unknown: wiring.unknown,
					provider: provider.make(t, r, nil),
					server:   wiring.server, client: wiring.client,
				})
			})
		}
	}
}

// wired is a wiring and a provider.
type wired struct {
	*recorder
	provider               trace.TracerProvider
	handler, both, unknown bool
	server                 func(grpcmw.Config) []grpc.ServerOption
	client                 func(grpcmw.ClientConfig) []grpc.DialOption
}

// dial connects a traced client to a traced server.
func (w wired) dial(t testing.TB, s *testService, server grpcmw.Config, client grpcmw.ClientConfig, more ...grpc.DialOption) pb.TestServiceClient {
	t.Helper()
	server.TracerProvider, client.TracerProvider = w.provider, w.provider
	cc, _ := dial(t, s, w.server(server), append(w.client(client), more...))
	connect(cc)
	return pb.NewTestServiceClient(cc)
}

// connect returns when the connection is up, so that no call has to wait for it.
func connect(cc *grpc.ClientConn) {
	for s := cc.GetState(); s != connectivity.Ready; s = cc.GetState() {
		cc.Connect()
		cc.WaitForStateChange(context.Background(), s)
	}
}

// dial serves a service in memory and connects to it. The server stops with the test.
func dial(t testing.TB, s *testService, server []grpc.ServerOption, client []grpc.DialOption) (*grpc.ClientConn, *grpc.Server) {
	t.Helper()
	return serveMore(t, func(srv *grpc.Server) { pb.RegisterTestServiceServer(srv, s) }, server, client)
}

func serveMore(t testing.TB, register func(*grpc.Server), server []grpc.ServerOption, client []grpc.DialOption) (*grpc.ClientConn, *grpc.Server) {
	t.Helper()
	return dialTarget(t, target, register, server, client)
}

func dialTarget(t testing.TB, target string, register func(*grpc.Server), server []grpc.ServerOption, client []grpc.DialOption) (*grpc.ClientConn, *grpc.Server) {
	t.Helper()
	l := bufconn.Listen(1 << 20)
	srv := grpc.NewServer(append(server, grpc.WaitForHandlers(true))...)
	register(srv)
	served := make(chan error)
	go func() { served <- srv.Serve(l) }()
	cc, err := grpc.NewClient(target, append([]grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }),
	}, client...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cc.Close()
		srv.Stop()
		<-served
	})
	return cc, srv
}

// testService is grpc-go's test service, whose methods do what a test says.
type testService struct {
	pb.UnimplementedTestServiceServer
	unary  func(context.Context, *pb.SimpleRequest) (*pb.SimpleResponse, error)
	input  func(pb.TestService_StreamingInputCallServer) error
	output func(*pb.StreamingOutputCallRequest, pb.TestService_StreamingOutputCallServer) error
	duplex func(pb.TestService_FullDuplexCallServer) error
}

func (s *testService) EmptyCall(context.Context, *pb.Empty) (*pb.Empty, error) {
	return &pb.Empty{}, nil
}

func (s *testService) UnaryCall(ctx context.Context, r *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	return s.unary(ctx, r)
}

func (s *testService) StreamingInputCall(stream pb.TestService_StreamingInputCallServer) error {
	return s.input(stream)
}

func (s *testService) StreamingOutputCall(r *pb.StreamingOutputCallRequest, stream pb.TestService_StreamingOutputCallServer) error {
	return s.output(r, stream)
}

func (s *testService) FullDuplexCall(stream pb.TestService_FullDuplexCallServer) error {
	return s.duplex(stream)
}

// attrs returns a span's attributes by key, as text.
func attrs(s sdktrace.ReadOnlySpan) map[string]string { return texts(s.Attributes()) }

func texts(list []attribute.KeyValue) map[string]string {
	m := make(map[string]string, len(list))
	for _, kv := range list {
		m[string(kv.Key)] = kv.Value.String()
	}
	return m
}

// checkAttrs compares the attributes that want names. An empty value means none.
func checkAttrs(t *testing.T, s sdktrace.ReadOnlySpan, want map[string]string) {
	t.Helper()
	got := attrs(s)
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%v span: %s = %q, want %q", s.SpanKind(), k, got[k], v)
		}
	}
}
