package meshtrace_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/proto"

	"github.com/meshtrace/meshtrace"
	"github.com/meshtrace/meshtrace/exporter"
	"github.com/meshtrace/meshtrace/httpmw"
	"github.com/meshtrace/meshtrace/sampler"
)

// receiver is an OTLP/HTTP receiver that answers as status says.
type receiver struct {
	*httptest.Server
	status   int
	requests chan received
}

type received struct {
	path   string
	header http.Header
	body   *coltrace.ExportTraceServiceRequest
}

func newReceiver(t *testing.T, status int) *receiver {
	rec := &receiver{status: status, requests: make(chan received, 100)}
	rec.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := received{path: r.URL.Path, header: r.Header, body: new(coltrace.ExportTraceServiceRequest)}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if err := proto.Unmarshal(body, got.body); err != nil {
			t.Error(err)
		}
		rec.requests <- got
		w.WriteHeader(rec.status)
	}))
	t.Cleanup(rec.Close)
	return rec
}

// resourceOf returns the resource attributes that are strings.
func resourceOf(got received) map[string]string {
	attrs := make(map[string]string)
	for _, kv := range got.body.ResourceSpans[0].Resource.Attributes {
		attrs[kv.Key] = kv.Value.GetStringValue()
	}
	return attrs
}

// clearEnv unsets every variable that Start reads, whatever the machine has.
func clearEnv(t *testing.T) {
	for _, name := range []string{
		"OTEL_SDK_DISABLED", "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_TRACES_EXPORTER",
		"OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "OTEL_PROPAGATORS",
		"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS",
		"OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_INSECURE", "OTEL_EXPORTER_OTLP_COMPRESSION", "OTEL_EXPORTER_OTLP_TIMEOUT",
		"OTEL_EXPORTER_OTLP_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_KEY",
		"OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_INSECURE", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
		"OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY",
		"JAEGER_ENDPOINT", "JAEGER_SERVICE_NAME",
		"OTEL_INSTRUMENTATION_HTTP_SERVER_CAPTURE_REQUEST_HEADERS", "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS",
	} {
		t.Setenv(name, "")
	}
}

// oneSpan starts tracing as cfg says, records one span, shuts down, and returns what arrived.
func oneSpan(t *testing.T, rec *receiver, cfg meshtrace.Config) received {
	t.Helper()
	cfg.NoGlobals = true
	tracing, err := meshtrace.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	_, span := tracing.TracerProvider().Tracer("test").Start(t.Context(), "work")
	span.End()
	if err := tracing.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	return <-rec.requests
}

func TestWhereSpansGo(t *testing.T) {
	for _, tt := range []struct {
		rule string
		env  map[string]string // URL stands for the receiver's
		cfg  meshtrace.Config
		want string // path
	}{
		{"the endpoint's default path", nil, meshtrace.Config{Endpoint: "URL"}, "/v1/traces"},
		{"the endpoint's own path", nil, meshtrace.Config{Endpoint: "URL/own"}, "/own"},
		{"the traces variable is taken as it is", map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "URL/as/is"}, meshtrace.Config{}, "/as/is"},
		{"the variable for all signals has the path put behind", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "URL/base/"}, meshtrace.Config{}, "/base/v1/traces"},
		{"the traces variable comes before that for all signals", map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "URL/t", "OTEL_EXPORTER_OTLP_ENDPOINT": "URL/all"}, meshtrace.Config{}, "/t"},
		{"a setting comes before the environment", map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1"}, meshtrace.Config{Endpoint: "URL/set"}, "/set"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			clearEnv(t)
			rec := newReceiver(t, http.StatusOK)
			for name, value := range tt.env {
				t.Setenv(name, strings.ReplaceAll(value, "URL", rec.URL))
			}
			tt.cfg.Endpoint = strings.ReplaceAll(tt.cfg.Endpoint, "URL", rec.URL)
			if got := oneSpan(t, rec, tt.cfg); got.path != tt.want {
				t.Errorf("posted to %q, want %q", got.path, tt.want)
			}
		})
	}
}

func TestHeadersComeFromTheEnvironment(t *testing.T) {
	clearEnv(t)
	rec := newReceiver(t, http.StatusOK)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=a%20key, x-tenant = blue")
	got := oneSpan(t, rec, meshtrace.Config{Endpoint: rec.URL}).header
	if diff := cmp.Diff([]string{"a key", "blue"}, []string{got.Get("X-Api-Key"), got.Get("X-Tenant")}); diff != "" {
		t.Error(diff)
	}
}

func TestServiceName(t *testing.T) {
	name := func(s string) *resource.Resource {
		return resource.NewSchemaless(attribute.String("service.name", s))
	}
	for _, tt := range []struct {
		rule string
		env  map[string]string
		cfg  meshtrace.Config
		want string
	}{
		{"Service comes first", map[string]string{"OTEL_SERVICE_NAME": "env"}, meshtrace.Config{Service: "cfg", Resource: name("res")}, "cfg"},
		{"then Resource", map[string]string{"OTEL_SERVICE_NAME": "env"}, meshtrace.Config{Resource: name("res")}, "res"},
		{"then OTEL_SERVICE_NAME", map[string]string{"OTEL_SERVICE_NAME": "env", "OTEL_RESOURCE_ATTRIBUTES": "service.name=attr"}, meshtrace.Config{}, "env"},
		{"then OTEL_RESOURCE_ATTRIBUTES", map[string]string{"OTEL_RESOURCE_ATTRIBUTES": "service.name=attr", "JAEGER_SERVICE_NAME": "old"}, meshtrace.Config{}, "attr"},
		{"then JAEGER_SERVICE_NAME", map[string]string{"JAEGER_SERVICE_NAME": "old"}, meshtrace.Config{}, "old"},
		{"then the executable's name", nil, meshtrace.Config{}, "meshtrace.test"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			clearEnv(t)
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			rec := newReceiver(t, http.StatusOK)
			tt.cfg.Endpoint = rec.URL
			if got := resourceOf(oneSpan(t, rec, tt.cfg))["service.name"]; got != tt.want {
				t.Errorf("service.name %q, want %q", got, tt.want)
			}
		})
	}
}

func TestThePodIsDescribedFromTheDownwardAPI(t *testing.T) {
	clearEnv(t)
	t.Setenv("POD_NAME", "plain")
	t.Setenv("K8S_POD_NAME", "specific")
	t.Setenv("POD_IP", "10.1.2.3")
	rec := newReceiver(t, http.StatusOK)
	got := resourceOf(oneSpan(t, rec, meshtrace.Config{Endpoint: rec.URL}))
	if got["k8s.pod.name"] != "specific" || got["k8s.pod.ip"] != "10.1.2.3" {
		t.Errorf("resource %v", got)
	}
}

func TestSamplerFromTheEnvironment(t *testing.T) {
	for _, tt := range []struct {
		name, arg string
		sampled   bool
	}{
		{"", "", true},
		{"always_on", "", true},
		{"always_off", "", false},
		{"traceidratio", "0", false},
		{"traceidratio", "1.0", true},
		{"parentbased_always_on", "", true},
		{"parentbased_always_off", "", false},
		{"parentbased_traceidratio", "0.0", false},
	} {
		t.Run(tt.name+" "+tt.arg, func(t *testing.T) {
			clearEnv(t)
			t.Setenv("OTEL_TRACES_SAMPLER", tt.name)
			t.Setenv("OTEL_TRACES_SAMPLER_ARG", tt.arg)
			tracing, err := meshtrace.Start(t.Context(), meshtrace.Config{NoGlobals: true, Endpoint: newReceiver(t, http.StatusOK).URL})
			if err != nil {
				t.Fatal(err)
			}
			_, span := tracing.TracerProvider().Tracer("test").Start(t.Context(), "work")
			span.End()
			if got := span.SpanContext().IsSampled(); got != tt.sampled {
				t.Errorf("sampled %v, want %v", got, tt.sampled)
			}
			if err := tracing.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestEveryBadSettingIsNamedAtOnce(t *testing.T) {
	clearEnv(t)
	t.Setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
	t.Setenv("OTEL_TRACES_SAMPLER_ARG", "50")
	t.Setenv("OTEL_PROPAGATORS", "tracecontext,morse")
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "soon")
	t.Setenv("OTEL_TRACES_EXPORTER", "fax")
	t.Setenv("OTEL_INSTRUMENTATION_HTTP_SERVER_CAPTURE_REQUEST_HEADERS", "no token")
	_, err := meshtrace.Start(t.Context(), meshtrace.Config{
		Endpoint: "gopher://user:secret@collector:70/",
		Headers:  map[string]string{"": "x"},
		Batch:    exporter.Batch{MaxSpans: -1},
	})
	if err == nil {
		t.Fatal("all was accepted")
	}
	for _, name := range []string{
		"OTEL_TRACES_SAMPLER_ARG", "OTEL_PROPAGATORS", "morse", "OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_TRACES_EXPORTER",
		"gopher", "Headers", "Batch.MaxSpans", "OTEL_INSTRUMENTATION_HTTP_SERVER_CAPTURE_REQUEST_HEADERS",
	} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("the error does not name %s", name)
		}
	}
	if strings.Contains(err.Error(), "secret") {
		t.Error("the error shows the password")
	}
	t.Log(err)
}

// Whoever sets a variable has never heard of the setting that it stands for.
func TestABadVariableIsNamed(t *testing.T) {
	for _, tt := range []struct{ name, value, protocol string }{
		{"OTEL_SDK_DISABLED", "1", ""},
		{"OTEL_TRACES_EXPORTER", "zipkin", ""},
		{"OTEL_TRACES_SAMPLER", "jaeger_remote", ""},
		{"OTEL_PROPAGATORS", "ottrace", ""},
		{"OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", ""},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", ""},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "gopher://collector:4318", ""},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:4318/v1/traces", ""},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://collector/v1/traces", "grpc"},
		{"OTEL_EXPORTER_OTLP_TRACES_INSECURE", "yes", "grpc"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "api key=x", ""},
		{"OTEL_EXPORTER_OTLP_TRACES_HEADERS", "grpc-key=x", "grpc"},
		{"OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", ""},
		{"OTEL_EXPORTER_OTLP_TIMEOUT", "10s", ""},
		{"OTEL_EXPORTER_OTLP_CERTIFICATE", "/no/such/file", ""},
		{"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/no/such/file", ""},
		{"OTEL_EXPORTER_OTLP_CLIENT_KEY", "/a/key/without/certificate", ""},
		{"OTEL_RESOURCE_ATTRIBUTES", "service.name", ""},
		{"JAEGER_ENDPOINT", "collector:14268", ""},
	} {
		t.Run(tt.name+"="+tt.value, func(t *testing.T) {
			clearEnv(t)
			t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", tt.protocol)
			t.Setenv(tt.name, tt.value)
			_, err := meshtrace.Start(t.Context(), meshtrace.Config{NoGlobals: true})
			if err == nil || !strings.Contains(err.Error(), tt.name) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v", err)
			}
		})
	}
}

// Case does not matter where a variable has one of a few words.
func TestWordsInAnyCase(t *testing.T) {
	clearEnv(t)
	rec := newReceiver(t, http.StatusOK)
	for name, value := range map[string]string{
		"OTEL_SDK_DISABLED":                  "False",
		"OTEL_TRACES_EXPORTER":               "OTLP",
		"OTEL_TRACES_SAMPLER":                "ParentBased_Always_On",
		"OTEL_PROPAGATORS":                   "TraceContext",
		"OTEL_EXPORTER_OTLP_PROTOCOL":        "HTTP/Protobuf",
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": rec.URL,
		"OTEL_EXPORTER_OTLP_COMPRESSION":     "None",
	} {
		t.Setenv(name, value)
	}
	if got := oneSpan(t, rec, meshtrace.Config{}); len(got.body.ResourceSpans) != 1 {
		t.Errorf("%d resources", len(got.body.ResourceSpans))
	}
}

func TestSecretsInTheEnvironmentAreNotShown(t *testing.T) {
	for name, value := range map[string]string{
		"OTEL_EXPORTER_OTLP_HEADERS":         "authorization=secret%zz",
		"OTEL_EXPORTER_OTLP_ENDPOINT":        "http://user:secret@ho st",
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "ftp://user:secret@host",
		"JAEGER_ENDPOINT":                    "ftp://user:secret@host",
	} {
		t.Run(name, func(t *testing.T) {
			clearEnv(t)
			t.Setenv(name, value)
			_, err := meshtrace.Start(t.Context(), meshtrace.Config{})
			if err == nil || strings.Contains(err.Error(), "secret") {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestDisabledPassesThrough(t *testing.T) {
	for name, value := range map[string]string{"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "none"} {
		t.Run(name, func(t *testing.T) {
			clearEnv(t)
			t.Setenv(name, value)
			tracing, err := meshtrace.Start(t.Context(), meshtrace.Config{NoGlobals: true})
			if err != nil {
				t.Fatal(err)
			}
			_, span := tracing.TracerProvider().Tracer("test").Start(t.Context(), "work")
			if span.IsRecording() || span.SpanContext().IsValid() {
				t.Error("a span was made")
			}
			if err := tracing.Shutdown(t.Context()); err != nil || tracing.Stats() != (meshtrace.Stats{}) {
				t.Errorf("Shutdown: %v, Stats: %+v", err, tracing.Stats())
			}
		})
	}
}

func TestProcessorsWithoutExporter(t *testing.T) {
	clearEnv(t)
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	spans := tracetest.NewSpanRecorder()
	tracing, err := meshtrace.Start(t.Context(), meshtrace.Config{NoGlobals: true, Processors: []sdktrace.SpanProcessor{spans}})
	if err != nil {
		t.Fatal(err)
	}
	_, span := tracing.TracerProvider().Tracer("test").Start(t.Context(), "work")
	span.End()
	if len(spans.Ended()) != 1 {
		t.Errorf("%d spans", len(spans.Ended()))
	}
	if diff := cmp.Diff(meshtrace.Stats{Started: 1, Exported: 1}, tracing.Stats()); diff != "" {
		t.Error(diff)
	}
	if err := tracing.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestStartSetsTheGlobalsUnlessToldNotTo(t *testing.T) {
	clearEnv(t)
	provider, propagator := otel.GetTracerProvider(), otel.GetTextMapPropagator()
	rec := newReceiver(t, http.StatusOK)
	for _, noGlobals := range []bool{true, false} {
		tracing, err := meshtrace.Start(t.Context(), meshtrace.Config{Endpoint: rec.URL, NoGlobals: noGlobals})
		if err != nil {
			t.Fatal(err)
		}
		set := otel.GetTracerProvider() == tracing.TracerProvider() && otel.GetTextMapPropagator() == tracing.Propagator()
		kept := otel.GetTracerProvider() == provider && otel.GetTextMapPropagator() == propagator
		if set == noGlobals || kept != noGlobals {
			t.Errorf("NoGlobals %v: set %v, kept %v", noGlobals, set, kept)
		}
		if err := tracing.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestHeadersToRecordComeFromTheEnvironment(t *testing.T) {
	clearEnv(t)
	provider, propagator := otel.GetTracerProvider(), otel.GetTextMapPropagator()
	t.Cleanup(func() {
		otel.SetTracerProvider(provider)
		otel.SetTextMapPropagator(propagator)
		httpmw.SetDefaults(httpmw.Defaults{})
	})
	t.Setenv("OTEL_INSTRUMENTATION_HTTP_SERVER_CAPTURE_REQUEST_HEADERS", "X-Tenant")
	rec := newReceiver(t, http.StatusOK)
	tracing, err := meshtrace.Start(t.Context(), meshtrace.Config{Endpoint: rec.URL})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("X-Tenant", "blue")
	httpmw.Wrap(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
	if err := tracing.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := (<-rec.requests).body.ResourceSpans[0].ScopeSpans[0].Spans[0].Attributes
	if !slices.ContainsFunc(got, func(kv *common.KeyValue) bool { return kv.Key == "http.request.header.x-tenant" }) {
		t.Errorf("recorded %v", got)
	}
}

func TestStatsAndShutdownAccountForEverySpan(t *testing.T) {
	clearEnv(t)
	half, err := sampler.Percent(50)
	if err != nil {
		t.Fatal(err)
	}
	rec := newReceiver(t, http.StatusServiceUnavailable)
	tracing, err := meshtrace.Start(t.Context(), meshtrace.Config{
		Endpoint: rec.URL, NoGlobals: true, Sampler: half, OnError: func(error) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	tracer := tracing.TracerProvider().Tracer("test")
	const n = 1000
	for range n {
		_, span := tracer.Start(t.Context(), "work")
		span.End()
	}
	_, open := tracer.Start(t.Context(), "never ends")
	for !open.SpanContext().IsSampled() {
		open.End()
		_, open = tracer.Start(t.Context(), "never ends")
	}
	before := tracing.Stats()
	if before.Started != before.Unsampled+before.InFlight || before.Exported != 0 || before.Started <= n {
		t.Errorf("before: %+v", before)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	err = tracing.Shutdown(ctx)
	if err == nil || !strings.Contains(err.Error(), "status 503") || !strings.Contains(err.Error(), "1 spans had not ended") {
		t.Errorf("Shutdown: %v", err)
	}
	after := tracing.Stats()
	want := meshtrace.Stats{Started: before.Started, Unsampled: before.Unsampled, InFlight: 1}
	want.Dropped.Shutdown = before.InFlight - 1
	if diff := cmp.Diff(want, after); diff != "" {
		t.Error(diff)
	}
	open.End()
	want.Dropped.Shutdown, want.InFlight = want.Dropped.Shutdown+1, 0
	if diff := cmp.Diff(want, tracing.Stats()); diff != "" {
		t.Error("after the last span ended:", diff)
	}
}
