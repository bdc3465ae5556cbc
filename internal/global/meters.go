package global

import (
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
)

// NewMeters returns the instruments that build makes from a meter of provider, or of
// OpenTelemetry's global one if that is nil. They are nil, and build is not called, while there
// is no provider, or one that measures nothing.
func NewMeters[Instruments any](provider metric.MeterProvider, scope string, build func(metric.Meter) *Instruments, opts ...metric.MeterOption) *Kept[metric.MeterProvider, Instruments] {
	get := otel.GetMeterProvider
	if !unset(provider) {
		get = func() metric.MeterProvider { return provider }
	}
	return &Kept[metric.MeterProvider, Instruments]{
		Provider: get,
		Make: func(p metric.MeterProvider) *Instruments {
			switch p.(type) {
			case noop.MeterProvider, *noop.MeterProvider:
				return nil
			}
			if unset(p) {
				return nil
			}
			return build(p.Meter(scope, opts...))
		},
	}
}
