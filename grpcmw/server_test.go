package grpcmw_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"
	"time"

	"go.opentelemetry.io/otel/baggage"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/meshtrace/meshtrace/grpcmw"
	"github.com/meshtrace/meshtrace/httpmw"
)

// inside returns a service whose unary method shows its context, and the place where it does.
func inside() (*testService, *context.Context) {
	var seen context.Context
	return &testService{unary: func(ctx context.Context, _ *pb.SimpleRequest) (*pb.SimpleResponse, error) {
		seen = ctx
		return &pb.SimpleResponse{}, nil
	}}, &seen
}

// streams returns a service whose stream shows its context, and the place where it does.
func insideStream() (*testService, *context.Context) {
	var seen context.Context
	return &testService{output: func(_ *pb.StreamingOutputCallRequest, s pb.TestService_StreamingOutputCallServer) error {
		seen = s.Context()
		return nil
	}}, &seen
}

// sending returns a context whose calls have metadata.
func sending(kv ...string) context.Context {
	return metadata.AppendToOutgoingContext(context.Background(), kv...)
}

// serve calls a traced server by a client that is not traced.
func (w wired) serve(t *testing.T, s *testService, cfg grpcmw.Config, call func(pb.TestServiceClient)) {
	t.Helper()
	cfg.TracerProvider = w.provider
	cc, srv := dial(t, s, w.server(cfg), nil)
	call(pb.NewTestServiceClient(cc))
	cc.Close()
	srv.GracefulStop()
}

func TestTheCallersSpanIsTheParent(t *testing.T) {
	eachWiring(t, func(t *testing.T, w wired) {
		s, seen := inside()
		w.serve(t, s, grpcmw.Config{}, func(c pb.TestServiceClient) {
			c.UnaryCall(sending("traceparent", sampled, "tracestate", "a=1", "baggage", "user=7"), &pb.SimpleRequest{})
		})
		got := w.only(t, trace.SpanKindServer, 1)
		if p := got.Parent(); p.TraceID().String() != traceID || p.SpanID().String() != parentID || !p.IsRemote() {
			t.Errorf("parent %v", p)
		}
		if sc := trace.SpanContextFromContext(*seen); !sc.Equal(got.SpanContext()) || sc.TraceState().String() != "a=1" {
			t.Errorf("the handler is in %v, the span is %v", sc, got.SpanContext())
		}
		if user := baggage.FromContext(*seen).Member("user").Value(); user != "7" {
			t.Errorf("baggage %q", user)
		}
	})
}

func TestTheHandlerOfAStreamIsInsideItsSpan(t *testing.T) {
	eachWiring(t, func(t *testing.T, w wired) {
		s, seen := insideStream()
		w.serve(t, s, grpcmw.Config{}, func(c pb.TestServiceClient) {
			out, err := c.StreamingOutputCall(sending("traceparent", sampled), &pb.StreamingOutputCallRequest{})
			if err == nil {
				err = drain(out)
			}
			if err != nil {
				t.Fatal(err)
			}
		})
		got := w.only(t, trace.SpanKindServer, 1)
		if sc := trace.SpanContextFromContext(*seen); !sc.Equal(got.SpanContext()) || sc.TraceID().String() != traceID {
			t.Errorf("the handler is in %v, the span is %v", sc, got.SpanContext())
		}
	})
}

// What is not recorded is passed on all the same, so that what the handler calls stays in the trace.
func TestTheCallersContextIsPassedOn(t *testing.T) {
	never := func(context.Context, string) bool { return true }
	tests := []struct {
		rule   string
		parent string
		cfg    grpcmw.Config
		silent bool // no provider

		wantSpan    string // the span ID that the handler is in; empty for a new one
		wantSampled bool
	}{
		{rule: "without a provider, as it came", parent: sampled, silent: true, wantSpan: parentID, wantSampled: true},
		{rule: "without a provider, not sampled", parent: unsampled, silent: true, wantSpan: parentID},
		{rule: "of a call that is skipped, as it came", parent: sampled, cfg: grpcmw.Config{Skip: never}, wantSpan: parentID, wantSampled: true},
		{rule: "of a call that the caller did not sample", parent: unsampled},
		{rule: "of a call that was decided to be dropped, not sampled", parent: sampled, cfg: grpcmw.Config{Decide: always(grpcmw.Drop)}, wantSpan: parentID},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			eachWiring(t, func(t *testing.T, w wired) {
				if tt.silent {
					w.provider = nil
				}
				for kind, test := range map[string]func() (*testService, *context.Context){"unary": inside, "stream": insideStream} {
					s, seen := test()
					w.serve(t, s, tt.cfg, func(c pb.TestServiceClient) {
						if kind == "unary" {
							c.UnaryCall(sending("traceparent", tt.parent), &pb.SimpleRequest{})
							return
						}
						out, _ := c.StreamingOutputCall(sending("traceparent", tt.parent), &pb.StreamingOutputCallRequest{})
						drain(out)
					})
					sc := trace.SpanContextFromContext(*seen)
					if sc.TraceID().String() != traceID || sc.IsSampled() != tt.wantSampled {
						t.Errorf("%s: the handler is in %v", kind, sc)
					}
					if tt.wantSpan != "" && sc.SpanID().String() != tt.wantSpan {
						t.Errorf("%s: the handler is in span %v, want %s", kind, sc.SpanID(), tt.wantSpan)
					}
				}
				if ended := w.wait(0); len(ended) != 0 {
					t.Errorf("%d spans are recorded", len(ended))
				}
			})
		})
	}
}

func always(d grpcmw.Decision) func(context.Context, string) grpcmw.Decision {
	return func(context.Context, string) grpcmw.Decision { return d }
}

func TestACallCanBeSampledInTheSamplersPlace(t *testing.T) {
	eachWiring(t, func(t *testing.T, w wired) {
		s, _ := inside()
		decide := func(_ context.Context, method string) grpcmw.Decision {
			if method != service+"UnaryCall" {
				t.Errorf("asked about %q", method)
			}
			return grpcmw.Sample
		}
		w.serve(t, s, grpcmw.Config{Decide: decide}, func(c pb.TestServiceClient) {
			c.UnaryCall(sending("traceparent", unsampled), &pb.SimpleRequest{})
		})
		if got := w.only(t, trace.SpanKindServer, 1); got.Parent().SpanID().String() != parentID {
			t.Errorf("parent %v", got.Parent())
		}
	})
}

func TestStrangersStartNewTraces(t *testing.T) {
	configs := map[string]grpcmw.Config{
		"Public":     {Public: true},
		"PublicCall": {PublicCall: func(context.Context, string) bool { return true }},
	}
	for name, cfg := range configs {
		t.Run(name, func(t *testing.T) {
			eachWiring(t, func(t *testing.T, w wired) {
				s, seen := inside()
				w.serve(t, s, cfg, func(c pb.TestServiceClient) {
					c.UnaryCall(sending("traceparent", unsampled, "tracestate", "a=1", "baggage", "user=7"), &pb.SimpleRequest{})
				})
				got := w.only(t, trace.SpanKindServer, 1)
				if got.Parent().IsValid() || got.SpanContext().TraceID().String() == traceID {
					t.Errorf("the span %v has the parent %v", got.SpanContext(), got.Parent())
				}
				if links := got.Links(); len(links) != 1 || links[0].SpanContext.SpanID().String() != parentID || links[0].SpanContext.TraceState().Len() != 0 {
					t.Errorf("links %v", links)
				}
				if b := baggage.FromContext(*seen); b.Len() != 0 || got.SpanContext().TraceState().Len() != 0 {
					t.Errorf("the stranger's baggage %v and tracestate %v go on", b, got.SpanContext().TraceState())
				}
			})
		})
	}
}

func TestPublicCallOverridesPublic(t *testing.T) {
	eachWiring(t, func(t *testing.T, w wired) {
		s, _ := inside()
		cfg := grpcmw.Config{Public: true, PublicCall: func(context.Context, string) bool { return false }}
		w.serve(t, s, cfg, func(c pb.TestServiceClient) {
			c.UnaryCall(sending("traceparent", sampled), &pb.SimpleRequest{})
		})
		if got := w.only(t, trace.SpanKindServer, 1); got.Parent().SpanID().String() != parentID {
			t.Errorf("parent %v", got.Parent())
		}
	})
}

// What a client says of its attempts is a number or nothing.
func TestPreviousAttempts(t *testing.T) {
	for sent, want := range map[string]string{"": "", "0": "0", "7": "7", "65535": "65535", "65536": "", "-1": "", "many": "", "1 ": ""} {
		t.Run(sent, func(t *testing.T) {
			eachWiring(t, func(t *testing.T, w wired) {
				s, _ := inside()
				w.serve(t, s, grpcmw.Config{}, func(c pb.TestServiceClient) {
					c.UnaryCall(sending("grpc-previous-rpc-attempts", sent), &pb.SimpleRequest{})
				})
				checkAttrs(t, w.only(t, trace.SpanKindServer, 1), map[string]string{"rpc.grpc.previous_attempts": want})
			})
		})
	}
}

func TestProbesAreLeftOut(t *testing.T) {
	tests := []struct {
		rule   string
		skip   func(context.Context, string) bool
		record int
	}{
		{"by default", nil, 0},
		{"unless one wants them", func(context.Context, string) bool { return false }, 2},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			eachWiring(t, func(t *testing.T, w wired) {
				server := w.server(grpcmw.Config{TracerProvider: w.provider, Skip: tt.skip})
				client := w.client(grpcmw.ClientConfig{TracerProvider: w.provider, Skip: tt.skip})
				cc, srv := serveMore(t, func(s *grpc.Server) {
					healthpb.RegisterHealthServer(s, health.NewServer())
				}, server, client)
				if _, err := healthpb.NewHealthClient(cc).Check(context.Background(), &healthpb.HealthCheckRequest{}); err != nil {
					t.Fatal(err)
				}
				cc.Close()
				srv.GracefulStop()
				if ended := w.wait(tt.record); len(ended) != tt.record {
					t.Errorf("%d spans, want %d", len(ended), tt.record)
				}
			})
		})
	}
}

func TestProbes(t *testing.T) {
	for method, want := range map[string]bool{
		"grpc.health.v1.Health/Check":                                         true,
		"grpc.health.v1.Health/Watch":                                         true,
		"grpc.reflection.v1.ServerReflection/ServerReflectionInfo":            true,
		"grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo":       true,
		"grpc.health.v1.HealthOfOurs/Check":                                   false,
		"acme.grpc.health.v1.Health/Check":                                    false,
		"grpc.channelz.v1.Channelz/GetTopChannels":                            false,
		"opentelemetry.proto.collector.trace.v1.TraceService/Export":          false,
		"envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggrega": false,
	} {
		if got := grpcmw.Probes(context.Background(), method); got != want {
			t.Errorf("Probes(%q) = %v", method, got)
		}
	}
}

func TestTheDeadlineIsRecorded(t *testing.T) {
	eachWiring(t, func(t *testing.T, w wired) {
		s, _ := inside()
		c := w.dial(t, s, grpcmw.Config{}, grpcmw.ClientConfig{})
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		if _, err := c.UnaryCall(ctx, &pb.SimpleRequest{}); err != nil {
			t.Fatal(err)
		}
		for _, kind := range []trace.SpanKind{trace.SpanKindClient, trace.SpanKindServer} {
			ms, _ := strconv.Atoi(attrs(w.only(t, kind, 2))["rpc.grpc.timeout_ms"])
			if ms < int((59*time.Minute).Milliseconds()) || ms > int(time.Hour.Milliseconds()) {
				t.Errorf("%v: %d ms of an hour", kind, ms)
			}
		}
	})
}

func TestNoDeadlineIsNotRecorded(t *testing.T) {
	eachWiring(t, func(t *testing.T, w wired) {
		s, _ := inside()
		c := w.dial(t, s, grpcmw.Config{}, grpcmw.ClientConfig{})
		c.UnaryCall(context.Background(), &pb.SimpleRequest{})
		for _, got := range w.wait(2) {
			checkAttrs(t, got, map[string]string{"rpc.grpc.timeout_ms": ""})
		}
	})
}

// The context of an HTTP middleware around the server has read the headers already.
func TestUnderAnHTTPMiddleware(t *testing.T) {
	eachWiring(t, func(t *testing.T, w wired) {
		s, seen := inside()
		srv := grpc.NewServer(w.server(grpcmw.Config{TracerProvider: w.provider})...)
		pb.RegisterTestServiceServer(srv, s)
		h := httpmw.New(httpmw.Config{TracerProvider: w.provider}).Wrap(srv)
		cc := dialHTTP(t, h)
		if _, err := pb.NewTestServiceClient(cc).UnaryCall(sending("traceparent", sampled), &pb.SimpleRequest{}); err != nil {
			t.Fatal(err)
		}
		var inner, outer sdktrace.ReadOnlySpan
		for _, s := range w.wait(2) {
			if s.Name() == service+"UnaryCall" {
				inner = s
			} else {
				outer = s
			}
		}
		if inner == nil || outer == nil {
			t.Fatal("one span of each is wanted")
		}
		if p := inner.Parent(); p.SpanID() != outer.SpanContext().SpanID() || p.IsRemote() {
			t.Errorf("the call's parent is %v, want the request's span %v", p, outer.SpanContext())
		}
		if outer.Parent().SpanID().String() != parentID {
			t.Errorf("the request's parent is %v", outer.Parent())
		}
		if sc := trace.SpanContextFromContext(*seen); !sc.Equal(inner.SpanContext()) {
			t.Errorf("the handler is in %v", sc)
		}
		checkAttrs(t, inner, map[string]string{"rpc.response.status_code": "OK", "client.address": "127.0.0.1", "network.peer.address": "127.0.0.1"})
	})
}

// dialHTTP serves a handler over HTTP/2 without TLS, as in a mesh, and connects to it.
func dialHTTP(t *testing.T, h http.Handler) *grpc.ClientConn {
	s := httptest.NewUnstartedServer(h)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	cc, err := grpc.NewClient(s.Listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cc.Close()
		s.Close()
	})
	return cc
}

func TestTheClientsAddress(t *testing.T) {
	eachWiring(t, func(t *testing.T, w wired) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		srv := grpc.NewServer(append(w.server(grpcmw.Config{TracerProvider: w.provider}), grpc.WaitForHandlers(true))...)
		s, _ := inside()
		pb.RegisterTestServiceServer(srv, s)
		served := make(chan error)
		go func() { served <- srv.Serve(l) }()
		cc, err := grpc.NewClient(l.Addr().String(), append(w.client(grpcmw.ClientConfig{TracerProvider: w.provider}),
			grpc.WithTransportCredentials(insecure.NewCredentials()))...)
		if err != nil {
			t.Fatal(err)
		}
		pb.NewTestServiceClient(cc).UnaryCall(context.Background(), &pb.SimpleRequest{})
		cc.Close()
		srv.Stop()
		<-served
		got := attrs(w.only(t, trace.SpanKindServer, 2))
		port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
		if got["client.address"] != "127.0.0.1" || got["network.peer.address"] != "127.0.0.1" || got["client.port"] == "" || got["client.port"] != got["network.peer.port"] ||
			got["server.address"] != "127.0.0.1" || got["server.port"] != port {
			t.Errorf("the server sees %v", got)
		}
		if w.handler {
			checkAttrs(t, w.only(t, trace.SpanKindClient, 2), map[string]string{"network.peer.address": "127.0.0.1", "network.peer.port": port})
		}
	})
}

// Who called is what its certificate says, and only then what a header says: anybody can write that.
func TestWhoCalled(t *testing.T) {
	spiffe := &url.URL{Scheme: "spiffe", Host: "cluster.local", Path: "/ns/shop/sa/web"}
	certificate := tls.ConnectionState{PeerCertificates: []*x509.Certificate{{Subject: pkix.Name{CommonName: "web"}}}}
	tests := []struct {
		rule string
		info credentials.AuthInfo
		want string
	}{
		{"by its SPIFFE ID", credentials.TLSInfo{SPIFFEID: spiffe, State: certificate}, "spiffe://cluster.local/ns/shop/sa/web"},
		{"by its certificate's subject", credentials.TLSInfo{State: certificate}, "CN=web"},
		{"by what the proxy says, if it has no certificate", credentials.TLSInfo{}, "web.shop"},
		{"by what the proxy says, without TLS", nil, "web.shop"},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			r := newRecorder()
			ctx := metadata.NewIncomingContext(context.Background(), metadata.Pairs("l5d-client-id", "web.shop"))
			ctx = peer.NewContext(ctx, &peer.Peer{Addr: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}, AuthInfo: tt.info})
			serve := grpcmw.UnaryServerInterceptor(grpcmw.Config{TracerProvider: ours(t, r, nil), PeerIdentity: true})
			serve(ctx, nil, &grpc.UnaryServerInfo{FullMethod: "/a.B/C"}, func(context.Context, any) (any, error) { return nil, nil })
			checkAttrs(t, r.wait(1)[0], map[string]string{"rpc.grpc.peer_identity": tt.want, "client.address": "10.0.0.1"})
		})
	}
}
