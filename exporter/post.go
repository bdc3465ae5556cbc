package exporter

// The plain call: the body of the request is the message, and the status says what came of it.

import (
	"fmt"
	"io"
	"net/http"
	"slices"
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

// fill makes one piece of it: HTTP/1 copies what it sends into larger ones anyway, and takes no longer.
func (post) fill(b *body, p protocol, of *batch, packed bool) [][]byte {
	b.pieces = p.appendPieces(b.pieces, of)
	if packed {
		b.pack(b.pieces)
		return [][]byte{b.packed.Bytes()}
	}
	b.plain = slices.Grow(b.plain, size(b.pieces))
	for _, piece := range b.pieces {
		b.plain = append(b.plain, piece...)
	}
	return [][]byte{b.plain}
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
