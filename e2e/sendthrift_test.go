package e2e_test

import (
	"context"
	"net"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/agent"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/jaeger"

	"github.com/meshtrace/meshtrace/e2e/internal/jaegertest"
)

func sendThriftHTTP(ctx context.Context, e jaegertest.Endpoints) error {
	body, err := thrift.NewTSerializer().Write(ctx, thriftBatch())
	if err != nil {
		return err
	}
	return post(ctx, "http://"+e.ThriftHTTP+"/api/traces", "application/vnd.apache.thrift.binary", body)
}

// sendThriftCompact sends one datagram, as clients of Jaeger's agent do.
func sendThriftCompact(ctx context.Context, e jaegertest.Endpoints) error {
	var datagram thrift.TMemoryBuffer = *thrift.NewTMemoryBuffer()
	protocol := thrift.NewTCompactProtocolConf(&datagram, nil)
	client := agent.NewAgentClientProtocol(&datagram, protocol, protocol)
	if err := client.EmitBatch(ctx, thriftBatch()); err != nil {
		return err
	}
	conn, err := net.Dial("udp4", e.ThriftCompact)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write(datagram.Bytes())
	return err
}

func thriftBatch() *jaeger.Batch {
	batch := &jaeger.Batch{Process: &jaeger.Process{ServiceName: sent[0].Service()}}
	for _, s := range sent {
		span := &jaeger.Span{
			TraceIdHigh:   int64(number(s.TraceID[:16])),
			TraceIdLow:    int64(number(s.TraceID[16:])),
			SpanId:        int64(number(s.ID)),
			ParentSpanId:  int64(number(s.ParentID)),
			OperationName: s.Name,
			Flags:         1, // sampled
			StartTime:     s.Start.UnixMicro(),
			Duration:      s.End.Sub(s.Start).Microseconds(),
			Tags:          []*jaeger.Tag{thriftTag("span.kind", s.Kind.String())},
		}
		for key, value := range s.Attrs {
			span.Tags = append(span.Tags, thriftTag(key, value.(string)))
		}
		if s.Status.Code == "error" {
			yes := true
			span.Tags = append(span.Tags, &jaeger.Tag{Key: "error", VType: jaeger.TagType_BOOL, VBool: &yes})
		}
		batch.Spans = append(batch.Spans, span)
	}
	return batch
}

func thriftTag(key, value string) *jaeger.Tag {
	return &jaeger.Tag{Key: key, VType: jaeger.TagType_STRING, VStr: &value}
}
