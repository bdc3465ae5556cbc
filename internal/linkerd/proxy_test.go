package linkerd_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/meshtrace/meshtrace/internal/linkerd"
)

func TestNewNamesAllMistakes(t *testing.T) {
	_, err := linkerd.New(linkerd.Config{Mode: 9, Collector: "ftp://collector", FlushInterval: -1, ResponseTimeout: -1})
	if err == nil {
		t.Fatal("no error")
	}
	for _, setting := range []string{"Mode 9", `Collector "ftp://collector"`, "FlushInterval -1ns", "ResponseTimeout -1ns"} {
		if !strings.Contains(err.Error(), "linkerd: "+setting+": ") {
			t.Errorf("error %q does not name %s", err, setting)
		}
	}
}

func TestWithoutCollectorNothingIsTouched(t *testing.T) {
	received := make(chan http.Header, 1)
	app := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { received <- r.Header }))
	p := newProxy(t, linkerd.Config{App: app})
	get(t, newClient(t, 1, serve(t, p.Inbound())), "http://pod/", header("Traceparent", "00-"+tid+"-"+sid+"-01"))
	if got, want := (<-received).Get("Traceparent"), "00-"+tid+"-"+sid+"-01"; got != want {
		t.Errorf("traceparent %s, want %s", got, want)
	}
	if err := p.Flush(t.Context()); err != nil || p.Dropped() != 0 {
		t.Errorf("Flush: %v, %d dropped", err, p.Dropped())
	}
}

func TestUnlistedHostIsOutsideOfTheMesh(t *testing.T) {
	app := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Proto, r.Header.Get("L5d-Orig-Proto"))
	}))
	p := startPod(t, nil, linkerd.Config{Routes: map[string]linkerd.Endpoint{"other": {}}})
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+app+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := do(t, newClient(t, 1, p.outbound), req); got != "HTTP/1.1" {
		t.Errorf("the server saw %s, want HTTP/1.1", got)
	}
}

// FuzzTraceparent compares the parser with the rules as one expression.
func FuzzTraceparent(f *testing.F) {
	for _, tt := range w3cTests {
		_, value, _ := strings.Cut(tt.in[0], ": ")
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if strings.HasSuffix(value, "-") {
			t.Skip("may be the value that the proxy dies of")
		}
		c := new(collector)
		srv := httptest.NewServer(c)
		defer srv.Close()
		p, err := linkerd.New(linkerd.Config{Collector: srv.URL, FlushInterval: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Traceparent"] = []string{value}
		p.Inbound().ServeHTTP(httptest.NewRecorder(), r)
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, want := len(c.spans()) == 1, recorded(value); got != want {
			t.Errorf("traceparent %q: recorded %t, want %t", value, got, want)
		}
	})
}

// Example sends one request through the inbound side of a proxy.
func Example() {
	collector := httptest.NewServer(new(collector))
	defer collector.Close()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header.Get("X-B3-TraceId"), " ", r.Header.Get("X-B3-SpanId") == "00f067aa0ba902b7")
	}))
	defer app.Close()

	proxy, err := linkerd.New(linkerd.Config{
		Mode:      linkerd.B3Only,
		App:       app.Listener.Addr().String(),
		Collector: collector.URL,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer proxy.Close()

	r := httptest.NewRequest("GET", "/users/1", nil)
	r.Header.Set("X-B3-TraceId", "a3ce929d0e0e4736")
	r.Header.Set("X-B3-SpanId", "00f067aa0ba902b7")
	r.Header.Set("X-B3-Sampled", "1")
	w := httptest.NewRecorder()
	proxy.Inbound().ServeHTTP(w, r)
	body, _ := io.ReadAll(w.Body)
	fmt.Println(string(body), proxy.Flush(context.Background()))
	// Output: a3ce929d0e0e4736 false <nil>
}
