package linkerd_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"

	"github.com/meshtrace/meshtrace/internal/linkerd"
)

// send writes a raw request and returns the raw answer, up to the end of the connection.
func send(t *testing.T, addr, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// startMesh runs app behind two proxies and returns a client of the first.
func startMesh(t *testing.T, version int, app http.HandlerFunc) (*http.Client, *pod) {
	b := startPod(t, app, linkerd.Config{})
	a := startPod(t, nil, linkerd.Config{Routes: map[string]linkerd.Endpoint{"b": {Addr: b.inbound, Meshed: true}}})
	return newClient(t, version, a.outbound), a
}

// bothVersions runs a test of what an application and its caller see through two proxies.
func bothVersions(t *testing.T, test func(t *testing.T, version int)) {
	for _, version := range []int{1, 2} {
		t.Run(fmt.Sprintf("HTTP/%d", version), func(t *testing.T) { test(t, version) })
	}
}

func TestApplicationSeesItsOwnVersion(t *testing.T) {
	bothVersions(t, func(t *testing.T, version int) {
		client, _ := startMesh(t, version, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.ProtoMajor, r.Host, r.RequestURI) })
		req, err := http.NewRequestWithContext(t.Context(), "GET", "http://b//a%2Fb/../c?x=1;y=%zz", nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := do(t, client, req), fmt.Sprint(version, "b", "//a%2Fb/../c?x=1;y=%zz"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func do(t *testing.T, client *http.Client, req *http.Request) string {
	t.Helper()
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestForwardedHeadersStay(t *testing.T) {
	want := http.Header{"Forwarded": {"for=x"}, "X-Forwarded-For": {"x"}, "X-Forwarded-Host": {"y"}, "X-Forwarded-Proto": {"https"}}
	received := make(chan http.Header, 1)
	client, _ := startMesh(t, 1, func(_ http.ResponseWriter, r *http.Request) { received <- r.Header })
	get(t, client, "http://b/", want)
	got := <-received
	for key := range want {
		if got.Get(key) != want.Get(key) {
			t.Errorf("%s: %q, want %q", key, got.Get(key), want.Get(key))
		}
	}
}

// Each side waits for the other's last word, so neither body may be held back anywhere.
func TestBodiesStreamBothWays(t *testing.T) {
	bothVersions(t, func(t *testing.T, version int) {
		client, a := startMesh(t, version, func(w http.ResponseWriter, r *http.Request) {
			rc := http.NewResponseController(w)
			_ = rc.EnableFullDuplex()
			_ = rc.Flush()
			for in := bufio.NewScanner(r.Body); in.Scan(); _ = rc.Flush() {
				fmt.Fprintln(w, "echo", in.Text())
			}
		})
		body, words := io.Pipe()
		req, err := http.NewRequestWithContext(t.Context(), "POST", "http://b/", body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Traceparent", "00-"+tid+"-"+sid+"-01")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if spans := a.flushed(t); len(spans) != 2 {
			t.Errorf("%d spans at the response's headers, want 2", len(spans))
		}
		answers := bufio.NewScanner(resp.Body)
		for _, word := range []string{"one", "two", "three"} {
			fmt.Fprintln(words, word)
			if !answers.Scan() || answers.Text() != "echo "+word {
				t.Fatalf("got %q and %v, want echo %s", answers.Text(), answers.Err(), word)
			}
		}
		words.Close()
		if answers.Scan() || answers.Err() != nil {
			t.Errorf("got %q and %v, want the end", answers.Text(), answers.Err())
		}
	})
}

func TestTrailersBothWays(t *testing.T) {
	bothVersions(t, func(t *testing.T, version int) {
		client, _ := startMesh(t, version, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			w.Header().Set("Trailer", "Announced")
			fmt.Fprint(w, string(body), r.Trailer.Get("Request"))
			w.Header().Set("Announced", "1")
			w.Header().Set(http.TrailerPrefix+"Unannounced", "2")
		})
		req, err := http.NewRequestWithContext(t.Context(), "POST", "http://b/", io.MultiReader(strings.NewReader("body ")))
		if err != nil {
			t.Fatal(err)
		}
		req.Trailer = http.Header{"Request": {"trailer"}}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || string(body) != "body trailer" {
			t.Errorf("body %q and %v, want %q", body, err, "body trailer")
		}
		if resp.Trailer.Get("Announced") != "1" || resp.Trailer.Get("Unannounced") != "2" {
			t.Errorf("trailers %v", resp.Trailer)
		}
	})
}

func TestInformationalResponsesPass(t *testing.T) {
	bothVersions(t, func(t *testing.T, version int) {
		client, a := startMesh(t, version, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", "</style.css>")
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusAccepted)
		})
		var hints []string
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
				hints = append(hints, fmt.Sprint(code, h.Get("Link")))
				return nil
			},
		})
		req, err := http.NewRequestWithContext(ctx, "GET", "http://b/", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Traceparent", "00-"+tid+"-"+sid+"-01")
		do(t, client, req)
		if len(hints) != 1 || hints[0] != "103</style.css>" {
			t.Errorf("hints %q", hints)
		}
		for _, s := range a.flushed(t) {
			if status := attributes(t, s.Attributes)["http.response.status_code"]; status != "202" {
				t.Errorf("a span's status is %s, want 202", status)
			}
		}
	})
}

func TestUpgradePasses(t *testing.T) {
	client, a := startMesh(t, 1, func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		defer conn.Close()
		fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", r.Header.Get("Upgrade"))
		_ = rw.Flush()
		line, _ := rw.ReadString('\n')
		fmt.Fprint(rw, "echo ", line)
		_ = rw.Flush()
	})
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), "GET", "http://b/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"echo"}, "Traceparent": {"00-" + tid + "-" + sid + "-01"}}
	client.Timeout = 0 // it would hide that the body can be written to
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	conn, ok := resp.Body.(io.ReadWriter)
	if resp.StatusCode != http.StatusSwitchingProtocols || !ok {
		t.Fatalf("status %d, body %T", resp.StatusCode, resp.Body)
	}
	fmt.Fprintln(conn, "hello")
	if line, err := bufio.NewReader(conn).ReadString('\n'); line != "echo hello\n" {
		t.Errorf("got %q and %v", line, err)
	}
	for _, s := range a.flushed(t) {
		if status := attributes(t, s.Attributes)["http.response.status_code"]; status != "101" {
			t.Errorf("a span's status is %s, want 101", status)
		}
	}
}

func TestBrokenBodyBreaksTheResponse(t *testing.T) {
	bothVersions(t, func(t *testing.T, version int) {
		client, _ := startMesh(t, version, func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		})
		req, err := http.NewRequestWithContext(t.Context(), "GET", "http://b/", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if body, err := io.ReadAll(resp.Body); err == nil {
			t.Errorf("got %q without an error", body)
		}
	})
}

func TestConnectionsAreKept(t *testing.T) {
	addrs := make(map[string]bool)
	p := startPod(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { addrs[r.RemoteAddr] = true }), linkerd.Config{})
	client := newClient(t, 1, p.inbound)
	for range 10 {
		get(t, client, "http://b/", nil)
	}
	if len(addrs) != 1 {
		t.Errorf("10 requests used %d connections, want 1", len(addrs))
	}
}
