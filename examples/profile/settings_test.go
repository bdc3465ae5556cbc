package main

import (
	"slices"
	"strings"
	"testing"
)

func TestFlagsAreRefused(t *testing.T) {
	for _, tt := range []struct {
		rule string
		args []string
		want []string
	}{
		{"no requests", []string{"-requests", "0"}, []string{"-requests 0: want at least 1"}},
		{"more than all", []string{"-sample", "150"}, []string{"-sample 150: "}},
		{"not a number", []string{"-sample", "NaN"}, []string{"-sample NaN: "}},
		{"not a percentage", []string{"-sample", "all"}, []string{`invalid value "all" for flag -sample`}},
		{"an unknown format", []string{"-propagation", "jaeger"}, []string{`-propagation "jaeger": want w3c or b3`}},
		{"a traceparent that is none", []string{"-traceparent", "00-1-2-01"}, []string{`-traceparent "00-1-2-01": `}},
		{"an unknown scheme", []string{"-endpoint", "gopher://jaeger"}, []string{`-endpoint "gopher://jaeger": `}},
		{"proxies without services", []string{"-proxy-endpoint", "http://jaeger:4318"}, []string{`-proxy-endpoint "http://jaeger:4318": needs -endpoint`}},
		{"proxies speak OTLP over HTTP", []string{"-endpoint", "http://jaeger:4318", "-proxy-endpoint", "jaeger+http://jaeger"}, []string{`-proxy-endpoint "jaeger+http://jaeger": want`}},
		{"arguments", []string{"now"}, []string{`argument "now"`}},
		{"an unknown flag", []string{"-colour"}, []string{"-colour"}},
		{"all at once", []string{"-requests", "-1", "-sample", "-1", "-propagation", "x"}, []string{"-requests -1", "-sample -1", `-propagation "x"`}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			code, stdout, stderr := runProfile(t, tt.args...)
			if code != 2 || stdout != "" {
				t.Errorf("exit code %d, printed %q; want 2 and nothing", code, stdout)
			}
			missing := slices.DeleteFunc(slices.Clone(tt.want), func(text string) bool { return strings.Contains(stderr, text) })
			if len(missing) > 0 {
				t.Errorf("stderr %q, want %q in it", stderr, missing)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	if code, _, stderr := runProfile(t, "-h"); code != 0 || !strings.Contains(stderr, "-traceparent") {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
}

func TestProxiesExportBesideTheServices(t *testing.T) {
	for endpoint, want := range map[string]string{
		"http://jaeger:4318":              "http://jaeger:4318/v1/traces",
		"https://jaeger/otlp":             "https://jaeger/otlp",
		"jaeger+http://jaeger:14268":      "http://jaeger:4318/v1/traces",
		"jaeger+https://jaeger/api/x?y=z": "https://jaeger:4318/v1/traces",
		"jaeger+grpc://jaeger":            "http://jaeger:4318/v1/traces",
		"grpcs://[::1]:4317":              "https://[::1]:4318/v1/traces",
		"jaeger+grpcs://jaeger:14250":     "https://jaeger:4318/v1/traces",
		"grpc://jaeger:4317":              "http://jaeger:4318/v1/traces",
		"grpcs://jaeger":                  "https://jaeger:4318/v1/traces",
		"file:///tmp/spans":               "",
	} {
		if got := otlpBeside(endpoint); got != want {
			t.Errorf("beside %s: %s, want %s", endpoint, got, want)
		}
	}
}
