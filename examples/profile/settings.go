package main

// The settings: flags, checked all at once.

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	otelpropagation "go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/exporter"
	"github.com/meshtrace/meshtrace/internal/linkerd"
	"github.com/meshtrace/meshtrace/propagation"
	"github.com/meshtrace/meshtrace/sampler"
)

// settings are the flags, and what follows from them.
type settings struct {
	requests      int
	percent       float64
	fail, serve   bool
	endpoint      string // of the services
	proxyEndpoint string // of the proxies, which speak OTLP only
	propagation   string
	traceparent   string

	sampler    sdktrace.Sampler
	propagator otelpropagation.TextMapPropagator
	mode       linkerd.Mode
	outside    http.Header // what an outside request carries
}

// parseFlags reads args. What is wrong with them is written to stderr.
func parseFlags(args []string, stderr io.Writer) (s settings, err error) {
	flags := flag.NewFlagSet("profile", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&s.requests, "requests", 1, "how `many` requests are sent")
	flags.Float64Var(&s.percent, "sample", 100, "how many `percent` of the traces that start here are sampled")
	flags.BoolVar(&s.fail, "fail", false, "let the profile-service fail every other request")
	flags.StringVar(&s.endpoint, "endpoint", "", "`URL` to send spans to, such as http://localhost:4318, grpc://localhost:4317 or jaeger+http://localhost:14268 (default: print them)")
	flags.StringVar(&s.proxyEndpoint, "proxy-endpoint", "", "OTLP/HTTP `URL` for the proxies' spans (default: OTLP on the endpoint's host)")
	flags.StringVar(&s.propagation, "propagation", "w3c", "the `format` of the services' trace headers: w3c, or b3 with proxies that know nothing else")
	flags.StringVar(&s.traceparent, "traceparent", "", "let requests come with a trace, the `value` of a traceparent header")
	flags.BoolVar(&s.serve, "serve", false, "go on serving until interrupted")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	err = errors.Join(unexpected(flags.Args()), s.complete())
	if err != nil {
		fmt.Fprintln(stderr, err)
	}
	return s, err
}

func unexpected(args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("profile: argument %q: there are only flags", args[0])
}

// complete checks the flags and derives the rest.
func (s *settings) complete() error {
	var errs []error
	if s.requests < 1 {
		errs = append(errs, fmt.Errorf("profile: -requests %d: want at least 1", s.requests))
	}
	percent, err := sampler.Percent(s.percent)
	if err != nil {
		errs = append(errs, fmt.Errorf("profile: -sample %g: %w", s.percent, err))
	} else {
		s.sampler = sampler.ParentBased(percent)
	}
	errs = append(errs, s.choosePropagation(), s.readTraceparent(), s.chooseEndpoints())
	return errors.Join(errs...)
}

func (s *settings) choosePropagation() error {
	switch s.propagation {
	case "w3c":
		s.propagator, s.mode = propagation.Linkerd(), linkerd.Modern
	case "b3":
		b3 := []otelpropagation.TextMapPropagator{propagation.B3{}}
		s.propagator, s.mode = propagation.New(propagation.Config{Extract: b3, Inject: b3}), linkerd.B3Only
	default:
		return fmt.Errorf("profile: -propagation %q: want w3c or b3", s.propagation)
	}
	return nil
}

// readTraceparent makes the outside caller's headers, in the format that the services speak.
func (s *settings) readTraceparent() error {
	s.outside = make(http.Header)
	if s.traceparent == "" {
		return nil
	}
	sc, err := propagation.ParseTraceparent(s.traceparent)
	if err != nil {
		return fmt.Errorf("profile: -traceparent %.64q: %w", s.traceparent, err)
	}
	if s.propagator != nil {
		ctx := trace.ContextWithSpanContext(context.Background(), sc)
		s.propagator.Inject(ctx, otelpropagation.HeaderCarrier(s.outside))
	}
	return nil
}

func (s *settings) chooseEndpoints() error {
	if s.endpoint == "" {
		if s.proxyEndpoint != "" {
			return fmt.Errorf("profile: -proxy-endpoint %q: needs -endpoint too", s.proxyEndpoint)
		}
		return nil
	}
	if err := (exporter.Config{Endpoint: s.endpoint}).Validate(); err != nil {
		return fmt.Errorf("profile: -endpoint %q: %w", s.endpoint, err)
	}
	if s.proxyEndpoint == "" {
		s.proxyEndpoint = otlpBeside(s.endpoint)
	}
	if u, err := url.Parse(s.proxyEndpoint); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("profile: -proxy-endpoint %q: want an http or https URL for OTLP", s.proxyEndpoint)
	}
	return nil
}

// otlpBeside returns where a backend that takes spans at endpoint takes OTLP over HTTP, or "".
func otlpBeside(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return ""
	}
	switch u.Scheme {
	case "http", "https":
		if u.Path == "" || u.Path == "/" {
			u.Path = "/v1/traces"
		}
		return u.String()
	case "grpc", "jaeger+http", "jaeger+grpc":
		return "http://" + net.JoinHostPort(u.Hostname(), "4318") + "/v1/traces"
	case "grpcs", "jaeger+https", "jaeger+grpcs":
		return "https://" + net.JoinHostPort(u.Hostname(), "4318") + "/v1/traces"
	}
	return ""
}
