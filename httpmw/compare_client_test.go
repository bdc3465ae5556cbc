package httpmw_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"
)

// echo answers with what it was sent.
func echo(s *stage) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		s.serverNote("%s %s %s, length %d, encoding %v, close %v", r.Method, r.URL, r.Proto, r.ContentLength, r.TransferEncoding, r.Close)
		s.serverNote("header %v, host %v, trailer %v", headers(r.Header), r.Host, headers(r.Trailer))
		s.serverNote("body %d %q, error %v", len(body), short(body), err)
		w.Write(body)
	})
}

// redirects sends the client from /a to /b to /c, with a status.
func redirects(status int) func(*stage) http.Handler {
	return func(s *stage) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/a", http.RedirectHandler("/b", status))
		mux.Handle("/b", http.RedirectHandler("/c", status))
		mux.Handle("/c", echo(s))
		return mux
	}
}

// do sends a request and notes the response.
func (s *stage) do(r *http.Request, err error) *http.Response {
	if err != nil {
		s.Fatal(err)
	}
	resp, err := s.client.Do(r)
	s.response(resp, err)
	return resp
}

// roundTrip sends a request past the client and notes the response.
func (s *stage) roundTrip(r *http.Request) *http.Response {
	resp, err := s.client.Transport.RoundTrip(r)
	s.response(resp, err)
	return resp
}

// transport changes the transport below us, and makes a new one of us above it.
func (s *stage) transport(change func(*http.Transport)) {
	change(s.base)
	s.client.Transport = s.send(s.base)
}

// errorNote notes what kind of error a client got.
func (s *stage) errorNote(err error) {
	var u *url.Error
	s.note("%T, url error %v, timeout %v, deadline %v, cancelled %v", err, errors.As(err, &u), u != nil && u.Timeout(), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled))
}

// forever answers when the client has gone.
func forever(s *stage) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
}

// endless answers with a body that never ends.
func endless(s *stage) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "begin")
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
}

var clientBehaviours = []behaviour{
	{name: "GET", handler: echo, client: func(s *stage) { s.get("/a?b=c#d", "X-A", "1") }},
	{name: "HEAD", handler: echo, client: func(s *stage) {
		resp, err := s.client.Head(s.url)
		s.response(resp, err)
		s.note("%v", resp.Body == http.NoBody)
	}},
	{name: "204", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) }), client: func(s *stage) {
		resp := s.do(http.NewRequest("GET", s.url, nil))
		s.note("%v", resp.Body == http.NoBody)
	}},
	{name: "a body of known length", handler: echo, client: func(s *stage) { s.post("/", strings.NewReader("hello")) }},
	{name: "a body of unknown length", handler: echo, client: func(s *stage) { s.post("/", io.MultiReader(strings.NewReader("hello"))) }},
	{name: "http.NoBody", handler: echo, client: func(s *stage) { s.post("/", http.NoBody) }},
	{name: "a reader that has nothing", handler: echo, client: func(s *stage) { s.post("/", io.MultiReader()) }},
	{name: "a body that fails", protocols: "1", client: func(s *stage) {
		_, err := s.client.Post(s.url, "", iotest.ErrReader(errTest))
		s.note("%v, from the body %v", err, errors.Is(err, errTest))
	}},
	{name: "a body shorter than announced", protocols: "1", client: func(s *stage) {
		r, _ := http.NewRequest("POST", s.url, io.MultiReader(strings.NewReader("x")))
		r.ContentLength = 5
		_, err := s.client.Do(r)
		if err != nil && strings.Contains(err.Error(), "ContentLength=5 with Body length 1") || errors.Is(err, net.ErrClosed) {
			s.note("it is too short") // net/http then closes the connection, and which of the two it sees first is chance
		} else {
			s.note("%v", err)
		}
	}},
	{name: "head and body leave in one write", protocols: "1", handler: echo, client: func(s *stage) {
		var writes atomic.Int64
		s.transport(func(base *http.Transport) {
			base.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, network, addr)
				return &counted{conn, &writes}, err
			}
		})
		s.post("/", strings.NewReader("hello"))
		s.note("%d writes", writes.Load())
		s.post("/", bytes.NewReader(make([]byte, 1<<10)))
		s.note("%d writes", writes.Load())
	}},
	{name: "a file leaves as a file", protocols: "1", handler: echo, client: func(s *stage) {
		var sent []string
		s.transport(func(base *http.Transport) {
			base.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, network, addr)
				return &receiver{conn.(*net.TCPConn), &sent}, err
			}
		})
		f, err := os.CreateTemp(s.TempDir(), "")
		if err != nil {
			s.Fatal(err)
		}
		f.Write(make([]byte, long))
		f.Seek(0, io.SeekStart)
		r, _ := http.NewRequest("POST", s.url, f)
		r.ContentLength = long
		s.response(s.client.Do(r))
		s.note("%v", sent)
	}},
	{name: "request trailers", handler: echo, client: func(s *stage) {
		r, err := http.NewRequest("POST", s.url, io.MultiReader(strings.NewReader("x")))
		r.Trailer = http.Header{"X-Sum": nil}
		r.Body = io.NopCloser(io.MultiReader(strings.NewReader("x"), atEnd(func() { r.Trailer.Set("X-Sum", "1") })))
		s.do(r, err)
	}},
	{name: "response trailers come with the end of the body", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		io.WriteString(w, "body")
		w.Header().Set("X-Sum", "42")
	}), client: func(s *stage) {
		resp, err := s.client.Get(s.url)
		if err != nil {
			s.Fatal(err)
		}
		defer resp.Body.Close()
		s.note("before %v", headers(resp.Trailer))
		io.Copy(io.Discard, resp.Body)
		s.note("after %v", headers(resp.Trailer))
	}},
	{name: "a redirect by 302 becomes GET", handler: redirects(302), client: func(s *stage) { s.post("/a", strings.NewReader("hello")) }},
	{name: "a redirect by 307 sends the body again", handler: redirects(307), client: func(s *stage) { s.post("/a", strings.NewReader("hello")) }},
	{name: "a redirect with a body that cannot be sent again", handler: redirects(307), client: func(s *stage) { s.post("/a", io.MultiReader(strings.NewReader("hello"))) }},
	{name: "redirects without end", handler: func(*stage) http.Handler { return http.RedirectHandler("/", http.StatusFound) }},
	{name: "CheckRedirect", handler: redirects(302), client: func(s *stage) {
		s.client.CheckRedirect = func(r *http.Request, via []*http.Request) error {
			s.note("%s %d %s", r.URL.Path, len(via), r.Response.Status)
			return nil
		}
		s.get("/a")
	}},
	{name: "http.ErrUseLastResponse", handler: redirects(302), client: func(s *stage) {
		s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		s.get("/a")
	}},
	{name: "a redirect drops credentials on the way to another host", handler: func(s *stage) http.Handler {
		other := serveHTTP1(s, echo(s))
		return http.RedirectHandler(strings.Replace(other.URL, "127.0.0.1", "localhost", 1), http.StatusFound)
	}, protocols: "1", client: func(s *stage) {
		resp, err := s.client.Do(request(s.T, "GET", s.url, "Authorization", "secret", "X-Other", "kept"))
		if err != nil {
			s.Fatal(err)
		}
		resp.Body.Close()
		s.note("%d, credentials %v", resp.StatusCode, resp.Request.Header.Get("Authorization") != "")
	}},
	{name: "cookies", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		s.serverNote("%v", r.Cookies())
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
	}), client: func(s *stage) {
		s.client.Jar, _ = cookiejar.New(nil)
		s.get("/")
		s.get("/")
	}},
	{name: "Client.Timeout before the header", handler: forever, client: func(s *stage) {
		s.client.Timeout = time.Millisecond
		_, err := s.client.Get(s.url)
		s.errorNote(err)
	}},
	{name: "Client.Timeout in the body", handler: endless, client: func(s *stage) {
		s.client.Timeout = 100 * time.Millisecond
		resp, err := s.client.Get(s.url)
		if err == nil { // on a slow machine the header may be too late, too
			defer resp.Body.Close()
			_, err = io.ReadAll(resp.Body)
		}
		s.note("timeout %v", errors.Is(err, context.DeadlineExceeded))
	}},
	{name: "a context that has ended", client: func(s *stage) {
		ctx, cancel := context.WithCancel(background)
		cancel()
		_, err := s.client.Do(request(s.T, "GET", s.url).WithContext(ctx))
		s.note("%v", err)
		s.errorNote(err)
	}},
	{name: "a context that ends in the body", handler: endless, client: func(s *stage) {
		ctx, cancel := context.WithCancel(background)
		defer cancel()
		resp, err := s.client.Do(request(s.T, "GET", s.url).WithContext(ctx))
		if err != nil {
			s.Fatal(err)
		}
		defer resp.Body.Close()
		cancel()
		_, err = io.ReadAll(resp.Body)
		s.note("%v", err)
	}},
	{name: "the cause of a cancelled context", handler: forever, client: func(s *stage) {
		ctx, cancel := context.WithCancelCause(background)
		cancel(errTest)
		_, err := s.client.Do(request(s.T, "GET", s.url).WithContext(ctx))
		s.note("%v %v", err, errors.Is(err, errTest))
	}},
	{name: "Request.Cancel", handler: forever, client: func(s *stage) {
		r := request(s.T, "GET", s.url)
		done := make(chan struct{})
		close(done)
		r.Cancel = done //lint:ignore SA1019 callers may still use it
		_, err := s.client.Do(r)
		s.note("%v", strings.Contains(err.Error(), "net/http: request canceled"))
	}},
	{name: "nobody listens", client: func(s *stage) { s.response(s.client.Get(nobody)) }},
	{name: "the server hangs up", handler: does(func(*stage, http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), protocols: "1"},
	{name: "the server hangs up in the body", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "part")
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})},
	{name: "a certificate that is not trusted", protocols: "2", client: func(s *stage) {
		if s.protocol == "h2c" {
			s.note("no TLS")
			return
		}
		s.transport(func(base *http.Transport) { base.TLSClientConfig = &tls.Config{NextProtos: []string{"h2"}} })
		s.response(s.client.Get(s.url))
	}},
	{name: "gzip is unpacked", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		s.serverNote("%v", r.Header["Accept-Encoding"])
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		io.WriteString(z, "unpacked")
		z.Close()
	})},
	{name: "gzip that was asked for is not", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		io.WriteString(w, "packed")
	}), client: func(s *stage) { s.get("/", "Accept-Encoding", "gzip") }},
	{name: "informational responses", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</style.css>")
		w.WriteHeader(103)
		io.WriteString(w, "done")
	}), client: informed},
	{name: "Expect: 100-continue", handler: echo, client: expecting},
	{name: "httptrace sees what it saw", handler: echo, client: func(s *stage) {
		ctx := httptrace.WithClientTrace(background, &httptrace.ClientTrace{
			GetConn:              func(string) { s.note("get") },
			GotConn:              func(info httptrace.GotConnInfo) { s.note("got, reused %v", info.Reused) },
			GotFirstResponseByte: func() { s.note("first byte") },
			Got1xxResponse:       func(int, textproto.MIMEHeader) error { return nil },
		})
		resp, err := s.client.Do(request(s.T, "GET", s.url).WithContext(ctx))
		if err != nil {
			s.Fatal(err)
		}
		resp.Body.Close()
	}},
	{name: "the response shows the request that was sent", handler: redirects(302), client: func(s *stage) {
		r := request(s.T, "GET", s.url+"/c", "X-A", "1")
		resp := s.roundTrip(r)
		s.note("%v, header %v", resp.Request == r, headers(resp.Request.Header))
		resp = s.do(http.NewRequest("GET", s.url+"/a", nil))
		s.note("%s, after %s", resp.Request.URL, resp.Request.Response.Request.URL)
	}},
	{name: "the request and its header stay as they are", handler: echo, client: func(s *stage) {
		r := request(s.T, "GET", s.url, "X-A", "1")
		resp := s.roundTrip(r)
		s.note("%v %v %v", headers(r.Header), r.Context() == background, resp.Request.Body == nil)
	}},
	{name: "the caller's own trace header is replaced, not joined", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		s.serverNote("%d", len(r.Header["Traceparent"]))
	}), client: func(s *stage) { s.get("/", traceparent, sampled) }},
	{name: "no URL", client: func(s *stage) { s.roundTrip(&http.Request{Header: http.Header{}}) }},
	{name: "no header", client: func(s *stage) {
		u, _ := url.Parse(s.url)
		s.roundTrip(&http.Request{URL: u})
	}},
	{name: "no host", client: func(s *stage) { s.roundTrip(&http.Request{URL: &url.URL{Scheme: "http"}, Header: http.Header{}}) }},
	{name: "a scheme that nobody knows", client: func(s *stage) { s.response(s.client.Get("gopher://127.0.0.1/")) }},
	{name: "a scheme that somebody knows", client: func(s *stage) {
		dir := s.TempDir()
		os.WriteFile(dir+"/f", []byte("a file"), 0o600)
		os.Chtimes(dir+"/f", time.Unix(1e9, 0), time.Unix(1e9, 0))
		s.transport(func(base *http.Transport) { base.RegisterProtocol("file", http.NewFileTransport(http.Dir(dir))) })
		s.response(s.client.Get("file:///f"))
	}},
	{name: "a method that cannot be", client: func(s *stage) {
		r := request(s.T, "GET", s.url)
		r.Method = "bad method"
		s.roundTrip(r)
	}},
	{name: "a header that cannot be", client: func(s *stage) {
		r := request(s.T, "GET", s.url)
		r.Header["X-A"] = []string{"line\nbreak"}
		s.roundTrip(r)
	}},
	{name: "a trailer that cannot be", client: func(s *stage) {
		r := request(s.T, "GET", s.url)
		r.Trailer = http.Header{"X-A": {"line\nbreak"}}
		s.roundTrip(r)
	}},
	{name: "a body is closed though the request fails", client: func(s *stage) {
		r, _ := http.NewRequest("POST", "gopher://127.0.0.1/", nil)
		r.Body = closeNoter{strings.NewReader("x"), s}
		s.roundTrip(r)
	}},
	{name: "a body is closed when it was sent", handler: echo, client: func(s *stage) {
		r, _ := http.NewRequest("POST", s.url, nil)
		r.Body = closeNoter{strings.NewReader("x"), s}
		resp, err := s.client.Do(r)
		if err != nil {
			s.Fatal(err)
		}
		resp.Body.Close()
	}},
	{name: "a connection is used again", handler: echo, client: reuse},
	{name: "not if the body was not read", protocols: "1", handler: func(s *stage) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/endless", endless(s))
		mux.Handle("/", echo(s))
		return mux
	}, client: func(s *stage) {
		reusing(s, func() {
			resp, err := s.client.Get(s.url + "/endless")
			if err != nil {
				s.Fatal(err)
			}
			s.note("%v", resp.Body.Close())
		})
	}},
	{name: "a connection that closes while it is idle: the request is sent again", protocols: "1", handler: echo, client: idleClose},
	{name: "CloseIdleConnections", handler: echo, client: func(s *stage) {
		reusing(s, func() {
			s.get("/")
			s.client.CloseIdleConnections()
		})
	}},
	{name: "an upgrade", protocols: "1", handler: upgrading, client: func(s *stage) {
		resp, err := s.client.Transport.RoundTrip(request(s.T, "GET", s.url, "Connection", "Upgrade", "Upgrade", "echo"))
		if err != nil {
			s.Fatal(err)
		}
		rw, ok := resp.Body.(io.ReadWriteCloser)
		s.note("%s %v", resp.Status, ok)
		io.WriteString(rw, "hello\n")
		line, err := bufio.NewReader(rw).ReadString('\n')
		s.note("%q %v, closed %v", line, err, rw.Close())
	}},
	{name: "an upgrade, of which one side ends first", protocols: "1", handler: lastWord, client: func(s *stage) {
		resp, err := s.client.Transport.RoundTrip(request(s.T, "GET", s.url, "Connection", "Upgrade", "Upgrade", "echo"))
		if err != nil {
			s.Fatal(err)
		}
		defer resp.Body.Close()
		io.WriteString(resp.Body.(io.Writer), "hello")
		end, ok := resp.Body.(interface{ CloseWrite() error })
		if s.note("can end: %v", ok); ok {
			s.note("%v", end.CloseWrite())
			all, err := io.ReadAll(resp.Body)
			s.note("%q %v", all, err)
		}
	}},
	{name: "other bodies cannot be written to", handler: echo, client: func(s *stage) {
		resp, err := s.client.Get(s.url)
		if err != nil {
			s.Fatal(err)
		}
		defer resp.Body.Close()
		s.note("%v", has[io.Writer](resp.Body))
	}},
	{name: "reading after Close", handler: echo, client: func(s *stage) {
		resp, err := s.client.Post(s.url, "", strings.NewReader("hello"))
		if err != nil {
			s.Fatal(err)
		}
		resp.Body.Close()
		_, err = resp.Body.Read(make([]byte, 1))
		s.note("%v, again %v", err, resp.Body.Close())
	}},
	{name: "a header that is too long", protocols: "1", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", 1<<12))
	}), client: func(s *stage) {
		s.transport(func(base *http.Transport) { base.MaxResponseHeaderBytes = 1 << 10 })
		s.response(s.client.Get(s.url))
	}},
	{name: "the Host header", handler: echo, client: func(s *stage) {
		r := request(s.T, "GET", s.url)
		r.Host = "example.com"
		s.response(s.client.Do(r))
	}},
	{name: "user and password", handler: echo, client: func(s *stage) {
		s.response(s.client.Get(strings.Replace(s.url, "://", "://user:secret@", 1)))
	}},
	{name: "no user agent", handler: echo, client: func(s *stage) { s.get("/", "User-Agent", "") }},
	{name: "Connection: close", handler: echo, client: func(s *stage) {
		r := request(s.T, "GET", s.url)
		r.Close = true
		s.response(s.client.Do(r))
	}},
	{name: "ResponseHeaderTimeout", protocols: "1", handler: forever, client: func(s *stage) {
		s.transport(func(base *http.Transport) { base.ResponseHeaderTimeout = time.Millisecond })
		_, err := s.client.Get(s.url)
		s.note("%v", err)
	}},
	{name: "httputil.DumpResponse", handler: echo, client: func(s *stage) {
		resp, err := s.client.Post(s.url, "", strings.NewReader("hello"))
		if err != nil {
			s.Fatal(err)
		}
		dump, err := httputil.DumpResponse(resp, true)
		s.note("%s %v", dump, err)
		s.response(resp, nil)
	}},
	{name: "httputil.ReverseProxy sends by us", wraps: true, handler: func(s *stage) http.Handler {
		proxy := proxyTo(s, backend(s)).(*httputil.ReverseProxy)
		proxy.Transport = s.send(proxy.Transport)
		proxy.ModifyResponse = func(resp *http.Response) error {
			s.serverNote("%s", resp.Status)
			return nil
		}
		return proxy
	}, client: func(s *stage) { s.post("/x", strings.NewReader("hello")) }},
	{name: "httputil.ReverseProxy upgrades by us", protocols: "1", wraps: true, handler: func(s *stage) http.Handler {
		proxy := proxyTo(s, upgrading(s)).(*httputil.ReverseProxy)
		proxy.Transport = s.send(proxy.Transport)
		return proxy
	}, client: upgrade},
	{name: "httputil.ReverseProxy passes on by us that one side has ended", protocols: "1", wraps: true, handler: func(s *stage) http.Handler {
		proxy := proxyTo(s, lastWord(s)).(*httputil.ReverseProxy)
		proxy.Transport = s.send(proxy.Transport)
		return proxy
	}, client: func(s *stage) {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			s.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		back := bufio.NewReader(conn)
		resp, err := http.ReadResponse(back, nil)
		if err != nil {
			s.Fatal(err)
		}
		io.WriteString(conn, "hello")
		conn.(*net.TCPConn).CloseWrite()
		all, err := io.ReadAll(back)
		s.note("%s, then %q %v", resp.Status, all, err)
	}},
}

func TestClientBehaviours(t *testing.T) {
	compare(t, clientBehaviours, withClient)
}

// lastWord takes the connection over, and answers when the other side has ended.
func lastWord(s *stage) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			s.serverNote("%v", err)
			return
		}
		defer conn.Close()
		rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		rw.Flush()
		said, err := io.ReadAll(rw)
		fmt.Fprintf(rw, "said %q", said)
		rw.Flush()
		s.serverNote("%q %v", said, err)
	})
}

// counted counts writes to a connection.
type counted struct {
	net.Conn
	writes *atomic.Int64
}

func (c *counted) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// receiver notes from what a connection is asked to read, as the kernel does it for a file.
type receiver struct {
	*net.TCPConn
	from *[]string
}

func (c *receiver) ReadFrom(r io.Reader) (int64, error) {
	from := fmt.Sprintf("%T", r)
	if limited, ok := r.(*io.LimitedReader); ok {
		from += fmt.Sprintf(" of %T", limited.R)
	}
	*c.from = append(*c.from, from)
	return c.TCPConn.ReadFrom(r)
}

// atEnd is a reader that is empty, and does something then.
type atEnd func()

func (f atEnd) Read([]byte) (int, error) {
	f()
	return 0, io.EOF
}

// closeNoter is a body that notes that it was closed.
type closeNoter struct {
	io.Reader
	s *stage
}

func (c closeNoter) Close() error {
	c.s.note("closed")
	return nil
}

// idleClose sends a request on a connection that the server closes just then.
func idleClose(s *stage) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.Fatal(err)
	}
	defer l.Close()
	requests := make(chan string, 10)
	go func() {
		for i := 0; ; i++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			in := bufio.NewReader(conn)
			for range 2 - i { // the first connection has two requests, the second of which is not answered
				r, err := http.ReadRequest(in)
				if err != nil {
					break
				}
				body, _ := io.ReadAll(r.Body)
				requests <- fmt.Sprintf("connection %d: %s %s", i, r.Method, body)
				if len(requests) != 2 {
					io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				}
			}
			conn.Close()
		}
	}()
	for range 2 {
		r, _ := http.NewRequest("PUT", "http://"+l.Addr().String(), strings.NewReader("hello"))
		s.response(s.client.Do(r))
	}
	for len(requests) > 0 {
		s.note("%s", <-requests)
	}
}
