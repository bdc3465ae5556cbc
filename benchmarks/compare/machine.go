package main

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
)

// machine says what the figures were measured on.
func machine() string {
	return fmt.Sprintf("%s, %d cores, %s/%s, %s.", processor(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
}

var modelName = regexp.MustCompile(`(?m)^model name\s*:\s*(.+)$`)

// processor names the processor where the operating system says it.
func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo") // elsewhere than on Linux there is none
	if m := modelName.FindSubmatch(text); m != nil {
		return strings.TrimSpace(string(m[1]))
	}
	return "unnamed processor"
}

// peerModules are the modules whose versions matter.
var peerModules = []string{
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp",
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc",
	"go.opentelemetry.io/otel/sdk",
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp",
	"go.opentelemetry.io/contrib/propagators/b3",
}

// peers names the versions of what is compared, as this program was built with them.
func peers() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	version := make(map[string]string)
	for _, m := range info.Deps {
		version[m.Path] = m.Version
	}
	var list []string
	for _, path := range peerModules {
		list = append(list, path[strings.LastIndex(path, "/")+1:]+" "+version[path])
	}
	return "OpenTelemetry: " + strings.Join(list, ", ") + "."
}
