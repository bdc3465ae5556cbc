package grpcmw_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	otelcodes "go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/meshtrace/meshtrace/grpcmw"
)

// end is what a span says of itself.
type end struct {
	Name        string
	Status      otelcodes.Code
	Description string
	Attrs       map[string]string
	Events      []string
}

func endOf(s sdktrace.ReadOnlySpan) end {
	e := end{Name: s.Name(), Status: s.Status().Code, Description: s.Status().Description, Attrs: attrs(s)}
	if details, ok := e.Attrs["rpc.grpc.status_details"]; ok { // protobuf's texts vary in their spaces
		e.Attrs["rpc.grpc.status_details"] = strings.ReplaceAll(details, " ", "")
	}
	for _, event := range s.Events() {
		e.Events = append(e.Events, event.Name)
	}
	return e
}

// seenByHandlers are the attributes that only a stats handler sees.
var seenByHandlers = map[trace.SpanKind][]string{
	trace.SpanKindClient: {"network.peer.address", "rpc.grpc.sent_bytes", "rpc.grpc.received_bytes"},
	trace.SpanKindServer: {"rpc.grpc.sent_bytes", "rpc.grpc.received_bytes", "rpc.response.metadata.served-by"},
}

// as returns the end as a wiring sees it.
func (e end) as(w wired, kind trace.SpanKind) end {
	e.Attrs = maps.Clone(e.Attrs)
	if !w.handler {
		for _, key := range seenByHandlers[kind] {
			delete(e.Attrs, key)
		}
	}
	return e
}

// ok, both and failed are attributes that spans have in common.
func clientAttrs(method, code string, more ...string) map[string]string {
	m := map[string]string{
		"rpc.system.name": "grpc", "rpc.method": service + method, "rpc.response.status_code": code,
		"server.address": "test.mesh", "server.port": "8080", "network.peer.address": "bufconn",
	}
	return with(m, more...)
}

func serverAttrs(method, code string, more ...string) map[string]string {
	m := map[string]string{
		"rpc.system.name": "grpc", "rpc.method": service + method, "rpc.response.status_code": code,
		"server.address": "test.mesh", "server.port": "8080",
		"client.address": "bufconn", "network.peer.address": "bufconn",
	}
	return with(m, more...)
}

func with(m map[string]string, more ...string) map[string]string {
	for i := 0; i < len(more); i += 2 {
		m[more[i]] = more[i+1]
	}
	return m
}

// hello has 7 bytes as a request and as a response.
var (
	hello       = &pb.Payload{Body: []byte("hel")}
	helloIn     = &pb.StreamingInputCallRequest{Payload: hello}
	helloDuplex = &pb.StreamingOutputCallRequest{Payload: hello}
	helloOut    = &pb.StreamingOutputCallResponse{Payload: hello}
)

func mustCapture(names ...string) grpcmw.Metadata {
	m, err := grpcmw.NewMetadata(names...)
	if err != nil {
		panic(err)
	}
	return m
}

func TestAllWiringsMakeTheSameSpans(t *testing.T) {
	capture := grpcmw.Capture{Request: mustCapture("Tenant"), Response: mustCapture("served-by")}
	tests := []struct {
		rule    string
		service testService
		server  grpcmw.Config
		client  grpcmw.ClientConfig
		call    func(context.Context, pb.TestServiceClient) error
		code    codes.Code

		wantClient, wantServer end
	}{
		{
			rule: "a unary call",
			service: testService{unary: func(context.Context, *pb.SimpleRequest) (*pb.SimpleResponse, error) {
				return &pb.SimpleResponse{Payload: hello}, nil
			}},
			call: func(ctx context.Context, c pb.TestServiceClient) error {
				_, err := c.UnaryCall(ctx, &pb.SimpleRequest{})
				return err
			},
			wantClient: end{Name: service + "UnaryCall", Attrs: clientAttrs("UnaryCall", "OK", "rpc.grpc.received_bytes", "7")},
			wantServer: end{Name: service + "UnaryCall", Attrs: serverAttrs("UnaryCall", "OK", "rpc.grpc.sent_bytes", "7")},
		},
		{
			rule: "what the client did wrong is an error of the client only",
			service: testService{unary: func(context.Context, *pb.SimpleRequest) (*pb.SimpleResponse, error) {
				return nil, status.Error(codes.NotFound, "no such user")
			}},
			call: func(ctx context.Context, c pb.TestServiceClient) error {
				_, err := c.UnaryCall(ctx, &pb.SimpleRequest{})
				return err
			},
			code:       codes.NotFound,
			wantClient: end{Name: service + "UnaryCall", Status: otelcodes.Error, Description: "no such user", Attrs: clientAttrs("UnaryCall", "NOT_FOUND", "error.type", "NOT_FOUND")},
			wantServer: end{Name: service + "UnaryCall", Attrs: serverAttrs("UnaryCall", "NOT_FOUND")},
		},
		{
			rule: "an error without a status is UNKNOWN, and an error of both",
			service: testService{unary: func(context.Context, *pb.SimpleRequest) (*pb.SimpleResponse, error) {
				return nil, errors.New("disk full")
			}},
			call: func(ctx context.Context, c pb.TestServiceClient) error {
				_, err := c.UnaryCall(ctx, &pb.SimpleRequest{})
				return err
			},
			code:       codes.Unknown,
			wantClient: end{Name: service + "UnaryCall", Status: otelcodes.Error, Description: "disk full", Attrs: clientAttrs("UnaryCall", "UNKNOWN", "error.type", "UNKNOWN")},
			wantServer: end{Name: service + "UnaryCall", Status: otelcodes.Error, Description: "disk full", Attrs: serverAttrs("UnaryCall", "UNKNOWN", "error.type", "UNKNOWN")},
		},
		{
			rule: "an error of a context has that one's status",
			service: testService{unary: func(context.Context, *pb.SimpleRequest) (*pb.SimpleResponse, error) {
				return nil, context.DeadlineExceeded
			}},
			call: func(ctx context.Context, c pb.TestServiceClient) error {
				_, err := c.UnaryCall(ctx, &pb.SimpleRequest{})
				return err
			},
			code:       codes.DeadlineExceeded,
			wantClient: end{Name: service + "UnaryCall", Status: otelcodes.Error, Description: "context deadline exceeded", Attrs: clientAttrs("UnaryCall", "DEADLINE_EXCEEDED", "error.type", "DEADLINE_EXCEEDED")},
			wantServer: end{Name: service + "UnaryCall", Status: otelcodes.Error, Description: "context deadline exceeded", Attrs: serverAttrs("UnaryCall", "DEADLINE_EXCEEDED", "error.type", "DEADLINE_EXCEEDED")},
		},
		{
			rule: "the requests of a stream are counted",
			service: testService{input: func(s pb.TestService_StreamingInputCallServer) error {
				for {
					if _, err := s.Recv(); err == io.EOF {
						return s.SendAndClose(&pb.StreamingInputCallResponse{AggregatedPayloadSize: 1})
					}
				}
			}},
			call: func(ctx context.Context, c pb.TestServiceClient) error {
				s, err := c.StreamingInputCall(ctx)
				if err != nil {
					return err
				}
				s.Send(helloIn)
				s.Send(helloIn)
				_, err = s.CloseAndRecv()
				return err
			},
			wantClient: end{Name: service + "StreamingInputCall", Attrs: clientAttrs("StreamingInputCall", "OK", "rpc.grpc.sent_messages", "2", "rpc.grpc.sent_bytes", "14", "rpc.grpc.received_messages", "1", "rpc.grpc.received_bytes", "2")},
			wantServer: end{Name: service + "StreamingInputCall", Attrs: serverAttrs("StreamingInputCall", "OK", "rpc.grpc.sent_messages", "1", "rpc.grpc.sent_bytes", "2", "rpc.grpc.received_messages", "2", "rpc.grpc.received_bytes", "14")},
		},
		{
			rule: "the responses of a stream are counted",
			service: testService{output: func(_ *pb.StreamingOutputCallRequest, s pb.TestService_StreamingOutputCallServer) error {
				s.Send(helloOut)
				s.Send(helloOut)
				return s.Send(helloOut)
			}},
			call: func(ctx context.Context, c pb.TestServiceClient) error {
				s, err := c.StreamingOutputCall(ctx, helloDuplex)
				if err != nil {
					return err
				}
				return drain(s)
			},
			wantClient: end{Name: service + "StreamingOutputCall", Attrs: clientAttrs("StreamingOutputCall", "OK", "rpc.grpc.sent_messages", "1", "rpc.grpc.sent_bytes", "7", "rpc.grpc.received_messages", "3", "rpc.grpc.received_bytes", "21")},
			wantServer: end{Name: service + "StreamingOutputCall", Attrs: serverAttrs("StreamingOutputCall", "OK", "rpc.grpc.sent_messages", "3", "rpc.grpc.sent_bytes", "21", "rpc.grpc.received_messages", "1", "rpc.grpc.received_bytes", "7")},
		},
		{
			rule:    "both directions at once; the first messages are events",
			service: testService{duplex: echo},
			server:  grpcmw.Config{MessageEvents: 3},
			client:  grpcmw.ClientConfig{MessageEvents: 1},
			call: func(ctx context.Context, c pb.TestServiceClient) error {
				s, err := c.FullDuplexCall(ctx)
				if err != nil {
					return err
				}
				for range 2 {
					s.Send(helloDuplex)
					s.Recv()
				}
				s.CloseSend()
				return drain(s)
			},
			wantClient: end{Name: service + "FullDuplexCall", Attrs: clientAttrs("FullDuplexCall", "OK", "rpc.grpc.sent_messages", "2", "rpc.grpc.sent_bytes", "14", "rpc.grpc.received_messages", "2", "rpc.grpc.received_bytes", "14"), Events: []string{"rpc.message"}},
			wantServer: end{Name: service + "FullDuplexCall", Attrs: serverAttrs("FullDuplexCall", "OK", "rpc.grpc.sent_messages", "2", "rpc.grpc.sent_bytes", "14", "rpc.grpc.received_messages", "2", "rpc.grpc.received_bytes", "14"), Events: []string{"rpc.message", "rpc.message", "rpc.message"}},
		},
		{
			rule: "a stream that fails",
			service: testService{duplex: func(s pb.TestService_FullDuplexCallServer) error {
				s.Recv()
				return status.Error(codes.Internal, "lost my mind")
			}},
			call: func(ctx context.Context, c pb.TestServiceClient) error {
				s, err := c.FullDuplexCall(ctx)
				if err != nil {
					return err
				}
				s.Send(helloDuplex)
				return drain(s)
			},
			code:       codes.Internal,
			wantClient: end{Name: service + "FullDuplexCall", Status: otelcodes.Error, Description: "lost my mind", Attrs: clientAttrs("FullDuplexCall", "INTERNAL", "error.type", "INTERNAL", "rpc.grpc.sent_messages", "1", "rpc.grpc.sent_bytes", "7")},
			wantServer: end{Name: service + "FullDuplexCall", Status: otelcodes.Error, Description: "lost my mind", Attrs: serverAttrs("FullDuplexCall", "INTERNAL", "error.type", "INTERNAL", "rpc.grpc.received_messages", "1", "rpc.grpc.received_bytes", "7")},
		},
		{
			rule: "metadata is captured by allow-list",
			service: testService{unary: func(ctx context.Context, _ *pb.SimpleRequest) (*pb.SimpleResponse, error) {
				grpc.SetTrailer(ctx, metadata.Pairs("served-by", "pod-7", "other", "x"))
				return &pb.SimpleResponse{}, nil
			}},
			server: grpcmw.Config{Capture: capture},
			client: grpcmw.ClientConfig{Capture: capture},
			call: func(ctx context.Context, c pb.TestServiceClient) error {
				_, err := c.UnaryCall(metadata.AppendToOutgoingContext(ctx, "tenant", "a", "Tenant", "b", "other", "x"), &pb.SimpleRequest{})
				return err
			},
			wantClient: end{Name: service + "UnaryCall", Attrs: clientAttrs("UnaryCall", "OK", "rpc.request.metadata.tenant", `["a","b"]`, "rpc.response.metadata.served-by", `["pod-7"]`)},
			wantServer: end{Name: service + "UnaryCall", Attrs: serverAttrs("UnaryCall", "OK", "rpc.request.metadata.tenant", `["a","b"]`, "rpc.response.metadata.served-by", `["pod-7"]`)},
		},
		{
			rule: "metadata in the headers of a stream",
			service: testService{output: func(_ *pb.StreamingOutputCallRequest, s pb.TestService_StreamingOutputCallServer) error {
				return s.SendHeader(metadata.Pairs("served-by", "pod-7"))
			}},
			server: grpcmw.Config{Capture: capture},
			client: grpcmw.ClientConfig{Capture: capture},
			call: func(ctx context.Context, c pb.TestServiceClient) error {
				s, err := c.StreamingOutputCall(ctx, &pb.StreamingOutputCallRequest{})
				if err != nil {
					return err
				}
				return drain(s)
			},
			wantClient: end{Name: service + "StreamingOutputCall", Attrs: clientAttrs("StreamingOutputCall", "OK", "rpc.grpc.sent_messages", "1", "rpc.response.metadata.served-by", `["pod-7"]`)},
			wantServer: end{Name: service + "StreamingOutputCall", Attrs: serverAttrs("StreamingOutputCall", "OK", "rpc.grpc.received_messages", "1", "rpc.response.metadata.served-by", `["pod-7"]`)},
		},
		{
			rule: "who called is recorded if wanted",
			service: testService{unary: func(context.Context, *pb.SimpleRequest) (*pb.SimpleResponse, error) {
				return &pb.SimpleResponse{}, nil
			}},
			server: grpcmw.Config{PeerIdentity: true},
			call: func(ctx context.Context, c pb.TestServiceClient) error {
				_, err := c.UnaryCall(metadata.AppendToOutgoingContext(ctx, "l5d-client-id", "web.shop.serviceaccount.identity.linkerd.cluster.local"), &pb.SimpleRequest{})
				return err
			},
			wantClient: end{Name: service + "UnaryCall", Attrs: clientAttrs("UnaryCall", "OK")},
			wantServer: end{Name: service + "UnaryCall", Attrs: serverAttrs("UnaryCall", "OK", "rpc.grpc.peer_identity", "web.shop.serviceaccount.identity.linkerd.cluster.local")},
		},
		{
			rule: "the details of a status are recorded if wanted",
			service: testService{unary: func(context.Context, *pb.SimpleRequest) (*pb.SimpleResponse, error) {
				st, err := status.New(codes.Internal, "no").WithDetails(&pb.EchoStatus{Code: 5})
				if err != nil {
					panic(err)
				}
				return nil, st.Err()
			}},
			server: grpcmw.Config{StatusDetails: true},
			client: grpcmw.ClientConfig{StatusDetails: true},
			call: func(ctx context.Context, c pb.TestServiceClient) error {
				_, err := c.UnaryCall(ctx, &pb.SimpleRequest{})
				return err
			},
			code:       codes.Internal,
			wantClient: end{Name: service + "UnaryCall", Status: otelcodes.Error, Description: "no", Attrs: clientAttrs("UnaryCall", "INTERNAL", "error.type", "INTERNAL", "rpc.grpc.status_details", `["grpc.testing.EchoStatus{code:5}"]`)},
			wantServer: end{Name: service + "UnaryCall", Status: otelcodes.Error, Description: "no", Attrs: serverAttrs("UnaryCall", "INTERNAL", "error.type", "INTERNAL", "rpc.grpc.status_details", `["grpc.testing.EchoStatus{code:5}"]`)},
		},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			eachWiring(t, func(t *testing.T, w wired) {
				c := w.dial(t, &tt.service, tt.server, tt.client)
				if got := status.Code(tt.call(context.Background(), c)); got != tt.code {
					t.Fatalf("the call ends with %v, want %v", got, tt.code)
				}
				client, server := w.only(t, trace.SpanKindClient, 2), w.only(t, trace.SpanKindServer, 2)
				if diff := cmp.Diff(tt.wantClient.as(w, trace.SpanKindClient), endOf(client)); diff != "" {
					t.Errorf("client's span: -want +got\n%s", diff)
				}
				if diff := cmp.Diff(tt.wantServer.as(w, trace.SpanKindServer), endOf(server)); diff != "" {
					t.Errorf("server's span: -want +got\n%s", diff)
				}
				if p := server.Parent(); p.SpanID() != client.SpanContext().SpanID() || p.TraceID() != client.SpanContext().TraceID() || !p.IsRemote() {
					t.Errorf("the server's parent is %v, want the client's span %v", p, client.SpanContext())
				}
			})
		})
	}
}

// drain receives until a stream ends, and returns its error if that is not its end.
func drain(s interface {
	Recv() (*pb.StreamingOutputCallResponse, error)
}) error {
	for {
		switch _, err := s.Recv(); err {
		case nil:
		case io.EOF:
			return nil
		default:
			return err
		}
	}
}

// echo sends back what it receives.
func echo(s pb.TestService_FullDuplexCallServer) error {
	for {
		in, err := s.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.Send(&pb.StreamingOutputCallResponse{Payload: in.Payload}); err != nil {
			return err
		}
	}
}
