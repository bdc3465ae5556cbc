package meshtrace

// The environment: the variables that fill in what the settings leave open.

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/meshtrace/meshtrace/exporter"
	"github.com/meshtrace/meshtrace/httpmw"
	"github.com/meshtrace/meshtrace/propagation"
	"github.com/meshtrace/meshtrace/sampler"
)

// environment looks a variable up. Unset and empty are the same, as OpenTelemetry's specification
// says.
type environment func(name string) string

// settings are a Config that the environment and the defaults have completed.
type settings struct {
	Config

	env           environment
	disabled      bool // record nothing, pass contexts through
	noExporter    bool
	jaegerService string
	http          httpmw.Defaults
}

// complete returns cfg with the environment and the defaults where it says nothing. The error joins
// all that is wrong.
func (env environment) complete(cfg Config) (settings, error) {
	s := settings{Config: cfg, env: env, jaegerService: env("JAEGER_SERVICE_NAME")}
	err := errors.Join(
		s.readSwitches(),
		s.readEndpoint(),
		s.readSampler(),
		s.readPropagators(),
		s.readTransport(),
		s.readTLS(),
		s.readHTTP(),
	)
	s.Config = s.Config.withDefaults()
	return s, err
}

// checked returns what the exporter has to say against settings that come from the variable called
// name. Whoever set it knows no setting.
func checked(name string, cfg exporter.Config) error {
	if err := cfg.Validate(); err != nil {
		return fmt.Errorf("meshtrace: %s: %w", name, err)
	}
	return nil
}

// invalid says that a variable is wrong. It does not show the value where that may be a secret.
func invalid(name, value, rule string) error {
	return fmt.Errorf("meshtrace: %s %q: %s", name, value[:min(len(value), 64)], rule)
}

// first returns the first of the variables that is set, and its value.
func (env environment) first(names ...string) (name, value string) {
	for _, name := range names {
		if value := env(name); value != "" {
			return name, value
		}
	}
	return "", ""
}

// otlp looks up one of the variables that exist for traces and for all signals.
func (env environment) otlp(setting string) (name, value string) {
	return env.first("OTEL_EXPORTER_OTLP_TRACES_"+setting, "OTEL_EXPORTER_OTLP_"+setting)
}

// isTrue reads a variable that is true or false, the value of which it is given. The specification
// takes any other word for false; who writes 1 or yes has meant true.
func isTrue(name, value string) (bool, error) {
	switch strings.ToLower(value) {
	case "true":
		return true, nil
	case "false", "":
		return false, nil
	}
	return false, invalid(name, value, "must be true or false")
}

func (s *settings) readSwitches() (err error) {
	s.disabled, err = isTrue("OTEL_SDK_DISABLED", s.env("OTEL_SDK_DISABLED"))
	switch exporters := s.env("OTEL_TRACES_EXPORTER"); strings.ToLower(exporters) {
	case "", "otlp":
	case "none":
		s.noExporter = true
		s.disabled = s.disabled || len(s.Processors) == 0
	default:
		err = errors.Join(err, invalid("OTEL_TRACES_EXPORTER", exporters, "must be otlp or none"))
	}
	return err
}

func (s *settings) readEndpoint() error {
	if s.Endpoint != "" {
		return nil
	}
	name, endpoint, err := s.env.endpoint()
	if err == nil && name != "" {
		err = checked(name, exporter.Config{Endpoint: endpoint})
	}
	if err == nil {
		s.Endpoint = endpoint
	}
	return err
}

// endpoint returns where the environment says that spans go, and which variable says so.
func (env environment) endpoint() (name, endpoint string, err error) {
	protocolName, protocol := env.otlp("PROTOCOL")
	protocol = strings.ToLower(protocol)
	switch protocol {
	case "", "http/protobuf":
		name, endpoint, err = env.httpEndpoint()
	case "grpc":
		name, endpoint, err = env.grpcEndpoint()
	default:
		err = invalid(protocolName, protocol, "must be http/protobuf or grpc")
	}
	switch jaeger := env("JAEGER_ENDPOINT"); {
	case err != nil || endpoint != "":
	case jaeger != "":
		if scheme, _, _ := strings.Cut(jaeger, "://"); !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
			return "", "", errors.New("meshtrace: JAEGER_ENDPOINT: must be a URL of http or https") // it may hold a password
		}
		return "JAEGER_ENDPOINT", "jaeger+" + jaeger, nil
	case protocol == "grpc":
		return "", "grpc://localhost:4317", nil
	}
	return name, endpoint, err
}

// httpEndpoint returns where to send OTLP over HTTP, if the environment says that. The variable for
// all signals has no path for this one.
func (env environment) httpEndpoint() (name, endpoint string, err error) {
	if name, endpoint = env.first("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"); endpoint != "" {
		return name, endpoint, nil
	}
	name, base := env.first("OTEL_EXPORTER_OTLP_ENDPOINT")
	if base == "" {
		return "", "", nil
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return "", "", fmt.Errorf("meshtrace: %s: must be a URL", name) // it may hold a password
	}
	if u.Scheme == "http" || u.Scheme == "https" { // others are ours, and say what they need
		u = u.JoinPath("v1", "traces")
	}
	return name, u.String(), nil
}

// grpcEndpoint returns where to send OTLP over gRPC, if the environment says that: a URL whose
// scheme, http or https, says whether there is TLS, or host and port, with another variable for that.
//
// Spec: OpenTelemetry Protocol Exporter, Configuration Options,
// https://opentelemetry.io/docs/specs/otel/protocol/exporter/#configuration-options
func (env environment) grpcEndpoint() (name, endpoint string, err error) {
	name, endpoint = env.otlp("ENDPOINT")
	insecure, err := isTrue(env.otlp("INSECURE"))
	scheme, rest, isURL := strings.Cut(endpoint, "://")
	switch {
	case endpoint == "":
	case isURL && strings.EqualFold(scheme, "http"):
		endpoint = "grpc://" + rest
	case isURL && strings.EqualFold(scheme, "https"):
		endpoint = "grpcs://" + rest
	case isURL: // one of ours
	case insecure:
		endpoint = "grpc://" + endpoint
	default:
		endpoint = "grpcs://" + endpoint
	}
	return name, endpoint, err
}

func (s *settings) readSampler() (err error) {
	name := s.env("OTEL_TRACES_SAMPLER")
	if s.Sampler != nil || name == "" {
		return nil
	}
	root, parentBased := strings.CutPrefix(strings.ToLower(name), "parentbased_")
	switch root {
	case "always_on":
		s.Sampler = sdktrace.AlwaysSample()
	case "always_off":
		s.Sampler = sdktrace.NeverSample()
	case "traceidratio":
		s.Sampler, err = s.readRatio()
	default:
		err = invalid("OTEL_TRACES_SAMPLER", name, "must be always_on, always_off or traceidratio, or one of these behind parentbased_")
	}
	if err == nil && parentBased {
		s.Sampler = sampler.ParentBased(s.Sampler)
	}
	return err
}

func (s *settings) readRatio() (sdktrace.Sampler, error) {
	arg := cmp.Or(s.env("OTEL_TRACES_SAMPLER_ARG"), "1")
	ratio, err := strconv.ParseFloat(arg, 64)
	if err != nil {
		return nil, invalid("OTEL_TRACES_SAMPLER_ARG", arg, "must be a number from 0 to 1")
	}
	root, err := sampler.Ratio(ratio)
	if err != nil {
		return nil, fmt.Errorf("meshtrace: OTEL_TRACES_SAMPLER_ARG: %w", err)
	}
	return root, nil
}

func (s *settings) readPropagators() (err error) {
	names := s.env("OTEL_PROPAGATORS")
	if s.Propagator != nil || names == "" {
		return nil
	}
	s.Propagator, err = propagation.FromNames(strings.Split(names, ",")...)
	if err != nil {
		return fmt.Errorf("meshtrace: OTEL_PROPAGATORS: %w", err)
	}
	return nil
}

// readTransport reads how requests are made: headers, compression, timeout.
func (s *settings) readTransport() error {
	var errs []error
	if name, list := s.env.otlp("HEADERS"); s.Headers == nil && list != "" {
		headers, err := parseHeaders(list)
		if err != nil {
			err = fmt.Errorf("meshtrace: %s: %w", name, err)
		} else if (exporter.Config{Endpoint: s.Endpoint}).Validate() == nil { // which says what a header may be
			err = checked(name, exporter.Config{Endpoint: s.Endpoint, Headers: headers})
		}
		if errs = append(errs, err); err == nil {
			s.Headers = headers
		}
	}
	if name, value := s.env.otlp("COMPRESSION"); s.Compression == "" && value != "" {
		compression := exporter.Compression(strings.ToLower(value))
		err := checked(name, exporter.Config{Compression: compression})
		if errs = append(errs, err); err == nil {
			s.Compression = compression
		}
	}
	if name, value := s.env.otlp("TIMEOUT"); s.Timeout == 0 && value != "" {
		ms, err := strconv.ParseUint(value, 10, 31)
		if err != nil || ms == 0 {
			errs = append(errs, invalid(name, value, "must be a number of milliseconds above 0"))
		}
		s.Timeout = time.Duration(ms) * time.Millisecond
	}
	return errors.Join(errs...)
}

// parseHeaders reads "key1=value1,key2=value2", with the values percent-encoded. Its error does
// not show the values: they are keys to somebody's account.
//
// Spec: OpenTelemetry Protocol Exporter, Specifying headers via environment variables,
// https://opentelemetry.io/docs/specs/otel/protocol/exporter/
func parseHeaders(list string) (map[string]string, error) {
	headers := make(map[string]string)
	for member := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(member) == "" {
			continue
		}
		key, encoded, found := strings.Cut(member, "=")
		key = strings.TrimSpace(key)
		value, err := url.PathUnescape(strings.TrimSpace(encoded))
		if !found || key == "" || err != nil {
			return nil, fmt.Errorf("member %d must be key=value, percent-encoded", len(headers)+1)
		}
		headers[key] = value
	}
	return headers, nil
}

// readTLS reads the certificates' files.
func (s *settings) readTLS() error {
	caName, ca := s.env.otlp("CERTIFICATE")
	certName, cert := s.env.otlp("CLIENT_CERTIFICATE")
	keyName, key := s.env.otlp("CLIENT_KEY")
	switch {
	case s.TLS != nil:
		return nil
	case cert == "" && key != "":
		return invalid(keyName, key, "needs a CLIENT_CERTIFICATE too")
	case cert != "" && key == "":
		return invalid(certName, cert, "needs a CLIENT_KEY too")
	case ca == "" && cert == "":
		return nil
	}
	cfg := new(tls.Config)
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return fmt.Errorf("meshtrace: %s: %w", caName, err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return invalid(caName, ca, "the file holds no certificate in PEM format")
		}
	}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return fmt.Errorf("meshtrace: %s: %w", certName, err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	s.TLS = cfg
	return nil
}

// readHTTP reads what httpmw is to record beside what it always does.
func (s *settings) readHTTP() (err error) {
	if s.http, err = httpmw.DefaultsFromEnv(s.env); err != nil {
		return fmt.Errorf("meshtrace: %w", err)
	}
	return nil
}
