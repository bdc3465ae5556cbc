package httpmw_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshtrace/meshtrace/httpmw"
)

// fromEnv sets the defaults that an environment says, for the length of a test.
func fromEnv(t *testing.T, env map[string]string) error {
	t.Helper()
	d, err := httpmw.DefaultsFromEnv(func(name string) string { return env[name] })
	httpmw.SetDefaults(d)
	t.Cleanup(func() { httpmw.SetDefaults(httpmw.Defaults{}) })
	return err
}

func TestCaptureFromEnv(t *testing.T) {
	err := fromEnv(t, map[string]string{
		"OTEL_INSTRUMENTATION_HTTP_SERVER_CAPTURE_REQUEST_HEADERS":  " X-Id , x-other,",
		"OTEL_INSTRUMENTATION_HTTP_CLIENT_CAPTURE_RESPONSE_HEADERS": "X-Id,Cookie",
	})
	for _, part := range []string{"OTEL_INSTRUMENTATION_HTTP_CLIENT_CAPTURE_RESPONSE_HEADERS", `"Cookie"`} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v does not name %s", err, part)
		}
	}

	r := httptest.NewRequest("GET", "/", nil)
	r.Header = http.Header{"X-Id": {"1"}, "X-Other": {"2"}, "X-Own": {"3"}, "Cookie": {"4"}}
	captured := func(cfg httpmw.Config) (names []string) {
		for _, name := range []string{"x-id", "x-other", "x-own", "cookie"} {
			if _, ok := serverAttrs(t, cfg, r)["http.request.header."+name]; ok {
				names = append(names, name)
			}
		}
		return names
	}
	if got, want := captured(httpmw.Config{}), []string{"x-id", "x-other"}; !cmp.Equal(got, want) {
		t.Errorf("by the environment %v, want %v", got, want)
	}
	if got, want := captured(httpmw.Config{Capture: capture(t, "X-Own")}), []string{"x-own"}; !cmp.Equal(got, want) {
		t.Errorf("by configuration %v, want %v", got, want)
	}
	tp, spans := ours(t, nil)
	rt := roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Header: r.Header, Body: http.NoBody}, nil
	})
	httpmw.NewTransport(rt, httpmw.ClientConfig{TracerProvider: tp}).RoundTrip(request(t, "GET", "http://example.com/"))
	checkAttrs(t, attrs(spans.one(t)), map[string]string{"http.response.header.x-id": `["1"]`, "http.response.header.cookie": ""})
}

func TestKnownMethodsFromEnv(t *testing.T) {
	if err := fromEnv(t, map[string]string{"OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS": "GET, BREW,a b"}); err == nil || !strings.Contains(err.Error(), `KNOWN_METHODS: httpmw: method "a b"`) {
		t.Errorf("error %v", err)
	}
	for method, want := range map[string]string{"GET": "GET", "BREW": "BREW", "POST": "_OTHER"} {
		r := httptest.NewRequest(method, "/", nil)
		checkAttrs(t, serverAttrs(t, httpmw.Config{}, r), map[string]string{"http.request.method": want})
	}
}
