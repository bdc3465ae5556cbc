package exporter_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/meshtrace/meshtrace/exporter"
)

// A server may answer before it has read the request, or the connection break, and the transport
// still reads. What it reads must not be used for other spans meanwhile.
func TestBodyIsLeftToASlowReader(t *testing.T) {
	bodies := map[string]func(*http.Request) io.ReadCloser{
		"of the request": func(r *http.Request) io.ReadCloser { return r.Body },
		"that was asked for again": func(r *http.Request) io.ReadCloser {
			again, _ := r.GetBody()
			r.Body.Close()
			r.Body.Close() // which does no harm
			return again
		},
	}
	for _, endpoint := range []string{"http://collector", "grpc://collector", "jaeger+http://collector", "jaeger+grpc://collector"} {
		for _, compression := range []exporter.Compression{exporter.NoCompression, exporter.Gzip} {
			for body, of := range bodies {
				t.Run(fmt.Sprint(endpoint, "/", compression, "/", body), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						readLate(t, exporter.Config{Endpoint: endpoint, Compression: compression}, of)
					})
				})
			}
		}
	}
}

// readLate delivers spans to a transport that fails each first try, accepts each second, and reads
// all at the end.
func readLate(t *testing.T, cfg exporter.Config, bodyOf func(*http.Request) io.ReadCloser) {
	var c collector
	var late sync.WaitGroup
	proceed, tries := make(chan struct{}), 0
	cfg.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		slow := r.Clone(context.WithoutCancel(r.Context()))
		slow.Body = bodyOf(r)
		late.Go(func() {
			<-proceed
			c.handle(slow)
		})
		if tries++; tries%2 == 1 {
			return nil, io.ErrUnexpectedEOF
		}
		return &http.Response{StatusCode: http.StatusOK, Header: discarded.Clone(), Body: http.NoBody}, nil
	})
	e := start(t, cfg)
	const flushes = 5
	for n := 1; n <= flushes; n++ {
		e.Consume(newRecord(n))
		if err := e.ForceFlush(t.Context()); err != nil {
			t.Error(err)
		}
	}
	close(proceed)
	late.Wait()
	for n := 1; n <= flushes; n++ {
		if got := c.numbers()[uint64(n)]; got != 2 {
			t.Errorf("span %d was read %d times, want 2", n, got)
		}
	}
	if n := len(c.numbers()); n != flushes {
		t.Errorf("%d spans were read, want %d", n, flushes)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A body that is closed while it is read is not read any more once Close has returned.
func TestClosedBodyIsNotRead(t *testing.T) {
	var body io.ReadCloser
	e := start(t, exporter.Config{Endpoint: "grpc://collector", Transport: answering{func(r *http.Request) *http.Response {
		body = r.Body
		return &http.Response{StatusCode: http.StatusOK, Header: discarded.Clone(), Body: http.NoBody}
	}}})
	e.Consume(newRecord(1))
	if err := e.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := body.Read(make([]byte, 7)); n != 7 || err != nil {
		t.Errorf("Read: %d bytes, %v", n, err)
	}
	body.Close()
	if n, err := body.Read(make([]byte, 7)); n != 0 || err != io.EOF {
		t.Errorf("Read after Close: %d bytes, %v", n, err)
	}
}

// A transport asks for the body again when it finds that a connection was dead.
func TestBodyCanBeReadAgain(t *testing.T) {
	var first, again []byte
	e := start(t, exporter.Config{Transport: answering{func(r *http.Request) *http.Response {
		first, _ = io.ReadAll(r.Body)
		r.Body.Close()
		body, err := r.GetBody()
		if err != nil {
			t.Error(err)
			return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}
		}
		again, _ = io.ReadAll(body)
		body.Close()
		if r.ContentLength != int64(len(first)) {
			t.Errorf("Content-Length is %d, of %d bytes", r.ContentLength, len(first))
		}
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}
	}}})
	e.Consume(newRecord(1))
	if err := e.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if len(first) == 0 || !bytes.Equal(first, again) {
		t.Errorf("%d bytes, then %d", len(first), len(again))
	}
}

// A transport that tries several ways at once may ask for a body when the answer to another try is there. What
// was in it may be other spans by then.
func TestNoBodyAfterTheRequest(t *testing.T) {
	for _, endpoint := range []string{"http://collector", "grpc://collector"} {
		t.Run(endpoint, func(t *testing.T) {
			var getBody func() (io.ReadCloser, error) // of the first request
			e := start(t, exporter.Config{Endpoint: endpoint, Transport: answering{func(r *http.Request) *http.Response {
				if getBody == nil {
					getBody = r.GetBody
				} else if body, err := getBody(); err == nil {
					late, _ := io.ReadAll(body)
					t.Errorf("during the second request the first one's body is of %d bytes", len(late))
				}
				io.Copy(io.Discard, r.Body)
				r.Body.Close()
				return &http.Response{StatusCode: http.StatusOK, Header: discarded.Clone(), Body: http.NoBody}
			}}})
			for n := 1; n <= 2; n++ {
				e.Consume(newRecord(n))
				if err := e.ForceFlush(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
