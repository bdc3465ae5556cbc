package e2e_test

import (
	"context"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"github.com/meshtrace/meshtrace/e2e/internal/jaegertest"
)

func sendOTLPHTTP(ctx context.Context, e jaegertest.Endpoints) error {
	body, err := proto.Marshal(otlpRequest())
	if err != nil {
		return err
	}
	return post(ctx, "http://"+e.OTLPHTTP+"/v1/traces", "application/x-protobuf", body)
}

func sendOTLPGRPC(ctx context.Context, e jaegertest.Endpoints) error {
	conn, err := grpc.NewClient(e.OTLPGRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = collector.NewTraceServiceClient(conn).Export(ctx, otlpRequest())
	return err
}

func otlpRequest() *collector.ExportTraceServiceRequest {
	var spans []*otlp.Span
	for _, s := range sent {
		span := &otlp.Span{
			TraceId:           id(s.TraceID),
			SpanId:            id(s.ID),
			ParentSpanId:      id(s.ParentID),
			Name:              s.Name,
			Kind:              otlp.Span_SpanKind(s.Kind),
			StartTimeUnixNano: uint64(s.Start.UnixNano()),
			EndTimeUnixNano:   uint64(s.End.UnixNano()),
			Attributes:        otlpAttributes(s.Attrs),
		}
		if s.Status.Code == "error" {
			span.Status = &otlp.Status{Code: otlp.Status_STATUS_CODE_ERROR}
		}
		spans = append(spans, span)
	}
	return &collector.ExportTraceServiceRequest{ResourceSpans: []*otlp.ResourceSpans{{
		Resource:   &resource.Resource{Attributes: otlpAttributes(sent[0].Resource)},
		ScopeSpans: []*otlp.ScopeSpans{{Spans: spans}},
	}}}
}

func otlpAttributes(attrs jaegertest.Attrs) []*common.KeyValue {
	var list []*common.KeyValue
	for key, value := range attrs {
		list = append(list, &common.KeyValue{
			Key:   key,
			Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value.(string)}},
		})
	}
	return list
}
