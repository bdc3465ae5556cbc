package exporter_test

// A gRPC server of grpc-go's for the tests, with the services that OpenTelemetry and Jaeger have
// generated.

import (
	"context"
	"encoding/binary"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/jaegertracing/jaeger-idl/model/v1"
	"github.com/jaegertracing/jaeger-idl/proto-gen/api_v2"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip" // as a collector has it
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
)

// A grpcCollector keeps the spans that it is sent.
type grpcCollector struct {
	collector
	coltrace.UnimplementedTraceServiceServer

	// reply says what becomes of the nth call, from 1. Nil: success.
	reply func(ctx context.Context, n int) (*coltrace.ExportTraceServiceResponse, error)

	calls []grpcCall
}

type grpcCall struct {
	metadata   metadata.MD
	timeout    time.Duration
	compressed bool
	spans      int
}

// serveOn starts c on the address, and returns the server.
func (c *grpcCollector) serveOn(t *testing.T, address string, opts ...grpc.ServerOption) *grpc.Server {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(append(opts, grpc.StatsHandler(payloads{}))...)
	coltrace.RegisterTraceServiceServer(server, c)
	api_v2.RegisterCollectorServiceServer(server, postSpans{c})
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		<-served
	})
	return server
}

// serve starts c, and returns its address.
func (c *grpcCollector) serve(t *testing.T, opts ...grpc.ServerOption) string {
	t.Helper()
	address := freeAddress(t)
	c.serveOn(t, address, opts...)
	return address
}

func (c *grpcCollector) Export(ctx context.Context, req *coltrace.ExportTraceServiceRequest) (*coltrace.ExportTraceServiceResponse, error) {
	return c.take(ctx, stubsOf(req))
}

// postSpans is c as Jaeger's collector.
type postSpans struct{ *grpcCollector }

func (c postSpans) PostSpans(ctx context.Context, req *api_v2.PostSpansRequest) (*api_v2.PostSpansResponse, error) {
	_, err := c.take(ctx, decodeModel(&req.Batch))
	return new(api_v2.PostSpansResponse), err
}

func (c *grpcCollector) take(ctx context.Context, spans tracetest.SpanStubs) (*coltrace.ExportTraceServiceResponse, error) {
	call := grpcCall{spans: len(spans), compressed: *ctx.Value(payloads{}).(*bool)}
	call.metadata, _ = metadata.FromIncomingContext(ctx)
	if end, ok := ctx.Deadline(); ok {
		call.timeout = time.Until(end)
	}
	c.mu.Lock()
	c.calls = append(c.calls, call)
	n := len(c.calls)
	c.mu.Unlock()
	response := new(coltrace.ExportTraceServiceResponse)
	if c.reply != nil {
		var err error
		if response, err = c.reply(ctx, n); err != nil {
			return nil, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spans = append(c.spans, spans...)
	return response, nil
}

func (c *grpcCollector) called() []grpcCall {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.calls)
}

// payloads sees whether a request came compressed, which is all that grpc-go's handlers can't.
type payloads struct{}

func (payloads) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context {
	return context.WithValue(ctx, payloads{}, new(bool))
}

func (payloads) HandleRPC(ctx context.Context, s stats.RPCStats) {
	if header, ok := s.(*stats.InHeader); ok {
		*ctx.Value(payloads{}).(*bool) = header.Compression == "gzip"
	}
}

func (payloads) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (payloads) HandleConn(context.Context, stats.ConnStats)                       {}

// decodePostSpans returns the spans of a request, or none if it is malformed.
func decodePostSpans(body []byte) tracetest.SpanStubs {
	var req api_v2.PostSpansRequest
	if req.Unmarshal(body) != nil {
		return nil
	}
	return decodeModel(&req.Batch)
}

// decodeModel returns the spans of a batch as OpenTelemetry's own types have them.
func decodeModel(batch *model.Batch) (spans tracetest.SpanStubs) {
	res := resource.NewSchemaless(attribute.String("service.name", batch.Process.ServiceName))
	for _, s := range batch.Spans {
		stub := tracetest.SpanStub{
			Name:        s.OperationName,
			SpanContext: modelContext(s.TraceID, s.SpanID),
			SpanKind:    trace.SpanKindInternal,
			StartTime:   s.StartTime,
			EndTime:     s.StartTime.Add(s.Duration),
			Resource:    res,
		}
		for _, r := range s.References {
			to := modelContext(r.TraceID, r.SpanID)
			if r.RefType == model.ChildOf {
				stub.Parent = to
			} else {
				stub.Links = append(stub.Links, sdktrace.Link{SpanContext: to})
			}
		}
		for _, tag := range s.Tags {
			stubTag(&stub, modelAttr(tag))
		}
		for _, l := range s.Logs {
			e := sdktrace.Event{Time: l.Timestamp}
			for _, tag := range l.Fields {
				eventTag(&e, modelAttr(tag))
			}
			stub.Events = append(stub.Events, e)
		}
		spans = append(spans, stub)
	}
	return spans
}

func modelContext(t model.TraceID, s model.SpanID) trace.SpanContext {
	var traceID [16]byte
	var spanID [8]byte
	binary.BigEndian.PutUint64(traceID[:8], t.High)
	binary.BigEndian.PutUint64(traceID[8:], t.Low)
	binary.BigEndian.PutUint64(spanID[:], uint64(s))
	return spanContextOf(traceID[:], spanID[:])
}

func modelAttr(tag model.KeyValue) attribute.KeyValue {
	key := attribute.Key(tag.Key)
	switch tag.VType {
	case model.BoolType:
		return key.Bool(tag.VBool)
	case model.Int64Type:
		return key.Int64(tag.VInt64)
	case model.Float64Type:
		return key.Float64(tag.VFloat64)
	case model.BinaryType:
		return key.ByteSlice(tag.VBinary)
	}
	return key.String(tag.VStr)
}
