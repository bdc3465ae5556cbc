package grpcmw_test

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	otelcodes "go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/meshtrace/meshtrace/grpcmw"
)

// retrying is the option of a connection that tries again after a status.
func retrying(code string) grpc.DialOption {
	return grpc.WithDefaultServiceConfig(fmt.Sprintf(`{"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 3,
		"initialBackoff": "0.001s", "maxBackoff": "0.001s", "backoffMultiplier": 1, "retryableStatusCodes": [%q]}}]}`, code))
}

// failing returns a service that fails some times before it succeeds.
func failing(times int32, code codes.Code) *testService {
	var calls atomic.Int32
	fail := func() error {
		if calls.Add(1) <= times {
			return status.Error(code, "not now")
		}
		return nil
	}
	return &testService{
		unary: func(context.Context, *pb.SimpleRequest) (*pb.SimpleResponse, error) {
			return &pb.SimpleResponse{Payload: hello}, fail()
		},
		duplex: func(s pb.TestService_FullDuplexCallServer) error {
			if err := fail(); err != nil {
				return err
			}
			return echo(s)
		},
	}
}

// tree sorts the spans of a call: the call's own, those of its attempts, the server's.
func tree(t *testing.T, spans []sdktrace.ReadOnlySpan, method string) (call sdktrace.ReadOnlySpan, attempts, servers []sdktrace.ReadOnlySpan) {
	t.Helper()
	for _, s := range spans {
		switch {
		case s.SpanKind() == trace.SpanKindServer:
			servers = append(servers, s)
		case s.Name() == service+method+" attempt":
			attempts = append(attempts, s)
		case call != nil:
			t.Fatalf("there are two calls: %v and %v", call.SpanContext(), s.SpanContext())
		default:
			call = s
		}
	}
	byStart := func(a, b sdktrace.ReadOnlySpan) int { return a.StartTime().Compare(b.StartTime()) }
	slices.SortFunc(attempts, byStart)
	slices.SortFunc(servers, byStart)
	return call, attempts, servers
}

// spansOf is how many spans there are of a call with several attempts.
func (w wired) spansOf(attempts int) int {
	if w.handler {
		return 1 + 2*attempts
	}
	return 1 + attempts
}

func TestACallThatIsTriedAgain(t *testing.T) {
	tests := []struct {
		rule     string
		failures int32
		attempts int
		end      codes.Code
	}{
		{"succeeds at the third attempt", 2, 3, codes.OK},
		{"fails for good", 9, 3, codes.Unavailable},
	}
	calls := map[string]func(pb.TestServiceClient) error{
		"UnaryCall": func(c pb.TestServiceClient) error {
			_, err := c.UnaryCall(context.Background(), &pb.SimpleRequest{})
			return err
		},
		"FullDuplexCall": func(c pb.TestServiceClient) error {
			s, err := c.FullDuplexCall(context.Background())
			if err != nil {
				return err
			}
			s.CloseSend()
			return drain(s)
		},
	}
	for _, tt := range tests {
		for method, call := range calls {
			t.Run(tt.rule+"/"+method, func(t *testing.T) {
				eachWiring(t, func(t *testing.T, w wired) {
					c := w.dial(t, failing(tt.failures, codes.Unavailable), grpcmw.Config{}, grpcmw.ClientConfig{}, retrying("UNAVAILABLE"))
					if err := call(c); status.Code(err) != tt.end {
						t.Fatalf("the call ends with %v", err)
					}
					span, attempts, servers := tree(t, w.wait(w.spansOf(tt.attempts)), method)
					checkAttrs(t, span, map[string]string{"rpc.response.status_code": codeNames[tt.end], "rpc.grpc.previous_attempts": ""})
					if len(servers) != tt.attempts {
						t.Fatalf("%d attempts arrived, want %d", len(servers), tt.attempts)
					}
					for i, previous := range []string{"", "1", "2"} {
						checkAttrs(t, servers[i], map[string]string{"rpc.grpc.previous_attempts": previous})
					}
					if w.handler {
						checkAttempts(t, span, attempts, servers, tt.end)
						return
					}
					for _, s := range servers {
						if s.Parent().SpanID() != span.SpanContext().SpanID() {
							t.Errorf("the server's parent is %v, want the call's span", s.Parent())
						}
					}
				})
			})
		}
	}
}

// checkAttempts checks the attempts at a call, and what became of them on the server.
func checkAttempts(t *testing.T, call sdktrace.ReadOnlySpan, attempts, servers []sdktrace.ReadOnlySpan, end codes.Code) {
	t.Helper()
	if len(attempts) != len(servers) {
		t.Fatalf("%d spans of attempts, want %d", len(attempts), len(servers))
	}
	for i, a := range attempts {
		code := "UNAVAILABLE"
		if i == len(attempts)-1 {
			code = codeNames[end]
		}
		if got := attrs(a)["rpc.response.status_code"]; got == "UNKNOWN" && i < len(attempts)-1 {
			code = got // the client noticed by failing to send, and gRPC does not tell more
		}
		checkAttrs(t, a, map[string]string{
			"rpc.grpc.previous_attempts": fmt.Sprint(i), "rpc.response.status_code": code, "rpc.grpc.transparent_retry": "",
			"network.peer.address": "bufconn", "server.address": "test.mesh", "rpc.method": call.Name(),
		})
		if (a.Status().Code == otelcodes.Error) != (code != "OK") {
			t.Errorf("attempt %d: status %v of %v", i, a.Status(), code)
		}
		if p := a.Parent(); p.SpanID() != call.SpanContext().SpanID() || p.IsRemote() || a.SpanKind() != trace.SpanKindClient {
			t.Errorf("attempt %d: %v, its parent is %v, want the call's span", i, a.SpanKind(), p)
		}
		if a.StartTime().Before(call.StartTime()) || a.EndTime().After(call.EndTime()) {
			t.Errorf("attempt %d is not inside the call", i)
		}
		parent := a
		if i == 0 { // it was sent before there was a second one
			parent = call
		}
		if servers[i].Parent().SpanID() != parent.SpanContext().SpanID() {
			t.Errorf("the server's parent in attempt %d is %v, want %v", i, servers[i].Parent(), parent.SpanContext())
		}
	}
}

// A stats handler alone guesses that a call that was UNAVAILABLE may be tried again. Who tries again
// after other statuses tells it by an interceptor.
func TestACallThatIsTriedAgainAfterAnotherStatus(t *testing.T) {
	eachWiring(t, func(t *testing.T, w wired) {
		c := w.dial(t, failing(2, codes.ResourceExhausted), grpcmw.Config{}, grpcmw.ClientConfig{}, retrying("RESOURCE_EXHAUSTED"))
		if _, err := c.UnaryCall(context.Background(), &pb.SimpleRequest{}); err != nil {
			t.Fatal(err)
		}
		if w.handler && !w.both {
			if spans := w.wait(6); len(spans) != 6 {
				t.Fatalf("%d spans, want those of three calls", len(spans))
			}
			return
		}
		call, attempts, servers := tree(t, w.wait(w.spansOf(3)), "UnaryCall")
		if len(servers) != 3 || w.both != (len(attempts) == 3) {
			t.Errorf("%v: %d attempts, %d of them arrived", call.Name(), len(attempts), len(servers))
		}
	})
}

func TestACallThatIsNotTriedAgainHasNoAttempts(t *testing.T) {
	eachWiring(t, func(t *testing.T, w wired) {
		c := w.dial(t, failing(1, codes.Unavailable), grpcmw.Config{}, grpcmw.ClientConfig{})
		if _, err := c.UnaryCall(context.Background(), &pb.SimpleRequest{}); status.Code(err) != codes.Unavailable {
			t.Fatal(err)
		}
		checkAttrs(t, w.only(t, trace.SpanKindClient, 2), map[string]string{
			"rpc.response.status_code": "UNAVAILABLE", "error.type": "UNAVAILABLE", "rpc.grpc.previous_attempts": "",
		})
	})
}

// An interceptor further in may try again too, one after the other or all at once.
func TestACallThatAnInterceptorTriesAgain(t *testing.T) {
	hedge := grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		both := make(chan error, 2)
		for _, reply := range []any{reply, new(pb.SimpleResponse)} {
			go func() { both <- invoke(ctx, method, req, reply, cc, opts...) }()
		}
		first := <-both
		if second := <-both; first == nil {
			return second
		}
		return first
	})
	eachWiring(t, func(t *testing.T, w wired) {
		if !w.both {
			t.Skip("which attempts belong together, only both know")
		}
		c := w.dial(t, failing(0, codes.OK), grpcmw.Config{}, grpcmw.ClientConfig{}, hedge)
		if _, err := c.UnaryCall(context.Background(), &pb.SimpleRequest{}); err != nil {
			t.Fatal(err)
		}
		_, attempts, servers := tree(t, w.wait(5), "UnaryCall")
		if len(attempts) != 2 || len(servers) != 2 {
			t.Errorf("%d attempts, %d of them arrived", len(attempts), len(servers))
		}
	})
}

// The context of a stream is inside its span, and for others to use: what is called with it, even
// the same method, is another call.
func TestWhatIsCalledWithTheContextOfAStream(t *testing.T) {
	eachWiring(t, func(t *testing.T, w wired) {
		c := w.dial(t, &testService{duplex: echo}, grpcmw.Config{}, grpcmw.ClientConfig{})
		outer, err := c.FullDuplexCall(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		inner, err := c.FullDuplexCall(outer.Context())
		if err != nil {
			t.Fatal(err)
		}
		inner.CloseSend()
		drain(inner)
		outer.CloseSend()
		drain(outer)
		if got := nested(w.wait(4)); !slices.Equal(got, []string{service + "FullDuplexCall"}) {
			t.Errorf("below another client's span are %q, want the inner call", got)
		}
	})
}

// nested returns the names of the clients' spans that are below another client's, whichever of the
// two ended first.
func nested(spans []sdktrace.ReadOnlySpan) (names []string) {
	clients := map[trace.SpanID]bool{}
	for _, s := range spans {
		clients[s.SpanContext().SpanID()] = s.SpanKind() == trace.SpanKindClient
	}
	for _, s := range spans {
		if s.SpanKind() == trace.SpanKindClient && clients[s.Parent().SpanID()] {
			names = append(names, s.Name())
		}
	}
	return names
}

// So is what is called with it by another connection, which may have a stats handler only.
func TestWhatAnotherConnectionCallsWithTheContextOfAStream(t *testing.T) {
	r := newRecorder()
	cfg := grpcmw.ClientConfig{TracerProvider: ours(t, r, nil)}
	s := &testService{duplex: echo}
	both, _ := dial(t, s, nil, append(clientHandler(cfg), grpcmw.Client(cfg)))
	handler, _ := dial(t, s, nil, clientHandler(cfg))
	outer, err := pb.NewTestServiceClient(both).FullDuplexCall(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	inner, err := pb.NewTestServiceClient(handler).FullDuplexCall(outer.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []pb.TestService_FullDuplexCallClient{inner, outer} {
		s.CloseSend()
		if err := drain(s); err != nil {
			t.Fatal(err)
		}
	}
	// The outer span may be the first to end: the inner stream is over without an answer, and a stats
	// handler alone waits for its context to say that there is no other attempt.
	if got := nested(r.wait(2)); !slices.Equal(got, []string{service + "FullDuplexCall"}) {
		t.Errorf("below the outer call are %q, want the inner one", got)
	}
}

// A call that is over waits for no further attempt: what is called in its context then is another one.
func TestACallIsForgottenWhenItIsOver(t *testing.T) {
	r := newRecorder()
	h := grpcmw.ClientHandler(grpcmw.ClientConfig{TracerProvider: ours(t, r, nil)})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for i := range 2 {
		attempt := h.TagRPC(ctx, &stats.RPCTagInfo{FullMethodName: "/a.B/C"})
		h.HandleRPC(attempt, &stats.Begin{Client: true, BeginTime: time.Now()})
		h.HandleRPC(attempt, &stats.OutHeader{Client: true})
		h.HandleRPC(attempt, &stats.End{Client: true, EndTime: time.Now(), Error: status.Error(codes.Unavailable, "")})
		cancel()
		if got := r.wait(i + 1)[i]; got.Name() != "a.B/C" {
			t.Errorf("a span of %q", got.Name())
		}
	}
}

// eventsOf returns the names of a span's events.
func eventsOf(s sdktrace.ReadOnlySpan) string {
	var names []string
	for _, e := range s.Events() {
		names = append(names, e.Name)
	}
	return fmt.Sprint(names)
}

// What gRPC seldom does is done by hand: a script of what it tells a stats handler.
func TestWhatAStatsHandlerIsTold(t *testing.T) {
	unavailable := status.Error(codes.Unavailable, "connection closed")
	info := &stats.RPCTagInfo{FullMethodName: "/a.B/C", NameResolutionDelay: true}
	begin := func(h stats.Handler, ctx context.Context, transparent bool) context.Context {
		ctx = h.TagRPC(ctx, info)
		h.HandleRPC(ctx, &stats.Begin{Client: true, BeginTime: time.Now(), IsTransparentRetryAttempt: transparent})
		return ctx
	}
	send := func(h stats.Handler, ctx context.Context) context.Context {
		h.HandleRPC(ctx, &stats.OutHeader{Client: true, RemoteAddr: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 80}})
		return ctx
	}
	finish := func(h stats.Handler, ctx context.Context, err error) {
		h.HandleRPC(ctx, &stats.End{Client: true, EndTime: time.Now(), Error: err})
	}
	tests := []struct {
		rule   string
		script func(h stats.Handler, call context.Context, over func())
		want   []map[string]string // by their end
	}{
		{
			"names were resolved late",
			func(h stats.Handler, call context.Context, over func()) { finish(h, begin(h, call, false), nil) },
			[]map[string]string{{"rpc.response.status_code": "OK", "events": "[Delayed name resolution complete]"}},
		},
		{
			"a connection had to be waited for",
			func(h stats.Handler, call context.Context, over func()) {
				ctx := begin(h, call, false)
				h.HandleRPC(ctx, &stats.DelayedPickComplete{})
				finish(h, ctx, nil)
			},
			[]map[string]string{{"events": "[Delayed name resolution complete Delayed LB pick complete]"}},
		},
		{
			"gRPC tries again by itself, as the server has not processed it",
			func(h stats.Handler, call context.Context, over func()) {
				finish(h, send(h, begin(h, call, false)), unavailable)
				finish(h, send(h, begin(h, call, true)), nil)
			},
			[]map[string]string{
				{"rpc.grpc.previous_attempts": "0", "rpc.response.status_code": "UNAVAILABLE", "network.peer.address": "10.0.0.1", "network.peer.port": "80"},
				{"rpc.grpc.previous_attempts": "1", "rpc.grpc.transparent_retry": "true", "rpc.response.status_code": "OK", "events": "[]"},
				{"rpc.grpc.previous_attempts": "", "rpc.response.status_code": "OK", "events": "[Delayed name resolution complete]"},
			},
		},
		{
			"what has not left is no attempt, as often as gRPC tries it, and whether or not it says so",
			func(h stats.Handler, call context.Context, over func()) {
				finish(h, begin(h, call, false), unavailable)
				begin(h, call, true)
				finish(h, begin(h, call, false), unavailable)
				begin(h, call, true)
				finish(h, send(h, begin(h, call, false)), nil)
			},
			[]map[string]string{{"rpc.grpc.previous_attempts": "", "rpc.response.status_code": "OK"}},
		},
		{
			"a second attempt that never leaves",
			func(h stats.Handler, call context.Context, over func()) {
				finish(h, send(h, begin(h, call, false)), unavailable)
				finish(h, begin(h, call, true), unavailable)
				begin(h, call, true)
				over()
			},
			[]map[string]string{
				{"rpc.grpc.previous_attempts": "0", "rpc.response.status_code": "UNAVAILABLE"},
				{"rpc.grpc.previous_attempts": "1", "rpc.response.status_code": "UNAVAILABLE", "network.peer.address": ""},
				{"rpc.grpc.previous_attempts": "", "rpc.response.status_code": "UNAVAILABLE", "network.peer.address": ""},
			},
		},
		{
			"an attempt of which gRPC does not say how it ended has failed if there is another one",
			func(h stats.Handler, call context.Context, over func()) {
				streams := &stats.Begin{Client: true, BeginTime: time.Now(), IsClientStream: true, IsServerStream: true}
				ctx := h.TagRPC(call, info)
				h.HandleRPC(ctx, streams)
				finish(h, send(h, ctx), nil)
				ctx = h.TagRPC(call, info)
				h.HandleRPC(ctx, streams)
				finish(h, send(h, ctx), nil)
				over()
			},
			[]map[string]string{
				{"rpc.grpc.previous_attempts": "0", "rpc.response.status_code": "UNKNOWN"},
				{"rpc.grpc.previous_attempts": "1", "rpc.response.status_code": "OK"},
				{"rpc.grpc.previous_attempts": "", "rpc.response.status_code": "OK"},
			},
		},
		{
			"gRPC gives up",
			func(h stats.Handler, call context.Context, over func()) {
				finish(h, send(h, begin(h, call, false)), unavailable)
				over()
			},
			[]map[string]string{{"rpc.grpc.previous_attempts": "", "rpc.response.status_code": "UNAVAILABLE"}},
		},
		{
			"the caller gives up",
			func(h stats.Handler, call context.Context, over func()) {
				ctx := send(h, begin(h, call, false))
				over()
				finish(h, ctx, status.Error(codes.Canceled, ""))
			},
			[]map[string]string{{"rpc.response.status_code": "CANCELLED"}},
		},
		{
			"a server that has answered is UNAVAILABLE for good",
			func(h stats.Handler, call context.Context, over func()) {
				ctx := send(h, begin(h, call, false))
				h.HandleRPC(ctx, &stats.InHeader{Client: true})
				finish(h, ctx, unavailable)
			},
			[]map[string]string{{"rpc.response.status_code": "UNAVAILABLE"}},
		},
		{
			"three attempts, and what comes too late",
			func(h stats.Handler, call context.Context, over func()) {
				finish(h, send(h, begin(h, call, false)), unavailable)
				finish(h, send(h, begin(h, call, false)), unavailable)
				three := send(h, begin(h, call, false))
				finish(h, three, nil)
				finish(h, three, nil)
				h.HandleRPC(three, &stats.InPayload{Client: true, Length: 9})
			},
			[]map[string]string{
				{"rpc.grpc.previous_attempts": "0"}, {"rpc.grpc.previous_attempts": "1"}, {"rpc.grpc.previous_attempts": "2"},
				{"rpc.grpc.previous_attempts": "", "rpc.response.status_code": "OK", "rpc.grpc.received_bytes": ""},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			for _, p := range providers {
				t.Run(p.name, func(t *testing.T) {
					r := newRecorder()
					h := grpcmw.ClientHandler(grpcmw.ClientConfig{TracerProvider: p.make(t, r, nil)})
					call, over := context.WithCancel(context.Background())
					defer over()
					tt.script(h, call, over)
					ended := r.wait(len(tt.want))
					if len(ended) != len(tt.want) {
						t.Fatalf("%d spans, want %d", len(ended), len(tt.want))
					}
					for i, want := range tt.want {
						want = maps.Clone(want)
						if events := want["events"]; events != "" && events != eventsOf(ended[i]) {
							t.Errorf("events %v, want %v", eventsOf(ended[i]), events)
						}
						delete(want, "events")
						checkAttrs(t, ended[i], want)
					}
				})
			}
		})
	}
}
