package interop_test

import (
	"context"
	"fmt"
	"maps"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/interop"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/orca"
	"google.golang.org/grpc/status"

	"github.com/meshtrace/meshtrace/grpcmw"
	"github.com/meshtrace/meshtrace/span"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wirings are the ways to put grpcmw into a server and a client.
var wirings = []struct {
	name    string
	unknown bool // calls of methods that do not exist are seen
	server  func(grpcmw.Config) []grpc.ServerOption
	client  func(grpcmw.ClientConfig) []grpc.DialOption
}{
	{"recommended", true, recommendedServer, recommendedClient},
	{"interceptors", false, func(cfg grpcmw.Config) []grpc.ServerOption {
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
	{"stats handlers", true, serverHandler, clientHandler},
	{"both", true, func(cfg grpcmw.Config) []grpc.ServerOption {
		return append(serverHandler(cfg), recommendedServer(cfg)...)
	}, func(cfg grpcmw.ClientConfig) []grpc.DialOption {
		return append(recommendedClient(cfg), clientHandler(cfg)...)
	}},
}

func recommendedServer(cfg grpcmw.Config) []grpc.ServerOption {
	return []grpc.ServerOption{grpcmw.Server(cfg)}
}

func recommendedClient(cfg grpcmw.ClientConfig) []grpc.DialOption {
	return []grpc.DialOption{grpcmw.Client(cfg)}
}

func serverHandler(cfg grpcmw.Config) []grpc.ServerOption {
	return []grpc.ServerOption{grpc.StatsHandler(grpcmw.ServerHandler(cfg))}
}

func clientHandler(cfg grpcmw.ClientConfig) []grpc.DialOption {
	return []grpc.DialOption{grpc.WithStatsHandler(grpcmw.ClientHandler(cfg))}
}

// A call is what both sides say of one, in the names of their spans and the names of statuses.
type call struct{ client, clientStatus, server, serverStatus string }

// of returns a call whose sides agree.
func of(method, status string) call {
	method = "grpc.testing." + method
	return call{method, status, method, status}
}

// cases are gRPC's. Each ends the process with a message when it finds something wrong.
var cases = []struct {
	name   string
	policy string // the client's service config
	run    func(context.Context, side)
	want   map[call]int

	// early says that the client gives up so early that a server may not hear of it, or only when
	// it has ended.
	early bool
}{
	{name: "empty_unary", run: stub(interop.DoEmptyUnaryCall), want: map[call]int{of("TestService/EmptyCall", "OK"): 1}},
	{name: "large_unary", run: stub(interop.DoLargeUnaryCall), want: map[call]int{of("TestService/UnaryCall", "OK"): 1}},
	{name: "client_streaming", run: stub(interop.DoClientStreaming), want: map[call]int{of("TestService/StreamingInputCall", "OK"): 1}},
	{name: "server_streaming", run: stub(interop.DoServerStreaming), want: map[call]int{of("TestService/StreamingOutputCall", "OK"): 1}},
	{name: "ping_pong", run: stub(interop.DoPingPong), want: map[call]int{of("TestService/FullDuplexCall", "OK"): 1}},
	{name: "empty_stream", run: stub(interop.DoEmptyStream), want: map[call]int{of("TestService/FullDuplexCall", "OK"): 1}},
	{name: "timeout_on_sleeping_server", run: stub(interop.DoTimeoutOnSleepingServer), early: true, want: map[call]int{of("TestService/FullDuplexCall", "DEADLINE_EXCEEDED"): 1}},
	{name: "cancel_after_begin", run: stub(interop.DoCancelAfterBegin), early: true, want: map[call]int{of("TestService/StreamingInputCall", "CANCELLED"): 1}},
	{name: "cancel_after_first_response", run: stub(interop.DoCancelAfterFirstResponse), want: map[call]int{of("TestService/FullDuplexCall", "CANCELLED"): 1}},
	{name: "status_code_and_message", run: stub(interop.DoStatusCodeAndMessage), want: map[call]int{
		of("TestService/UnaryCall", "UNKNOWN"):      1,
		of("TestService/FullDuplexCall", "UNKNOWN"): 1,
	}},
	{name: "special_status_message", run: stub(interop.DoSpecialStatusMessage), want: map[call]int{of("TestService/UnaryCall", "UNKNOWN"): 1}},
	{name: "custom_metadata", run: stub(interop.DoCustomMetadata), want: map[call]int{
		of("TestService/UnaryCall", "OK"):      1,
		of("TestService/FullDuplexCall", "OK"): 1,
	}},
	{name: "unimplemented_method", run: func(ctx context.Context, s side) { interop.DoUnimplementedMethod(ctx, s.cc) },
		want: map[call]int{of("TestService/UnimplementedCall", "UNIMPLEMENTED"): 1}},
	{name: "unimplemented_service", run: func(ctx context.Context, s side) {
		interop.DoUnimplementedService(ctx, pb.NewUnimplementedServiceClient(s.cc))
	}, want: map[call]int{{"grpc.testing.UnimplementedService/UnimplementedCall", "UNIMPLEMENTED", "grpc", "UNIMPLEMENTED"}: 1}},
	{name: "pick_first_unary", run: stubOnly(interop.DoPickFirstUnary), want: map[call]int{of("TestService/UnaryCall", "OK"): 100}},
	{name: "orca_per_rpc", policy: `{"loadBalancingConfig": [{"test_backend_metrics_load_balancer": {}}]}`, run: stubOnly(interop.DoORCAPerRPCTest), want: map[call]int{of("TestService/UnaryCall", "OK"): 1}},
	{name: "rpc_soak", run: func(ctx context.Context, s side) {
		soak(ctx, s, func() (*grpc.ClientConn, func()) { return s.cc, func() {} })
	}, want: map[call]int{of("TestService/UnaryCall", "OK"): soakCalls}},
	{name: "channel_soak", run: func(ctx context.Context, s side) {
		soak(ctx, s, func() (*grpc.ClientConn, func()) {
			cc := s.dial()
			return cc, func() { cc.Close() }
		})
	}, want: map[call]int{of("TestService/UnaryCall", "OK"): soakCalls}},
}

func stub(run func(context.Context, pb.TestServiceClient, ...grpc.CallOption)) func(context.Context, side) {
	return func(ctx context.Context, s side) { run(ctx, pb.NewTestServiceClient(s.cc)) }
}

func stubOnly(run func(context.Context, pb.TestServiceClient)) func(context.Context, side) {
	return func(ctx context.Context, s side) { run(ctx, pb.NewTestServiceClient(s.cc)) }
}

const soakWorkers, soakCalls = 4, 200

// soak makes many calls of some size, as fast as it can.
func soak(ctx context.Context, s side, channel func() (*grpc.ClientConn, func())) {
	interop.DoSoakTest(ctx, interop.SoakTestConfig{
		RequestSize: 271828, ResponseSize: 314159, // of the description of the tests
		PerIterationMaxAcceptableLatency: time.Minute,
		OverallTimeout:                   time.Minute,
		ServerAddr:                       s.address,
		NumWorkers:                       soakWorkers,
		Iterations:                       soakCalls,
		ChannelForTest:                   channel,
	})
}

// side is the client's.
type side struct {
	address string
	cc      *grpc.ClientConn
	dial    func() *grpc.ClientConn
}

func TestInterop(t *testing.T) {
	for _, w := range wirings {
		for _, tt := range cases {
			t.Run(w.name+"/"+tt.name, func(t *testing.T) {
				recorded := tracetest.NewSpanRecorder()
				tp, err := span.NewProvider(span.Config{Processors: []sdktrace.SpanProcessor{recorded}})
				if err != nil {
					t.Fatal(err)
				}
				defer tp.Shutdown(context.Background())
				client := w.client(grpcmw.ClientConfig{TracerProvider: tp})
				if tt.policy != "" {
					client = append(client, grpc.WithDefaultServiceConfig(tt.policy))
				}
				returned := serve(t, w.server(grpcmw.Config{TracerProvider: tp, Skip: reports}), client, func(s side) {
					tt.run(context.Background(), s)
				})
				got, want := calls(recorded.Ended()), tt.want
				if tt.early {
					want = map[call]int{onlyKey(want).asServed(returned): 1}
				} else if c := onlyKey(want); c.server == "grpc" && !w.unknown {
					want = map[call]int{c.asServed(nil): 1}
				}
				if !maps.Equal(got, want) {
					t.Errorf("the spans tell of %v, want %v", got, want)
				}
				if n := len(recorded.Started()); n != len(recorded.Ended()) {
					t.Errorf("%d spans have started, %d have ended", n, len(recorded.Ended()))
				}
			})
		}
	}
}

// asServed is the call as its server knows it: by the status that the handler returned, if it was
// called at all.
func (c call) asServed(returned []codes.Code) call {
	if len(returned) == 0 {
		return call{client: c.client, clientStatus: c.clientStatus}
	}
	c.serverStatus = names[returned[0]]
	return c
}

// names are those of the statuses with which a call can end that its client gave up.
var names = map[codes.Code]string{
	codes.OK: "OK", codes.Canceled: "CANCELLED", codes.DeadlineExceeded: "DEADLINE_EXCEEDED", codes.Unavailable: "UNAVAILABLE",
}

// reports picks the calls by which a client asks for load reports, on its own account.
func reports(_ context.Context, method string) bool {
	return strings.HasPrefix(method, "xds.service.orca.v3.OpenRcaService/")
}

func onlyKey(calls map[call]int) (only call) {
	for c := range calls {
		only = c
	}
	return only
}

// calls pairs the spans of clients and servers, and counts what they say.
func calls(spans []sdktrace.ReadOnlySpan) map[call]int {
	all := make(map[trace.SpanID]*call)
	for _, s := range spans {
		if s.SpanKind() == trace.SpanKindClient {
			all[s.SpanContext().SpanID()] = &call{client: s.Name(), clientStatus: statusOf(s)}
		}
	}
	counts := make(map[call]int)
	for _, s := range spans {
		if s.SpanKind() != trace.SpanKindServer {
			continue
		}
		c, ok := all[s.Parent().SpanID()]
		if !ok || c.server != "" { // nobody's, or the second one of a call
			counts[call{server: s.Name(), serverStatus: statusOf(s)}]++
			continue
		}
		c.server, c.serverStatus = s.Name(), statusOf(s)
	}
	for _, c := range all {
		counts[*c]++
	}
	return counts
}

func statusOf(s sdktrace.ReadOnlySpan) string {
	for _, kv := range s.Attributes() {
		if kv.Key == "rpc.response.status_code" {
			return kv.Value.AsString()
		}
	}
	return fmt.Sprint(s.Status())
}

// serve lets a client use gRPC's test server over TCP. When it returns all is over. It returns the
// statuses of the streams that the client sends, as their handlers returned them.
func serve(t *testing.T, server []grpc.ServerOption, client []grpc.DialOption, use func(side)) []codes.Code {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	load := orca.NewServerMetricsRecorder()
	srv := grpc.NewServer(append(server, grpc.WaitForHandlers(true), orca.CallMetricsServerOption(nil))...)
	witness := &witness{TestServiceServer: interop.NewTestServer(interop.NewTestServerOptions{MetricsRecorder: load})}
	pb.RegisterTestServiceServer(srv, witness)
	if err := orca.Register(srv, orca.ServiceOptions{ServerMetricsProvider: load}); err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- srv.Serve(lis) }()
	s := side{address: lis.Addr().String()}
	s.dial = func() *grpc.ClientConn {
		cc, err := grpc.NewClient(s.address, append(client, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
		if err != nil {
			panic(err)
		}
		return cc
	}
	s.cc = s.dial()
	for state := s.cc.GetState(); state != connectivity.Ready; state = s.cc.GetState() {
		s.cc.Connect()
		s.cc.WaitForStateChange(context.Background(), state)
	}
	use(s)
	s.cc.Close()
	srv.GracefulStop()
	if err := <-served; err != nil {
		t.Error(err)
	}
	return witness.returned
}

// witness is gRPC's test server. It notes what the handlers of streams return, and says which server
// it is if it is asked, which Go's does not.
type witness struct {
	pb.TestServiceServer

	mu       sync.Mutex
	returned []codes.Code
}

func (w *witness) UnaryCall(ctx context.Context, in *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	out, err := w.TestServiceServer.UnaryCall(ctx, in)
	if err == nil && in.FillServerId {
		out.ServerId = "the only one"
	}
	return out, err
}

func (w *witness) StreamingInputCall(s pb.TestService_StreamingInputCallServer) error {
	return w.note(w.TestServiceServer.StreamingInputCall(s))
}

func (w *witness) FullDuplexCall(s pb.TestService_FullDuplexCallServer) error {
	return w.note(w.TestServiceServer.FullDuplexCall(s))
}

func (w *witness) note(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.returned = append(w.returned, status.Code(err))
	return err
}
