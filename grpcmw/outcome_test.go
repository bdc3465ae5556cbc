package grpcmw_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	otelcodes "go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/meshtrace/meshtrace/grpcmw"
)

// recovery is an interceptor as everybody has one: it makes a status of a panic.
func recovery(caught *any, code codes.Code) []grpc.ServerOption {
	rescue := func(err *error) {
		if *caught = recover(); *caught != nil {
			*err = status.Error(code, "rescued")
		}
	}
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (_ any, err error) {
			defer rescue(&err)
			return next(ctx, req)
		}),
		grpc.ChainStreamInterceptor(func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
			defer rescue(&err)
			return next(srv, ss)
		}),
	}
}

// oops is what handlers panic with.
type oops struct{ n int }

var panicking = testService{
	unary:  func(context.Context, *pb.SimpleRequest) (*pb.SimpleResponse, error) { panic(oops{7}) },
	output: func(*pb.StreamingOutputCallRequest, pb.TestService_StreamingOutputCallServer) error { panic(oops{7}) },
}

func TestAPanicIsDescribedAndGoesOn(t *testing.T) {
	calls := map[string]func(pb.TestServiceClient) error{
		"unary": func(c pb.TestServiceClient) error {
			_, err := c.UnaryCall(context.Background(), &pb.SimpleRequest{})
			return err
		},
		"stream": func(c pb.TestServiceClient) error {
			s, err := c.StreamingOutputCall(context.Background(), &pb.StreamingOutputCallRequest{})
			if err != nil {
				return err
			}
			return drain(s)
		},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			eachWiring(t, func(t *testing.T, w wired) {
				if w.handler && !w.both {
					t.Skip("a stats handler does not see panics")
				}
				// The recovery goes first, and hears of the panic from us.
				var caught any
				w.server = w.chainBehind(recovery(&caught, codes.ResourceExhausted))
				w.serve(t, &panicking, grpcmw.Config{}, func(c pb.TestServiceClient) {
					if err := call(c); status.Code(err) != codes.ResourceExhausted {
						t.Fatalf("the call ends with %v", err)
					}
				})
				if caught != (oops{7}) {
					t.Errorf("the panic goes on with %v", caught)
				}
				got := w.only(t, trace.SpanKindServer, 1)
				if got.Status() != (sdktrace.Status{Code: otelcodes.Error, Description: "panic"}) {
					t.Errorf("status %v", got.Status())
				}
				code := "UNKNOWN" // an interceptor does not know what those further out make of it
				if w.handler {
					code = "RESOURCE_EXHAUSTED"
				}
				checkAttrs(t, got, map[string]string{"rpc.response.status_code": code, "error.type": "github.com/meshtrace/meshtrace/grpcmw_test.oops"})
				if len(got.Events()) != 1 || got.Events()[0].Name != "exception" {
					t.Fatalf("events %v", got.Events())
				}
				event := texts(got.Events()[0].Attributes)
				if event["exception.type"] != "github.com/meshtrace/meshtrace/grpcmw_test.oops" || event["exception.message"] != "{7}" ||
					!strings.Contains(event["exception.stacktrace"], "outcome_test.go") {
					t.Errorf("the exception is %v", event)
				}
			})
		})
	}
}

// chainBehind returns the wiring with interceptors that run inside those of others.
func (w wired) chainBehind(others []grpc.ServerOption) func(grpcmw.Config) []grpc.ServerOption {
	server := w.server
	if !w.unknown { // one by one, which gRPC always runs first
		server = grpcmw.ServerInterceptors
	}
	return func(cfg grpcmw.Config) []grpc.ServerOption { return slices.Concat(others, server(cfg)) }
}

// A handler that leaves its goroutine neither returns nor panics. Only a test does that.
func TestAHandlerThatDoesNotReturn(t *testing.T) {
	eachWiring(t, func(t *testing.T, w wired) {
		ctx, cancel := context.WithCancel(context.Background())
		s := &testService{unary: func(context.Context, *pb.SimpleRequest) (*pb.SimpleResponse, error) {
			runtime.Goexit()
			return nil, nil
		}}
		cfg := grpcmw.Config{TracerProvider: w.provider}
		cc, _ := dial(t, s, w.server(cfg), nil)
		go func() {
			w.wait(1)
			cancel() // the client would wait for ever
		}()
		pb.NewTestServiceClient(cc).UnaryCall(ctx, &pb.SimpleRequest{})
		got := w.only(t, trace.SpanKindServer, 1)
		if got.Status().Code != otelcodes.Error {
			t.Errorf("status %v", got.Status())
		}
		checkAttrs(t, got, map[string]string{"error.type": "aborted", "rpc.response.status_code": "UNKNOWN"})
	})
}

// Codes are as many as peers can think of.
func TestCodes(t *testing.T) {
	server := map[codes.Code]bool{ // which are errors of a server
		codes.Unknown: true, codes.DeadlineExceeded: true, codes.Unimplemented: true,
		codes.Internal: true, codes.Unavailable: true, codes.DataLoss: true, 99: true,
	}
	names := map[codes.Code]string{
		0: "OK", 1: "CANCELLED", 2: "UNKNOWN", 3: "INVALID_ARGUMENT", 4: "DEADLINE_EXCEEDED", 5: "NOT_FOUND",
		6: "ALREADY_EXISTS", 7: "PERMISSION_DENIED", 8: "RESOURCE_EXHAUSTED", 9: "FAILED_PRECONDITION", 10: "ABORTED",
		11: "OUT_OF_RANGE", 12: "UNIMPLEMENTED", 13: "INTERNAL", 14: "UNAVAILABLE", 15: "DATA_LOSS", 16: "UNAUTHENTICATED", 99: "99",
	}
	eachWiring(t, func(t *testing.T, w wired) {
		var answer codes.Code
		c := w.dial(t, &testService{unary: func(context.Context, *pb.SimpleRequest) (*pb.SimpleResponse, error) {
			return &pb.SimpleResponse{}, status.Error(answer, "because")
		}}, grpcmw.Config{}, grpcmw.ClientConfig{})
		spans := 0
		for code, name := range names {
			answer = code
			if _, err := c.UnaryCall(context.Background(), &pb.SimpleRequest{}); status.Code(err) != code {
				t.Fatalf("%v: %v", code, err)
			}
			spans += 2
			for _, got := range w.wait(spans)[spans-2:] {
				failed := server[code]
				if got.SpanKind() == trace.SpanKindClient {
					failed = code != codes.OK
				}
				wantAttrs, want := map[string]string{"rpc.response.status_code": name}, sdktrace.Status{}
				if failed {
					wantAttrs["error.type"], want = name, sdktrace.Status{Code: otelcodes.Error, Description: "because"}
				}
				checkAttrs(t, got, with(map[string]string{"error.type": ""}, flat(wantAttrs)...))
				if got.Status() != want {
					t.Errorf("%v of %v: status %v, want %v", got.SpanKind(), code, got.Status(), want)
				}
			}
		}
	})
}

func flat(m map[string]string) (kv []string) {
	for k, v := range m {
		kv = append(kv, k, v)
	}
	return kv
}

// A message may hold anything: what is stored of it is bounded, and text.
func TestADescriptionIsBounded(t *testing.T) {
	eachWiring(t, func(t *testing.T, w wired) {
		long := make([]byte, 10_000)
		for i := range long {
			long[i] = 'a'
		}
		c := w.dial(t, &testService{unary: func(context.Context, *pb.SimpleRequest) (*pb.SimpleResponse, error) {
			return nil, errors.New("\xff" + string(long))
		}}, grpcmw.Config{}, grpcmw.ClientConfig{})
		c.UnaryCall(context.Background(), &pb.SimpleRequest{})
		for _, got := range w.wait(2) {
			if d := got.Status().Description; len(d) > 256 || len(d) < 200 {
				t.Errorf("%v: %d bytes", got.SpanKind(), len(d))
			}
		}
	})
}
