package grpcmw_test

import (
	"context"
	"slices"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"google.golang.org/grpc"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/stats"

	"github.com/meshtrace/meshtrace/grpcmw"
)

// setting is made as gRPC's options are. Its like are not.
type (
	setting    struct{ set func(*[]string) }
	pair       struct{ set, reset func(*[]string) }
	named      struct{ name string }
	answering  struct{ set func(*[]string) error }
	unsettable struct{ set func() }
	counting   struct{ set func(*int) }
	several    struct{ set func(...string) }
	direct     func(*[]string)
)

func TestOptionsBecomeOne(t *testing.T) {
	say := func(word string) func(*[]string) { return func(said *[]string) { *said = append(*said, word) } }
	one := grpcmw.Join([]any{&setting{say("a")}, &setting{say("b")}, &setting{say("c")}}, nil)
	var said []string
	one.(*setting).set(&said)
	if !slices.Equal(said, []string{"a", "b", "c"}) {
		t.Errorf("the one option says %q", said)
	}
}

// Options that are made in any other way are left alone.
func TestOptionsThatCannotBecomeOne(t *testing.T) {
	var otherwise any = new(setting)
	for rule, options := range map[string][]any{
		"nil":                        {nil, nil},
		"a nil pointer":              {(*setting)(nil), (*setting)(nil)},
		"no pointer":                 {setting{}, setting{}},
		"no struct":                  {new(direct), new(direct)},
		"two fields":                 {&pair{nil, nil}, &pair{nil, nil}},
		"no function":                {&named{""}, &named{""}},
		"a function with a result":   {&answering{nil}, &answering{nil}},
		"a function of nothing":      {&unsettable{nil}, &unsettable{nil}},
		"a function of any number":   {&several{nil}, &several{nil}},
		"of different settings":      {new(setting), &counting{nil}},
		"the last one is made so":    {new(setting), new(setting), &pair{nil, nil}},
		"gRPC's own, of another use": {grpc.EmptyServerOption{}, grpc.EmptyServerOption{}},
	} {
		t.Run(rule, func(t *testing.T) {
			if got := grpcmw.Join(options, otherwise); got != otherwise {
				t.Errorf("they become %#v", got)
			}
		})
	}
}

// A server's settings have a place for what answers calls of methods that do not exist, and one for stats
// handlers. Made in any other way, they are left alone.
func TestSettingsThatHaveAVacancy(t *testing.T) {
	type made struct {
		unknownStreamDesc *grpc.StreamDesc
		statsHandlers     []stats.Handler
	}
	for rule, tt := range map[string]struct {
		settings any
		want     bool
	}{
		"as made":              {&made{}, true},
		"somebody answers":     {&made{unknownStreamDesc: new(grpc.StreamDesc)}, false},
		"somebody is told":     {&made{statsHandlers: []stats.Handler{idle{}}}, false},
		"nothing":              {nil, false},
		"a nil pointer":        {(*made)(nil), false},
		"no pointer":           {made{}, false},
		"no struct":            {new(int), false},
		"nothing that answers": {&struct{ statsHandlers []stats.Handler }{}, false},
		"another kind of answer": {&struct {
			unknownStreamDesc *grpc.MethodDesc
			statsHandlers     []stats.Handler
		}{}, false},
		"nobody who is told": {&struct{ unknownStreamDesc *grpc.StreamDesc }{}, false},
		"somebody of whom many can be": {&struct {
			unknownStreamDesc *grpc.StreamDesc
			statsHandlers     stats.Handler
		}{}, false},
	} {
		t.Run(rule, func(t *testing.T) {
			if got := grpcmw.Vacant(tt.settings); got != tt.want {
				t.Errorf("there is one: %v", got)
			}
		})
	}
}

// A stats handler in an earlier option is told what it would be without us: of a call of a method that does not
// exist it never is that it begins.
func TestStatsHandlersBeforeUsAreNotToldMore(t *testing.T) {
	for _, opts := range [][]grpc.ServerOption{nil, {grpcmw.Server(grpcmw.Config{})}} {
		told := new(listener)
		cc, srv := dial(t, &testService{}, append([]grpc.ServerOption{grpc.StatsHandler(told)}, opts...), nil)
		cc.Invoke(context.Background(), "/made.up.Service/Method", &pb.Empty{}, &pb.Empty{})
		cc.Close()
		srv.GracefulStop()
		if told.begun != 0 {
			t.Errorf("it is told of %d", told.begun)
		}
	}
}

// listener is a stats handler that counts calls that begin.
type listener struct {
	idle
	begun int
}

func (l *listener) HandleRPC(_ context.Context, event stats.RPCStats) {
	if _, ok := event.(*stats.Begin); ok {
		l.begun++
	}
}

// What users have beside ours runs as ever: that in earlier options before our spans, that in later
// ones inside of them.
func TestUsersInterceptorsRunBesideOurs(t *testing.T) {
	r := newRecorder()
	tp := ours(t, r, nil)
	var ran []string
	note := func(ctx context.Context, name string) {
		if sc := trace.SpanContextFromContext(ctx); sc.IsValid() && !sc.IsRemote() {
			name += " inside"
		}
		ran = append(ran, name)
	}
	unary := func(name string) grpc.UnaryServerInterceptor {
		return func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			note(ctx, name)
			return next(ctx, req)
		}
	}
	stream := func(name string) grpc.StreamServerInterceptor {
		return func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			note(ss.Context(), name)
			return next(srv, ss)
		}
	}
	invoke := func(name string) grpc.UnaryClientInterceptor {
		return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			note(ctx, name)
			return invoke(ctx, method, req, reply, cc, opts...)
		}
	}
	begin := func(name string) grpc.StreamClientInterceptor {
		return func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			note(ctx, name)
			return streamer(ctx, desc, cc, method, opts...)
		}
	}
	cc, _ := dial(t, &testService{duplex: echo}, []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(unary("server, earlier")), grpc.ChainStreamInterceptor(stream("server, earlier")),
		grpcmw.Server(grpcmw.Config{TracerProvider: tp}),
		grpc.ChainUnaryInterceptor(unary("server, later")), grpc.ChainStreamInterceptor(stream("server, later")),
		grpc.UnaryInterceptor(unary("server, first")), grpc.StreamInterceptor(stream("server, first")),
	}, []grpc.DialOption{
		grpc.WithChainUnaryInterceptor(invoke("client, earlier")), grpc.WithChainStreamInterceptor(begin("client, earlier")),
		grpcmw.Client(grpcmw.ClientConfig{TracerProvider: tp}),
		grpc.WithChainUnaryInterceptor(invoke("client, later")), grpc.WithChainStreamInterceptor(begin("client, later")),
		grpc.WithUnaryInterceptor(invoke("client, first")), grpc.WithStreamInterceptor(begin("client, first")),
	})
	want := []string{
		"client, first", "client, earlier", "client, later inside",
		"server, first", "server, earlier", "server, later inside",
	}
	c := pb.NewTestServiceClient(cc)
	if _, err := c.EmptyCall(context.Background(), &pb.Empty{}); err != nil || !slices.Equal(ran, want) {
		t.Errorf("a unary call ends with %v, and runs %q", err, ran)
	}
	r.wait(2)
	ran = nil
	s, err := c.FullDuplexCall(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	s.CloseSend()
	drain(s)
	if r.wait(4); !slices.Equal(ran, want) {
		t.Errorf("a stream runs %q", ran)
	}
}

// With the gRPC that we are tested with, the recommended wiring is that of interceptors: a stats
// handler would know the sizes of messages.
func TestTheRecommendedWiringIsInterceptors(t *testing.T) {
	r := newRecorder()
	s := &testService{unary: func(context.Context, *pb.SimpleRequest) (*pb.SimpleResponse, error) {
		return &pb.SimpleResponse{Payload: hello}, nil
	}}
	tp := ours(t, r, nil)
	cc, _ := dial(t, s, []grpc.ServerOption{grpcmw.Server(grpcmw.Config{TracerProvider: tp})}, []grpc.DialOption{grpcmw.Client(grpcmw.ClientConfig{TracerProvider: tp})})
	if _, err := pb.NewTestServiceClient(cc).UnaryCall(context.Background(), &pb.SimpleRequest{}); err != nil {
		t.Fatal(err)
	}
	for _, got := range r.wait(2) {
		checkAttrs(t, got, map[string]string{"rpc.grpc.sent_bytes": "", "rpc.grpc.received_bytes": "", "rpc.response.status_code": "OK"})
	}
}
