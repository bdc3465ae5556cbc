package grpcmw_test

import (
	"context"
	"fmt"
	"net"

	"go.opentelemetry.io/otel/trace"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/meshtrace/meshtrace/grpcmw"
	"github.com/meshtrace/meshtrace/span"
)

// printing returns a provider that prints what has ended. A program has meshtrace.Start instead, and
// no TracerProvider in its configs.
func printing() trace.TracerProvider {
	tp, err := span.NewProvider(span.Config{Processors: []sdktrace.SpanProcessor{printer{}}})
	if err != nil {
		panic(err)
	}
	return tp
}

type printer struct{}

func (printer) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (printer) Shutdown(context.Context) error                  { return nil }
func (printer) ForceFlush(context.Context) error                { return nil }

func (printer) OnEnd(s sdktrace.ReadOnlySpan) {
	fmt.Println(s.SpanKind(), s.Name(), attrs(s)["rpc.response.status_code"])
}

// call lets a client with the given options call a server with those.
func call(server []grpc.ServerOption, client []grpc.DialOption) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	s := grpc.NewServer(server...)
	pb.RegisterTestServiceServer(s, &testService{duplex: echo})
	go s.Serve(l)
	defer s.GracefulStop()

	cc, err := grpc.NewClient(l.Addr().String(), append(client, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		panic(err)
	}
	defer cc.Close()
	c := pb.NewTestServiceClient(cc)
	if _, err := c.EmptyCall(context.Background(), &pb.Empty{}); err != nil {
		panic(err)
	}
	stream, err := c.FullDuplexCall(context.Background())
	if err != nil {
		panic(err)
	}
	stream.CloseSend()
	if err := drain(stream); err != nil {
		panic(err)
	}
}

func ExampleServer() {
	cfg := grpcmw.Config{TracerProvider: printing()}
	call([]grpc.ServerOption{grpcmw.Server(cfg)}, nil)
	// Unordered output:
	// server grpc.testing.TestService/EmptyCall OK
	// server grpc.testing.TestService/FullDuplexCall OK
}

func ExampleClient() {
	cfg := grpcmw.ClientConfig{TracerProvider: printing()}
	call(nil, []grpc.DialOption{grpcmw.Client(cfg)})
	// Output:
	// client grpc.testing.TestService/EmptyCall OK
	// client grpc.testing.TestService/FullDuplexCall OK
}

func ExampleServerInterceptors() {
	cfg := grpcmw.Config{TracerProvider: printing()}
	call(grpcmw.ServerInterceptors(cfg), nil)
	// Unordered output:
	// server grpc.testing.TestService/EmptyCall OK
	// server grpc.testing.TestService/FullDuplexCall OK
}

func ExampleClientInterceptors() {
	cfg := grpcmw.ClientConfig{TracerProvider: printing()}
	call(nil, grpcmw.ClientInterceptors(cfg))
	// Output:
	// client grpc.testing.TestService/EmptyCall OK
	// client grpc.testing.TestService/FullDuplexCall OK
}

// Both together make one span of each call, in which is all that either sees.
func ExampleServerHandler() {
	cfg := grpcmw.Config{TracerProvider: printing()}
	call([]grpc.ServerOption{grpcmw.Server(cfg), grpc.StatsHandler(grpcmw.ServerHandler(cfg))}, nil)
	// Unordered output:
	// server grpc.testing.TestService/EmptyCall OK
	// server grpc.testing.TestService/FullDuplexCall OK
}

// Both together make one span of each call, in which is all that either sees.
func ExampleClientHandler() {
	cfg := grpcmw.ClientConfig{TracerProvider: printing()}
	call(nil, []grpc.DialOption{grpcmw.Client(cfg), grpc.WithStatsHandler(grpcmw.ClientHandler(cfg))})
	// Output:
	// client grpc.testing.TestService/EmptyCall OK
	// client grpc.testing.TestService/FullDuplexCall OK
}

// A server that traces its unary calls only.
func ExampleUnaryServerInterceptor() {
	cfg := grpcmw.Config{TracerProvider: printing()}
	call([]grpc.ServerOption{grpc.ChainUnaryInterceptor(grpcmw.UnaryServerInterceptor(cfg))}, nil)
	// Output:
	// server grpc.testing.TestService/EmptyCall OK
}

// A server that traces its streams only.
func ExampleStreamServerInterceptor() {
	cfg := grpcmw.Config{TracerProvider: printing()}
	call([]grpc.ServerOption{grpc.ChainStreamInterceptor(grpcmw.StreamServerInterceptor(cfg))}, nil)
	// Output:
	// server grpc.testing.TestService/FullDuplexCall OK
}

// A client that traces its unary calls only.
func ExampleUnaryClientInterceptor() {
	cfg := grpcmw.ClientConfig{TracerProvider: printing()}
	call(nil, []grpc.DialOption{grpc.WithChainUnaryInterceptor(grpcmw.UnaryClientInterceptor(cfg))})
	// Output:
	// client grpc.testing.TestService/EmptyCall OK
}

// A client that traces its streams only.
func ExampleStreamClientInterceptor() {
	cfg := grpcmw.ClientConfig{TracerProvider: printing()}
	call(nil, []grpc.DialOption{grpc.WithChainStreamInterceptor(grpcmw.StreamClientInterceptor(cfg))})
	// Output:
	// client grpc.testing.TestService/FullDuplexCall OK
}

func ExampleNewMetadata() {
	request, err := grpcmw.NewMetadata("tenant", "Authorization")
	fmt.Println(err)
	_ = grpcmw.Config{Capture: grpcmw.Capture{Request: request}} // records tenant
	// Output:
	// grpcmw: metadata "Authorization": it holds credentials
}

// A server that leaves out a method of its own beside the probes.
func ExampleProbes() {
	skip := func(ctx context.Context, method string) bool {
		return grpcmw.Probes(ctx, method) || method == "grpc.testing.TestService/EmptyCall"
	}
	call([]grpc.ServerOption{grpcmw.Server(grpcmw.Config{TracerProvider: printing(), Skip: skip})}, nil)
	// Output:
	// server grpc.testing.TestService/FullDuplexCall OK
}
