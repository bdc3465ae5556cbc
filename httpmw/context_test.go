package httpmw_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/httpmw"
)

func TestURLTemplate(t *testing.T) {
	for _, tt := range []struct {
		rule     string
		template string
		cfg      httpmw.ClientConfig
		name     string
	}{
		{"a template names the span", "/users/{id}", httpmw.ClientConfig{}, "GET /users/{id}"},
		{"none does not", "", httpmw.ClientConfig{}, "GET"},
		{"a name of one's own", "/users/{id}", httpmw.ClientConfig{SpanName: func(r *http.Request, template string) string {
			return "call " + r.URL.Host + template
		}}, "call example.com/users/{id}"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
				tt.cfg.TracerProvider = tp
				ctx := background
				if tt.template != "" {
					ctx = httpmw.ContextWithURLTemplate(ctx, tt.template)
				}
				httpmw.NewTransport(respond(200, http.NoBody), tt.cfg).RoundTrip(request(t, "GET", "http://example.com/users/7").WithContext(ctx))
				if got := spans.one(t); got.Name() != tt.name || attrs(got)["url.template"] != tt.template {
					t.Errorf("%q with template %q", got.Name(), attrs(got)["url.template"])
				}
			})
		})
	}
}

func TestResends(t *testing.T) {
	eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
		s := serveHTTP1(t, http.RedirectHandler("/", http.StatusFound))
		c := s.Client()
		c.Transport = httpmw.NewTransport(c.Transport, httpmw.ClientConfig{TracerProvider: tp})
		c.CheckRedirect = func(_ *http.Request, via []*http.Request) error {
			if len(via) == 2 {
				return http.ErrUseLastResponse
			}
			return nil
		}
		ctx := httpmw.ContextWithResends(background)
		for range 2 { // tries, each of which is redirected once
			get(t, c, request(t, "GET", s.URL).WithContext(ctx))
		}
		var counts []string
		for _, sp := range spans.Ended() {
			counts = append(counts, attrs(sp)["http.request.resend_count"])
		}
		if !cmp.Equal(counts, []string{"", "1", "2", "3"}) {
			t.Errorf("counts %q", counts)
		}
	})
}

// TestTemplateAndResends says both of one context, in either order.
func TestTemplateAndResends(t *testing.T) {
	for _, ctx := range []context.Context{
		httpmw.ContextWithResends(httpmw.ContextWithURLTemplate(background, "/t")),
		httpmw.ContextWithURLTemplate(httpmw.ContextWithResends(background), "/t"),
	} {
		tp, spans := ours(t, nil)
		rt := httpmw.NewTransport(respond(200, http.NoBody), httpmw.ClientConfig{TracerProvider: tp})
		for range 2 {
			rt.RoundTrip(request(t, "GET", "http://example.com/").WithContext(ctx))
		}
		checkAttrs(t, attrs(spans.Ended()[1]), map[string]string{"url.template": "/t", "http.request.resend_count": "1"})
	}
}

func TestResendsInARing(t *testing.T) {
	tp, spans := ours(t, nil)
	r := request(t, "GET", "http://example.com/")
	r.Response = &http.Response{Request: r}
	httpmw.NewTransport(respond(200, http.NoBody), httpmw.ClientConfig{TracerProvider: tp}).RoundTrip(r)
	spans.one(t)
}

func TestPhases(t *testing.T) {
	eachProtocol(t, func(t *testing.T, serve func(http.Handler) *httptest.Server) {
		eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
			s := serve(http.HandlerFunc(okHandler))
			base := s.Client().Transport.(*http.Transport)
			base.MaxConnsPerHost = 1 // HTTP/2's is handed out before it is kept: who came in between would dial in vain
			if base.TLSClientConfig != nil {
				base.TLSClientConfig.ServerName = "example.com" // which the test's certificate is for
			}
			c := &http.Client{Transport: httpmw.NewTransport(base, httpmw.ClientConfig{TracerProvider: tp, Phases: true})}
			named := strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
			get(t, c, request(t, "GET", named))
			get(t, c, request(t, "GET", named))
			first, second := attrs(spans.Ended()[0]), attrs(spans.Ended()[1])
			has := func(a map[string]string, key string, want bool) {
				t.Helper()
				if _, got := a["meshtrace."+key]; got != want {
					t.Errorf("%s: %v, want %v", key, got, want)
				}
			}
			for _, key := range []string{"dns_ms", "connect_ms"} {
				has(first, key, true)
				has(second, key, false)
			}
			has(first, "tls_ms", strings.HasPrefix(s.URL, "https"))
			has(first, "wait_ms", true)
			has(second, "wait_ms", true)
			has(first, "connections_tried", false)
			checkAttrs(t, first, map[string]string{"meshtrace.connection_reused": "false", "network.peer.address": "127.0.0.1"})
			checkAttrs(t, second, map[string]string{"meshtrace.connection_reused": "true", "network.peer.address": "127.0.0.1"})
		})
	})
}

func TestPhasesOff(t *testing.T) {
	tp, spans := ours(t, nil)
	s := serveHTTP1(t, http.HandlerFunc(okHandler))
	get(t, &http.Client{Transport: httpmw.NewTransport(s.Client().Transport, httpmw.ClientConfig{TracerProvider: tp})}, request(t, "GET", s.URL))
	if got, ok := attrs(spans.one(t))["meshtrace.connection_reused"]; ok {
		t.Errorf("connection_reused %s", got)
	}
}

func TestInstrumentDefaults(t *testing.T) {
	transport, client := http.DefaultTransport, http.DefaultClient.Transport
	tp, spans := ours(t, nil)
	s := serveHTTP1(t, http.HandlerFunc(okHandler))
	defer transport.(*http.Transport).CloseIdleConnections()
	send := func(c *http.Client, want int) {
		t.Helper()
		before := len(spans.Ended())
		get(t, c, request(t, "GET", s.URL))
		if got := len(spans.Ended()) - before; got != want {
			t.Errorf("%d spans for one request, want %d", got, want)
		}
	}

	undo := httpmw.InstrumentDefaults(httpmw.ClientConfig{TracerProvider: tp})
	send(http.DefaultClient, 1)
	send(new(http.Client), 1)
	send(&http.Client{Transport: httpmw.NewTransport(nil, httpmw.ClientConfig{TracerProvider: tp})}, 1)
	again := httpmw.InstrumentDefaults(httpmw.ClientConfig{TracerProvider: tp})
	send(http.DefaultClient, 1)
	again()
	send(http.DefaultClient, 1)
	undo()
	send(http.DefaultClient, 0)
	if http.DefaultTransport != transport || http.DefaultClient.Transport != client {
		t.Error("not what it was")
	}

	own := &http.Transport{}
	defer own.CloseIdleConnections()
	http.DefaultClient.Transport = own
	undo = httpmw.InstrumentDefaults(httpmw.ClientConfig{TracerProvider: tp})
	send(http.DefaultClient, 1)
	again = httpmw.InstrumentDefaults(httpmw.ClientConfig{TracerProvider: tp})
	send(http.DefaultClient, 1)
	again()
	undo()
	undo()
	if http.DefaultTransport != transport || http.DefaultClient.Transport != http.RoundTripper(own) {
		t.Error("not what it was")
	}
	http.DefaultClient.Transport = client
}
