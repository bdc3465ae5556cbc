package exporter_test

import (
	"strings"
	"testing"

	"github.com/meshtrace/meshtrace/exporter"
)

const (
	otlpType   = "application/x-protobuf"
	grpcType   = "application/grpc"
	thriftType = "application/vnd.apache.thrift.binary"
)

func TestEndpoint(t *testing.T) {
	for _, tt := range []struct {
		rule     string
		endpoint string
		url      string
		protocol string
	}{
		{"the default is a collector on this machine", "", "http://localhost:4318/v1/traces", otlpType},
		{"http has OTLP's path", "http://example.com:4318", "http://example.com:4318/v1/traces", otlpType},
		{"https too", "https://example.com", "https://example.com/v1/traces", otlpType},
		{"a lone slash is no path", "http://example.com/", "http://example.com/v1/traces", otlpType},
		{"a path is kept", "http://example.com/ingest/otlp", "http://example.com/ingest/otlp", otlpType},
		{"with its slash", "http://example.com/ingest/", "http://example.com/ingest/", otlpType},
		{"and as it is escaped", "http://example.com/a%2Fb", "http://example.com/a%2Fb", otlpType},
		{"a query is kept", "https://example.com?key=a%20b", "https://example.com/v1/traces?key=a%20b", otlpType},
		{"user information is not in the URL", "https://jane:pw@example.com", "https://example.com/v1/traces", otlpType},
		{"IPv6", "http://[::1]:4318", "http://[::1]:4318/v1/traces", otlpType},
		{"jaeger+http has its port and path", "jaeger+http://example.com", "http://example.com:14268/api/traces", thriftType},
		{"jaeger+https too", "jaeger+https://example.com", "https://example.com:14268/api/traces", thriftType},
		{"a port is kept", "jaeger+http://example.com:80", "http://example.com:80/api/traces", thriftType},
		{"a path does not change the port", "jaeger+http://example.com/x", "http://example.com:14268/x", thriftType},
		{"IPv6 without a port", "jaeger+http://[2001:db8::1]", "http://[2001:db8::1]:14268/api/traces", thriftType},
		{"IPv6 with a zone", "jaeger+http://[fe80::1%25eth0]", "http://[fe80::1%25eth0]:14268/api/traces", thriftType},
		{"grpc has its port and method", "grpc://example.com", "http://example.com:4317/opentelemetry.proto.collector.trace.v1.TraceService/Export", grpcType},
		{"grpcs too", "grpcs://example.com/", "https://example.com:4317/opentelemetry.proto.collector.trace.v1.TraceService/Export", grpcType},
		{"jaeger+grpc has its own", "jaeger+grpc://example.com", "http://example.com:14250/jaeger.api_v2.CollectorService/PostSpans", grpcType},
		{"jaeger+grpcs too", "jaeger+grpcs://[::1]", "https://[::1]:14250/jaeger.api_v2.CollectorService/PostSpans", grpcType},
		{"a port is kept with grpc", "grpc://jane:pw@example.com:443", "http://example.com:443/opentelemetry.proto.collector.trace.v1.TraceService/Export", grpcType},
		{"a scheme in capitals", "JAEGER+HTTP://example.com", "http://example.com:14268/api/traces", thriftType},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			var c collector
			e := c.start(t, exporter.Config{Endpoint: tt.endpoint})
			e.Consume(newRecord(1))
			if err := e.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			r := c.asked()[0]
			if got := r.URL.String(); got != tt.url {
				t.Errorf("%q is asked as %q, want %q", tt.endpoint, got, tt.url)
			}
			if got := r.Header.Get("Content-Type"); got != tt.protocol {
				t.Errorf("%q is %q, want %q", tt.endpoint, got, tt.protocol)
			}
		})
	}
}

func TestEndpointIsRefused(t *testing.T) {
	const schemes = "the scheme must be one of grpc, grpcs, http, https, jaeger+grpc, jaeger+grpcs, jaeger+http, jaeger+https"
	for _, tt := range []struct {
		rule     string
		endpoint string
		want     string
	}{
		{"unknown scheme", "ftp://example.com", `Endpoint "ftp://example.com": ` + schemes},
		{"no scheme", "example.com/x", `Endpoint "example.com/x": ` + schemes},
		{"a port that looks like one", "localhost:4318", `Endpoint "localhost:4318": ` + schemes},
		{"no host", "http:///v1/traces", `Endpoint "http:///v1/traces": must name a host`},
		{"a port without a host", "http://:4318", `Endpoint "http://:4318": must name a host`},
		{"no authority", "http:example.com", `Endpoint "http:example.com": must name a host`},
		{"gRPC with a path", "grpc://example.com/v1/traces", `Endpoint "grpc://example.com/v1/traces": must not have a path or query`},
		{"gRPC with a query", "jaeger+grpcs://example.com?key=secret", `Endpoint "jaeger+grpcs://example.com": must not have a path or query`},
		{"fragment", "http://example.com#top", `Endpoint "http://example.com": must not have a fragment`},
		{"port out of range", "http://example.com:70000", `Endpoint "http://example.com:70000": the port must be from 1 to 65535`},
		{"port 0", "http://example.com:0", "the port must be from 1 to 65535"},
		{"colon without a port", "http://example.com:/x", "the port must be from 1 to 65535"},
		{"port of letters", "http://example.com:http", "must be a URL"},
		{"space", "http://exa mple.com", "must be a URL"},
		{"control character", "http://example.com/\n", `Endpoint "http://example.com/\n": must be a URL`},
		{"bad escape", "http://example.com/%zz", "must be a URL"},
		{"open bracket", "http://[::1", "must be a URL"},
		{"long", "ftp://" + strings.Repeat("x", 100), `"ftp://` + strings.Repeat("x", 58) + `"`},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			e, err := exporter.New(exporter.Config{Endpoint: tt.endpoint})
			checkError(t, err, "exporter: Endpoint ", tt.want)
			if e != nil {
				t.Error("an exporter was made")
			}
		})
	}
}

func TestEndpointsSecretsAreNotShown(t *testing.T) {
	for _, endpoint := range []string{
		"ftp://jane:secret@example.com",
		"ftp://secret@example.com/path",
		"http://jane:secret@example.com:99999",
		"http://jane:sec%zzret@example.com",
		"http://jane:/secret@example.com",
		"http://jane:?secret@example.com",
		"http://jane:#secret@example.com",
		"http://jane:a@secret@example.com:x",
		"jane:secret@example.com",
		"http:jane:secret@example.com",
		"ftp://example.com?key=secret",
		"ftp://example.com#secret",
		"jane:secret@ftp://example.com",
		"example.com?key=secret://x",
	} {
		_, err := exporter.New(exporter.Config{Endpoint: endpoint})
		checkError(t, err, "Endpoint")
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s", err)
		}
	}
}
