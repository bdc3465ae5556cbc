package httpmw_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/meshtrace/meshtrace/httpmw"
	"github.com/meshtrace/meshtrace/internal/excerpt"
)

// Nothing that a stranger sends makes a span larger than some of its beginning: the spans of others are
// not to be pushed out of the exporter's memory.
func TestLongTextsAreCut(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	headers, err := httpmw.NewHeaders("X-Tenant")
	if err != nil {
		t.Fatal(err)
	}
	ended := tracetest.NewSpanRecorder()
	m := httpmw.New(httpmw.Config{
		TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(ended)),
		Capture:        httpmw.Capture{Request: headers},
	})
	r := httptest.NewRequest("X"+long, "/"+long+"?q="+long, nil)
	r.Host = long
	r.Header["User-Agent"] = []string{long}
	r.Header["X-Tenant"] = []string{"short", long}
	m.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(httptest.NewRecorder(), r)

	span, cut := ended.Ended()[0], 0
	if len(span.Name()) > excerpt.MaxBytes {
		t.Errorf("the name has %d bytes", len(span.Name()))
	}
	for _, kv := range span.Attributes() {
		for _, text := range append(kv.Value.AsStringSlice(), kv.Value.AsString()) {
			switch {
			case len(text) > excerpt.MaxBytes:
				t.Errorf("%s has %d bytes", kv.Key, len(text))
			case len(text) == excerpt.MaxBytes:
				cut++
			}
		}
	}
	if cut != 6 {
		t.Errorf("%d texts were cut, want those of the method, path, query, host, user agent, and a header", cut)
	}
}
