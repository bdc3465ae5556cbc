package main

// The collector: OTLP over HTTP into memory.

import (
	"compress/gzip"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

const (
	maxTraces       = 1000     // of which the oldest are forgotten
	maxRequestBytes = 16 << 20 // decompressed
)

// A span is one as it was received, with its service's name.
type span struct {
	*tracepb.Span
	service string
}

// A collector receives spans and keeps them by trace. It is safe for concurrent use.
type collector struct {
	server   *http.Server
	listener net.Listener

	mu     sync.Mutex
	traces map[string][]span // by trace ID in hex
	order  []string          // of their arrival
}

// startCollector starts one on a free port.
func startCollector() (*collector, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &collector{listener: l, traces: make(map[string][]span)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", c.receive)
	c.server = &http.Server{Handler: mux}
	go func() { _ = c.server.Serve(l) }()
	return c, nil
}

func (c *collector) url() string { return "http://" + c.listener.Addr().String() + "/v1/traces" }

func (c *collector) close() error { return c.server.Close() }

// receive is OTLP's one call over HTTP.
//
// Spec: OpenTelemetry Protocol 1.9, OTLP/HTTP, https://opentelemetry.io/docs/specs/otlp/#otlphttp
func (c *collector) receive(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Content-Type") != "application/x-protobuf" {
		http.Error(w, "want protobuf", http.StatusUnsupportedMediaType)
		return
	}
	body, err := readBody(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	// On the wire this is an ExportTraceServiceRequest, whose Go package would link gRPC.
	var batch tracepb.TracesData
	if err := proto.Unmarshal(body, &batch); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.add(&batch)
	w.Header().Set("Content-Type", "application/x-protobuf") // of an empty answer: all were taken
}

func readBody(r *http.Request) ([]byte, error) {
	body := io.Reader(r.Body)
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
	case "gzip":
		gz, err := gzip.NewReader(body)
		if err != nil {
			return nil, err
		}
		body = gz
	default:
		return nil, errors.New("unknown Content-Encoding")
	}
	read, err := io.ReadAll(io.LimitReader(body, maxRequestBytes+1))
	if err == nil && len(read) > maxRequestBytes {
		err = errors.New("too large")
	}
	return read, err
}

func (c *collector) add(batch *tracepb.TracesData) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, rs := range batch.ResourceSpans {
		service := attribute(rs.GetResource().GetAttributes(), "service.name")
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				c.addSpan(span{s, service})
			}
		}
	}
}

func (c *collector) addSpan(s span) {
	id := hex.EncodeToString(s.TraceId)
	if _, ok := c.traces[id]; !ok {
		c.order = append(c.order, id)
	}
	c.traces[id] = append(c.traces[id], s)
	if len(c.order) > maxTraces {
		delete(c.traces, c.order[0])
		c.order = c.order[1:]
	}
}

// trace returns the spans received of a trace.
func (c *collector) trace(id string) []span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.traces[id][:len(c.traces[id]):len(c.traces[id])]
}

// latest returns the ID of the trace that was seen first last, or "".
func (c *collector) latest() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.order) == 0 {
		return ""
	}
	return c.order[len(c.order)-1]
}

// attribute returns the text of the attribute with that key, or "".
func attribute(attrs []*commonpb.KeyValue, key string) string {
	for _, kv := range attrs {
		if kv.Key == key {
			return kv.Value.GetStringValue()
		}
	}
	return ""
}
