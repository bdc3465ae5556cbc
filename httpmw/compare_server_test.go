package httpmw_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// does is a behaviour's handler that is a function.
func does(f func(s *stage, w http.ResponseWriter, r *http.Request)) func(*stage) http.Handler {
	return func(s *stage) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f(s, w, r) })
	}
}

// flush flushes and notes whether it could.
func flush(s *stage, w http.ResponseWriter) {
	s.serverNote("flush: %v", http.NewResponseController(w).Flush())
}

const long = 100 << 10

// nobody is where nobody listens.
const nobody = "http://127.0.0.1:1"

var serverBehaviours = []behaviour{
	{name: "a short body has a length", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") })},
	{name: "a handler that writes nothing", handler: does(func(*stage, http.ResponseWriter, *http.Request) {})},
	{name: "a status without a body", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) { w.WriteHeader(202) })},
	{name: "a status with a body", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(418)
		io.WriteString(w, "teapot")
	})},
	{name: "a long body is chunked", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		n, err := w.Write(bytes.Repeat([]byte("x"), long))
		s.serverNote("%d %v", n, err)
	})},
	{name: "a long body with an announced length", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(long))
		w.Write(bytes.Repeat([]byte("x"), long))
	})},
	{name: "more than was announced", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "3")
		_, err := io.WriteString(w, "hello")
		s.serverNote("%v", err)
	})},
	{name: "less than was announced", protocols: "1", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "10")
		io.WriteString(w, "hello")
	})},
	{name: "the type is sniffed", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html><body>") })},
	{name: "the type is not sniffed if it is given", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x")
		io.WriteString(w, "<html><body>")
	})},
	{name: "nor for an encoded body", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "x")
		io.WriteString(w, "<html><body>")
	})},
	{name: "the type is sniffed through ReadFrom", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(w, strings.NewReader("<html><body>"+strings.Repeat("x", long)))
		s.serverNote("%d %v", n, err)
	})},
	{name: "a header after the status is too late", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		w.Header().Set("X-Late", "1")
	})},
	{name: "a date that the handler removes", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) { w.Header()["Date"] = nil })},
	{name: "several values of a header", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		w.Header()["X-Many"] = []string{"a", "b"}
		http.SetCookie(w, &http.Cookie{Name: "c", Value: "v"})
	})},
	{name: "a superfluous WriteHeader is reported", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(201)
		w.WriteHeader(500)
	})},
	{name: "also after a flush", protocols: "1", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		flush(s, w)
		w.WriteHeader(500)
	})},
	{name: "and after ReadFrom", protocols: "1", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		io.Copy(w, strings.NewReader("x"))
		w.WriteHeader(500)
	})},
	{name: "an impossible status panics", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		defer func() { s.serverNote("%v", recover()) }()
		w.WriteHeader(42)
	})},
	{name: "no body with 204", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(204)
		_, err := io.WriteString(w, "x")
		s.serverNote("%v", err)
	})},
	{name: "no body with 304", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(304)
		_, err := io.WriteString(w, "x")
		s.serverNote("%v", err)
	})},
	{name: "no body for HEAD", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		n, err := io.WriteString(w, "hello")
		s.serverNote("%d %v", n, err)
	}), client: func(s *stage) { s.response(s.client.Head(s.url)) }},
	{name: "HEAD with an announced length", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "5")
	}), client: func(s *stage) { s.response(s.client.Head(s.url)) }},
	{name: "an empty write sends the header", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		w.Write(nil)
		w.Header().Set("X-Late", "1")
		w.WriteHeader(500)
	}), protocols: "1"},
	{name: "a flushed part arrives before the rest", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "first")
		w.(http.Flusher).Flush() // whose error would depend on who is faster: the client goes when it has the part
		<-r.Context().Done()
	}), client: func(s *stage) {
		ctx, cancel := context.WithCancel(background)
		defer cancel()
		resp, err := s.client.Do(request(s.T, "GET", s.url).WithContext(ctx))
		if err != nil {
			s.Fatal(err)
		}
		defer resp.Body.Close()
		part := make([]byte, 5)
		io.ReadFull(resp.Body, part)
		s.note("%s", part)
	}},
	{name: "server-sent events", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			w.(http.Flusher).Flush()
		}
	})},
	{name: "Flusher, by assertion", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		io.WriteString(w, "x")
	})},
	{name: "StringWriter, by assertion", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		n, err := w.(io.StringWriter).WriteString("hello")
		s.serverNote("%d %v", n, err)
	})},
	{name: "capabilities that are lost nowhere", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		for _, o := range optional[:7] {
			s.serverNote("%s: %v", o.name, o.has(w))
		}
	})},
	{name: "http.ResponseController finds all it can", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		s.serverNote("%v", rc.SetReadDeadline(time.Now().Add(time.Hour)))
		s.serverNote("%v", rc.SetWriteDeadline(time.Now().Add(time.Hour)))
		s.serverNote("%v", rc.EnableFullDuplex())
		s.serverNote("%v", rc.Flush())
		if s.protocol != "HTTP/1.1" {
			_, _, err := rc.Hijack()
			s.serverNote("%v, unsupported %v", err, errors.Is(err, http.ErrNotSupported))
		}
	})},
	{name: "a read deadline that has passed", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
		_, err := io.ReadAll(r.Body)
		s.serverNote("%v", errors.Is(err, os.ErrDeadlineExceeded))
	}), client: func(s *stage) {
		pr, pw := io.Pipe()
		defer pw.Close()
		resp, err := s.client.Post(s.url, "", pr)
		if err == nil {
			resp.Body.Close()
		}
		s.note("done")
	}},
	{name: "a write deadline that has passed", protocols: "1", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).SetWriteDeadline(time.Unix(1, 0))
		_, err := w.Write(bytes.Repeat([]byte("x"), long))
		s.serverNote("%v", errors.Is(err, os.ErrDeadlineExceeded))
	})},
	{name: "full duplex", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		s.serverNote("%v", http.NewResponseController(w).EnableFullDuplex())
		flush(s, w)
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			fmt.Fprintf(w, "%s!\n", lines.Text())
			flush(s, w)
		}
	}), client: func(s *stage) {
		pr, pw := io.Pipe()
		resp, err := s.client.Post(s.url, "", pr)
		if err != nil {
			s.Fatal(err)
		}
		defer resp.Body.Close()
		back := bufio.NewReader(resp.Body)
		for _, word := range []string{"a", "b"} {
			fmt.Fprintln(pw, word)
			line, err := back.ReadString('\n')
			s.note("%q %v", line, err)
		}
		pw.Close()
		rest, err := io.ReadAll(back) // a client that left with the last line could be faster than its flush
		s.note("%q %v", rest, err)
	}},
	{name: "declared trailers", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		io.WriteString(w, "body")
		w.Header().Set("X-Sum", "42")
	})},
	{name: "trailers that nobody declared", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "body")
		flush(s, w)
		w.Header().Set(http.TrailerPrefix+"X-Sum", "42")
	})},
	{name: "a request's trailers", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		s.serverNote("before %v", headers(r.Trailer))
		io.Copy(io.Discard, r.Body)
		s.serverNote("after %v", headers(r.Trailer))
	}), client: func(s *stage) {
		r, _ := http.NewRequest("POST", s.url, io.MultiReader(strings.NewReader("body")))
		r.Trailer = http.Header{"X-Sum": {"7"}}
		s.response(s.client.Do(r))
	}},
	{name: "103 before the response", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</style.css>")
		w.WriteHeader(103)
		w.Header().Set("X-Final", "1")
		w.WriteHeader(201)
		io.WriteString(w, "done")
	}), client: informed},
	{name: "several informational responses, and no final status", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(102)
		w.WriteHeader(103)
	}), client: informed},
	{name: "Expect: 100-continue, and the body is read", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		s.serverNote("%q %v", body, err)
	}), client: expecting},
	{name: "Expect: 100-continue, and the body is refused", protocols: "1", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(403)
	}), client: func(s *stage) {
		s.raw("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n")
	}},
	{name: "100 by hand", protocols: "1", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(100)
		io.Copy(w, r.Body)
	}), client: func(s *stage) {
		s.raw("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
	}},
	{name: "an expectation that nobody knows", protocols: "1", client: func(s *stage) {
		s.raw("GET / HTTP/1.1\r\nHost: x\r\nExpect: magic\r\nConnection: close\r\n\r\n")
	}},
	{name: "the bytes of a response", protocols: "1", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-A", "1")
		w.WriteHeader(201)
		io.WriteString(w, "a")
		flush(s, w)
		io.WriteString(w, "b")
	}), client: func(s *stage) { s.raw("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") }},
	{name: "HTTP/1.0", protocols: "1", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "a")
		flush(s, w)
		io.WriteString(w, "b")
	}), client: func(s *stage) { s.raw("GET / HTTP/1.0\r\n\r\n") }},
	{name: "two requests in one go", protocols: "1", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.Path) }),
		client: func(s *stage) {
			s.raw("GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		}},
	{name: "OPTIONS *", protocols: "1", client: func(s *stage) {
		s.raw("OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	}},
	{name: "a request that cannot be read", protocols: "1", client: func(s *stage) { s.raw("GET / HTTP/1.1\r\nBad Header\r\n\r\n") }},
	{name: "the handler closes the connection", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
	})},
	{name: "no chunks by identity", protocols: "1", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Transfer-Encoding", "identity")
		io.WriteString(w, "a")
		flush(s, w)
		io.WriteString(w, "b")
	}), client: func(s *stage) { s.raw("GET / HTTP/1.1\r\nHost: x\r\n\r\n") }},
	{name: "a connection is used again", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) { io.WriteString(w, "x") }), client: reuse},
	{name: "also if a short request body was not read", client: func(s *stage) { reusing(s, func() { s.post("/", strings.NewReader("ignored")) }) }},
	{name: "but not if a long one was not read", protocols: "1", client: func(s *stage) {
		reusing(s, func() {
			// The server closes while we write: whether we see its answer first is a race.
			resp, err := s.client.Post(s.url, "", bytes.NewReader(make([]byte, 1<<20)))
			if err == nil {
				resp.Body.Close()
			}
		})
	}},
	{name: "no body is http.NoBody", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		s.serverNote("%v, length %d", r.Body == http.NoBody, r.ContentLength)
	})},
	{name: "an announced body keeps its type", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		s.serverNote("%T, length %d", r.Body, r.ContentLength)
		io.Copy(w, r.Body)
	}), client: func(s *stage) { s.post("/", strings.NewReader("hello")) }},
	{name: "a body of unknown length", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		s.serverNote("length %d, %v", r.ContentLength, r.TransferEncoding)
		n, err := io.Copy(w, r.Body)
		s.serverNote("%d %v, closed %v", n, err, r.Body.Close())
		_, err = r.Body.Read(make([]byte, 1))
		s.serverNote("%v", err)
	}), client: func(s *stage) { s.post("/", io.MultiReader(strings.NewReader("hello"))) }},
	{name: "a broken body", protocols: "1", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		s.serverNote("%v", err)
	}), client: func(s *stage) {
		s.raw("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
	}},
	{name: "the request is the same", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		s.serverNote("%s %s %s %v %v", r.Method, r.RequestURI, r.Proto, headers(r.Header), r.TLS != nil)
		s.serverNote("%s %s %s %v", r.Host, r.RemoteAddr, r.URL, r.Close)
		s.serverNote("%T %T", r.Context().Value(http.ServerContextKey), r.Context().Value(http.LocalAddrContextKey))
	}), client: func(s *stage) { s.get("/a%20b?c=d", "X-A", "1", "User-Agent", "x") }},
	{name: "a form", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		s.serverNote("%v %v %v", r.ParseForm(), r.Form, r.PostForm)
	}), client: func(s *stage) { s.response(s.client.PostForm(s.url+"?a=1", url.Values{"b": {"2"}})) }},
	{name: "the files of a form are removed", wraps: true, handler: func(s *stage) http.Handler {
		s.Setenv("TMPDIR", s.TempDir())
		wrapped := s.wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.serverNote("%v", r.ParseMultipartForm(1))
			s.serverNote("%d files", len(files(s)))
		}))
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			wrapped.ServeHTTP(w, r)
			s.serverNote("the outer request has the form: %v", r.MultipartForm != nil)
		})
	}, client: func(s *stage) {
		upload(s)
		s.get("/none") // the connection's next request: net/http has tidied up after the first
		s.note("%d files left", len(files(s)))
	}},
	{name: "an outer handler sees what the inner one matched and parsed", wraps: true, handler: func(s *stage) http.Handler {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) { r.ParseForm() })
		wrapped := s.wrap(mux)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			wrapped.ServeHTTP(w, r)
			s.serverNote("%q %v", r.Pattern, r.Form)
		})
	}, client: func(s *stage) { s.get("/users/7?a=b") }},
	{name: "an outer handler may read what the inner one leaves alone", wraps: true, handler: func(s *stage) http.Handler {
		wrapped := s.wrap(http.HandlerFunc(okHandler))
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			read := make(chan struct{})
			go func() { // the race detector sees whether somebody writes
				defer close(read)
				s.serverNote("%s %s %q %v %v %v", r.Method, r.URL, r.Pattern, r.Form, r.PostForm, r.MultipartForm)
			}()
			wrapped.ServeHTTP(w, r)
			<-read
		})
	}},
	{name: "a context that cannot be compared", wraps: true, handler: func(s *stage) http.Handler {
		type incomparable struct {
			context.Context
			_ []int
		}
		wrapped := s.wrap(http.HandlerFunc(okHandler))
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			wrapped.ServeHTTP(w, r.WithContext(incomparable{Context: r.Context()}))
		})
	}},
	{name: "path values", handler: func(s *stage) http.Handler {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /users/{id}/{rest...}", func(w http.ResponseWriter, r *http.Request) {
			s.serverNote("%s %s %s", r.Pattern, r.PathValue("id"), r.PathValue("rest"))
		})
		return mux
	}, client: func(s *stage) { s.get("/users/7/a/b") }},
	{name: "a mux under a prefix", handler: func(s *stage) http.Handler {
		inner := http.NewServeMux()
		inner.HandleFunc("/x", func(w http.ResponseWriter, r *http.Request) { s.serverNote("%s %s", r.URL.Path, r.Pattern) })
		outer := http.NewServeMux()
		outer.Handle("/api/", http.StripPrefix("/api", inner))
		return outer
	}, client: func(s *stage) { s.get("/api/x") }},
	{name: "a mux that knows no such path", handler: func(*stage) http.Handler { return http.NewServeMux() }},
	{name: "a mux that knows the path and not the method", handler: func(*stage) http.Handler {
		mux := http.NewServeMux()
		mux.HandleFunc("POST /{$}", okHandler)
		return mux
	}},
	{name: "a mux that redirects to the clean path", handler: func(*stage) http.Handler {
		mux := http.NewServeMux()
		mux.HandleFunc("/a/", okHandler)
		return mux
	}, client: func(s *stage) {
		s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		s.get("/a")
		s.get("/b/../a/")
	}},
	{name: "http.Redirect", handler: func(*stage) http.Handler { return http.RedirectHandler("/elsewhere", http.StatusTemporaryRedirect) }, client: func(s *stage) {
		s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		s.get("/")
	}},
	{name: "http.Error", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) { http.Error(w, "no", 500) })},
	{name: "http.FileServer: a file", handler: fileServer, client: func(s *stage) { s.get("/file.txt") }},
	{name: "http.FileServer: a part of a file", handler: fileServer, client: func(s *stage) { s.get("/file.txt", "Range", "bytes=10-19") }},
	{name: "http.FileServer: two parts", handler: fileServer, client: func(s *stage) {
		resp, err := s.client.Do(request(s.T, "GET", s.url+"/file.txt", "Range", "bytes=0-1,5-6"))
		if err != nil {
			s.Fatal(err)
		}
		defer resp.Body.Close()
		n, err := io.Copy(io.Discard, resp.Body)
		s.note("%d, %d bytes, %v", resp.StatusCode, n, err)
	}},
	{name: "http.FileServer: no such part", handler: fileServer, client: func(s *stage) { s.get("/file.txt", "Range", "bytes=999999999-") }},
	{name: "http.FileServer: not modified", handler: fileServer, client: func(s *stage) {
		s.get("/file.txt", "If-Modified-Since", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
	}},
	{name: "http.FileServer: a directory", handler: fileServer},
	{name: "http.FileServer: no such file", handler: fileServer, client: func(s *stage) { s.get("/none") }},
	{name: "http.MaxBytesHandler above, within the limit", wraps: true, handler: maxBytes(above, 10), client: func(s *stage) { s.post("/", strings.NewReader("hello")) }},
	{name: "http.MaxBytesHandler above, beyond the limit", wraps: true, handler: maxBytes(above, 2), client: func(s *stage) { s.post("/", strings.NewReader("hello")) }},
	{name: "http.MaxBytesHandler below, within the limit", wraps: true, handler: maxBytes(below, 10), client: func(s *stage) { s.post("/", strings.NewReader("hello")) }},
	{name: "http.MaxBytesHandler below, beyond the limit", wraps: true, handler: maxBytes(below, 2), client: func(s *stage) {
		resp, err := s.client.Post(s.url, "", strings.NewReader("hello"))
		if err != nil {
			s.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		// Not compared: HTTP/1 then also closes the connection, see the package's documentation.
		s.note("%d %s", resp.StatusCode, body)
	}},
	{name: "http.TimeoutHandler above, in time", wraps: true, handler: func(s *stage) http.Handler {
		return http.TimeoutHandler(s.wrap(http.HandlerFunc(okHandler)), time.Hour, "late")
	}},
	{name: "http.TimeoutHandler above, too late", wraps: true, handler: func(s *stage) http.Handler {
		return http.TimeoutHandler(s.wrap(waiting(s)), time.Nanosecond, "late")
	}},
	{name: "http.TimeoutHandler below, in time", handler: func(s *stage) http.Handler {
		return http.TimeoutHandler(http.HandlerFunc(okHandler), time.Hour, "late")
	}},
	{name: "http.TimeoutHandler below, too late", handler: func(s *stage) http.Handler {
		return http.TimeoutHandler(waiting(s), time.Nanosecond, "late")
	}},
	{name: "http.TimeoutHandler below, a panic", protocols: "1", handler: func(s *stage) http.Handler {
		return http.TimeoutHandler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") }), time.Hour, "late")
	}},
	{name: "http.CrossOriginProtection below", handler: func(*stage) http.Handler {
		return http.NewCrossOriginProtection().Handler(http.HandlerFunc(okHandler))
	}, client: func(s *stage) {
		s.response(s.client.Do(request(s.T, "POST", s.url, "Sec-Fetch-Site", "cross-site")))
	}},
	{name: "httputil.ReverseProxy below", handler: func(s *stage) http.Handler { return proxyTo(s, backend(s)) }, client: func(s *stage) { s.post("/x?y=z", strings.NewReader("hello")) }},
	{name: "httputil.ReverseProxy above", wraps: true, handler: func(s *stage) http.Handler {
		return proxyTo(s, s.wrap(backend(s)))
	}, client: func(s *stage) { s.post("/x?y=z", strings.NewReader("hello")) }},
	{name: "httputil.ReverseProxy, and 103 from behind", handler: func(s *stage) http.Handler {
		return proxyTo(s, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", "</style.css>")
			w.WriteHeader(103)
			w.WriteHeader(200)
		}))
	}, client: informed},
	{name: "httputil.ReverseProxy, and nobody behind", handler: func(s *stage) http.Handler {
		to, _ := url.Parse(nobody)
		proxy := httputil.NewSingleHostReverseProxy(to)
		proxy.ErrorLog = quiet
		return proxy
	}},
	{name: "httputil.ReverseProxy below, an upgrade", protocols: "1", handler: func(s *stage) http.Handler { return proxyTo(s, upgrading(s)) }, client: upgrade},
	{name: "httputil.ReverseProxy above, an upgrade", protocols: "1", wraps: true, handler: func(s *stage) http.Handler { return proxyTo(s, s.wrap(upgrading(s))) }, client: upgrade},
	{name: "an upgrade, as WebSocket libraries do it", protocols: "1", handler: func(s *stage) http.Handler { return upgrading(s) }, client: upgrade},
	{name: "an upgrade by WriteHeader and Hijack", protocols: "1", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "echo")
		w.WriteHeader(101)
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			s.serverNote("%v", err)
			return
		}
		defer conn.Close()
		echoLine(rw)
	}), client: upgrade},
	{name: "a connection that is taken over", protocols: "1", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			s.serverNote("%v", err)
			return
		}
		defer conn.Close()
		s.serverNote("%T", conn)
		rw.WriteString("not HTTP at all")
		rw.Flush()
		_, err = io.WriteString(w, "x")
		s.serverNote("%v", err)
		w.WriteHeader(500)
		_, _, err = w.(http.Hijacker).Hijack()
		s.serverNote("%v", err)
	}), client: func(s *stage) { s.raw("GET / HTTP/1.1\r\nHost: x\r\n\r\n") }},
	{name: "a panic", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) { panic("boom") })},
	{name: "a panic after a part of the body", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "part")
		flush(s, w)
		panic(errors.New("boom"))
	})},
	{name: "http.ErrAbortHandler", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) })},
	{name: "http.ErrAbortHandler after a part of the body", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "part")
		flush(s, w)
		panic(http.ErrAbortHandler)
	})},
	{name: "the context ends with the handler", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		s.add(1)
		context.AfterFunc(r.Context(), func() { s.serverNote("ended"); s.add(-1) })
	})},
	{name: "the context ends with the client", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
		s.serverNote("%v", r.Context().Err())
	}), client: func(s *stage) {
		resp, err := s.client.Get(s.url)
		if err != nil {
			s.Fatal(err)
		}
		resp.Body.Close()
		s.note("gone")
	}},
	{name: "http.CloseNotifier", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).Flush()
		s.serverNote("%v", <-w.(http.CloseNotifier).CloseNotify()) //lint:ignore SA1019 handlers may still ask for it
	}), client: func(s *stage) {
		resp, err := s.client.Get(s.url)
		if err != nil {
			s.Fatal(err)
		}
		resp.Body.Close()
		s.note("gone")
	}},
	{name: "http.Pusher", protocols: "2", handler: does(func(s *stage, w http.ResponseWriter, r *http.Request) {
		s.serverNote("%v", w.(http.Pusher).Push("/style.css", nil))
	})},
}

func TestServerBehaviours(t *testing.T) {
	if n := len(serverBehaviours); n < 60 {
		t.Errorf("%d behaviours", n)
	}
	compare(t, serverBehaviours, withServer)
}

// informed notes the informational responses too.
func informed(s *stage) {
	ctx := httptrace.WithClientTrace(background, &httptrace.ClientTrace{
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			s.note("informed %d %v", code, headers(http.Header(h)))
			return nil
		},
	})
	s.response(s.client.Do(request(s.T, "GET", s.url).WithContext(ctx)))
}

// expecting sends its body only when it is told to.
func expecting(s *stage) {
	s.base.ExpectContinueTimeout = time.Hour
	ctx := httptrace.WithClientTrace(background, &httptrace.ClientTrace{Got100Continue: func() { s.note("continue") }})
	r, _ := http.NewRequestWithContext(ctx, "POST", s.url, strings.NewReader("hello"))
	r.Header.Set("Expect", "100-continue")
	s.response(s.client.Do(r))
}

// reuse notes whether a second request uses the first one's connection.
func reuse(s *stage) { reusing(s, func() { s.get("/") }) }

func reusing(s *stage, first func()) {
	first()
	ctx := httptrace.WithClientTrace(background, &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { s.note("reused %v", info.Reused) }})
	s.response(s.client.Do(request(s.T, "GET", s.url).WithContext(ctx)))
}

func upload(s *stage) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, _ := form.CreateFormFile("file", "name")
	part.Write(make([]byte, 11<<20)) // more than net/http keeps in memory
	form.Close()
	s.response(s.client.Post(s.url, form.FormDataContentType(), &body))
}

func files(s *stage) []string {
	names, _ := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "multipart-*"))
	return names
}

func fileServer(s *stage) http.Handler {
	dir := s.TempDir()
	name := filepath.Join(dir, "file.txt")
	os.WriteFile(name, []byte(strings.Repeat("0123456789", long/10)), 0o600)
	os.Chtimes(name, time.Unix(1e9, 0), time.Unix(1e9, 0))
	os.Chtimes(dir, time.Unix(1e9, 0), time.Unix(1e9, 0))
	return http.FileServer(http.Dir(dir))
}

func above(s *stage, limited func(http.Handler) http.Handler, h http.Handler) http.Handler {
	return limited(s.wrap(h))
}

func below(s *stage, limited func(http.Handler) http.Handler, h http.Handler) http.Handler {
	return s.wrap(limited(h))
}

// maxBytes puts http.MaxBytesHandler above or below us.
func maxBytes(where func(*stage, func(http.Handler) http.Handler, http.Handler) http.Handler, limit int64) func(*stage) http.Handler {
	return func(s *stage) http.Handler {
		return where(s, func(h http.Handler) http.Handler { return http.MaxBytesHandler(h, limit) }, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			var tooLarge *http.MaxBytesError
			s.serverNote("%q %v, too large %v", body, err, errors.As(err, &tooLarge))
			if err != nil {
				http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			}
		}))
	}
}

// waiting waits until nobody waits for it. It does not return when its context ends: whether
// http.TimeoutHandler sees first that it returned, or that its time was up, would be chance.
func waiting(s *stage) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer s.count()()
		<-r.Context().Done()
		<-s.over
	})
}

// proxyTo returns a proxy to a server with the given handler.
func proxyTo(s *stage, h http.Handler) http.Handler {
	server := serveHTTP1(s, h)
	to, _ := url.Parse(server.URL)
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ErrorLog = quiet
	transport := &http.Transport{}
	s.Cleanup(transport.CloseIdleConnections)
	proxy.Transport = transport
	return proxy
}

// backend answers with what it was sent.
func backend(s *stage) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.serverNote("%s %s %v", r.Method, r.URL, headers(r.Header))
		w.Header().Set("Trailer", "X-Sum")
		io.Copy(w, r.Body)
		w.Header().Set("X-Sum", "42")
	})
}

// upgrading takes the connection over to echo a line.
func upgrading(s *stage) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			s.serverNote("%v", err)
			return
		}
		defer conn.Close()
		rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		echoLine(rw)
	})
}

func echoLine(rw *bufio.ReadWriter) {
	rw.Flush()
	line, _ := rw.ReadString('\n')
	rw.WriteString(line)
	rw.Flush()
}

// upgrade asks for an upgrade and has a line echoed.
func upgrade(s *stage) {
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	back := bufio.NewReader(conn)
	resp, err := http.ReadResponse(back, nil)
	if err != nil {
		s.note("%v", err)
		return
	}
	s.note("%s %v", resp.Status, headers(resp.Header))
	io.WriteString(conn, "hello\n")
	line, err := back.ReadString('\n')
	s.note("%q %v", line, err)
}
