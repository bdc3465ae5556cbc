package grpcmw_test

import (
	"context"
	"net"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/stats"

	"github.com/meshtrace/meshtrace/grpcmw"
	"github.com/meshtrace/meshtrace/internal/sdkseam"
	"github.com/meshtrace/meshtrace/propagation"
	"github.com/meshtrace/meshtrace/sampler"
	"github.com/meshtrace/meshtrace/span"
)

// discard is an exporter that takes records as fast as can be.
type discard struct{ sdktrace.SpanExporter }

func (discard) Consume(*sdkseam.Record) {}

// idle is a stats handler that does nothing. gRPC prepares what it could tell it all the same.
type idle struct{}

func (idle) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (idle) HandleRPC(context.Context, stats.RPCStats)                         {}
func (idle) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (idle) HandleConn(context.Context, stats.ConnStats)                       {}

// loopback is an empty service behind a connection by TCP, as in production, and how to call it.
func loopback(tb testing.TB, traceparent string, server []grpc.ServerOption, client []grpc.DialOption) (call func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	srv := grpc.NewServer(server...)
	pb.RegisterTestServiceServer(srv, &testService{})
	served := make(chan error)
	go func() { served <- srv.Serve(l) }()
	cc, err := grpc.NewClient(l.Addr().String(), append(client, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		cc.Close()
		srv.Stop()
		<-served
	})
	connect(cc)
	c, ctx, request := pb.NewTestServiceClient(cc), context.Background(), new(pb.Empty)
	if traceparent != "" {
		ctx = sending("traceparent", traceparent)
	}
	return func() {
		if _, err := c.EmptyCall(ctx, request); err != nil {
			tb.Fatal(err)
		}
	}
}

// A cost is that of a way to trace the calls of one side, in allocations a call.
type cost struct {
	name        string
	traceparent string // that an untraced client sends; only for servers
	server      []grpc.ServerOption
	client      []grpc.DialOption
	baseServer  []grpc.ServerOption // what it is compared with
	baseClient  []grpc.DialOption
	budget      float64
}

// costs returns the ways to trace. The recommended one keeps the budget over bare gRPC, 10 a call.
// One with a stats handler cannot: gRPC itself takes more as soon as there is any, so what ours takes
// is counted beyond one that does nothing, and may be a little more.
func costs(tb testing.TB) (all []cost) {
	tp, err := span.NewProvider(span.Config{Sampler: sampler.ParentBased(nil), Exporter: discard{}})
	if err != nil {
		tb.Fatal(err)
	}
	idleServer, idleClient := []grpc.ServerOption{grpc.StatsHandler(idle{})}, []grpc.DialOption{grpc.WithStatsHandler(idle{})}
	for _, w := range wirings[:3] {
		baseServer, baseClient, beside := idleServer, idleClient, 0.0
		if !w.handler {
			baseServer, baseClient = nil, nil
		}
		if w.both {
			beside = 1 // the attempt's, for a call that an interceptor began
		}
		server := func(path, traceparent string, tp trace.TracerProvider, budget float64) {
			all = append(all, cost{
				name:        "side=server/wiring=" + w.name + "/path=" + path,
				traceparent: traceparent,
				server:      w.server(grpcmw.Config{TracerProvider: tp}),
				baseServer:  baseServer,
				budget:      budget,
			})
		}
		client := func(path string, tp trace.TracerProvider, budget float64) {
			all = append(all, cost{
				name:       "side=client/wiring=" + w.name + "/path=" + path,
				client:     w.client(grpcmw.ClientConfig{TracerProvider: tp}),
				baseClient: baseClient,
				budget:     budget,
			})
		}
		server("sampled", sampled, tp, 10)
		server("unsampled", unsampled, tp, 6)
		server("pass-through", sampled, nil, 6)
		client("sampled", tp, 10+beside)
		client("pass-through", nil, 2)
	}
	return all
}

func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates, and empties pools")
	}
	for _, tt := range costs(t) {
		t.Run(tt.name, func(t *testing.T) {
			without := testing.AllocsPerRun(2000, loopback(t, tt.traceparent, tt.baseServer, tt.baseClient))
			with := testing.AllocsPerRun(2000, loopback(t, tt.traceparent, tt.server, tt.client))
			t.Logf("%v allocations beyond %v", with-without, without)
			if with-without > tt.budget {
				t.Errorf("%v allocations beyond %v, budget %v", with-without, without, tt.budget)
			}
		})
	}
}

func BenchmarkUnary(b *testing.B) {
	run := func(name string, call func()) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				call()
			}
		})
	}
	run("side=none", loopback(b, "", nil, nil))
	run("side=none/traceparent=yes", loopback(b, sampled, nil, nil))
	for _, bb := range costs(b) {
		run(bb.name, loopback(b, bb.traceparent, bb.server, bb.client))
	}
}

// BenchmarkInterceptor measures the interceptors alone, without gRPC, whose noise is larger than they
// are.
func BenchmarkInterceptor(b *testing.B) {
	tp, err := span.NewProvider(span.Config{Sampler: sampler.ParentBased(nil), Exporter: discard{}})
	if err != nil {
		b.Fatal(err)
	}
	cc, err := grpc.NewClient("profiles:8080", grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	defer cc.Close()
	server, client := grpcmw.UnaryServerInterceptor(grpcmw.Config{TracerProvider: tp}), grpcmw.UnaryClientInterceptor(grpcmw.ClientConfig{TracerProvider: tp})
	info := &grpc.UnaryServerInfo{FullMethod: "/grpc.testing.TestService/UnaryCall"}
	from := &peer.Peer{Addr: &net.TCPAddr{IP: net.IPv4(10, 42, 0, 17), Port: 48122}}
	handle := func(context.Context, any) (any, error) { return nil, nil }
	invoke := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return nil }
	for name, traceparent := range map[string]string{"yes": sampled, "no": unsampled} {
		came := metadata.Pairs(":authority", "users:8080", "user-agent", "grpc-go/1.84.0", "content-type", "application/grpc", "traceparent", traceparent)
		served := peer.NewContext(metadata.NewIncomingContext(context.Background(), came), from)
		b.Run("side=server/sampled="+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				server(served, nil, info, handle)
			}
		})
		sc, err := propagation.ParseTraceparent(traceparent)
		if err != nil {
			b.Fatal(err)
		}
		bare := trace.ContextWithRemoteSpanContext(context.Background(), sc)
		for metadataOf, ctx := range map[string]context.Context{"no": bare, "yes": metadata.AppendToOutgoingContext(bare, "authorization", "Bearer token", "tenant", "a")} {
			b.Run("side=client/sampled="+name+"/metadata="+metadataOf, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					client(ctx, info.FullMethod, nil, nil, cc, invoke)
				}
			})
		}
	}
}
