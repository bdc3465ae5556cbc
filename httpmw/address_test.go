package httpmw_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshtrace/meshtrace/httpmw"
)

// serverAttrs returns the attributes of the span of one request.
func serverAttrs(t *testing.T, cfg httpmw.Config, r *http.Request) map[string]string {
	t.Helper()
	tp, spans := ours(t, nil)
	cfg.TracerProvider = tp
	httpmw.New(cfg).Wrap(http.HandlerFunc(okHandler)).ServeHTTP(httptest.NewRecorder(), r)
	return attrs(spans.one(t))
}

func TestClientAddress(t *testing.T) {
	for _, tt := range []struct {
		rule      string
		hops      uint8
		forwarded []string
		peer      string
		want      string
	}{
		{"nobody is believed by default", 0, []string{"1.1.1.1"}, "10.0.0.1:80", "10.0.0.1"},
		{"one proxy: what it appended", 1, []string{"6.6.6.6, 1.1.1.1"}, "10.0.0.1:80", "1.1.1.1"},
		{"two proxies", 2, []string{"6.6.6.6, 1.1.1.1, 10.0.0.2"}, "10.0.0.1:80", "1.1.1.1"},
		{"entries in several headers", 2, []string{"6.6.6.6, 1.1.1.1", "10.0.0.2"}, "10.0.0.1:80", "1.1.1.1"},
		{"fewer entries than proxies: the first", 3, []string{"1.1.1.1"}, "10.0.0.1:80", "1.1.1.1"},
		{"no entries: the peer", 2, nil, "10.0.0.1:80", "10.0.0.1"},
		{"an entry that is no address ends the chain", 2, []string{"1.1.1.1, unknown"}, "10.0.0.1:80", "10.0.0.1"},
		{"and so does one that was made up", 3, []string{"<script>, 1.1.1.1, 10.0.0.2"}, "10.0.0.1:80", "1.1.1.1"},
		{"a port is cut off", 1, []string{"1.1.1.1:1234"}, "10.0.0.1:80", "1.1.1.1"},
		{"IPv6", 1, []string{"2001:db8::1"}, "10.0.0.1:80", "2001:db8::1"},
		{"IPv6 with a port", 1, []string{"[2001:db8::1]:1234"}, "10.0.0.1:80", "2001:db8::1"},
		{"an IPv6 peer", 0, nil, "[2001:db8::2]:80", "2001:db8::2"},
		{"a zone may be any text", 1, []string{"fe80::1%<script>"}, "10.0.0.1:80", "10.0.0.1"},
		{"a port that is none", 1, []string{"1.1.1.1:http"}, "10.0.0.1:80", "10.0.0.1"},
		{"spaces", 1, []string{" 1.1.1.1 \t"}, "10.0.0.1:80", "1.1.1.1"},
		{"no peer", 0, nil, "", ""},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = tt.peer
			r.Header["X-Forwarded-For"] = tt.forwarded
			checkAttrs(t, serverAttrs(t, httpmw.Config{TrustedHops: tt.hops}, r), map[string]string{"client.address": tt.want})
		})
	}
}

func TestForwardedSchemeAndHost(t *testing.T) {
	for _, tt := range []struct {
		rule        string
		hops        uint8
		tls         bool
		proto, host string
		scheme      string
		address     string
		port        string
	}{
		{rule: "plain", scheme: "http", address: "example.com"},
		{rule: "TLS", tls: true, scheme: "https", address: "example.com"},
		{rule: "not believed", proto: "https", host: "evil.test", scheme: "http", address: "example.com"},
		{rule: "believed", hops: 1, proto: "https", host: "public.test:8443", scheme: "https", address: "public.test", port: "8443"},
		{rule: "in any case", hops: 1, proto: "HTTPS", scheme: "https", address: "example.com"},
		{rule: "the other way", hops: 1, tls: true, proto: "http", scheme: "http", address: "example.com"},
		{rule: "nonsense is not", hops: 1, proto: "gopher", scheme: "http", address: "example.com"},
		{rule: "that of the outermost proxy of ours", hops: 2, proto: "http, https, http", scheme: "https", address: "example.com"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.TLS = nil
			if tt.tls {
				r.TLS = new(tls.ConnectionState)
			}
			if tt.proto != "" {
				r.Header.Set("X-Forwarded-Proto", tt.proto)
			}
			if tt.host != "" {
				r.Header.Set("X-Forwarded-Host", tt.host)
			}
			checkAttrs(t, serverAttrs(t, httpmw.Config{TrustedHops: tt.hops}, r), map[string]string{"url.scheme": tt.scheme, "server.address": tt.address, "server.port": tt.port})
		})
	}
}

func TestStartHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		at := func(ago time.Duration) time.Time { return now.Add(-ago) }
		for _, tt := range []struct {
			rule   string
			name   string
			value  string
			queued time.Duration
		}{
			{"seconds", "X-Request-Start", fmt.Sprintf("%.3f", float64(at(time.Second).UnixMilli())/1e3), time.Second},
			{"with t=", "X-Request-Start", fmt.Sprintf("t=%.3f", float64(at(time.Second).UnixMilli())/1e3), time.Second},
			{"milliseconds", "X-Request-Start", fmt.Sprint(at(time.Second).UnixMilli()), time.Second},
			{"microseconds", "X-Request-Start", fmt.Sprint(at(time.Second).UnixMicro()), time.Second},
			{"nanoseconds", "X-Request-Start", fmt.Sprint(at(time.Second).UnixNano()), time.Second},
			{"not without the option", "", fmt.Sprint(at(time.Second).UnixMilli()), 0},
			{"not the future", "X-Request-Start", fmt.Sprint(at(-time.Second).UnixMilli()), 0},
			{"not long ago", "X-Request-Start", fmt.Sprint(at(2 * time.Minute).UnixMilli()), 0},
			{"no number", "X-Request-Start", "t=now", 0},
			{"not a number", "X-Request-Start", "NaN", 0},
			{"infinity", "X-Request-Start", "Inf", 0},
			{"nothing", "X-Request-Start", "", 0},
		} {
			for _, p := range providers {
				t.Log(tt.rule, p.name)
				tp, spans := p.make(t, nil)
				r := httptest.NewRequest("GET", "/", nil)
				r.Header.Set("X-Request-Start", tt.value)
				httpmw.New(httpmw.Config{TracerProvider: tp, StartHeader: tt.name}).Wrap(http.HandlerFunc(okHandler)).ServeHTTP(httptest.NewRecorder(), r)
				got := spans.Ended()[0]
				if queued := now.Sub(got.StartTime()).Round(time.Millisecond); queued != tt.queued {
					t.Errorf("%s: the span starts %v before the request arrived, want %v", tt.rule, queued, tt.queued)
				}
			}
		}
	})
}

func TestFirstByte(t *testing.T) {
	const key = "meshtrace.time_to_first_byte_ms"
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			rule    string
			handler http.HandlerFunc
			want    string
		}{
			{"it leaves with the last", func(w http.ResponseWriter, _ *http.Request) { w.Write(okBody) }, ""},
			{"it leaves when the response is flushed", func(w http.ResponseWriter, _ *http.Request) {
				time.Sleep(5 * time.Millisecond)
				w.(http.Flusher).Flush()
				time.Sleep(time.Second)
			}, "5"},
			{"it leaves when there is more than a buffer holds", func(w http.ResponseWriter, _ *http.Request) {
				w.Write(okBody)
				time.Sleep(7 * time.Millisecond)
				w.Write(make([]byte, 1<<12))
				time.Sleep(time.Second)
				w.Write(make([]byte, 1<<12))
			}, "7"},
		} {
			for _, p := range providers {
				tp, spans := p.make(t, nil)
				httpmw.New(httpmw.Config{TracerProvider: tp}).Wrap(tt.handler).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
				if got := attrs(spans.Ended()[0])[key]; got != tt.want {
					t.Errorf("%s, %s: %q, want %q", tt.rule, p.name, got, tt.want)
				}
			}
		}
	})
}

// forwardedFor is the slow, obvious way to find a client.
func forwardedFor(peer string, hops int, values []string) string {
	var entries []string
	for _, value := range values {
		entries = append(entries, strings.Split(value, ",")...)
	}
	client := peer
	for hop := 1; hop <= hops && hop <= len(entries); hop++ {
		entry := strings.Trim(entries[len(entries)-hop], " \t")
		if at, err := netip.ParseAddrPort(entry); err == nil {
			entry = at.Addr().String()
		} else if len(entry) > 2 && entry[0] == '[' && entry[len(entry)-1] == ']' {
			entry = entry[1 : len(entry)-1]
		}
		address, err := netip.ParseAddr(entry)
		if err != nil || address.Zone() != "" {
			break
		}
		client = address.String()
	}
	return client
}

func FuzzForwardedFor(f *testing.F) {
	f.Add("6.6.6.6, 1.1.1.1", "10.0.0.2", uint8(2))
	f.Add("2001:db8::1", "[2001:db8::1]:1234", uint8(2))
	f.Add("", ",,", uint8(9))
	f.Fuzz(func(t *testing.T, first, second string, hops uint8) {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = "10.0.0.1:80"
		r.Header["X-Forwarded-For"] = []string{first, second}
		got := serverAttrs(t, httpmw.Config{TrustedHops: hops}, r)["client.address"]
		want := forwardedFor("10.0.0.1", int(hops), r.Header["X-Forwarded-For"])
		if a, err := netip.ParseAddr(got); err != nil {
			t.Errorf("%q is no address", got)
		} else if b, err := netip.ParseAddr(want); err != nil || a != b {
			t.Errorf("%q, %q, %d hops: %s, want %s", first, second, hops, got, want)
		}
	})
}
