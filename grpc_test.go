package meshtrace_test

// Spans over gRPC, by the variables that OpenTelemetry has for it.

import (
	"context"
	"encoding/pem"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	grpcgo "google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"

	"github.com/meshtrace/meshtrace"
)

// grpcReceiver is an OTLP server of grpc-go's.
type grpcReceiver struct {
	coltrace.UnimplementedTraceServiceServer

	spans    chan string // names
	metadata chan metadata.MD
}

func newGRPCReceiver(t *testing.T, opts ...grpcgo.ServerOption) (r *grpcReceiver, address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r = &grpcReceiver{spans: make(chan string, 10), metadata: make(chan metadata.MD, 10)}
	server := grpcgo.NewServer(opts...)
	coltrace.RegisterTraceServiceServer(server, r)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		<-served
	})
	return r, listener.Addr().String()
}

func (r *grpcReceiver) Export(ctx context.Context, req *coltrace.ExportTraceServiceRequest) (*coltrace.ExportTraceServiceResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	r.metadata <- md
	r.spans <- req.ResourceSpans[0].ScopeSpans[0].Spans[0].Name
	return new(coltrace.ExportTraceServiceResponse), nil
}

// withTLS returns what a server needs for TLS, and a file with the certificate that its clients do.
func withTLS(t *testing.T) (grpcgo.ServerOption, string) {
	t.Helper()
	lender := httptest.NewTLSServer(nil) // of a certificate for 127.0.0.1
	defer lender.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: lender.Certificate().Raw}
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return grpcgo.Creds(credentials.NewServerTLSFromCert(&lender.TLS.Certificates[0])), file
}

func TestSpansGoByGRPC(t *testing.T) {
	creds, certificate := withTLS(t)
	type env map[string]string
	for _, tt := range []struct {
		rule string
		tls  bool
		env  env // ADDR stands for the receiver's
		cfg  meshtrace.Config
	}{
		{"the endpoint's scheme says it", false, nil, meshtrace.Config{Endpoint: "grpc://ADDR"}},
		{"http is without TLS", false, env{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://ADDR"}, meshtrace.Config{}},
		{"https is with TLS", true, env{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "https://ADDR/"}, meshtrace.Config{}},
		{"without a scheme there is TLS", true, env{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "ADDR"}, meshtrace.Config{}},
		{"unless a variable says no", false, env{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "ADDR", "OTEL_EXPORTER_OTLP_INSECURE": "true"}, meshtrace.Config{}},
		{"the traces variables come first", false, env{
			"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
			"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://ADDR", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
		}, meshtrace.Config{}},
		{"a scheme of ours needs no protocol", false, env{"OTEL_EXPORTER_OTLP_ENDPOINT": "grpc://ADDR"}, meshtrace.Config{}},
		{"and means the same with one", false, env{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "grpc://ADDR"}, meshtrace.Config{}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			clearEnv(t)
			var opts []grpcgo.ServerOption
			if tt.tls {
				opts = append(opts, creds)
				t.Setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", certificate)
			}
			receiver, address := newGRPCReceiver(t, opts...)
			for name, value := range tt.env {
				t.Setenv(name, strings.ReplaceAll(value, "ADDR", address))
			}
			t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=a%20key")
			tt.cfg.Endpoint = strings.ReplaceAll(tt.cfg.Endpoint, "ADDR", address)
			tt.cfg.NoGlobals = true
			tracing, err := meshtrace.Start(t.Context(), tt.cfg)
			if err != nil {
				t.Fatal(err)
			}
			_, span := tracing.TracerProvider().Tracer("test").Start(t.Context(), "work")
			span.End()
			if err := tracing.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			if name := <-receiver.spans; name != "work" {
				t.Errorf("span %q arrived", name)
			}
			if md := <-receiver.metadata; len(md["x-api-key"]) != 1 || md["x-api-key"][0] != "a key" {
				t.Errorf("metadata %v", md)
			}
		})
	}
}

func TestEndpointFromTheEnvironment(t *testing.T) {
	type env map[string]string
	for _, tt := range []struct {
		rule string
		env  env
		want string // or the error
	}{
		{"OTLP over HTTP", env{}, "http://localhost:4318"},
		{"OTLP over gRPC", env{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "grpc://localhost:4317"},
		{"a URL without TLS", env{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "HTTP://collector"}, "grpc://collector"},
		{"a URL with TLS", env{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "https://u:p@collector:1"}, "grpcs://u:p@collector:1"},
		{"whatever the other variable says", env{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector", "OTEL_EXPORTER_OTLP_INSECURE": "true"}, "grpcs://collector"},
		{"host and port", env{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"}, "grpcs://collector:4317"},
		{"host and port without TLS", env{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317", "OTEL_EXPORTER_OTLP_TRACES_INSECURE": "TRUE"}, "grpc://collector:4317"},
		{"Jaeger's variable, if OTLP's have no endpoint", env{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "JAEGER_ENDPOINT": "http://jaeger:14268"}, "jaeger+http://jaeger:14268"},
		{"and with HTTP", env{"JAEGER_ENDPOINT": "http://jaeger:14268"}, "jaeger+http://jaeger:14268"},
		{"but OTLP's come first", env{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector", "JAEGER_ENDPOINT": "http://jaeger:14268"}, "grpc://collector"},
		{"a scheme of ours has no path put behind", env{"OTEL_EXPORTER_OTLP_ENDPOINT": "jaeger+grpc://jaeger"}, "jaeger+grpc://jaeger"},
		{"an unknown protocol", env{"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, `meshtrace: OTEL_EXPORTER_OTLP_PROTOCOL "http/json": must be http/protobuf or grpc`},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			got, err := meshtrace.EndpointFrom(func(name string) string { return tt.env[name] })
			if err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
