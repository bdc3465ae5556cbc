package httpmw_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/httpmw"
)

func TestNewHeaders(t *testing.T) {
	for _, name := range []string{
		"", " ", "a b", "a:b", "é", "a\n",
		"Authorization", "authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "WWW-Authenticate",
		"X-Api-Key", "X-Auth-Token", "X-Amz-Security-Token", "X-CSRF-Token", "X-Session-Id", "X-Vault-Secret", "X-Goog-Signature",
	} {
		if _, err := httpmw.NewHeaders("X-Good", name); err == nil {
			t.Errorf("NewHeaders(%q) is not refused", name)
		}
	}
	_, err := httpmw.NewHeaders("Cookie", "X-Good", "a b", strings.Repeat("(", 1000))
	for _, part := range []string{`"Cookie"`, `"a b"`} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v does not name %s", err, part)
		}
	}
	if len(err.Error()) > 500 {
		t.Errorf("the error has %d bytes", len(err.Error()))
	}
	if _, err := httpmw.NewHeaders("X-Request-Id", "content-type", "ETag"); err != nil {
		t.Error(err)
	}
}

func capture(t *testing.T, names ...string) httpmw.Capture {
	t.Helper()
	h, err := httpmw.NewHeaders(names...)
	if err != nil {
		t.Fatal(err)
	}
	return httpmw.Capture{Request: h, Response: h}
}

func TestCapture(t *testing.T) {
	want := map[string]string{
		"http.request.header.x-id": `["a","b"]`, "http.response.header.x-id": `["c"]`,
		"http.request.header.x-none": "", "http.response.header.x-none": "", "http.request.header.x-other": "",
	}
	c := capture(t, "X-ID", "x-none")
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Id", "c") })
	r := httptest.NewRequest("GET", "http://example.com/", nil)
	r.Header = http.Header{"X-Id": {"a", "b"}, "X-Other": {"secret"}}

	t.Run("server", func(t *testing.T) {
		eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
			httpmw.New(httpmw.Config{TracerProvider: tp, Capture: c}).Wrap(answer).ServeHTTP(httptest.NewRecorder(), r)
			checkAttrs(t, attrs(spans.one(t)), want)
		})
	})
	t.Run("client", func(t *testing.T) {
		eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
			rt := roundTripper(func(r *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Header: http.Header{"X-Id": {"c"}}, Body: http.NoBody}, nil
			})
			if _, err := httpmw.NewTransport(rt, httpmw.ClientConfig{TracerProvider: tp, Capture: c}).RoundTrip(r); err != nil {
				t.Fatal(err)
			}
			checkAttrs(t, attrs(spans.one(t)), want)
		})
	})
}
