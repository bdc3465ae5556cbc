package jaegertest

import (
	"context"
	"net/url"
)

// A UISpan is a span as Jaeger's user interface is told of it: in the words of Jaeger's first
// version, where what OpenTelemetry has a field for is a tag.
type UISpan struct {
	Operation string
	Service   string
	ParentID  string // empty for a root
	Tags      map[string]any
	Warnings  []string // what the interface tells its reader to be wrong with the span
}

// UITrace returns the spans of the trace with the given ID as Jaeger's interface would show
// them, by their IDs. There are none if Jaeger does not know the trace.
func (q *Query) UITrace(ctx context.Context, id string) (map[string]UISpan, error) {
	var answer struct {
		Data []struct {
			Spans []struct {
				SpanID        string
				OperationName string
				ProcessID     string
				References    []struct{ RefType, TraceID, SpanID string }
				Tags          []struct {
					Key   string
					Value any
				}
				Warnings []string
			}
			Processes map[string]struct{ ServiceName string }
		}
	}
	if found, err := q.ask(ctx, "/api/traces/"+url.PathEscape(id), nil, &answer); err != nil || !found {
		return nil, err
	}
	spans := make(map[string]UISpan)
	for _, t := range answer.Data {
		for _, w := range t.Spans {
			s := UISpan{
				Operation: w.OperationName,
				Service:   t.Processes[w.ProcessID].ServiceName,
				Tags:      make(map[string]any),
				Warnings:  w.Warnings,
			}
			for _, ref := range w.References {
				if ref.RefType == "CHILD_OF" && ref.TraceID == id {
					s.ParentID = ref.SpanID
				}
			}
			for _, tag := range w.Tags {
				s.Tags[tag.Key] = tag.Value
			}
			spans[w.SpanID] = s
		}
	}
	return spans, nil
}
