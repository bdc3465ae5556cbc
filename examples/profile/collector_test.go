package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"net/http"
	"net/http/httptest"
	"testing"

	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
)

// encode returns an export of one span of service a.
func encode(t *testing.T, traceID []byte) []byte {
	t.Helper()
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource:   &resourcepb.Resource{Attributes: []*commonpb.KeyValue{stringAttr("service.name", "a")}},
		ScopeSpans: []*tracepb.ScopeSpans{{Spans: []*tracepb.Span{{TraceId: traceID, Name: "x"}}}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func gzipped(t *testing.T, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestCollector(t *testing.T) {
	id := bytes.Repeat([]byte{1}, 16)
	for _, tt := range []struct {
		rule            string
		contentType     string
		contentEncoding string
		body            []byte
		status          int
	}{
		{"plain", "application/x-protobuf", "", encode(t, id), 200},
		{"gzip", "application/x-protobuf", "gzip", gzipped(t, encode(t, id)), 200},
		{"an empty export", "application/x-protobuf", "", nil, 200},
		{"JSON is not taken", "application/json", "", []byte("{}"), 415},
		{"an unknown encoding", "application/x-protobuf", "zstd", encode(t, id), 400},
		{"gzip that is none", "application/x-protobuf", "gzip", encode(t, id), 400},
		{"gzip that is cut", "application/x-protobuf", "gzip", gzipped(t, encode(t, id))[:20], 400},
		{"garbage", "application/x-protobuf", "", []byte("garbage"), 400},
		{"too large when decompressed", "application/x-protobuf", "gzip", gzipped(t, make([]byte, maxRequestBytes+1)), 400},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			c := &collector{traces: make(map[string][]span)}
			w := httptest.NewRecorder()
			r := httptest.NewRequest("POST", "/v1/traces", bytes.NewReader(tt.body))
			r.Header = http.Header{"Content-Type": {tt.contentType}, "Content-Encoding": {tt.contentEncoding}}
			c.receive(w, r)
			if w.Code != tt.status {
				t.Fatalf("status %d, want %d", w.Code, tt.status)
			}
			if tt.status != 200 || tt.body == nil {
				return
			}
			if spans := c.trace(c.latest()); len(spans) != 1 || spans[0].service != "a" || spans[0].Name != "x" {
				t.Errorf("received %v", spans)
			}
		})
	}
}

func TestCollectorForgetsTheOldest(t *testing.T) {
	c := &collector{traces: make(map[string][]span)}
	var first string
	for i := range maxTraces + 1 {
		id := binary.BigEndian.AppendUint64(make([]byte, 8), uint64(i))
		c.addSpan(span{&tracepb.Span{TraceId: id}, "a"})
		if i == 0 {
			first = c.latest()
		}
	}
	if len(c.traces) != maxTraces || len(c.order) != maxTraces || len(c.trace(first)) != 0 {
		t.Errorf("%d traces are kept, in order %d, %d spans of the first", len(c.traces), len(c.order), len(c.trace(first)))
	}
}
