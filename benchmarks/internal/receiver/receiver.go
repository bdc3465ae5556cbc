// Package receiver takes spans by OTLP over HTTP and counts them.
package receiver

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/meshtrace/meshtrace/benchmarks/internal/process"
)

// Counts says what a receiver has got.
type Counts struct {
	Requests int // bodies
	Spans    int // in all of them
	Bytes    int // of the bodies
	Refused  int // requests that were no export of spans
}

// Since returns what came after the counts before.
func (c Counts) Since(before Counts) Counts {
	return Counts{
		Requests: c.Requests - before.Requests,
		Spans:    c.Spans - before.Spans,
		Bytes:    c.Bytes - before.Bytes,
		Refused:  c.Refused - before.Refused,
	}
}

// Receiver is an [http.Handler] to which spans are posted. The zero value is ready to use, and
// safe for concurrent use.
type Receiver struct {
	// Keep keeps the bodies for Spans. Otherwise they are counted and forgotten.
	Keep bool

	mu     sync.Mutex
	counts Counts
	bodies [][]byte
}

// ServeHTTP takes one export request.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // the client is gone
	}
	spans, ok := CountSpans(body)
	ok = ok && req.URL.Path == "/v1/traces" && req.Header.Get("Content-Type") == "application/x-protobuf" &&
		req.Header.Get("Content-Encoding") == ""
	r.add(body, spans, ok)
	if !ok {
		http.Error(w, "not an uncompressed export of spans", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf") // with an empty ExportTraceServiceResponse
}

func (r *Receiver) add(body []byte, spans int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !ok {
		r.counts.Refused++
		return
	}
	r.counts.Requests++
	r.counts.Spans += spans
	r.counts.Bytes += len(body)
	if r.Keep {
		r.bodies = append(r.bodies, body)
	}
}

// Counts returns the counts so far.
func (r *Receiver) Counts() Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts
}

// Spans decodes what was kept, with OpenTelemetry's generated types.
func (r *Receiver) Spans() ([]*tracepb.Span, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []*tracepb.Span
	for _, body := range r.bodies {
		var export coltracepb.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &export); err != nil {
			return nil, fmt.Errorf("receiver: %w", err)
		}
		for _, resource := range export.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				all = append(all, scope.Spans...)
			}
		}
	}
	return all, nil
}

// Role is a receiver in a process of its own. It answers "endpoint" with its URL and "counts"
// with its [Counts].
func Role([]byte) (process.Answer, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := new(Receiver)
	go http.Serve(listener, r) // until the process ends
	return func(question string) (any, error) {
		switch question {
		case "endpoint":
			return "http://" + listener.Addr().String(), nil
		case "counts":
			return r.Counts(), nil
		}
		return process.Unknown(question)
	}, nil
}

// Remote is a receiver in another process.
type Remote struct {
	*process.Child
	Endpoint string
}

// RoleName is the name under which a program that calls Start has to offer [Role].
const RoleName = "receiver"

// Start starts a receiver in a process of its own.
func Start() (*Remote, error) {
	child, err := process.Start(RoleName, nil)
	if err != nil {
		return nil, err
	}
	r := &Remote{Child: child}
	if err := child.Ask("endpoint", &r.Endpoint); err != nil {
		_ = child.Close() // the first error says why
		return nil, err
	}
	return r, nil
}

// Counts asks for the counts so far.
func (r *Remote) Counts() (c Counts, err error) {
	err = r.Ask("counts", &c)
	return c, err
}
