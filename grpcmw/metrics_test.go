package grpcmw_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/meshtrace/meshtrace/grpcmw"
)

// gauge is a MeterProvider that keeps what is measured.
type gauge struct {
	noop.MeterProvider

	mu       sync.Mutex
	off      bool
	measured map[string]map[attribute.Distinct]*series // by instrument
	spans    int                                       // measurements that had a span
}

// series is what was measured with the same attributes.
type series struct {
	attrs attribute.Set
	count int
	wrong int // that took less than nothing, or longer than any test
}

func (g *gauge) Meter(string, ...metric.MeterOption) metric.Meter { return meter{g: g} }

type meter struct {
	noop.Meter
	g *gauge
}

func (m meter) Float64Histogram(name string, opts ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	cfg := metric.NewFloat64HistogramConfig(opts...)
	if cfg.Unit() != "s" || cfg.Description() == "" || len(cfg.ExplicitBucketBoundaries()) == 0 {
		return nil, fmt.Errorf("%s: %+v", name, cfg)
	}
	return histogram{name: name, g: m.g}, nil
}

type histogram struct {
	noop.Float64Histogram
	name string
	g    *gauge
}

func (h histogram) Enabled(context.Context) bool { return !h.g.off }

func (h histogram) Record(ctx context.Context, v float64, opts ...metric.RecordOption) {
	h.g.mu.Lock()
	defer h.g.mu.Unlock()
	attrs := metric.NewRecordConfig(opts).Attributes()
	if h.g.measured == nil {
		h.g.measured = make(map[string]map[attribute.Distinct]*series)
	}
	if h.g.measured[h.name] == nil {
		h.g.measured[h.name] = make(map[attribute.Distinct]*series)
	}
	s := h.g.measured[h.name][attrs.Equivalent()]
	if s == nil {
		s = &series{attrs: attrs}
		h.g.measured[h.name][attrs.Equivalent()] = s
	}
	s.count++
	if v < 0 || v > 600 {
		s.wrong++
	}
	if trace.SpanContextFromContext(ctx).IsValid() {
		h.g.spans++
	}
}

// of returns what was measured by an instrument: attributes as text -> count.
func (g *gauge) of(name string) map[string]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := make(map[string]int)
	for _, s := range g.measured[name] {
		m[textOf(s.attrs)] = s.count
		if s.wrong > 0 {
			m["wrong: "+textOf(s.attrs)] = s.wrong
		}
	}
	return m
}

func textOf(set attribute.Set) string {
	var parts []string
	for _, kv := range set.ToSlice() {
		parts = append(parts, string(kv.Key)+"="+kv.Value.String())
	}
	return strings.Join(parts, " ")
}

// count returns how often an instrument has measured.
func (g *gauge) count(name string) (n int) {
	for _, count := range g.of(name) {
		n += count
	}
	return n
}

const (
	serverDuration = "rpc.server.call.duration"
	clientDuration = "rpc.client.call.duration"
)

func TestCallsAreMeasured(t *testing.T) {
	eachWiring(t, func(t *testing.T, w wired) {
		server, client := new(gauge), new(gauge)
		var answer error
		c := w.dial(t, &testService{
			unary: func(context.Context, *pb.SimpleRequest) (*pb.SimpleResponse, error) {
				return &pb.SimpleResponse{}, answer
			},
			duplex: echo,
		}, grpcmw.Config{MeterProvider: server}, grpcmw.ClientConfig{MeterProvider: client})
		for range 2 {
			c.UnaryCall(context.Background(), &pb.SimpleRequest{})
		}
		answer = status.Error(codes.NotFound, "")
		c.UnaryCall(context.Background(), &pb.SimpleRequest{})
		answer = status.Error(codes.Internal, "")
		c.UnaryCall(context.Background(), &pb.SimpleRequest{})
		s, _ := c.FullDuplexCall(context.Background())
		s.CloseSend()
		drain(s)
		w.wait(10)

		unary, duplex := "rpc.method="+service+"UnaryCall", "rpc.method="+service+"FullDuplexCall"
		grpc, mesh := " rpc.system.name=grpc", " server.address=test.mesh server.port=8080"
		wantServer := map[string]int{
			unary + " rpc.response.status_code=OK" + grpc:                                2,
			unary + " rpc.response.status_code=NOT_FOUND" + grpc:                         1,
			"error.type=INTERNAL " + unary + " rpc.response.status_code=INTERNAL" + grpc: 1,
			duplex + " rpc.response.status_code=OK" + grpc:                               1,
		}
		wantClient := map[string]int{
			unary + " rpc.response.status_code=OK" + grpc + mesh:                                  2,
			"error.type=NOT_FOUND " + unary + " rpc.response.status_code=NOT_FOUND" + grpc + mesh: 1,
			"error.type=INTERNAL " + unary + " rpc.response.status_code=INTERNAL" + grpc + mesh:   1,
			duplex + " rpc.response.status_code=OK" + grpc + mesh:                                 1,
		}
		if got := server.of(serverDuration); !maps.Equal(got, wantServer) {
			t.Errorf("the server measures %v, want %v", got, wantServer)
		}
		if got := client.of(clientDuration); !maps.Equal(got, wantClient) {
			t.Errorf("the client measures %v, want %v", got, wantClient)
		}
		if server.spans != 5 || client.spans != 5 {
			t.Errorf("%d and %d measurements have a span for an exemplar, want all 5", server.spans, client.spans)
		}
	})
}

func TestCallsAreMeasuredWithoutSpans(t *testing.T) {
	eachWiring(t, func(t *testing.T, w wired) {
		w.provider = nil
		server, client := new(gauge), new(gauge)
		cc, srv := dial(t, &testService{duplex: echo}, w.server(grpcmw.Config{MeterProvider: server}), w.client(grpcmw.ClientConfig{MeterProvider: client}))
		s, err := pb.NewTestServiceClient(cc).FullDuplexCall(sending("traceparent", sampled))
		if err != nil {
			t.Fatal(err)
		}
		s.Send(helloDuplex)
		s.CloseSend()
		drain(s)
		cc.Close()
		srv.GracefulStop()
		if server.count(serverDuration) != 1 || client.count(clientDuration) != 1 {
			t.Errorf("%d and %d measurements, want one each", server.count(serverDuration), client.count(clientDuration))
		}
	})
}

func TestAnInstrumentThatIsSwitchedOff(t *testing.T) {
	eachWiring(t, func(t *testing.T, w wired) {
		g := &gauge{off: true}
		s, _ := inside()
		c := w.dial(t, s, grpcmw.Config{MeterProvider: g}, grpcmw.ClientConfig{MeterProvider: g})
		c.UnaryCall(context.Background(), &pb.SimpleRequest{})
		w.wait(2)
		if len(g.of(serverDuration))+len(g.of(clientDuration)) != 0 {
			t.Error("it measures")
		}
	})
}

func TestTheGlobalMeterProvider(t *testing.T) {
	before := otel.GetMeterProvider()
	eachWiring(t, func(t *testing.T, w wired) {
		defer otel.SetMeterProvider(before)
		s, _ := inside()
		c := w.dial(t, s, grpcmw.Config{}, grpcmw.ClientConfig{}) // made before it is set
		g := new(gauge)
		otel.SetMeterProvider(g)
		c.UnaryCall(context.Background(), &pb.SimpleRequest{})
		w.wait(2)
		if g.count(serverDuration) != 1 || g.count(clientDuration) != 1 {
			t.Errorf("%d and %d measurements, want one each", g.count(serverDuration), g.count(clientDuration))
		}
	})
}

// A peer can make up methods, statuses and hosts. None of it may take memory without end.
func TestMeasurementsAreBounded(t *testing.T) {
	g := new(gauge)
	cfg := grpcmw.ClientConfig{MeterProvider: g}
	intercept := grpcmw.UnaryClientInterceptor(cfg)
	cc, err := grpc.NewClient("users:8080", grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer cc.Close()
	answer := func(err error) grpc.UnaryInvoker {
		return func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return err }
	}
	const many, limit = 5000, 1000
	for i := range many {
		intercept(context.Background(), fmt.Sprintf("/a.B/M%d", i), nil, nil, cc, answer(nil))
	}
	for i := range 100 {
		intercept(context.Background(), "/a.B/M1", nil, nil, cc, answer(status.Error(codes.Code(100+i), "")))
	}
	got := g.of(clientDuration)
	if len(got) > limit+2 {
		t.Errorf("%d series", len(got))
	}
	if n := got["rpc.method=_OTHER rpc.response.status_code=OK rpc.system.name=grpc"]; n != many-limit {
		t.Errorf("%d calls are of other methods, want %d", n, many-limit)
	}
	if n := g.count(clientDuration); n != many+100 {
		t.Errorf("%d measurements, want %d", n, many+100)
	}
	if slices.ContainsFunc(slices.Collect(maps.Keys(got)), func(s string) bool { return strings.Contains(s, "status_code=1") }) {
		t.Error("a status that does not exist is one to measure")
	}
}

// What clients call a server, and methods that they make up, are theirs to choose.
func TestAServersMeasurementsAreBounded(t *testing.T) {
	eachWiring(t, func(t *testing.T, w wired) {
		g := new(gauge)
		cc, srv := dial(t, &testService{}, w.server(grpcmw.Config{MeterProvider: g}), []grpc.DialOption{grpc.WithAuthority("made.up")})
		for i := range 3 {
			cc.Invoke(context.Background(), fmt.Sprintf("/made.up.Service/M%d", i), &pb.Empty{}, &pb.Empty{})
		}
		cc.Close()
		srv.GracefulStop()
		want := map[string]int{}
		if w.unknown {
			want["error.type=UNIMPLEMENTED rpc.method=_OTHER rpc.response.status_code=UNIMPLEMENTED rpc.system.name=grpc"] = 3
		}
		if got := g.of(serverDuration); !maps.Equal(got, want) {
			t.Errorf("the server measures %v, want %v", got, want)
		}
	})
}
