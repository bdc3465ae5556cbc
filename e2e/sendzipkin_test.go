package e2e_test

import (
	"context"
	"encoding/json"
	"maps"
	"strings"

	"github.com/meshtrace/meshtrace/e2e/internal/jaegertest"
)

// A zipkinSpan is a span of Zipkin's API.
//
// Spec: Zipkin v2 API, Span, https://zipkin.io/zipkin-api/#/default/post_spans
type zipkinSpan struct {
	TraceID       string         `json:"traceId"`
	ID            string         `json:"id"`
	ParentID      string         `json:"parentId,omitempty"`
	Name          string         `json:"name"`
	Kind          string         `json:"kind"`
	Timestamp     int64          `json:"timestamp"` // microseconds
	Duration      int64          `json:"duration"`  // microseconds
	LocalEndpoint zipkinEndpoint `json:"localEndpoint"`
	Tags          map[string]any `json:"tags"`
}

type zipkinEndpoint struct {
	ServiceName string `json:"serviceName"`
}

func sendZipkin(ctx context.Context, e jaegertest.Endpoints) error {
	var spans []zipkinSpan
	for _, s := range sent {
		span := zipkinSpan{
			TraceID:       s.TraceID,
			ID:            s.ID,
			ParentID:      s.ParentID,
			Name:          s.Name,
			Kind:          strings.ToUpper(s.Kind.String()),
			Timestamp:     s.Start.UnixMicro(),
			Duration:      s.End.Sub(s.Start).Microseconds(),
			LocalEndpoint: zipkinEndpoint{s.Service()},
			Tags:          maps.Clone(s.Attrs),
		}
		if s.Status.Code == "error" {
			span.Tags["error"] = "true"
		}
		spans = append(spans, span)
	}
	body, err := json.Marshal(spans)
	if err != nil {
		return err
	}
	return post(ctx, "http://"+e.Zipkin+"/api/v2/spans", "application/json", body)
}
