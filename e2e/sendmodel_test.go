package e2e_test

import (
	"context"

	"github.com/jaegertracing/jaeger-idl/model/v1"
	"github.com/jaegertracing/jaeger-idl/proto-gen/api_v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/meshtrace/meshtrace/e2e/internal/jaegertest"
)

func sendModel(ctx context.Context, e jaegertest.Endpoints) error {
	conn, err := grpc.NewClient(e.ModelGRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = api_v2.NewCollectorServiceClient(conn).PostSpans(ctx, &api_v2.PostSpansRequest{Batch: modelBatch()})
	return err
}

func modelBatch() model.Batch {
	batch := model.Batch{Process: &model.Process{ServiceName: sent[0].Service()}}
	for _, s := range sent {
		traceID := model.NewTraceID(number(s.TraceID[:16]), number(s.TraceID[16:]))
		span := &model.Span{
			TraceID:       traceID,
			SpanID:        model.NewSpanID(number(s.ID)),
			OperationName: s.Name,
			Flags:         model.SampledFlag,
			StartTime:     s.Start,
			Duration:      s.End.Sub(s.Start),
			Tags:          []model.KeyValue{model.String("span.kind", s.Kind.String())},
		}
		if s.ParentID != "" {
			span.References = []model.SpanRef{model.NewChildOfRef(traceID, model.NewSpanID(number(s.ParentID)))}
		}
		for key, value := range s.Attrs {
			span.Tags = append(span.Tags, model.String(key, value.(string)))
		}
		if s.Status.Code == "error" {
			span.Tags = append(span.Tags, model.Bool("error", true))
		}
		batch.Spans = append(batch.Spans, span)
	}
	return batch
}
