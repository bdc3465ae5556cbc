package exporter

// The plain call: the body of the request is the message, and the status says what came of it.

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// post is what OTLP/HTTP and Jaeger's Thrift over HTTP have in common.
type post struct{}

func (post) protocols(string) *http.Protocols { return nil }

func (post) complete(h http.Header, cfg Config, p protocol) {
	h.Set("Content-Type", p.contentType())
	h.Del("Content-Encoding")
	if cfg.Compression == Gzip {
		h.Set("Content-Encoding", "gzip")
	}
}

func (post) fill(b *body, p protocol, of *batch, packed bool) []byte {
	b.plain = p.appendBatch(b.plain, of)
	if !packed {
		return b.plain
	}
	b.pack(b.plain)
	return b.packed.Bytes()
}

func (post) read(resp *http.Response, p protocol) (delivery, error) {
	// Read to the end, so that the connection can be used again. An answer that breaks off
	// still has its status.
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	d := delivery{outcome: outcomeOf(resp.StatusCode), retryAfter: retryAfter(resp.Header, time.Now())}
	if d.outcome != accepted {
		d.err = fmt.Errorf("status %d%s", resp.StatusCode, quoteAnswer(answer))
		return d, nil
	}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), p.contentType()) { // not a page of some proxy
		d.reject(p.rejected(answer))
	}
	return d, nil
}
