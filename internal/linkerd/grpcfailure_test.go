package linkerd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/meshtrace/meshtrace/internal/linkerd"
)

// A server that stops closes its connections, which ends streams that wait for ever.
func TestGRPCServerStops(t *testing.T) {
	reached := make(chan error, 2)
	m := startGRPC(t, linkerd.Modern, testService{duplex: func(stream pb.TestService_FullDuplexCallServer) error {
		_ = stream.SendHeader(nil)
		return waiting(reached)(stream)
	}})
	stream, err := m.FullDuplexCall(calling(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Header(); err != nil {
		t.Fatal(err)
	}
	<-reached
	m.server.Stop()
	if _, err := stream.Recv(); status.Code(err) != codes.Internal { // a stream that was reset
		t.Errorf("error %v, want %v", err, codes.Internal)
	}
	checkChain(t, m.spans(t), testMethods+"FullDuplexCall", "outbound", "inbound")
}

// startRaw is a mesh whose server is an HTTP/2 handler, which can break what gRPC's own cannot.
func startRaw(t *testing.T, app http.HandlerFunc) grpcMesh {
	t.Helper()
	return behindProxies(t, linkerd.Config{App: serve(t, app)})
}

// behindProxies is a mesh with a server that listens somewhere.
func behindProxies(t *testing.T, cfg linkerd.Config) grpcMesh {
	t.Helper()
	b := startPod(t, nil, cfg)
	a := startPod(t, nil, linkerd.Config{Routes: map[string]linkerd.Endpoint{"b.default:8080": {Addr: b.inbound, Meshed: true}}})
	return grpcMesh{dialGRPC(t, a.outbound), a, b, nil}
}

func TestGRPCServerResets(t *testing.T) {
	for _, tt := range []struct {
		rule  string
		app   http.HandlerFunc
		spans []string
	}{
		{"before its header: no span", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nil},
		{"after it", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/grpc")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, []string{"outbound", "inbound"}},
		{"within a message", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/grpc")
			_, _ = w.Write([]byte{0, 0, 0, 1, 0, 'x'})
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, []string{"outbound", "inbound"}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			m := startRaw(t, tt.app)
			if _, err := m.UnaryCall(calling(t), &pb.SimpleRequest{}); status.Code(err) != codes.Internal {
				t.Errorf("error %v, want %v", err, codes.Internal)
			}
			checkChain(t, m.spans(t), testMethods+"UnaryCall", tt.spans...)
		})
	}
}

// What the other end says by HTTP/2 itself is no answer, and the proxy makes none of it: it resets
// the stream too.
func TestGRPCEndsInHTTP2(t *testing.T) {
	for rule, last := range map[string][]byte{
		"the stream is reset":              frame(typeReset, 1, 0, 0, 0, 2),
		"the connection is said to end":    frame(typeGoAway, 0, 0, 0, 0, 1, 0, 0, 0, 2),
		"the connection ends as it should": frame(typeGoAway, 0, 0, 0, 0, 1, 0, 0, 0, 0),
	} {
		t.Run(rule, func(t *testing.T) {
			a := startPod(t, nil, linkerd.Config{Routes: map[string]linkerd.Endpoint{"b.default:8080": {Addr: rawAddr(t, last)}}})
			if _, err := dialGRPC(t, a.outbound).UnaryCall(calling(t), &pb.SimpleRequest{}); status.Code(err) != codes.Internal {
				t.Errorf("error %v, want %v", err, codes.Internal)
			}
			if spans := a.flushed(t); len(spans) != 0 {
				t.Errorf("%d spans, want none: %v", len(spans), spans)
			}
		})
	}
}

// With which code a stream is reset is a status to gRPC, and both proxies hand it on.
func TestGRPCResetCodes(t *testing.T) {
	head := frame(typeHeaders, 1, append([]byte{statusOK, literal, contentType - 15, 16}, "application/grpc"...)...)
	head[4] = endHeaders
	for code, want := range map[byte]codes.Code{
		2: codes.Internal, 8: codes.Canceled, 11: codes.ResourceExhausted, 12: codes.PermissionDenied,
	} {
		for _, begun := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v/begun=%t", want, begun), func(t *testing.T) {
				frames, directions := [][]byte{frame(typeReset, 1, 0, 0, 0, code)}, []string(nil)
				if begun {
					frames, directions = slices.Insert(frames, 0, head), []string{"outbound", "inbound"}
				}
				m := behindProxies(t, linkerd.Config{App: rawAddr(t, frames...)})
				if _, err := m.UnaryCall(calling(t), &pb.SimpleRequest{}); status.Code(err) != want {
					t.Errorf("error %v, want %v", err, want)
				}
				checkChain(t, m.spans(t), testMethods+"UnaryCall", directions...)
			})
		}
	}
}

// A server resets streams when their time is over. Their callers, who know of no deadline, see just that.
func TestGRPCServersDeadline(t *testing.T) {
	m := startGRPC(t, linkerd.Modern, testService{unary: func(ctx context.Context, _ *pb.SimpleRequest) (*pb.SimpleResponse, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	client := newClient(t, 2, m.a.outbound)
	var calls sync.WaitGroup
	for range 50 {
		calls.Go(func() {
			req, err := http.NewRequestWithContext(t.Context(), "POST", "http://b.default:8080"+testMethods+"UnaryCall", bytes.NewReader(make([]byte, 5)))
			if err != nil {
				t.Error(err)
				return
			}
			req.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "Grpc-Timeout": {"50m"}}
			resp, err := client.Do(req)
			if err == nil { // the handler was faster than the timer
				resp.Body.Close()
				return
			}
			var reset streamError
			if !errors.As(err, &reset) || reset.Code != 8 {
				t.Errorf("error %v, want CANCEL", err)
			}
		})
	}
	calls.Wait()
}

// streamError has the shape of net/http's.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (e streamError) Error() string { return fmt.Sprint("reset with code ", e.Code) }

// What a proxy answers itself is a response of gRPC, so its status is 200.
func TestGRPCAnswersOfTheProxy(t *testing.T) {
	for _, tt := range []struct {
		rule  string
		b     func(t *testing.T) linkerd.Endpoint
		code  codes.Code
		spans []string // kind and direction
	}{
		{"nobody listens: an endpoint was tried", func(t *testing.T) linkerd.Endpoint { return linkerd.Endpoint{Addr: closedAddr(t)} },
			codes.Unavailable, []string{"outbound CLIENT", "outbound SERVER"}},
		{"no proxy listens", func(t *testing.T) linkerd.Endpoint { return linkerd.Endpoint{Addr: closedAddr(t), Meshed: true} },
			codes.Unavailable, []string{"outbound CLIENT", "outbound SERVER"}},
		{"no endpoint: no client span", func(*testing.T) linkerd.Endpoint { return linkerd.Endpoint{} },
			codes.Unavailable, []string{"outbound SERVER"}},
		{"the connection closes", func(t *testing.T) linkerd.Endpoint { return linkerd.Endpoint{Addr: closingAddr(t)} },
			codes.Unavailable, []string{"outbound CLIENT", "outbound SERVER"}},
		{"the connection ends without a word", func(t *testing.T) linkerd.Endpoint { return linkerd.Endpoint{Addr: rawAddr(t)} },
			codes.Unavailable, []string{"outbound CLIENT", "outbound SERVER"}},
		{"too slow: no client span", func(t *testing.T) linkerd.Endpoint { return linkerd.Endpoint{Addr: serve(t, http.HandlerFunc(hang))} },
			codes.DeadlineExceeded, []string{"outbound SERVER"}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			a := startPod(t, nil, linkerd.Config{Routes: map[string]linkerd.Endpoint{"b.default:8080": tt.b(t)}, ResponseTimeout: 20 * time.Millisecond})
			_, err := dialGRPC(t, a.outbound).UnaryCall(calling(t), &pb.SimpleRequest{})
			if status.Code(err) != tt.code {
				t.Errorf("error %v, want %v", err, tt.code)
			}
			var got []string
			for _, s := range a.flushed(t) {
				attrs := attributes(t, s.Attributes)
				got = append(got, fmt.Sprint(attrs["direction"], " ", strings.TrimPrefix(s.Kind.String(), "SPAN_KIND_")))
				if attrs["http.response.status_code"] != "200" || s.Name != testMethods+"UnaryCall" {
					t.Errorf("span %s has the status %v", s.Name, attrs["http.response.status_code"])
				}
			}
			if diff := cmp.Diff(tt.spans, got); diff != "" {
				t.Errorf("spans (-want +got):\n%s", diff)
			}
		})
	}
}

// The server behind the other proxy is gone: that proxy answers, so all four spans are there.
func TestGRPCServerIsGone(t *testing.T) {
	m := behindProxies(t, linkerd.Config{App: closedAddr(t)})
	if _, err := m.UnaryCall(calling(t), &pb.SimpleRequest{}); status.Code(err) != codes.Unavailable {
		t.Errorf("error %v, want %v", err, codes.Unavailable)
	}
	checkChain(t, m.spans(t), testMethods+"UnaryCall", "outbound", "inbound")
}

// closingAddr returns the address of a server that closes the connection of every request.
func closingAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	type key struct{}
	srv := linkerd.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		r.Context().Value(key{}).(net.Conn).Close()
		<-r.Context().Done()
	}))
	srv.ConnContext = func(ctx context.Context, conn net.Conn) context.Context { return context.WithValue(ctx, key{}, conn) }
	var serving sync.WaitGroup
	serving.Go(func() { _ = srv.Serve(l) })
	t.Cleanup(func() {
		_ = srv.Close()
		serving.Wait()
	})
	return l.Addr().String()
}

// rawAddr returns an address at which every connection is sent frames of HTTP/2 when it has asked
// for something, and closed.
func rawAddr(t *testing.T, frames ...[]byte) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { answerRaw(conn.(*net.TCPConn), frames) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		serving.Wait()
	})
	return l.Addr().String()
}

func answerRaw(conn *net.TCPConn, frames [][]byte) {
	defer conn.Close()
	_, _ = conn.Write(frame(typeSettings, 0))
	_, _ = io.CopyN(io.Discard, conn, int64(len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")))
	for head := make([]byte, frameHead); head[3] != typeHeaders; {
		if _, err := io.ReadFull(conn, head); err != nil {
			return
		}
		_, _ = io.CopyN(io.Discard, conn, int64(head[0])<<16|int64(head[1])<<8|int64(head[2]))
	}
	for _, f := range frames {
		_, _ = conn.Write(f)
	}
	_ = conn.CloseWrite()
	_, _ = io.Copy(io.Discard, conn) // what is unread would break the connection before the frames are read
}

// Of HTTP/2's frames. Spec: RFC 9113, sections 4.1 and 6.
const (
	frameHead    = 9
	typeHeaders  = 1
	typeReset    = 3
	typeSettings = 4
	typeGoAway   = 7
	endHeaders   = 4 // a flag
)

// Of HPACK: a field of the static table, a literal whose name is one, and that name's number.
// Spec: RFC 7541, sections 6.1, 6.2.2, and appendix A.
const (
	statusOK    = 0x88
	literal     = 0x0f
	contentType = 31
)

func frame(kind, stream byte, payload ...byte) []byte {
	return append([]byte{0, 0, byte(len(payload)), kind, 0, 0, 0, 0, stream}, payload...)
}
