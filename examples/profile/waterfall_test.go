package main

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

func hex16(id []byte) string { return hex.EncodeToString(id) }

// testSpan returns a span of a service, with times in milliseconds.
func testSpan(service, name, id, parent string, start, end uint64, attrs ...*commonpb.KeyValue) span {
	const kind, millisecond = tracepb.Span_SPAN_KIND_SERVER, 1_000_000
	return span{&tracepb.Span{
		Name: name, SpanId: []byte(id), ParentSpanId: []byte(parent), Kind: kind,
		StartTimeUnixNano: (1000 + start) * millisecond, EndTimeUnixNano: (1000 + end) * millisecond, Attributes: attrs,
	}, service}
}

func stringAttr(key, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
}

func intAttr(key string, value int64) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: value}}}
}

func failing(s span, message string) span {
	s.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: message}
	return s
}

func printed(spans []span, colour bool) string {
	var b strings.Builder
	newWaterfall(spans, colour).print(&b)
	return b.String()
}

func TestWaterfall(t *testing.T) {
	got := printed([]span{ // in the order in which they might arrive
		testSpan("b", "GET /late", "4", "1", 16, 24),
		testSpan("a", "/x", "3", "2", 2, 8, stringAttr("direction", "outbound"), stringAttr("http.response.status_code", "503")),
		testSpan("a", "GET /", "1", "", 0, 24),
		failing(testSpan("a", "GET", "2", "1", 1, 9, intAttr("http.response.status_code", 503)), ""),
		failing(testSpan("c", "orphan", "5", "gone", 24, 24), "lost its parent"),
		failing(testSpan("a", "p.S/M", "6", "4", 20, 21, stringAttr("rpc.response.status_code", "DATA_LOSS")), "it is lost"),
		testSpan("a", "é", "7", "6", 20, 21, stringAttr("direction", "inbound"), stringAttr("http.response.status_code", "200")),
	}, false)
	want := `service           span       kind        start   duration
a                 GET /      server    0.00 ms   24.00 ms  ████████████████████████
├ a               GET        server    1.00 ms    8.00 ms   ████████                 ! 503
│└ a (proxy out)  /x         server    2.00 ms    6.00 ms    ██████                  503
└ b               GET /late  server   16.00 ms    8.00 ms                  ████████
 └ a              p.S/M      server   20.00 ms    1.00 ms                      █     ! DATA_LOSS: it is lost
  └ a (proxy in)  é          server   20.00 ms    1.00 ms                      █
c                 orphan     server   24.00 ms    0.00 ms                         █  ! lost its parent

7 spans, 3 services, 24.0 ms
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWaterfallOfOneInstant(t *testing.T) {
	if got := printed([]span{testSpan("a", "x", "1", "", 5, 5)}, false); !strings.HasSuffix(got, "\n1 span, 1 service, 0.0 ms\n") {
		t.Errorf("printed\n%s", got)
	}
}

func TestWaterfallInColour(t *testing.T) {
	got := printed([]span{
		failing(testSpan("a", "x", "1", "", 0, 1), ""),
		testSpan("a", "x", "2", "1", 0, 1),
		testSpan("a", "x", "3", "2", 0, 1, stringAttr("direction", "inbound")),
	}, true)
	bar := strings.Repeat("█", barWidth)
	for _, want := range []string{red + bar + plain + red + "  ! error" + plain + "\n", green + bar + plain + "\n", faint + bar + plain + "\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("printed\n%q, want %q in it", got, want)
		}
	}
}
