package grpcmw_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/meshtrace/meshtrace/grpcmw"
	"github.com/meshtrace/meshtrace/internal/excerpt"
)

// answer is what a client sees of a call.
type answer struct {
	Code            codes.Code
	Message         string
	Header, Trailer metadata.MD
}

// unknownCalls are the ways to call a method that may not exist.
var unknownCalls = map[string]func(context.Context, *grpc.ClientConn, string) answer{
	"unary": func(ctx context.Context, cc *grpc.ClientConn, method string) (a answer) {
		err := cc.Invoke(ctx, method, &pb.Empty{}, &pb.Empty{}, grpc.Header(&a.Header), grpc.Trailer(&a.Trailer))
		a.Code, a.Message = status.Code(err), status.Convert(err).Message()
		return a
	},
	"a client that sends until it is told to stop": func(ctx context.Context, cc *grpc.ClientConn, method string) (a answer) {
		s, err := cc.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method)
		much := &pb.SimpleRequest{Payload: &pb.Payload{Body: make([]byte, 1<<15)}}
		for err == nil { // and for ever, if nobody reads or says anything
			err = s.SendMsg(much)
		}
		if err == io.EOF {
			err = s.RecvMsg(&pb.Empty{})
			a.Header, _ = s.Header()
			a.Trailer = s.Trailer()
		}
		a.Code, a.Message = status.Code(err), status.Convert(err).Message()
		return a
	},
}

// Whoever calls methods that do not exist must not make up the names of spans.
func TestAMethodThatDoesNotExist(t *testing.T) {
	for kind, call := range unknownCalls {
		for _, method := range []string{"/made.up.Service/Method", "/grpc.testing.TestService/MadeUp"} {
			t.Run(kind+method, func(t *testing.T) {
				eachWiring(t, func(t *testing.T, w wired) {
					cc, srv := dial(t, &testService{}, w.server(grpcmw.Config{TracerProvider: w.provider}), nil)
					if got := call(sending("traceparent", sampled), cc, method); got.Code != codes.Unimplemented {
						t.Fatal(got)
					}
					cc.Close()
					srv.GracefulStop()
					if !w.unknown {
						if ended := w.wait(0); len(ended) != 0 {
							t.Fatalf("an interceptor has seen it: %d spans", len(ended))
						}
						return
					}
					got := w.only(t, trace.SpanKindServer, 1)
					attrs := serverAttrs("", "UNIMPLEMENTED", "rpc.method", "_OTHER", "rpc.method_original", method[1:], "error.type", "UNIMPLEMENTED")
					want := end{Name: "grpc", Status: otelcodes.Error, Description: "no such method", Attrs: attrs}
					if diff := cmp.Diff(want, endOf(got)); diff != "" {
						t.Errorf("-want +got\n%s", diff)
					}
					if got.Parent().SpanID().String() != parentID || len(w.wait(1)) != 1 || w.started != 1 {
						t.Errorf("parent %v; %d spans have started", got.Parent(), w.started)
					}
				})
			})
		}
	}
}

// Nothing that a client makes up makes a span large: the spans of others are not to be pushed out of the
// exporter's memory.
func TestLongTextsAreCut(t *testing.T) {
	long := strings.Repeat("x", 100<<10)
	eachWiring(t, func(t *testing.T, w wired) {
		if !w.unknown {
			return
		}
		cc, srv := dial(t, &testService{}, w.server(grpcmw.Config{TracerProvider: w.provider}), []grpc.DialOption{grpc.WithAuthority(long)})
		if got := unknownCalls["unary"](t.Context(), cc, "/made.up/"+long); got.Code != codes.Unimplemented {
			t.Fatal(got.Code)
		}
		cc.Close()
		srv.GracefulStop()
		attrs := attrs(w.only(t, trace.SpanKindServer, 1))
		for _, key := range []string{"rpc.method_original", "server.address"} {
			if n := len(attrs[key]); n != excerpt.MaxBytes {
				t.Errorf("%s has %d bytes, want %d", key, n, excerpt.MaxBytes)
			}
		}
	})
}

// A client cannot tell that we are there, but that the message leaves open what it is that does not exist.
func TestWhatIsSaidOfAMethodThatDoesNotExist(t *testing.T) {
	transports := map[string]func(*testing.T, ...grpc.ServerOption) *grpc.ClientConn{
		"Serve": func(t *testing.T, opts ...grpc.ServerOption) *grpc.ClientConn {
			cc, _ := dial(t, &testService{}, opts, nil)
			return cc
		},
		"ServeHTTP": func(t *testing.T, opts ...grpc.ServerOption) *grpc.ClientConn {
			srv := grpc.NewServer(opts...)
			pb.RegisterTestServiceServer(srv, &testService{})
			return dialHTTP(t, srv)
		},
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for transport, serve := range transports {
		for kind, call := range unknownCalls {
			t.Run(transport+"/"+kind, func(t *testing.T) {
				eachWiring(t, func(t *testing.T, w wired) {
					without, with := serve(t), serve(t, w.server(grpcmw.Config{TracerProvider: w.provider})...)
					for _, method := range []string{"/made.up.Service/Method", "/a/b/c", "//", "/grpc.testing.TestService/MadeUp", "/grpc.testing.TestService/"} {
						want, got := call(ctx, without, method), call(ctx, with, method)
						if !strings.Contains(got.Message, want.Message) {
							t.Errorf("%s: the client is told %q, want %q", method, got.Message, want.Message)
						}
						want.Message = got.Message
						if diff := cmp.Diff(want, got); diff != "" {
							t.Errorf("%s: -want +got\n%s", method, diff)
						}
					}
				})
			})
		}
	}
}

// What the application has for such calls is the application's, wherever it stands, and its methods exist.
func TestAMethodThatSomebodyServesAnyway(t *testing.T) {
	catchAll := grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error { return s.SendMsg(&pb.Empty{}) })
	orders := map[string]func([]grpc.ServerOption) []grpc.ServerOption{
		"before": func(opts []grpc.ServerOption) []grpc.ServerOption {
			return append([]grpc.ServerOption{catchAll}, opts...)
		},
		"after": func(opts []grpc.ServerOption) []grpc.ServerOption { return append(opts, catchAll) },
	}
	for order, options := range orders {
		t.Run(order, func(t *testing.T) {
			eachWiring(t, func(t *testing.T, w wired) {
				cc, srv := dial(t, &testService{}, options(w.server(grpcmw.Config{TracerProvider: w.provider})), nil)
				if err := cc.Invoke(context.Background(), "/proxied.Service/Method", &pb.Empty{}, &pb.Empty{}); err != nil {
					t.Fatal(err)
				}
				cc.Close()
				srv.GracefulStop()
				if got := w.only(t, trace.SpanKindServer, 1); got.Name() != "proxied.Service/Method" {
					t.Errorf("the span is named %q", got.Name())
				}
			})
		})
	}
}

// Interceptors have never seen such calls, and may keep what they count by method for ever.
func TestInterceptorsDoNotSeeMethodsThatDoNotExist(t *testing.T) {
	eachWiring(t, func(t *testing.T, w wired) {
		if !w.unknown {
			t.Skip("they are the application's own")
		}
		see := func(_ any, _ grpc.ServerStream, info *grpc.StreamServerInfo, _ grpc.StreamHandler) error {
			t.Errorf("one has seen %s", info.FullMethod)
			return nil
		}
		opts := append([]grpc.ServerOption{grpc.ChainStreamInterceptor(see)}, w.server(grpcmw.Config{TracerProvider: w.provider})...)
		cc, srv := dial(t, &testService{}, append(opts, grpc.StreamInterceptor(see), grpc.ChainStreamInterceptor(see)), nil)
		for _, call := range unknownCalls {
			if got := call(context.Background(), cc, "/made.up.Service/Method"); got.Code != codes.Unimplemented {
				t.Error(got)
			}
		}
		cc.Close()
		srv.GracefulStop()
		if n := len(w.wait(0)); n != len(unknownCalls) {
			t.Errorf("%d spans, want %d", n, len(unknownCalls))
		}
	})
}

// Should a later gRPC have such a call pass the interceptors, it passes ours without a span: the method is one
// that exists to them.
func TestOursLetsMethodsThatDoNotExistPass(t *testing.T) {
	r := newRecorder()
	intercept := grpcmw.StreamKnown(grpcmw.Config{TracerProvider: ours(t, r, nil)})
	through := 0
	next := func(_ any, ss grpc.ServerStream) error {
		if trace.SpanContextFromContext(ss.Context()).IsValid() {
			through++
		}
		return nil
	}
	intercept(nil, silent{}, &grpc.StreamServerInfo{FullMethod: "/made.up.Service/Method"}, next)
	if through != 0 {
		t.Error("it has a span")
	}
	intercept(nil, silent{}, &grpc.StreamServerInfo{FullMethod: "/proxied.Service/Method", IsClientStream: true, IsServerStream: true}, next)
	intercept(&testService{}, silent{}, &grpc.StreamServerInfo{FullMethod: "/a.B/C"}, next)
	if ended := r.wait(0); through != 2 || len(ended) != 2 {
		t.Errorf("%d of the others have spans, %d have ended", through, len(ended))
	}
}

// silent is a stream of which nobody has read anything.
type silent struct{ grpc.ServerStream }

func (silent) Context() context.Context { return context.Background() }

// The functions of a Config are asked about what the client calls the method.
func TestSettingsHoldForMethodsThatDoNotExist(t *testing.T) {
	is := func(_ context.Context, method string) bool { return method == "made.up.Service/Method" }
	decide := func(d grpcmw.Decision) func(context.Context, string) grpcmw.Decision {
		return func(ctx context.Context, method string) grpcmw.Decision {
			if is(ctx, method) {
				return d
			}
			return grpcmw.Inherit
		}
	}
	tests := []struct {
		rule        string
		method      string // if it is not the one that the functions know
		traceparent string
		cfg         grpcmw.Config

		want    int // spans
		parent  string
		skipped bool // and not measured
	}{
		{rule: "probes are left out", method: "/grpc.health.v1.Health/Check", traceparent: sampled, skipped: true},
		{rule: "Skip", cfg: grpcmw.Config{Skip: is}, traceparent: sampled, skipped: true},
		{rule: "Decide drops", cfg: grpcmw.Config{Decide: decide(grpcmw.Drop)}, traceparent: sampled},
		{rule: "Decide samples", cfg: grpcmw.Config{Decide: decide(grpcmw.Sample)}, traceparent: unsampled, want: 1, parent: parentID},
		{rule: "the caller did not sample", traceparent: unsampled},
		{rule: "Public", cfg: grpcmw.Config{Public: true}, traceparent: unsampled, want: 1, parent: trace.SpanID{}.String()},
		{rule: "PublicCall", cfg: grpcmw.Config{PublicCall: is}, traceparent: unsampled, want: 1, parent: trace.SpanID{}.String()},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			eachWiring(t, func(t *testing.T, w wired) {
				if !w.unknown {
					t.Skip("it sees none")
				}
				if tt.method == "" {
					tt.method = "/made.up.Service/Method"
				}
				g := new(gauge)
				tt.cfg.TracerProvider, tt.cfg.MeterProvider = w.provider, g
				cc, srv := dial(t, &testService{}, w.server(tt.cfg), nil)
				cc.Invoke(sending("traceparent", tt.traceparent), tt.method, &pb.Empty{}, &pb.Empty{})
				cc.Close()
				srv.GracefulStop()
				ended := w.wait(0)
				if len(ended) != tt.want || len(ended) > 0 && ended[0].Parent().SpanID().String() != tt.parent {
					t.Errorf("%d spans: %v", len(ended), ended)
				}
				if tt.skipped != (g.count(serverDuration) == 0) {
					t.Errorf("%d measurements", g.count(serverDuration))
				}
			})
		})
	}
}

// gRPC refuses a compression that it does not have before it calls any handler, and tells a stats handler
// that it began to serve the call if there is one for methods that do not exist.
func TestACompressionThatDoesNotExist(t *testing.T) {
	r := newRecorder()
	cfg := grpcmw.Config{TracerProvider: ours(t, r, nil)}
	srv := httptest.NewUnstartedServer(grpc.NewServer(grpc.StatsHandler(grpcmw.ServerHandler(cfg)), grpcmw.Server(cfg)))
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Start()
	defer srv.Close()
	client := &http.Client{Transport: &http.Transport{Protocols: srv.Config.Protocols}}
	defer client.CloseIdleConnections()
	req := httptest.NewRequest(http.MethodPost, srv.URL+"/made.up.Service/Method", nil)
	req.RequestURI = ""
	req.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "Grpc-Encoding": {"made-up"}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := r.wait(1)[0]; got.Name() != "grpc" {
		t.Errorf("the span is named %q", got.Name())
	}
}
