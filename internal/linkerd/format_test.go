package linkerd_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/meshtrace/meshtrace/internal/linkerd"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

const (
	zeroTID  = "00000000000000000000000000000000"
	zeroSID  = "0000000000000000"
	tidUpper = "4BF92F3577B34DA6A3CE929D0E0E4736"
	sidUpper = "00F067AA0BA902B7"

	// version 0, trace ID, span ID, sampled; as grpc-go writes it, and as the proxy does
	binUnpadded = "AABL+S81d7NNpqPOkp0ODkc2AQDwZ6oLqQK3AgE"
	binPadded   = binUnpadded + "="

	// The same as a pattern: what the proxy writes, decoded.
	binOut = "00 00" + tid + " 01? 0201"
)

// A headerTest is a row of the proxy's behaviour. Headers are lines; those that go out may hold ?
// for the new span ID, and the values of grpc-trace-bin are in hex there, with spaces. If out is
// nil, everything passes untouched.
type headerTest struct {
	rule string
	in   []string
	out  []string
	span string // trace ID and parent of the server span, or "" if there is none

	clientOnly bool // there is a client span although there is no server span
	http2Only  bool // HTTP/1 cannot carry the headers as they are
}

const sampled = tid + " " + sid

var orderTests = []headerTest{
	{rule: "nothing", in: nil},
	{rule: "only b3", in: []string{"B3: " + tid + "-" + sid + "-1"}},
	{rule: "only uber-trace-id", in: []string{"Uber-Trace-Id: " + tid + ":" + sid + ":0:1"}},
	{rule: "traceparent before B3, which goes stale", in: append(traceparent("00-"+tid+"-"+sid+"-01"), b3("abcd", "12", "1")...),
		out: append(traceparent("00-"+tid+"-?-01"), b3("abcd", "12", "1")...), span: sampled},
	{rule: "traceparent before grpc-trace-bin", in: append(traceparent("00-"+tid+"-"+sid+"-00"), "Grpc-Trace-Bin: "+binPadded),
		out: append(traceparent("00-"+tid+"-?-00"), grpcBin("00 00"+tid+" 01"+sid+" 0201")...)},
	{rule: "grpc-trace-bin before B3", in: append(grpcBin(binPadded), b3("abcd", "12", "1")...), out: append(grpcBin(binOut), b3("abcd", "12", "1")...), span: sampled},
	{rule: "B3 where traceparent does not parse", in: append(traceparent("01-"+tid+"-"+sid+"-01"), b3(tid, sid, "1")...),
		out: append(traceparent("01-"+tid+"-"+sid+"-01"), b3(tid, "?", "1")...), span: sampled},
	{rule: "tracestate and baggage pass untouched",
		in:  append(traceparent("00-"+tid+"-"+sid+"-01"), "Tracestate: k=v", "Baggage: a=b", "X-Request-Id: 7"),
		out: append(traceparent("00-"+tid+"-?-01"), "Tracestate: k=v", "Baggage: a=b", "X-Request-Id: 7"), span: sampled},
}

func TestOrder(t *testing.T) { testHeaders(t, linkerd.Modern, orderTests) }

// testHeaders sends every row through both layers of an inbound side.
func testHeaders(t *testing.T, mode linkerd.Mode, tests []headerTest) {
	for _, version := range []int{1, 2} {
		for _, tt := range tests {
			if tt.http2Only && version == 1 {
				continue
			}
			t.Run(fmt.Sprintf("HTTP/%d/%s", version, tt.rule), func(t *testing.T) { tt.run(t, mode, version) })
		}
	}
}

func (tt headerTest) run(t *testing.T, mode linkerd.Mode, version int) {
	received := make(chan http.Header, 1)
	p := startPod(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { received <- r.Header }), linkerd.Config{Mode: mode})
	in := parseLines(tt.in)
	if status := get(t, newClient(t, version, p.inbound), "http://pod/x", in); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	want := tt.out
	if want == nil {
		want = tt.in
	}
	newIDs := compare(t, <-received, parseLines(want))
	tt.checkSpans(t, p.flushed(t), newIDs)
}

// traceHeaders are those of which a row names all.
var traceHeaders = []string{"Traceparent", "Tracestate", "Baggage", "Grpc-Trace-Bin", "B3", "X-B3-Traceid",
	"X-B3-Spanid", "X-B3-Parentspanid", "X-B3-Sampled", "X-B3-Flags", "Uber-Trace-Id", "X-Request-Id"}

// compare checks that got has the trace headers of want and no others, and returns the span IDs
// that stand for ?.
func compare(t *testing.T, got, want http.Header) (newIDs []string) {
	t.Helper()
	for _, key := range traceHeaders {
		values := want[key]
		if len(got[key]) != len(values) {
			t.Fatalf("%s: %q, want %q", key, got[key], values)
		}
		for i, value := range values {
			actual := got[key][i]
			if key == "Grpc-Trace-Bin" && strings.Contains(value, " ") {
				actual, value = unbin(t, actual), strings.ReplaceAll(value, " ", "")
			}
			pattern := "^" + strings.Replace(regexp.QuoteMeta(value), `\?`, "([0-9a-f]{16})", 1) + "$"
			match := regexp.MustCompile(pattern).FindStringSubmatch(actual)
			if match == nil {
				t.Fatalf("%s: %s, want %s", key, actual, value)
			}
			if len(match) > 1 {
				newIDs = append(newIDs, match[1])
			}
		}
	}
	if slices.Contains(newIDs, sid) {
		t.Errorf("the span ID %s is the caller's", sid)
	}
	return newIDs
}

// checkSpans checks those of one side: the server's is the child of the caller's, and the client's,
// whose ID went on, is the child of the server's.
func (tt headerTest) checkSpans(t *testing.T, spans []*tracepb.Span, newIDs []string) {
	t.Helper()
	want := 0
	switch {
	case tt.span != "":
		want = 2
	case tt.clientOnly:
		want = 1
	}
	if len(spans) != want {
		t.Fatalf("%d spans, want %d: %v", len(spans), want, spans)
	}
	if want == 0 {
		return
	}
	client := spans[0] // the layer within ends first
	if id := hex.EncodeToString(client.SpanId); newIDs != nil && !slices.Contains(newIDs, id) {
		t.Errorf("the client span is %s, and %s went on", id, newIDs)
	}
	if want == 1 {
		return
	}
	server := spans[1]
	if got := hex.EncodeToString(server.TraceId) + " " + hex.EncodeToString(server.ParentSpanId); got != tt.span {
		t.Errorf("the server span is of %s, want %s", got, tt.span)
	}
	if newIDs != nil && !bytes.Equal(client.ParentSpanId, server.SpanId) {
		t.Errorf("the client span is of %x, want %x", client.ParentSpanId, server.SpanId)
	}
}

func traceparent(value string) []string { return []string{"Traceparent: " + value} }

func grpcBin(value string) []string { return []string{"Grpc-Trace-Bin: " + value} }

func b3(traceID, spanID, sampled string) []string {
	return []string{"X-B3-Traceid: " + traceID, "X-B3-Spanid: " + spanID, "X-B3-Sampled: " + sampled}
}

// bin encodes hex digits, with spaces, as the value of grpc-trace-bin.
func bin(digits string) string {
	payload, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(payload)
}

func unbin(t *testing.T, value string) string {
	t.Helper()
	payload, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		t.Fatalf("Grpc-Trace-Bin: %s is not padded base64: %v", value, err)
	}
	return hex.EncodeToString(payload)
}

func parseLines(lines []string) http.Header {
	h := make(http.Header)
	for _, line := range lines {
		key, value, _ := strings.Cut(line, ": ")
		h[key] = append(h[key], value)
	}
	return h
}
