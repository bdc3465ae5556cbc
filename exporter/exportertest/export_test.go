package exportertest

import (
	"errors"
	"fmt"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Check does what Run does, through ExportSpans alone, and returns what Run would report.
func Check(start func() (sdktrace.SpanExporter, Received)) error {
	var errs []error
	for _, c := range cases {
		exp, received := start()
		if err := c.check(subject{exp, received, ways[0].send}); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c.rule, err))
		}
	}
	return errors.Join(errs...)
}
