package linkerd

// Resets of HTTP/2 streams, with their codes, handed on from one side to the other.

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"reflect"
	"sync"
)

// A Server serves one side of a proxy, or an application. It speaks HTTP/1 and unencrypted HTTP/2,
// and resets a stream with the code that another stream was reset with. To gRPC the code is a
// status, and net/http's own server knows only one.
type Server struct{ *http.Server }

// NewServer returns a server of h.
func NewServer(h http.Handler) *Server {
	srv := &http.Server{Handler: h, Protocols: new(http.Protocols)}
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetUnencryptedHTTP2(true)
	srv.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, resetterKey{}, conn)
	}
	return &Server{srv}
}

// Serve serves the connections that l accepts. See [http.Server.Serve].
func (s *Server) Serve(l net.Listener) error { return s.Server.Serve(resetListener{l}) }

type resetListener struct{ net.Listener }

func (l resetListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &resetter{Conn: conn, codes: make(map[uint32]uint32)}, nil
}

// streamError has the shape of net/http's own error for a reset HTTP/2 stream, which is not exported
// but lets errors.As fill any struct like it.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (streamError) Error() string { return "the stream was reset" }

// resetAs has the stream that w answers r on reset as err says, when the handler panics.
func resetAs(w http.ResponseWriter, r *http.Request, err error) {
	var reset streamError
	conn, ok := r.Context().Value(resetterKey{}).(*resetter)
	if ok && errors.As(err, &reset) {
		conn.mu.Lock()
		defer conn.mu.Unlock()
		conn.codes[streamID(w)] = reset.Code
	}
}

// streamID returns the ID of the stream that w answers on, or 0. Nothing that is exported tells it.
func streamID(w http.ResponseWriter) uint32 {
	v := reflect.ValueOf(w)
	for _, field := range []string{"rws", "stream", "id"} {
		if v = reflect.Indirect(v); v.Kind() != reflect.Struct {
			return 0
		}
		v = v.FieldByName(field)
	}
	if v.Kind() != reflect.Uint32 {
		return 0
	}
	return uint32(v.Uint())
}

// Frames of HTTP/2: length, type, flags, and stream come before the payload.
//
// Spec: RFC 9113, HTTP/2, sections 3.4, 4.1 and 6.4, https://www.rfc-editor.org/rfc/rfc9113
const (
	prefaceStart   = "PRI"
	frameHeadBytes = 9
	resetFrame     = 3
	resetCodeBytes = 4
)

type resetterKey struct{}

// A resetter is a connection on which the frames that reset a stream get another code.
type resetter struct {
	net.Conn
	read, http2 bool // the client has begun, and with HTTP/2

	head []byte // of the frame that is being written
	left int    // bytes of its payload that are to come
	code []byte // what replaces its payload

	mu    sync.Mutex
	codes map[uint32]uint32 // by stream
}

// CloseWrite lets net/http end one direction before the other.
func (c *resetter) CloseWrite() error {
	if conn, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return conn.CloseWrite()
	}
	return nil
}

// Read looks at the first bytes only. The server writes nothing before it has them.
func (c *resetter) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && !c.read {
		c.read, c.http2 = true, bytes.HasPrefix(p[:n], []byte(prefaceStart))
	}
	return n, err
}

// Write follows the frames, whichever way they are cut.
func (c *resetter) Write(p []byte) (int, error) {
	if !c.http2 {
		return c.Conn.Write(p)
	}
	out, changed := p, false
	for i := 0; i < len(p); {
		if c.left > 0 {
			n := min(c.left, len(p)-i)
			if c.code != nil {
				if !changed {
					out, changed = bytes.Clone(p), true
				}
				c.code = c.code[copy(out[i:i+n], c.code):]
			}
			i, c.left = i+n, c.left-n
			continue
		}
		n := min(frameHeadBytes-len(c.head), len(p)-i)
		c.head = append(c.head, p[i:i+n]...)
		if i += n; len(c.head) == frameHeadBytes {
			c.begin()
		}
	}
	return c.Conn.Write(out)
}

// begin prepares for the payload of the frame whose head is there.
func (c *resetter) begin() {
	c.left = int(c.head[0])<<16 | int(c.head[1])<<8 | int(c.head[2])
	c.code = nil
	if c.head[3] == resetFrame && c.left == resetCodeBytes {
		c.code = c.take(binary.BigEndian.Uint32(c.head[5:]))
	}
	c.head = c.head[:0]
}

// take returns the code with which a stream is to be reset, or nil, and forgets it.
func (c *resetter) take(stream uint32) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	code, ok := c.codes[stream]
	if !ok {
		return nil
	}
	delete(c.codes, stream)
	return binary.BigEndian.AppendUint32(nil, code)
}
