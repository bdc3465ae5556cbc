package httpmw

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// A ResponseWriter has optional methods, and a handler finds out which by asking for interfaces.
// So what it gets must have those of the writer below and no others: one that says it is an
// http.Hijacker and fails when used is worse than none.
//
// Seven optional methods make 128 kinds of writer. But net/http's two, and those of the usual
// middlewares, are the kinds below, and are kept exactly. Any other becomes the nearest kind that
// has no more than it, and http.ResponseController finds the rest through Unwrap.
type (
	http1Kind interface { // net/http's for HTTP/1
		flushErrKind
		http.Hijacker
		http.CloseNotifier //lint:ignore SA1019 handlers may still ask for it
		io.ReaderFrom
		io.StringWriter
	}
	http2Kind interface { // net/http's for HTTP/2
		flushErrKind
		http.Pusher
		http.CloseNotifier //lint:ignore SA1019 handlers may still ask for it
		io.StringWriter
	}
	hijackErrKind interface {
		flushErrKind
		http.Hijacker
	}
	flushErrKind interface {
		http.Flusher
		FlushError() error
	}
	fileKind interface { // chi's for HTTP/1
		hijackKind
		io.ReaderFrom
	}
	hijackKind interface { // most middlewares' for HTTP/1
		http.Flusher
		http.Hijacker
	}
	stringKind interface { // httptest's
		http.Flusher
		io.StringWriter
	}
)

// The writers that handlers get, one for each kind. The exchange is inside them, so that it and
// they are one object.
type (
	http1Writer     struct{ writer }
	http2Writer     struct{ writer }
	hijackErrWriter struct{ writer }
	flushErrWriter  struct{ writer }
	fileWriter      struct{ writer }
	hijackWriter    struct{ writer }
	stringWriter    struct{ writer }
	flushWriter     struct{ writer } // of an http.Flusher, as many middlewares' are
	pushWriter      struct{ writer } // of an http.Pusher, as http.TimeoutHandler's is
)

// observer is what all the writers are.
type observer interface {
	http.ResponseWriter
	exchange() *exchange
}

// newWriter returns a writer of w's kind. Those with FlushError come first: if it were lost,
// http.ResponseController would find Flush, which cannot fail.
func newWriter(w http.ResponseWriter) observer {
	switch w.(type) {
	case http1Kind:
		return new(http1Writer)
	case http2Kind:
		return new(http2Writer)
	case hijackErrKind:
		return new(hijackErrWriter)
	case flushErrKind:
		return new(flushErrWriter)
	case fileKind:
		return new(fileWriter)
	case hijackKind:
		return new(hijackWriter)
	case stringKind:
		return new(stringWriter)
	case http.Flusher:
		return new(flushWriter)
	case http.Pusher:
		return new(pushWriter)
	}
	return new(writer)
}

func (w *http1Writer) Flush()                                       { w.flush() }
func (w *http1Writer) FlushError() error                            { return w.flushError() }
func (w *http1Writer) WriteString(s string) (int, error)            { return w.writeString(s) }
func (w *http1Writer) ReadFrom(r io.Reader) (int64, error)          { return w.readFrom(r) }
func (w *http1Writer) CloseNotify() <-chan bool                     { return w.closeNotify() }
func (w *http1Writer) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.hijack() }

func (w *http2Writer) Flush()                            { w.flush() }
func (w *http2Writer) FlushError() error                 { return w.flushError() }
func (w *http2Writer) WriteString(s string) (int, error) { return w.writeString(s) }
func (w *http2Writer) CloseNotify() <-chan bool          { return w.closeNotify() }
func (w *http2Writer) Push(target string, opts *http.PushOptions) error {
	return w.push(target, opts)
}

func (w *hijackErrWriter) Flush()                                       { w.flush() }
func (w *hijackErrWriter) FlushError() error                            { return w.flushError() }
func (w *hijackErrWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.hijack() }

func (w *fileWriter) Flush()                                       { w.flush() }
func (w *fileWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.hijack() }
func (w *fileWriter) ReadFrom(r io.Reader) (int64, error)          { return w.readFrom(r) }

func (w *hijackWriter) Flush()                                       { w.flush() }
func (w *hijackWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.hijack() }

func (w *flushErrWriter) Flush()            { w.flush() }
func (w *flushErrWriter) FlushError() error { return w.flushError() }

func (w *stringWriter) Flush()                            { w.flush() }
func (w *stringWriter) WriteString(s string) (int, error) { return w.writeString(s) }

func (w *flushWriter) Flush() { w.flush() }

func (w *pushWriter) Push(target string, opts *http.PushOptions) error { return w.push(target, opts) }

// writer hands everything to the writer below and notes what the response becomes. As a writer
// of its own it has no optional method. The unexported ones may be called only if the writer
// below has what they are named after.
type writer struct{ x exchange }

func (w *writer) exchange() *exchange { return &w.x }

// Unwrap returns the writer below, for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.x.below }

func (w *writer) Header() http.Header { return w.x.below.Header() }

// WriteHeader notes the first final status. A second one is net/http's to complain about.
func (w *writer) WriteHeader(status int) {
	w.x.below.WriteHeader(status) // first: it panics if there is no such status
	if status < 100 || status > 199 || status == http.StatusSwitchingProtocols {
		w.x.header(status)
	}
}

func (w *writer) Write(p []byte) (int, error) {
	w.x.header(http.StatusOK)
	n, err := w.x.below.Write(p)
	w.x.wrote(int64(n), err)
	return n, err
}

func (w *writer) writeString(s string) (int, error) {
	w.x.header(http.StatusOK)
	n, err := w.x.below.(io.StringWriter).WriteString(s)
	w.x.wrote(int64(n), err)
	return n, err
}

// readFrom leaves the source as it is: net/http sends a file by the kernel's sendfile.
func (w *writer) readFrom(src io.Reader) (int64, error) {
	w.x.header(http.StatusOK)
	n, err := w.x.below.(io.ReaderFrom).ReadFrom(src)
	w.x.wrote(n, err)
	return n, err
}

func (w *writer) flush() {
	w.x.header(http.StatusOK)
	w.x.below.(http.Flusher).Flush()
	w.x.sent()
}

func (w *writer) flushError() error {
	w.x.header(http.StatusOK)
	err := w.x.below.(flushErrKind).FlushError()
	w.x.sent()
	w.x.wrote(0, err)
	return err
}

func (w *writer) hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := w.x.below.(http.Hijacker).Hijack()
	w.x.hijacked = w.x.hijacked || err == nil
	return conn, rw, err
}

func (w *writer) push(target string, opts *http.PushOptions) error {
	return w.x.below.(http.Pusher).Push(target, opts)
}

func (w *writer) closeNotify() <-chan bool {
	return w.x.below.(http.CloseNotifier).CloseNotify() //lint:ignore SA1019 handlers may still ask for it
}

// header notes that the final header leaves, unless one has, or cannot any more.
func (x *exchange) header(status int) {
	if x.status != 0 || x.hijacked {
		return
	}
	x.status = status
	x.late = status >= http.StatusInternalServerError && x.Err() != nil
}

// buffered is how much net/http keeps back until the handler returns.
const buffered = 2 << 10

// wrote notes that n bytes of body were written.
func (x *exchange) wrote(n int64, err error) {
	if x.size += n; x.size > buffered {
		x.sent()
	}
	if x.err == nil {
		x.err = err
	}
}

// sent notes that something is on its way to the client.
func (x *exchange) sent() {
	if x.left == 0 {
		x.left = clock()
	}
}
