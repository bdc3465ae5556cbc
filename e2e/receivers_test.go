package e2e_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/e2e/internal/jaegertest"
)

var receiverTests = []struct {
	protocol string
	send     func(context.Context, jaegertest.Endpoints) error
}{
	{"OTLP over HTTP", sendOTLPHTTP},
	{"OTLP over gRPC", sendOTLPGRPC},
	{"Thrift over HTTP", sendThriftHTTP},
	{"compact Thrift over UDP", sendThriftCompact},
	{"Jaeger's model over gRPC", sendModel},
	{"Zipkin JSON over HTTP", sendZipkin},
}

// Each receiver of Jaeger takes a trace that somebody else's types have encoded, and the query
// client returns it: a failure elsewhere in this package is not the harness's.
func TestReceivers(t *testing.T) {
	for _, tt := range receiverTests {
		t.Run(tt.protocol, func(t *testing.T) {
			t.Parallel()
			server, ctx := startJaeger(t), deadline(t)
			if err := tt.send(ctx, server.Endpoints); err != nil {
				t.Fatal(err)
			}
			got, err := server.Query().AwaitTrace(ctx, sent[0].TraceID, len(sent))
			if err != nil {
				t.Fatal(err)
			}
			slices.SortFunc(got, func(a, b jaegertest.Span) int { return strings.Compare(a.ID, b.ID) })
			if diff := cmp.Diff(sent, got); diff != "" {
				t.Errorf("trace (-sent +got):\n%s", diff)
			}
			ui, err := server.Query().UITrace(ctx, sent[0].TraceID)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range sent {
				if failed := ui[s.ID].Tags["error"] == true; failed != (s.Status.Code == "error") {
					t.Errorf("the interface shows %q as an error: %t, status is %v", s.Name, failed, s.Status)
				}
			}
		})
	}
}

// A trace that nobody has sent is not there, and a service that has sent nothing is not known.
func TestNothingSent(t *testing.T) {
	t.Parallel()
	query, ctx := startJaeger(t).Query(), deadline(t)
	if spans, err := query.Trace(ctx, sent[0].TraceID); err != nil || spans != nil {
		t.Errorf("Trace = %v, %v, want none", spans, err)
	}
	if spans, err := query.UITrace(ctx, sent[0].TraceID); err != nil || spans != nil {
		t.Errorf("UITrace = %v, %v, want none", spans, err)
	}
	if traces, err := query.Traces(ctx, ""); err != nil || len(traces) != 0 {
		t.Errorf("Traces = %v, %v, want none", traces, err)
	}
	if services, err := query.Services(ctx); err != nil || len(services) != 0 {
		t.Errorf("Services = %v, %v, want none", services, err)
	}
}

// Traces are found by the name of any service in them.
func TestTracesOfService(t *testing.T) {
	t.Parallel()
	server, ctx := startJaeger(t), deadline(t)
	if err := sendOTLPHTTP(ctx, server.Endpoints); err != nil {
		t.Fatal(err)
	}
	services, err := server.Query().Services(ctx)
	if want := []string{sent[0].Service()}; err != nil || !slices.Equal(services, want) {
		t.Errorf("Services = %v, %v, want %v", services, err, want)
	}
	for service, want := range map[string]int{sent[0].Service(): 1, "": 1, "nobody": 0} {
		traces, err := server.Query().Traces(ctx, service)
		if err != nil {
			t.Fatal(err)
		}
		if len(traces) != want || want == 1 && len(traces[sent[0].TraceID]) != len(sent) {
			t.Errorf("Traces(%q) = %v, want %d", service, traces, want)
		}
	}
}

// sent is a trace that every protocol can carry: times in microseconds, attributes that are
// strings.
var sent = []jaegertest.Span{
	{
		TraceID:  "4bf92f3577b34da6a3ce929d0e0e4736",
		ID:       "00f067aa0ba902b7",
		Name:     "GET /users",
		Kind:     trace.SpanKindServer,
		Start:    time.Date(2026, 1, 2, 3, 4, 5, 6_000, time.UTC),
		End:      time.Date(2026, 1, 2, 3, 4, 5, 9_000, time.UTC),
		Status:   jaegertest.Status{Code: "error"},
		Attrs:    jaegertest.Attrs{"http.route": "/users"},
		Resource: jaegertest.Attrs{"service.name": "user-service"},
	},
	{
		TraceID:  "4bf92f3577b34da6a3ce929d0e0e4736",
		ID:       "00f067aa0ba902b8",
		ParentID: "00f067aa0ba902b7",
		Name:     "GET",
		Kind:     trace.SpanKindClient,
		Start:    time.Date(2026, 1, 2, 3, 4, 5, 7_000, time.UTC),
		End:      time.Date(2026, 1, 2, 3, 4, 5, 8_000, time.UTC),
		Status:   jaegertest.Status{Code: "unset"},
		Attrs:    jaegertest.Attrs{"server.address": "profile-service"},
		Resource: jaegertest.Attrs{"service.name": "user-service"},
	},
}

// post sends body to url, and fails unless the answer is a success.
func post(ctx context.Context, url, contentType string, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", contentType)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if answer, _ := io.ReadAll(response.Body); response.StatusCode/100 != 2 {
		return fmt.Errorf("post %q: status %d: %s", url, response.StatusCode, answer)
	}
	return nil
}

// id decodes an ID. An empty one stays empty.
func id(digits string) []byte {
	raw, err := hex.DecodeString(digits)
	if err != nil {
		panic(err)
	}
	return raw
}

// number returns an ID of 16 digits as a number. An empty one is zero.
func number(digits string) uint64 {
	if digits == "" {
		return 0
	}
	return binary.BigEndian.Uint64(id(digits))
}
