package capture_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"

	"github.com/meshtrace/meshtrace/internal/capture"
)

func TestAList(t *testing.T) {
	var l capture.List
	if !l.Empty() {
		t.Error("the zero List is not empty")
	}
	l.Add("Tenant", "in.tenant", "out.tenant")
	l.Add("X-Id", "in.id", "out.id")
	if l.Empty() {
		t.Error("a List of two names is empty")
	}
	tests := []struct {
		rule              string
		from              http.Header
		request, response []attribute.KeyValue
	}{
		{"nothing came", nil, nil, nil},
		{"nothing came that is recorded", http.Header{"Cookie": {"secret"}, "tenant": {"by another spelling"}}, nil, nil},
		{"a name without a value", http.Header{"Tenant": {}}, nil, nil},
		{
			"all values, in the order of the list",
			http.Header{"X-Id": {"1"}, "Tenant": {"a", ""}, "Cookie": {"secret"}},
			[]attribute.KeyValue{attribute.StringSlice("in.tenant", []string{"a", ""}), attribute.StringSlice("in.id", []string{"1"})},
			[]attribute.KeyValue{attribute.StringSlice("out.tenant", []string{"a", ""}), attribute.StringSlice("out.id", []string{"1"})},
		},
	}
	same := cmp.Comparer(func(a, b attribute.KeyValue) bool { return a == b })
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			before := attribute.Bool("before", true)
			for of, got := range map[string][2][]attribute.KeyValue{
				"request":  {l.AppendRequest([]attribute.KeyValue{before}, tt.from), tt.request},
				"response": {l.AppendResponse([]attribute.KeyValue{before}, tt.from), tt.response},
			} {
				want := append([]attribute.KeyValue{before}, got[1]...)
				if diff := cmp.Diff(want, got[0], same); diff != "" {
					t.Errorf("of a %s -want +got\n%s", of, diff)
				}
			}
		})
	}
}

func TestAnEmptyListAllocatesNothing(t *testing.T) {
	var l capture.List
	from := http.Header{"Tenant": {"a"}}
	if n := testing.AllocsPerRun(100, func() { l.AppendRequest(nil, from); l.AppendResponse(nil, from) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
