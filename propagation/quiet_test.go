package propagation_test

import (
	"bytes"
	"context"
	"log"
	"log/slog"
	"net/http"
	"os"
	"testing"

	"github.com/meshtrace/meshtrace/propagation"
	"go.opentelemetry.io/otel"
	otelpropagation "go.opentelemetry.io/otel/propagation"
)

// A header is a stranger's text, and whoever sends many bad ones must not fill a log with them.
func TestNothingIsReported(t *testing.T) {
	var reported bytes.Buffer
	log.SetOutput(&reported)
	logger := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&reported, nil)))
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { reported.WriteString(err.Error()) }))
	t.Cleanup(func() {
		slog.SetDefault(logger)
		log.SetOutput(os.Stderr)
		otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {}))
	})
	for name, p := range formats {
		p := alone(p, propagation.Baggage{})
		for _, value := range []string{"secret", "secret=\xff", "\x00secret", "secret=1,=,secret;(", "-:;,=%"} {
			h := http.Header{}
			for key := range everyFormat("") {
				h[key] = []string{value, value}
			}
			ctx := p.Extract(context.Background(), otelpropagation.HeaderCarrier(h))
			p.Inject(ctx, otelpropagation.HeaderCarrier(h))
			if reported.Len() > 0 {
				t.Fatalf("%s reported %q", name, reported.String())
			}
		}
	}
}

// What a Parse function returns for an error is a constant, and holds nothing of what was parsed.
func TestErrorsAreConstants(t *testing.T) {
	known := map[error]bool{
		nil: true, propagation.ErrSyntax: true, propagation.ErrZeroID: true, propagation.ErrTooLong: true,
		propagation.ErrTooMany: true, propagation.ErrMissing: true, propagation.ErrSampling: true,
	}
	check := func(err error) {
		t.Helper()
		if !known[err] {
			t.Errorf("error %q is none of the package's", err)
		}
	}
	for key, values := range everyFormat("secret-1;Root=1,=%") {
		_, err := propagation.ParseTraceparent(values[0])
		check(err)
		_, err = propagation.ParseTracestate(values...)
		check(err)
		_, _, err = propagation.ParseB3Single(values[0])
		check(err)
		_, _, err = propagation.ParseB3(propagation.B3Headers{TraceID: values[0], SpanID: key})
		check(err)
		_, _, err = propagation.ParseJaeger(values[0])
		check(err)
		_, err = propagation.ParseGRPCTraceBin([]byte(values[0]))
		check(err)
		_, _, err = propagation.ParseXRay(values[0])
		check(err)
		_, _, err = propagation.ParseDatadog(propagation.DatadogHeaders{TraceID: values[0], ParentID: key})
		check(err)
		_, err = propagation.ParseServerTiming(values...)
		check(err)
	}
}
