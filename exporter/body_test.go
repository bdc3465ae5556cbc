package exporter_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/meshtrace/meshtrace/exporter"
)

// A server may answer before it has read the request, and the transport then reads on. The
// buffer must not be used for the next request meanwhile.
func TestBodyIsLeftToASlowReader(t *testing.T) {
	for _, tt := range []struct {
		rule string
		body func(*http.Request) io.ReadCloser
	}{
		{"of the request", func(r *http.Request) io.ReadCloser { return r.Body }},
		{"that was asked for again", func(r *http.Request) io.ReadCloser {
			again, _ := r.GetBody()
			r.Body.Close()
			r.Body.Close() // which does no harm
			return again
		}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			var c collector
			var late sync.WaitGroup
			proceed := make(chan struct{})
			e := start(t, exporter.Config{Transport: answering{func(r *http.Request) *http.Response {
				slow := r.Clone(context.WithoutCancel(r.Context()))
				slow.Body = tt.body(r)
				late.Go(func() {
					<-proceed
					c.handle(slow)
				})
				return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}
			}}})
			for n := 1; n <= 5; n++ {
				e.Consume(newRecord(n))
				if err := e.ForceFlush(t.Context()); err != nil {
					t.Error(err)
				}
			}
			close(proceed)
			late.Wait()
			c.checkReceived(t, 1, 5)
		})
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
