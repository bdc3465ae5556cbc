package propagation_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/meshtrace/meshtrace/propagation"
	"go.opentelemetry.io/otel/trace"
)

func TestInjectResponse(t *testing.T) {
	_, sc := span(trace.FlagsSampled)
	for _, tt := range []struct {
		rule     string
		sc       trace.SpanContext
		in, want http.Header
	}{
		{"both headers", sc, http.Header{}, http.Header{"Traceresponse": {traceparent}, "Server-Timing": {`traceparent;desc="` + traceparent + `"`}}},
		{"other metrics stay", sc, http.Header{"Server-Timing": {"db;dur=5"}, "Traceresponse": {"x"}}, http.Header{"Traceresponse": {traceparent}, "Server-Timing": {"db;dur=5", `traceparent;desc="` + traceparent + `"`}}},
		{"no span", trace.SpanContext{}, http.Header{}, http.Header{}},
		{"no header", sc, nil, nil},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			propagation.InjectResponse(tt.in, tt.sc)
			if diff := cmp.Diff(tt.want, tt.in); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
		})
	}
}

func TestExtractResponse(t *testing.T) {
	other := "00-" + padto + "-" + sid + "-00"
	for _, tt := range []struct {
		rule string
		in   http.Header
		want string // trace ID
	}{
		{"traceresponse", http.Header{"Traceresponse": {traceparent}}, tid},
		{"Server-Timing", http.Header{"Server-Timing": {`traceparent;desc="` + traceparent + `"`}}, tid},
		{"traceresponse first", http.Header{"Traceresponse": {traceparent}, "Server-Timing": {`traceparent;desc="` + other + `"`}}, tid},
		{"Server-Timing beside a malformed traceresponse", http.Header{"Traceresponse": {"00"}, "Server-Timing": {`traceparent;desc="` + traceparent + `"`}}, tid},
		{"several traceresponse are none", http.Header{"Traceresponse": {traceparent, other}}, ""},
		{"neither", http.Header{}, ""},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			sc := propagation.ExtractResponse(tt.in)
			if got := sc.TraceID().String(); sc.IsValid() != (tt.want != "") || sc.IsValid() && got != tt.want {
				t.Errorf("found %v, want %q", sc, tt.want)
			}
		})
	}
}

var serverTimingTests = []struct {
	rule string
	in   []string
	err  error
}{
	{"a quoted description", []string{`traceparent;desc="` + traceparent + `"`}, nil},
	{"a token as description", []string{"traceparent;desc=" + traceparent}, nil},
	{"white space", []string{"\ttraceparent ; dur=1 ; Desc = \"" + traceparent + `" `}, nil},
	{"among other metrics", []string{`cache;desc="a, b; \"c\", traceparent;desc=x";dur=2, traceparent;desc="` + traceparent + `"`}, nil},
	{"in another header", []string{"db;dur=3", `traceparent;desc="` + traceparent + `"`}, nil},
	{"of several the first counts", []string{"traceparent;desc=" + traceparent + ",traceparent;desc=00"}, nil},
	{"no such metric", []string{"db;dur=3", "x-traceparent;desc=" + traceparent}, propagation.ErrMissing},
	{"no description", []string{"traceparent;dur=3"}, propagation.ErrMissing},
	{"a name that is quoted is none", []string{`"traceparent";desc=` + traceparent}, propagation.ErrMissing},
	{"a malformed description", []string{`traceparent;desc="00"`}, propagation.ErrSyntax},
	{"a quoted string that does not end", []string{`db;desc="a, traceparent;desc=` + traceparent}, propagation.ErrMissing},
	{"as long as is read", []string{strings.Repeat("a,", 2048)}, propagation.ErrMissing},
	{"too long", []string{strings.Repeat("a,", 2048) + "a"}, propagation.ErrTooLong},
	{"nothing", nil, propagation.ErrMissing},
}

func TestParseServerTiming(t *testing.T) {
	for _, tt := range serverTimingTests {
		t.Run(tt.rule, func(t *testing.T) {
			sc, err := propagation.ParseServerTiming(tt.in...)
			if err != tt.err || sc.IsValid() != (err == nil) {
				t.Errorf("ParseServerTiming(%.200q) = %v, %v; want error %v", tt.in, sc, err, tt.err)
			}
		})
	}
}

func TestTraceresponseIsTraceparent(t *testing.T) {
	_, sc := span(trace.FlagsSampled)
	if got := string(propagation.AppendTraceresponse(nil, sc)); got != traceparent {
		t.Errorf("AppendTraceresponse = %q, want %q", got, traceparent)
	}
	for _, tt := range traceparentTests {
		if _, err := propagation.ParseTraceresponse(tt.in); err != tt.err {
			t.Errorf("ParseTraceresponse(%q): error %v, want %v", tt.in, err, tt.err)
		}
	}
}
