package exporter_test

// gRPC over real connections, to a server of grpc-go's, and to what is none.

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/meshtrace/meshtrace/exporter"
	"github.com/meshtrace/meshtrace/exporter/exportertest"
)

// grpcSchemes are the protocols that are spoken over gRPC, without TLS.
var grpcSchemes = []string{"grpc", "jaeger+grpc"}

func TestGRPCDeliversWhatSpansSay(t *testing.T) {
	for _, scheme := range grpcSchemes {
		for _, compression := range []exporter.Compression{exporter.NoCompression, exporter.Gzip} {
			t.Run(scheme+"/"+string(compression), func(t *testing.T) {
				exportertest.Run(t, func(t *testing.T) (sdktrace.SpanExporter, exportertest.Received) {
					var c grpcCollector
					return start(t, exporter.Config{Endpoint: scheme + "://" + c.serve(t), Compression: compression}), c.received
				})
			})
		}
	}
}

// What a server of grpc-go's sees of a call.
func TestGRPCCall(t *testing.T) {
	for _, scheme := range grpcSchemes {
		t.Run(scheme, func(t *testing.T) {
			var c grpcCollector
			e := start(t, exporter.Config{
				Endpoint: scheme + "://jane:pw@" + c.serve(t), Timeout: 5 * time.Minute, Compression: exporter.Gzip,
				Headers: map[string]string{"X-Tenant": "t", "Any-Bin": "\x00\xff"},
			})
			e.Consume(newRecord(1))
			if err := e.ForceFlush(trace.ContextWithSpanContext(t.Context(), newRecord(2).SpanContext)); err != nil {
				t.Fatal(err)
			}
			call := c.called()[0]
			for key, want := range map[string]string{
				"content-type": "application/grpc", "user-agent": "meshtrace-go", "authorization": "Basic amFuZTpwdw==",
				"x-tenant": "t", "any-bin": "\x00\xff", "traceparent": "", "grpc-trace-bin": "", "b3": "",
			} {
				if got := strings.Join(call.metadata[key], "|"); got != want {
					t.Errorf("%s is %q, want %q", key, got, want)
				}
			}
			if call.timeout <= 4*time.Minute || call.timeout > 5*time.Minute {
				t.Errorf("the call has %v", call.timeout)
			}
			if !call.compressed {
				t.Error("the call was not compressed")
			}
			c.checkReceived(t, 1, 1)
		})
	}
}

// Each status code that grpc-go sends: what is tried again arrives in the end, what is not is counted.
func TestGRPCStatusCodes(t *testing.T) {
	retried := map[codes.Code]bool{
		codes.Canceled: true, codes.DeadlineExceeded: true, codes.Aborted: true, codes.OutOfRange: true,
		codes.Unavailable: true, codes.DataLoss: true,
	}
	for _, scheme := range grpcSchemes {
		for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
			t.Run(scheme+"/"+code.String(), func(t *testing.T) {
				c := &grpcCollector{reply: func(_ context.Context, n int) (*coltrace.ExportTraceServiceResponse, error) {
					if n == 1 {
						return nil, status.Error(code, "100% sure — no")
					}
					return new(coltrace.ExportTraceServiceResponse), nil
				}}
				e := start(t, exporter.Config{Endpoint: scheme + "://" + c.serve(t), Retry: quickly})
				consume(e, 1, 10)
				err := e.Shutdown(t.Context())
				if retried[code] {
					if err != nil {
						t.Error(err)
					}
					checkStats(t, e, exporter.Stats{Accepted: 10, Exported: 10})
					c.checkReceived(t, 1, 10)
					return
				}
				checkError(t, err, "lost 10 of 10 spans: 10 rejected", `: "100% sure — no"`)
				checkStats(t, e, exporter.Stats{Accepted: 10, Dropped: exporter.Dropped{Rejected: 10}})
				if n := len(c.called()); n != 1 {
					t.Errorf("%d calls", n)
				}
			})
		}
	}
}

func TestGRPCRetryInfo(t *testing.T) {
	const delay = 300 * time.Millisecond
	var failed, again time.Time
	c := &grpcCollector{reply: func(_ context.Context, n int) (*coltrace.ExportTraceServiceResponse, error) {
		if n > 1 {
			again = time.Now()
			return new(coltrace.ExportTraceServiceResponse), nil
		}
		failed = time.Now()
		s, err := status.New(codes.ResourceExhausted, "too many").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(delay)})
		if err != nil {
			return nil, err
		}
		return nil, s.Err()
	}}
	e := start(t, exporter.Config{Endpoint: "grpc://" + c.serve(t), Retry: quickly})
	e.Consume(newRecord(1))
	if err := e.ForceFlush(t.Context()); err != nil {
		t.Error(err)
	}
	if pause := again.Sub(failed); pause < delay {
		t.Errorf("the next try came after %v, want %v", pause, delay)
	}
	checkStats(t, e, exporter.Stats{Accepted: 1, Exported: 1})
}

// A server takes messages of 4 MiB unless it is told otherwise, and says RESOURCE_EXHAUSTED to
// larger ones.
func TestGRPCServerTakesSmallMessagesOnly(t *testing.T) {
	for _, scheme := range grpcSchemes {
		for _, compression := range []exporter.Compression{exporter.NoCompression, exporter.Gzip} {
			t.Run(scheme+"/"+string(compression), func(t *testing.T) {
				var c grpcCollector
				e := start(t, exporter.Config{
					Endpoint: scheme + "://" + c.serve(t, grpc.MaxRecvMsgSize(40_000)), Retry: quickly, Compression: compression,
				})
				const spans = 5000 // half a megabyte
				consume(e, 1, spans)
				if err := e.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
				c.checkReceived(t, 1, spans)
				checkStats(t, e, exporter.Stats{Accepted: spans, Exported: spans})
			})
		}
	}
}

// By default a request stays below the limit that servers of grpc-go's have by default.
func TestGRPCDefaultsFitEachOther(t *testing.T) {
	for _, scheme := range grpcSchemes {
		t.Run(scheme, func(t *testing.T) {
			c := &grpcCollector{}
			var refused atomic.Int64
			e := start(t, exporter.Config{Endpoint: scheme + "://" + c.serve(t), OnError: func(error) { refused.Add(1) }})
			const spans = 200
			for n := 1; n <= spans; n++ {
				e.Consume(newLargeRecord(n, 100_000))
			}
			if err := e.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			c.checkReceived(t, 1, spans)
			if n := refused.Load(); n > 0 {
				t.Errorf("%d errors", n)
			}
		})
	}
}

func TestGRPCPartialSuccess(t *testing.T) {
	for length, message := range map[string]string{"short": "too old", "long": "too old, all of them: " + strings.Repeat("x", 100<<10)} {
		c := &grpcCollector{reply: func(context.Context, int) (*coltrace.ExportTraceServiceResponse, error) {
			return &coltrace.ExportTraceServiceResponse{
				PartialSuccess: &coltrace.ExportTracePartialSuccess{RejectedSpans: 4, ErrorMessage: message},
			}, nil
		}}
		for _, compression := range []exporter.Compression{exporter.NoCompression, exporter.Gzip} { // grpc-go answers as it was asked
			t.Run(length+"/"+string(compression), func(t *testing.T) {
				e := start(t, exporter.Config{Endpoint: "grpc://" + c.serve(t), Compression: compression})
				consume(e, 1, 10)
				checkError(t, e.Shutdown(t.Context()), "lost 4 of 10 spans: 4 rejected", `the server rejected 4 spans: "too old`)
				checkStats(t, e, exporter.Stats{Accepted: 10, Exported: 6, Dropped: exporter.Dropped{Rejected: 4}})
			})
		}
	}
}

func TestGRPCTLS(t *testing.T) {
	lender := httptest.NewTLSServer(nil) // of a certificate for 127.0.0.1
	defer lender.Close()
	roots := x509.NewCertPool()
	roots.AddCert(lender.Certificate())
	for _, scheme := range []string{"grpcs", "jaeger+grpcs"} {
		t.Run(scheme, func(t *testing.T) {
			var c grpcCollector
			address := c.serve(t, grpc.Creds(credentials.NewServerTLSFromCert(&lender.TLS.Certificates[0])))
			e := start(t, exporter.Config{Endpoint: scheme + "://" + address, TLS: &tls.Config{RootCAs: roots}})
			consume(e, 1, 10)
			if err := e.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			c.checkReceived(t, 1, 10)

			failed := make(chan error, 1)
			strange := start(t, exporter.Config{
				Endpoint: scheme + "://" + address, Batch: exporter.Batch{MaxAge: time.Millisecond},
				OnError: func(err error) { failed <- err },
			})
			strange.Consume(newRecord(11))
			checkError(t, <-failed, "certificate", "kept to be sent again")
		})
	}
}

func TestGRPCServerComesLaterThanTheService(t *testing.T) {
	for _, scheme := range grpcSchemes {
		t.Run(scheme, func(t *testing.T) {
			address := freeAddress(t)
			failed := make(chan error, 1)
			e := start(t, exporter.Config{Endpoint: scheme + "://" + address, Retry: quickly, OnError: func(err error) { failed <- err }})
			consume(e, 1, 3000)
			checkError(t, <-failed, "connection refused", "kept to be sent again")
			var c grpcCollector
			c.serveOn(t, address)
			if err := e.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			c.checkReceived(t, 1, 3000)
			checkStats(t, e, exporter.Stats{Accepted: 3000, Exported: 3000})
		})
	}
}

// A server that dies with calls under way, and one that is asked to stop, which says GOAWAY.
func TestGRPCServerIsReplaced(t *testing.T) {
	for _, tt := range []struct {
		rule string
		stop func(*grpc.Server)
		dies bool // with the call under way
	}{
		{"dies", (*grpc.Server).Stop, true},
		{"goes away", (*grpc.Server).GracefulStop, false},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			address := freeAddress(t)
			arrived, stopping := make(chan struct{}), make(chan struct{})
			var once sync.Once
			first := &grpcCollector{reply: func(ctx context.Context, n int) (*coltrace.ExportTraceServiceResponse, error) {
				if n >= 3 {
					once.Do(func() { close(arrived) })
					<-stopping
				}
				if tt.dies && n >= 3 {
					<-ctx.Done()
					return nil, ctx.Err()
				}
				return new(coltrace.ExportTraceServiceResponse), nil
			}}
			server := first.serveOn(t, address)
			e := start(t, exporter.Config{Endpoint: "grpc://" + address, Retry: quickly, Batch: exporter.Batch{MaxSpans: 200}})
			consume(e, 1, 2000)
			<-arrived
			consume(e, 2001, 4000)
			stopped := make(chan struct{})
			go func() {
				defer close(stopped)
				close(stopping)
				tt.stop(server)
			}()
			<-stopped
			var second grpcCollector
			second.serveOn(t, address)
			if err := e.ForceFlush(t.Context()); err != nil {
				t.Error(err)
			}
			checkHeld(t, e, 0)
			checkAllReceived(t, e, 4000, &first.collector, &second.collector)
		})
	}
}

// The deadline is the server's too: it lets go of the call when we do.
func TestGRPCServerHangs(t *testing.T) {
	gone := make(chan error, 1)
	c := &grpcCollector{reply: func(ctx context.Context, n int) (*coltrace.ExportTraceServiceResponse, error) {
		if n == 1 {
			<-ctx.Done()
			gone <- ctx.Err()
			return nil, status.FromContextError(ctx.Err()).Err()
		}
		return new(coltrace.ExportTraceServiceResponse), nil
	}}
	failed := make(chan error, 10)
	e := start(t, exporter.Config{
		Endpoint: "grpc://" + c.serve(t), Retry: quickly, Timeout: 100 * time.Millisecond,
		OnError: func(err error) { failed <- err },
	})
	consume(e, 1, 10)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := e.ForceFlush(ctx); err != nil {
		t.Error(err)
	}
	checkError(t, <-failed, "kept to be sent again")
	if err := <-gone; err == nil {
		t.Error("the server's context has no error")
	}
	c.checkReceived(t, 1, 10)
	checkStats(t, e, exporter.Stats{Accepted: 10, Exported: 10})
}

// A connection on which the server reads no more is given up, though it would let us send without end: a request
// that is cancelled could not even say so on it. What comes after goes by another one.
func TestHTTP2ServerThatReadsNoMore(t *testing.T) {
	plain := func(conn net.Conn) net.Conn { return conn }
	lender := httptest.NewTLSServer(nil)
	defer lender.Close()
	encrypted := func(conn net.Conn) net.Conn {
		return tls.Server(conn, &tls.Config{Certificates: lender.TLS.Certificates, NextProtos: []string{"h2"}})
	}
	for _, tt := range []struct {
		scheme  string
		wrap    func(net.Conn) net.Conn
		backend func(*testing.T, *grpcCollector) (address string)
	}{
		{"grpc", plain, func(t *testing.T, c *grpcCollector) string { return c.serve(t) }},
		{"grpcs", encrypted, func(t *testing.T, c *grpcCollector) string { return c.serve(t) }},
		{"https", encrypted, func(t *testing.T, c *grpcCollector) string { return serveHTTP2(t, &c.collector) }},
	} {
		t.Run(tt.scheme, func(t *testing.T) {
			c := new(grpcCollector)
			e := start(t, exporter.Config{
				Endpoint: tt.scheme + "://" + freezeFirst(t, tt.wrap, tt.backend(t, c)),
				TLS:      lender.Client().Transport.(*http.Transport).TLSClientConfig,
				Retry:    quickly, Timeout: 300 * time.Millisecond,
				Batch: exporter.Batch{MaxBytes: 8 << 20}, Queue: exporter.Queue{InFlight: 1},
			})
			for n := 1; n <= 40; n++ {
				e.Consume(newLargeRecord(n, 300_000))
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			if err := e.ForceFlush(ctx); err != nil {
				t.Error(err)
			}
			checkAllReceived(t, e, 40, &c.collector)
		})
	}
}

// freezeFirst listens, reads nothing on the first connection, and forwards all others to the backend.
func freezeFirst(t *testing.T, wrap func(net.Conn) net.Conn, backend string) (address string) {
	over := make(chan struct{})
	var conns atomic.Int64
	address = listen(t, func(raw net.Conn) {
		conn := wrap(raw)
		if conns.Add(1) > 1 {
			forward(conn, backend)
			return
		}
		raw.(*net.TCPConn).SetReadBuffer(4 << 10)
		io.WriteString(conn, "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x04\x7f\xff\xff\xff") // SETTINGS_INITIAL_WINDOW_SIZE
		io.WriteString(conn, "\x00\x00\x04\x08\x00\x00\x00\x00\x00\x7f\xfe\x00\x00")         // WINDOW_UPDATE of the connection
		<-over
	})
	t.Cleanup(func() { close(over) }) // before listen waits
	return address
}

// forward passes on what comes by conn to address, and back.
func forward(conn net.Conn, address string) {
	to, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer to.Close()
	go func() {
		io.Copy(to, conn)
		to.Close()
	}()
	io.Copy(conn, to)
}

// After Shutdown there is no connection left, whatever the server does on it.
func TestGRPCShutdownClosesConnections(t *testing.T) {
	closed := make(chan struct{})
	accepted := make(chan struct{})
	e := start(t, exporter.Config{Queue: exporter.Queue{InFlight: 1}, Endpoint: "grpc://" + listen(t, func(conn net.Conn) {
		conn.(*net.TCPConn).SetReadBuffer(4 << 10)
		close(accepted)
		<-closed // reads nothing
		io.Copy(io.Discard, conn)
	})})
	for n := 1; n <= 20; n++ {
		e.Consume(newLargeRecord(n, 300_000))
	}
	<-accepted
	over, cancel := context.WithCancel(t.Context())
	cancel()
	checkError(t, e.Shutdown(over), "lost 20 of 20 spans: 20 shutdown")
	close(closed) // and ends only if the other side has closed too
	checkHeld(t, e, 0)
}

func TestGRPCServerThatIsNone(t *testing.T) {
	const noAnswer = "shutdown: context deadline exceeded"
	readSome := func(conn net.Conn) { conn.Read(make([]byte, 1<<10)) }
	for _, tt := range []struct {
		rule  string
		serve func(net.Conn)
		part  string // of the error
	}{
		{"garbage in place of HTTP/2", func(conn net.Conn) { readSome(conn); io.WriteString(conn, "SSH-2.0-OpenSSH\r\n\x00\x01\x02\x03") }, "http2"},
		{"HTTP/1", func(conn net.Conn) {
			http.ReadRequest(bufio.NewReader(conn))
			io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
		}, "http2"},
		{"hanging up at once", func(net.Conn) {}, "post "},
		{"hanging up after the request", readSome, "post "},
		{"no answer", func(conn net.Conn) { io.Copy(io.Discard, conn) }, noAnswer},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			failed := make(chan error, 10)
			e := start(t, exporter.Config{
				Endpoint: "grpc://" + listen(t, tt.serve), Retry: quickly,
				OnError: func(err error) { failed <- err },
			})
			const spans = 20_000
			consume(e, 1, spans) // returns, though nothing is answered
			if tt.part != noAnswer {
				<-failed
			}
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			checkError(t, e.Shutdown(ctx), "lost 20000 of 20000 spans: 20000 shutdown", tt.part)
			checkHeld(t, e, 0)
			checkStats(t, e, exporter.Stats{Accepted: spans, Dropped: exporter.Dropped{Shutdown: spans}})
		})
	}
}

// serveHTTP2 serves h by HTTP/2 without TLS.
func serveHTTP2(t *testing.T, h http.Handler) (address string) {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// A proxy that speaks HTTP/2, but not gRPC, has no server behind it for a while.
func TestGRPCProxyAnswersWithPages(t *testing.T) {
	var c grpcCollector
	backend := grpcBackend(t, &c)
	var n atomic.Int64
	e := start(t, exporter.Config{Retry: quickly, Endpoint: "grpc://" + serveHTTP2(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) <= 3 {
			http.Error(w, "<html>no healthy upstream</html>", http.StatusServiceUnavailable)
			return
		}
		backend.ServeHTTP(w, r)
	}))})
	consume(e, 1, 100)
	if err := e.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	c.checkReceived(t, 1, 100)
	checkStats(t, e, exporter.Stats{Accepted: 100, Exported: 100})
}

// A proxy resets a stream in the middle of the answer.
func TestGRPCProxyResetsTheStream(t *testing.T) {
	var c grpcCollector
	backend := grpcBackend(t, &c)
	var n atomic.Int64
	e := start(t, exporter.Config{Retry: quickly, Endpoint: "grpc://" + serveHTTP2(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n.Add(1) {
		case 1:
			panic(http.ErrAbortHandler)
		case 2:
			io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/grpc")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
		backend.ServeHTTP(w, r)
	}))})
	consume(e, 1, 100)
	if err := e.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if n.Load() < 3 {
		t.Errorf("%d requests", n.Load())
	}
	c.checkReceived(t, 1, 100)
}

// grpcBackend returns c as a handler.
func grpcBackend(t *testing.T, c *grpcCollector) http.Handler {
	t.Helper()
	server := grpc.NewServer(grpc.StatsHandler(payloads{}))
	coltrace.RegisterTraceServiceServer(server, c)
	t.Cleanup(server.Stop)
	return server
}

// One connection carries all calls, also two at a time.
func TestGRPCConnectionIsUsedAgain(t *testing.T) {
	var c grpcCollector
	backend := grpcBackend(t, &c)
	var opened atomic.Int64
	server := httptest.NewUnstartedServer(backend)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	e := start(t, exporter.Config{Endpoint: "grpc" + strings.TrimPrefix(server.URL, "http")})
	for n := 1; n <= 20; n++ {
		e.Consume(newRecord(n))
		if err := e.ForceFlush(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("%d connections for 20 requests one after another", n)
	}
	c.checkReceived(t, 1, 20)
}

func refuseAll(ctx context.Context, _ *tap.Info) (context.Context, error) {
	return ctx, status.Error(codes.PermissionDenied, "not you")
}

// A large request, of which the server reads nothing before it refuses it, is refused.
func TestGRPCServerAnswersBeforeItReads(t *testing.T) {
	c := &grpcCollector{}
	auth := grpc.InTapHandle(refuseAll)
	e := start(t, exporter.Config{Endpoint: "grpc://" + c.serve(t, auth)})
	const spans = 20
	for n := 1; n <= spans; n++ {
		e.Consume(newLargeRecord(n, 40_000))
	}
	checkError(t, e.Shutdown(t.Context()), "lost 20 of 20 spans: 20 rejected", `status PERMISSION_DENIED: "not you"`)
	checkStats(t, e, exporter.Stats{Accepted: spans, Dropped: exporter.Dropped{Rejected: spans}})
}

// A proxy of the environment speaks HTTP/1 to who does not ask it for a tunnel.
func TestGRPCWithoutTLSGoesPastProxies(t *testing.T) {
	for scheme, want := range map[string]bool{"http": true, "jaeger+https": true, "grpc": false, "jaeger+grpc": false, "grpcs": true} {
		if e := start(t, exporter.Config{Endpoint: scheme + "://127.0.0.1"}); e.UsesProxies() != want {
			t.Errorf("%s uses proxies: %t", scheme, !want)
		}
	}
}
