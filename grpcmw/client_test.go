package grpcmw_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/contrib/propagators/b3"
	otelcodes "go.opentelemetry.io/otel/codes"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"

	"github.com/meshtrace/meshtrace/grpcmw"
	"github.com/meshtrace/meshtrace/internal/seam"
	"github.com/meshtrace/meshtrace/propagation"
)

// call calls a server that is not traced by a traced client, and returns the metadata that the
// server gets.
func (w wired) call(t *testing.T, ctx context.Context, cfg grpcmw.ClientConfig) metadata.MD {
	t.Helper()
	cfg.TracerProvider = w.provider
	var got metadata.MD
	s := &testService{
		unary: func(ctx context.Context, _ *pb.SimpleRequest) (*pb.SimpleResponse, error) {
			got, _ = metadata.FromIncomingContext(ctx)
			return &pb.SimpleResponse{}, nil
		},
		duplex: func(s pb.TestService_FullDuplexCallServer) error {
			md, _ := metadata.FromIncomingContext(s.Context())
			if diff := cmp.Diff(got.Get("traceparent") == nil, md.Get("traceparent") == nil); diff != "" {
				t.Errorf("streams send other metadata than unary calls: %v, %v", md, got)
			}
			return nil
		},
	}
	cc, _ := dial(t, s, nil, w.client(cfg))
	connect(cc)
	if _, err := pb.NewTestServiceClient(cc).UnaryCall(ctx, &pb.SimpleRequest{}); err != nil {
		t.Fatal(err)
	}
	stream, err := pb.NewTestServiceClient(cc).FullDuplexCall(ctx)
	if err == nil {
		err = drain(stream)
	}
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// traceparentOf returns a span's context as text.
func traceparentOf(sc trace.SpanContext) string {
	return string(propagation.AppendTraceparent(nil, sc))
}

func remote(t *testing.T, traceparent string) trace.SpanContext {
	t.Helper()
	sc, err := propagation.ParseTraceparent(traceparent)
	if err != nil {
		t.Fatal(err)
	}
	return sc
}

func TestTheSpanContextGoesOut(t *testing.T) {
	eachWiring(t, func(t *testing.T, w wired) {
		ctx, parent := w.provider.Tracer("test").Start(context.Background(), "parent")
		md := w.call(t, ctx, grpcmw.ClientConfig{})
		unary := w.wait(2)[0]
		if want := []string{traceparentOf(unary.SpanContext())}; !slices.Equal(md["traceparent"], want) {
			t.Errorf("traceparent %v, want %v", md["traceparent"], want)
		}
		if unary.Parent().SpanID() != parent.SpanContext().SpanID() || unary.SpanKind() != trace.SpanKindClient {
			t.Errorf("a span of kind %v with the parent %v", unary.SpanKind(), unary.Parent())
		}
	})
}

// The caller may use its context, and the map in it, for other calls at the same time.
func TestTheCallersMetadataStaysAsItIs(t *testing.T) {
	eachWiring(t, func(t *testing.T, w wired) {
		md := metadata.Pairs("tenant", "a", "tenant", "b", "key-bin", "\x00\xff\x01", "traceparent", sampled, "b3", "0")
		before := md.Copy()
		ctx := metadata.AppendToOutgoingContext(metadata.NewOutgoingContext(context.Background(), md), "later", "c")
		got := w.call(t, ctx, grpcmw.ClientConfig{})
		if diff := cmp.Diff(before, md); diff != "" {
			t.Errorf("the caller's map is changed: %s", diff)
		}
		if after, _ := metadata.FromOutgoingContext(ctx); !slices.Equal(after["traceparent"], []string{sampled}) {
			t.Errorf("the caller's context is changed: %v", map[string][]string(after))
		}
		want := map[string][]string{"tenant": {"a", "b"}, "key-bin": {"\x00\xff\x01"}, "later": {"c"}, "b3": nil}
		for key, values := range want {
			if !slices.Equal(got[key], values) {
				t.Errorf("%s goes out as %q, want %q", key, got[key], values)
			}
		}
		if tp := got["traceparent"]; len(tp) != 1 || tp[0] == sampled {
			t.Errorf("traceparent %q: the one that the caller forwards must go", tp)
		}
	})
}

func TestWhatIsNotRecordedGoesOutAllTheSame(t *testing.T) {
	tests := []struct {
		rule   string
		parent string
		cfg    grpcmw.ClientConfig
		silent bool
		want   string // "" for a new span ID in an unsampled traceparent
	}{
		{rule: "without a provider, as it is", parent: sampled, silent: true, want: sampled},
		{rule: "of a call that is skipped, as it is", parent: sampled, cfg: grpcmw.ClientConfig{Skip: func(context.Context, string) bool { return true }}, want: sampled},
		{rule: "of a call that was decided to be dropped, not sampled", parent: sampled, cfg: grpcmw.ClientConfig{Decide: always(grpcmw.Drop)}, want: unsampled},
		{rule: "of a trace that is not sampled", parent: unsampled},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			eachWiring(t, func(t *testing.T, w wired) {
				if tt.silent {
					w.provider = nil
				}
				ctx := trace.ContextWithRemoteSpanContext(context.Background(), remote(t, tt.parent))
				got := w.call(t, ctx, tt.cfg)["traceparent"]
				if len(got) != 1 || tt.want != "" && got[0] != tt.want {
					t.Fatalf("traceparent %q, want %q", got, tt.want)
				}
				if sc := remote(t, got[0]); sc.TraceID().String() != traceID || sc.IsSampled() != (tt.want == sampled) {
					t.Errorf("traceparent %q", got)
				}
				if ended := w.wait(0); len(ended) != 0 {
					t.Errorf("%d spans are recorded", len(ended))
				}
			})
		})
	}
}

func TestACallOfAClientCanBeSampledInTheSamplersPlace(t *testing.T) {
	eachWiring(t, func(t *testing.T, w wired) {
		ctx := trace.ContextWithRemoteSpanContext(context.Background(), remote(t, unsampled))
		md := w.call(t, ctx, grpcmw.ClientConfig{Decide: always(grpcmw.Sample)})
		if got := w.wait(2)[0]; !slices.Equal(md["traceparent"], []string{traceparentOf(got.SpanContext())}) || !got.SpanContext().IsSampled() {
			t.Errorf("traceparent %q, span %v", md["traceparent"], got.SpanContext())
		}
	})
}

// With two wirings the first one decides, also that nothing is recorded.
func TestEachCallIsDecidedOnce(t *testing.T) {
	for _, decision := range []grpcmw.Decision{grpcmw.Drop, grpcmw.Sample} {
		eachWiring(t, func(t *testing.T, w wired) {
			var asked atomic.Int32
			w.call(t, context.Background(), grpcmw.ClientConfig{Decide: func(context.Context, string) grpcmw.Decision {
				asked.Add(1)
				return decision
			}})
			if n := asked.Load(); n != 2 {
				t.Errorf("asked %d times about a unary call and a stream", n)
			}
		})
	}
}

// An exporter's own calls must not make spans to export.
func TestAnExportersCallsAreLeftAlone(t *testing.T) {
	eachWiring(t, func(t *testing.T, w wired) {
		ctx := trace.ContextWithRemoteSpanContext(context.Background(), remote(t, sampled))
		if md := w.call(t, seam.Untraced(ctx), grpcmw.ClientConfig{}); md["traceparent"] != nil {
			t.Errorf("traceparent %q goes out", md["traceparent"])
		}
		if ended := w.wait(0); len(ended) != 0 {
			t.Errorf("%d spans are recorded", len(ended))
		}
	})
}

func TestPropagators(t *testing.T) {
	sc := remote(t, sampled)
	tests := []struct {
		rule       string
		propagator otelpropagation.TextMapPropagator
		want       map[string]string // "" for none
	}{
		{"nil is Linkerd's: text traceparent, and no binary one", nil, map[string]string{"traceparent": sampled, "grpc-trace-bin": ""}},
		{"OpenTelemetry's", otelpropagation.TraceContext{}, map[string]string{"traceparent": sampled}},
		{"contrib's B3", b3.New(b3.WithInjectEncoding(b3.B3MultipleHeader)), map[string]string{"x-b3-traceid": traceID, "x-b3-spanid": parentID, "x-b3-sampled": "1", "traceparent": ""}},
		{"of binary metadata, in bytes", propagation.GRPCTraceBin{}, map[string]string{"grpc-trace-bin": string(propagation.AppendGRPCTraceBin(nil, sc))}},
		{"that withhold it from the host", propagation.New(propagation.Config{WithholdFrom: []string{"test.mesh"}}), map[string]string{"traceparent": ""}},
		{"that send it to the host", propagation.New(propagation.Config{SendOnlyTo: []string{"test.mesh"}}), map[string]string{"traceparent": sampled}},
		{"that send it to another host", propagation.New(propagation.Config{SendOnlyTo: []string{"other.mesh"}}), map[string]string{"traceparent": ""}},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			eachWiring(t, func(t *testing.T, w wired) {
				w.provider = nil
				ctx := trace.ContextWithRemoteSpanContext(context.Background(), sc)
				md := w.call(t, ctx, grpcmw.ClientConfig{Propagator: tt.propagator})
				for key, want := range tt.want {
					var values []string
					if want != "" {
						values = []string{want}
					}
					if !slices.Equal(md[key], values) {
						t.Errorf("%s = %q, want %q", key, md[key], values)
					}
				}
			})
		})
	}
}

// What the caller forwards is not for that host either.
func TestWhatIsWithheldIsRemoved(t *testing.T) {
	eachWiring(t, func(t *testing.T, w wired) {
		w.provider = nil
		md := w.call(t, sending("traceparent", sampled, "tenant", "a"), grpcmw.ClientConfig{
			Propagator: propagation.New(propagation.Config{WithholdFrom: []string{"test.mesh"}}),
		})
		if md["traceparent"] != nil || !slices.Equal(md["tenant"], []string{"a"}) {
			t.Errorf("traceparent %q and tenant %q go out", md["traceparent"], md["tenant"])
		}
	})
}

func TestPropagatorsReadMetadata(t *testing.T) {
	bin := string(propagation.AppendGRPCTraceBin(nil, remote(t, sampled)))
	tests := []struct {
		rule       string
		propagator otelpropagation.TextMapPropagator
		md         []string
	}{
		{"nil is Linkerd's", nil, []string{"traceparent", sampled, "b3", "0"}},
		{"Linkerd's, from binary metadata", nil, []string{"grpc-trace-bin", bin}},
		{"OpenTelemetry's", otelpropagation.TraceContext{}, []string{"traceparent", sampled}},
		{"contrib's B3", b3.New(), []string{"x-b3-traceid", traceID, "x-b3-spanid", parentID, "x-b3-sampled", "1"}},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			eachWiring(t, func(t *testing.T, w wired) {
				s, _ := inside()
				w.serve(t, s, grpcmw.Config{Propagator: tt.propagator}, func(c pb.TestServiceClient) {
					c.UnaryCall(sending(tt.md...), &pb.SimpleRequest{})
				})
				if p := w.only(t, trace.SpanKindServer, 1).Parent(); p.TraceID().String() != traceID || p.SpanID().String() != parentID {
					t.Errorf("parent %v", p)
				}
			})
		})
	}
}

func TestAServerPassesTheContextOnToItsCalls(t *testing.T) {
	eachWiring(t, func(t *testing.T, w wired) {
		leaf, _ := inside()
		var got metadata.MD
		leaf.unary = func(ctx context.Context, _ *pb.SimpleRequest) (*pb.SimpleResponse, error) {
			got, _ = metadata.FromIncomingContext(ctx)
			return &pb.SimpleResponse{}, nil
		}
		next, _ := dial(t, leaf, nil, w.client(grpcmw.ClientConfig{TracerProvider: w.provider}))
		middle := &testService{unary: func(ctx context.Context, r *pb.SimpleRequest) (*pb.SimpleResponse, error) {
			return pb.NewTestServiceClient(next).UnaryCall(ctx, r)
		}}
		w.serve(t, middle, grpcmw.Config{}, func(c pb.TestServiceClient) {
			if _, err := c.UnaryCall(sending("traceparent", sampled), &pb.SimpleRequest{}); err != nil {
				t.Fatal(err)
			}
		})
		server, client := w.only(t, trace.SpanKindServer, 2), w.only(t, trace.SpanKindClient, 2)
		if client.Parent().SpanID() != server.SpanContext().SpanID() || server.Parent().SpanID().String() != parentID {
			t.Errorf("%v -> %v -> %v", parentID, server.Parent(), client.Parent())
		}
		if want := []string{traceparentOf(client.SpanContext())}; !slices.Equal(got["traceparent"], want) {
			t.Errorf("traceparent %q, want %q", got["traceparent"], want)
		}
	})
}

// targets are as grpc.NewClient takes them.
var targets = []struct{ target, host, port string }{
	{"users:8080", "users", "8080"},
	{"users", "users", ""},
	{"users.shop.svc.cluster.local:50051", "users.shop.svc.cluster.local", "50051"},
	{"dns:///users:8080", "users", "8080"},
	{"dns://10.0.0.2:53/users:8080", "users", "8080"},
	{"dns:users:8080", "users", "8080"},
	{"passthrough:///10.1.2.3:80", "10.1.2.3", "80"},
	{"passthrough:users:80", "users", "80"},
	{"[2001:db8::1]:80", "2001:db8::1", "80"},
	{"dns:///[2001:db8::1]", "2001:db8::1", ""},
	{"unix:///run/users.sock", "/run/users.sock", ""},
	{"unix:run/users.sock", "run/users.sock", ""},
	{"unix-abstract:users", "users", ""},
	{"127.0.0.1:1", "127.0.0.1", "1"},
	{":8080", "", ""},
	{"users:http", "users:http", ""},
}

func TestTheServersAddressIsTheTarget(t *testing.T) {
	for _, tt := range targets {
		t.Run(tt.target, func(t *testing.T) {
			cc, err := grpc.NewClient(tt.target, grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				t.Fatal(err)
			}
			defer cc.Close()
			r := newRecorder()
			cfg := grpcmw.ClientConfig{TracerProvider: ours(t, r, nil)}
			invoke := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return nil }
			grpcmw.UnaryClientInterceptor(cfg)(context.Background(), "/a.B/C", nil, nil, cc, invoke)
			checkAttrs(t, r.wait(1)[0], map[string]string{"server.address": tt.host, "server.port": tt.port})
		})
	}
}

// Resolvers that are not gRPC's find secrets in targets.
func TestTheRestOfATargetStaysOut(t *testing.T) {
	eachWiring(t, func(t *testing.T, w wired) {
		if !w.handler || w.both {
			t.Skip("a connection to such a target needs its resolver")
		}
		for _, target := range []string{"consul://user:secret@10.0.0.1:8500/users?token=secret", "etcd:///users#secret"} {
			client := grpcmw.ClientHandler(grpcmw.ClientConfig{TracerProvider: w.provider, Target: target})
			s, _ := inside()
			cc, _ := dial(t, s, nil, []grpc.DialOption{grpc.WithStatsHandler(client)})
			pb.NewTestServiceClient(cc).UnaryCall(context.Background(), &pb.SimpleRequest{})
		}
		for _, got := range w.wait(2) {
			checkAttrs(t, got, map[string]string{"server.address": "users"})
		}
	})
}

// Nobody tells a stats handler the target, but the connections that it hears of.
func TestAStatsHandlerLearnsTheTarget(t *testing.T) {
	r := newRecorder()
	s, _ := inside()
	cc, _ := dial(t, s, nil, []grpc.DialOption{grpc.WithStatsHandler(grpcmw.ClientHandler(grpcmw.ClientConfig{TracerProvider: ours(t, r, nil)}))})
	const enough = 1000 // the first call may be faster than the news
	for i := range enough {
		if _, err := pb.NewTestServiceClient(cc).UnaryCall(context.Background(), &pb.SimpleRequest{}); err != nil {
			t.Fatal(err)
		}
		if got := attrs(r.wait(i + 1)[i]); got["server.address"] != "" {
			if got["server.address"] != "test.mesh" || got["server.port"] != "8080" {
				t.Errorf("the target is %v", got)
			}
			return
		}
	}
	t.Error("it has not learnt it")
}

// Which of several it is, it cannot tell: then it says nothing, rather than the wrong thing.
func TestAStatsHandlerOfSeveralTargets(t *testing.T) {
	r := newRecorder()
	s, _ := inside()
	option := grpc.WithStatsHandler(grpcmw.ClientHandler(grpcmw.ClientConfig{TracerProvider: ours(t, r, nil)}))
	one, _ := dial(t, s, nil, []grpc.DialOption{option})
	two, _ := dialTarget(t, "passthrough:///other.mesh:8080", func(srv *grpc.Server) { pb.RegisterTestServiceServer(srv, s) }, nil, []grpc.DialOption{option})
	for range 2 {
		for _, cc := range []*grpc.ClientConn{one, two} {
			connect(cc)
			pb.NewTestServiceClient(cc).UnaryCall(context.Background(), &pb.SimpleRequest{})
		}
	}
	ended := r.wait(4)
	for _, got := range ended[2:] {
		checkAttrs(t, got, map[string]string{"server.address": ""})
	}
}

func TestAClientsCallThatPanics(t *testing.T) {
	r := newRecorder()
	cfg := grpcmw.ClientConfig{TracerProvider: ours(t, r, nil)}
	defer func() {
		if thrown := recover(); thrown != (oops{1}) {
			t.Errorf("the panic goes on with %v", thrown)
		}
		got := r.wait(1)[0]
		if got.Status().Code != otelcodes.Error {
			t.Errorf("status %v", got.Status())
		}
		checkAttrs(t, got, map[string]string{"error.type": "aborted"})
	}()
	grpcmw.UnaryClientInterceptor(cfg)(context.Background(), "/a.B/C", nil, nil, nil, func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
		panic(oops{1})
	})
}

func TestAStreamThatPanicsBeforeItBegins(t *testing.T) {
	r := newRecorder()
	cfg := grpcmw.ClientConfig{TracerProvider: ours(t, r, nil)}
	defer func() {
		recover()
		checkAttrs(t, r.wait(1)[0], map[string]string{"error.type": "aborted"})
	}()
	grpcmw.StreamClientInterceptor(cfg)(context.Background(), &grpc.StreamDesc{}, nil, "/a.B/C", func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, ...grpc.CallOption) (grpc.ClientStream, error) {
		panic(oops{1})
	})
}
