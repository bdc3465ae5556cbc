package workload

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
)

// response is an [http.ResponseWriter] that is used again, so that the baseline is small. It has
// the optional methods of net/http's, for a middleware has to keep those.
type response struct {
	header http.Header
	status int
	bytes  int
}

var (
	_ http.Flusher  = (*response)(nil)
	_ http.Hijacker = (*response)(nil)
	_ io.ReaderFrom = (*response)(nil)
)

func (w *response) reset() {
	clear(w.header)
	w.status, w.bytes = 0, 0
}

func (w *response) Header() http.Header { return w.header }

func (w *response) WriteHeader(status int) { w.status = status }

func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.bytes += len(p)
	return len(p), nil
}

func (w *response) WriteString(s string) (int, error) {
	return w.Write([]byte(s))
}

func (w *response) ReadFrom(r io.Reader) (int64, error) {
	n, err := io.Copy(io.Discard, r)
	w.bytes += int(n)
	return n, err
}

func (w *response) Flush() {}

func (w *response) FlushError() error { return nil }

func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, errors.ErrUnsupported
}

func (w *response) CloseNotify() <-chan bool { return nil }
