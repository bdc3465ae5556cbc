package linkerd

import "net/http"

// A responseHead writes the head of a response as soon as it is there, whatever becomes of the
// body: a caller may wait for the one before it sends what the other is made of.
type responseHead struct {
	http.ResponseWriter
	version int  // of HTTP, the major one
	alone   bool // nothing follows on the stream
}

// expect is told of the response before it is written.
func (h *responseHead) expect(resp *http.Response) error {
	h.alone = h.version == 2 && resp.ContentLength == 0 && len(resp.Trailer) == 0
	return nil
}

func (h *responseHead) WriteHeader(status int) {
	if _, ok := h.Header()["Content-Length"]; !ok && h.alone {
		h.Header()["Content-Length"] = nil // otherwise it would be 0, and metadata of gRPC
	}
	h.ResponseWriter.WriteHeader(status)
	if status >= http.StatusOK {
		_ = h.FlushError()
	}
}

// FlushError leaves what is alone to the end of the handler, which ends the stream with it. That
// is how gRPC knows that it is a status, not the head of what is to come.
func (h *responseHead) FlushError() error {
	if h.alone {
		return nil
	}
	return http.NewResponseController(h.ResponseWriter).Flush()
}

// Unwrap lets [http.ResponseController] find what else the writer can do.
func (h *responseHead) Unwrap() http.ResponseWriter { return h.ResponseWriter }
