package receiver_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/meshtrace/meshtrace/benchmarks/internal/receiver"
)

// export returns a body that holds spans in several resources and scopes: as many in each scope
// as the numbers say.
func export(t *testing.T, resources ...[]int) []byte {
	t.Helper()
	var request coltracepb.ExportTraceServiceRequest
	for _, scopes := range resources {
		resource := &tracepb.ResourceSpans{SchemaUrl: "https://example.com/schema"}
		for _, n := range scopes {
			scope := &tracepb.ScopeSpans{SchemaUrl: "https://example.com/schema"}
			for range n {
				scope.Spans = append(scope.Spans, &tracepb.Span{Name: "GET /users/{id}", TraceState: "a=b"})
			}
			resource.ScopeSpans = append(resource.ScopeSpans, scope)
		}
		request.ResourceSpans = append(request.ResourceSpans, resource)
	}
	body, err := proto.Marshal(&request)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestCountSpansAgreesWithTheGeneratedTypes(t *testing.T) {
	for _, tt := range []struct {
		rule string
		body []byte
		want int
	}{
		{"nothing", nil, 0},
		{"a resource without scopes", export(t, nil), 0},
		{"one span", export(t, []int{1}), 1},
		{"spans of several scopes and resources", export(t, []int{3, 0, 4}, []int{512}), 519},
	} {
		if got, ok := receiver.CountSpans(tt.body); got != tt.want || !ok {
			t.Errorf("%s: %d, %t, want %d", tt.rule, got, ok, tt.want)
		}
	}
}

func TestCountSpansRefusesWhatIsCutOff(t *testing.T) {
	body := export(t, []int{2})
	for end := 1; end < len(body); end++ {
		if n, ok := receiver.CountSpans(body[:end]); ok {
			t.Fatalf("the first %d of %d bytes: %d spans", end, len(body), n)
		}
	}
}

func TestReceiverCountsAndKeeps(t *testing.T) {
	r := &receiver.Receiver{Keep: true}
	server := httptest.NewServer(r)
	defer server.Close()
	body := export(t, []int{2, 3})
	for range 2 {
		post(t, server.URL+"/v1/traces", body, http.StatusOK)
	}
	want := receiver.Counts{Requests: 2, Spans: 10, Bytes: 2 * len(body)}
	if got := r.Counts(); got != want {
		t.Errorf("Counts = %+v, want %+v", got, want)
	}
	spans, err := r.Spans()
	if err != nil || len(spans) != want.Spans {
		t.Errorf("%d spans, error %v; want %d", len(spans), err, want.Spans)
	}
}

func TestReceiverRefusesWhatIsNoExport(t *testing.T) {
	r := new(receiver.Receiver)
	server := httptest.NewServer(r)
	defer server.Close()
	post(t, server.URL+"/", export(t, []int{1}), http.StatusBadRequest)
	post(t, server.URL+"/v1/traces", []byte("{}"), http.StatusBadRequest)
	if got, want := r.Counts(), (receiver.Counts{Refused: 2}); got != want {
		t.Errorf("Counts = %+v, want %+v", got, want)
	}
}

func post(t *testing.T, url string, body []byte, want int) {
	t.Helper()
	resp, err := http.Post(url, "application/x-protobuf", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != want {
		t.Errorf("POST %s: %s, want %d", url, resp.Status, want)
	}
}
