package benchmarks_test

// A figure means something only if the work was done. These tests decode what each contender
// exports in the very runs that are measured.

import (
	"errors"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/meshtrace/meshtrace/benchmarks/internal/contender"
	"github.com/meshtrace/meshtrace/benchmarks/internal/measure"
	"github.com/meshtrace/meshtrace/benchmarks/internal/receiver"
	"github.com/meshtrace/meshtrace/benchmarks/internal/service"
	"github.com/meshtrace/meshtrace/benchmarks/internal/workload"
)

// keep starts a receiver that keeps what arrives, and returns its URL.
func keep(t *testing.T) (*receiver.Receiver, string) {
	t.Helper()
	r := &receiver.Receiver{Keep: true}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	return r, server.URL
}

// spansOf returns what r got, none of which may be missing, refused, or there twice.
func spansOf(t *testing.T, r *receiver.Receiver, want int) []*tracepb.Span {
	t.Helper()
	spans, err := r.Spans()
	if err != nil {
		t.Fatal(err)
	}
	if counts := r.Counts(); len(spans) != want || counts.Spans != want || counts.Refused != 0 {
		t.Fatalf("%d spans decoded, %+v; want %d", len(spans), counts, want)
	}
	return spans
}

// measured runs a workload as compare does, but shortly, and returns the spans that arrived.
func measured(t *testing.T, w workload.Workload, name contender.Name) []*tracepb.Span {
	t.Helper()
	kept, url := keep(t)
	subject, err := measure.Start(measure.Settings{Workload: w.Name, Contender: name, Endpoint: url, Time: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	sample, err := subject.Sample()
	if err := errors.Join(err, subject.Close()); err != nil {
		t.Fatal(err)
	}
	if sample.Operations == 0 || sample.Used.CPU == 0 {
		t.Fatalf("nothing was measured: %+v", sample)
	}
	if exports := name != contender.None && w.Spans > 0; exports && sample.Spans < sample.Operations {
		t.Fatalf("%d spans of %d operations", sample.Spans, sample.Operations)
	}
	return spansOf(t, kept, sample.Spans)
}

func TestNoContenderLosesASpan(t *testing.T) {
	for _, w := range workload.All() {
		for _, name := range w.Contenders {
			t.Run(w.Name+"/lib="+string(name), func(t *testing.T) {
				t.Parallel()
				measured(t, w, name)
			})
		}
	}
}

func TestServerSpansTellTheRequest(t *testing.T) {
	for _, name := range []contender.Name{contender.Meshtrace, contender.OTel, contender.OTelDefaults} {
		t.Run("lib="+string(name), func(t *testing.T) {
			spans := measured(t, named(t, "server/sampled=yes"), name)
			if ids := spanIDs(spans); len(ids) != len(spans) {
				t.Errorf("%d spans have %d IDs", len(spans), len(ids))
			}
			for _, s := range spans {
				checkFamily(t, s, workload.CallersTraceID, workload.CallersSpanID)
				if s.Kind != tracepb.Span_SPAN_KIND_SERVER || s.Name != "GET /users/{id}" {
					t.Fatalf("%v %q", s.Kind, s.Name)
				}
				checkAttributes(t, s, serverAttributes)
			}
		})
	}
}

// serverAttributes are what the semantic conventions require of a server, or recommend.
var serverAttributes = map[string]string{
	"http.request.method":       "GET",
	"http.response.status_code": "200",
	"http.response.body.size":   "",
	"url.scheme":                "http",
	"url.path":                  "/users/42",
	"server.address":            "user-service.default.svc.cluster.local",
	"server.port":               "8080",
	"client.address":            "",
	"network.peer.address":      "10.42.0.17",
	"network.peer.port":         "48122",
	"network.protocol.version":  "1.1",
	"user_agent.original":       "",
}

func TestClientSpansTellTheRequest(t *testing.T) {
	for _, name := range []contender.Name{contender.Meshtrace, contender.OTel, contender.OTelDefaults} {
		t.Run("lib="+string(name), func(t *testing.T) {
			spans := measured(t, named(t, "client/sampled=yes"), name)
			servers, calls := ofKind(spans, tracepb.Span_SPAN_KIND_SERVER), ofKind(spans, tracepb.Span_SPAN_KIND_CLIENT)
			if len(servers) != 1 || len(calls) != len(spans)-1 {
				t.Fatalf("%d spans, of which %d of servers and %d of clients; want one of a server", len(spans), len(servers), len(calls))
			}
			for _, s := range calls {
				checkFamily(t, s, workload.CallersTraceID, hex(servers[0].SpanId))
				checkAttributes(t, s, clientAttributes)
			}
		})
	}
}

var clientAttributes = map[string]string{
	"http.request.method":       "GET",
	"http.response.status_code": "200",
	"server.address":            "profile-service.default.svc.cluster.local",
	"server.port":               "8080",
	"url.full":                  "",
}

func TestRPCSpansTellTheCall(t *testing.T) {
	for row, want := range rpcAttributes {
		for _, name := range []contender.Name{contender.Meshtrace, contender.OTel, contender.OTelDefaults} {
			t.Run(row+"/lib="+string(name), func(t *testing.T) {
				spans := measured(t, named(t, row), name)
				calls, parent := spans, workload.CallersSpanID
				if strings.HasPrefix(row, "grpc/client/") {
					calls = ofKind(spans, tracepb.Span_SPAN_KIND_CLIENT)
					parent = hex(ofKind(spans, tracepb.Span_SPAN_KIND_SERVER)[0].SpanId)
				}
				if len(calls) < workload.Pace {
					t.Fatalf("%d spans of calls", len(calls))
				}
				for _, s := range calls {
					checkFamily(t, s, workload.CallersTraceID, parent)
					checkAttributes(t, s, want)
					if s.Name != "grpc.testing.TestService/UnaryCall" {
						t.Fatalf("%q", s.Name)
					}
				}
			})
		}
	}
}

// rpcAttributes are what both record of a call.
var rpcAttributes = map[string]map[string]string{
	"grpc/server/sampled=yes": {
		"rpc.system.name":          "grpc",
		"rpc.method":               "grpc.testing.TestService/UnaryCall",
		"rpc.response.status_code": "OK",
	},
	"grpc/client/sampled=yes": {
		"rpc.system.name":          "grpc",
		"rpc.method":               "grpc.testing.TestService/UnaryCall",
		"rpc.response.status_code": "OK",
		"server.address":           "",
	},
}

// A contender that records less has less to do.
func TestMeshtraceRecordsAllThatOTelRecords(t *testing.T) {
	for row, kind := range map[string]tracepb.Span_SpanKind{
		"server/sampled=yes": tracepb.Span_SPAN_KIND_SERVER,
		"client/sampled=yes": tracepb.Span_SPAN_KIND_CLIENT,

		"grpc/server/sampled=yes": tracepb.Span_SPAN_KIND_SERVER,
		"grpc/client/sampled=yes": tracepb.Span_SPAN_KIND_CLIENT,
	} {
		recorded := func(name contender.Name) map[string]string {
			return attributesOf(ofKind(measured(t, named(t, row), name), kind)[0])
		}
		ours, theirs := recorded(contender.Meshtrace), recorded(contender.OTel)
		t.Logf("%s: meshtrace records %v, OpenTelemetry %v", row, ours, theirs)
		for _, key := range slices.Sorted(maps.Keys(theirs)) {
			if _, ok := ours[key]; !ok {
				t.Errorf("%s: OpenTelemetry records %s, and meshtrace does not", row, key)
			}
		}
	}
}

func TestContendersExportTheSameSpans(t *testing.T) {
	for _, row := range []string{"export/batch=512", "export/batch=512/interface=public"} {
		w := named(t, row)
		ours, theirs := measured(t, w, contender.Meshtrace), measured(t, w, contender.OTel)
		want := describe(theirs[0])
		for _, s := range slices.Concat(ours, theirs) {
			if got := describe(s); !maps.Equal(got, want) {
				t.Fatalf("%s: %v, want %v", row, got, want)
			}
		}
	}
}

// describe returns all of a span but what is random or a time.
func describe(s *tracepb.Span) map[string]string {
	all := attributesOf(s)
	all["name"], all["kind"], all["status"] = s.Name, s.Kind.String(), s.Status.GetCode().String()
	all["trace ID"], all["parent"] = hex(s.TraceId), hex(s.ParentSpanId)
	return all
}

func TestServiceSpansFormAChain(t *testing.T) {
	const requests = 40
	for _, name := range []contender.Name{contender.None, contender.Meshtrace, contender.OTel, contender.OTelDefaults} {
		t.Run("lib="+string(name), func(t *testing.T) {
			kept, url := keep(t)
			subject, err := service.Start(service.Settings{Contender: name, Endpoint: url, Requests: requests})
			if err != nil {
				t.Fatal(err)
			}
			sample, err := subject.Sample()
			if err := errors.Join(err, subject.Close()); err != nil {
				t.Fatal(err)
			}
			if sample.Operations != requests || sample.Used.CPU == 0 {
				t.Errorf("nothing was measured: %+v", sample)
			}
			checkChains(t, spansOf(t, kept, sample.Spans))
		})
	}
}

// checkChains checks that each client span has a server span of its own for a parent, and each
// server span the caller's.
func checkChains(t *testing.T, spans []*tracepb.Span) {
	t.Helper()
	servers := make(map[string]bool)
	for _, s := range ofKind(spans, tracepb.Span_SPAN_KIND_SERVER) {
		checkFamily(t, s, workload.CallersTraceID, workload.CallersSpanID)
		servers[hex(s.SpanId)] = true
	}
	for _, s := range ofKind(spans, tracepb.Span_SPAN_KIND_CLIENT) {
		if parent := hex(s.ParentSpanId); servers[parent] {
			delete(servers, parent)
		} else {
			t.Errorf("%s is nobody's child", s.Name)
		}
	}
	if len(servers) > 0 {
		t.Errorf("%d server spans have no child", len(servers))
	}
}
