package linkerd

import (
	"maps"
	"os"
	"slices"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
)

// newResource describes the proxy. Only what is its own are numbers; what a pod's labels and the
// environment say are strings, the later over the earlier.
func newResource(cfg Config) *resourcepb.Resource {
	attrs := []*commonpb.KeyValue{
		integer("process.pid", int64(os.Getpid())),
		integer("process.start_timestamp", time.Now().Unix()),
		text("host.name", cfg.Hostname),
	}
	merged := make(map[string]string)
	if cfg.Service != "" {
		merged["service.name"] = cfg.Service
	}
	maps.Copy(merged, cfg.Attributes)
	for _, key := range slices.Sorted(maps.Keys(merged)) {
		attrs = append(attrs, text(key, merged[key]))
	}
	return &resourcepb.Resource{Attributes: attrs}
}
