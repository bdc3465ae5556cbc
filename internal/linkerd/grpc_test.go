package linkerd_test

import (
	"context"
	"encoding/hex"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/meshtrace/meshtrace/internal/linkerd"
)

func TestGRPCUnary(t *testing.T) {
	received := make(chan metadata.MD, 1)
	m := startGRPC(t, linkerd.Modern, testService{unary: func(ctx context.Context, r *pb.SimpleRequest) (*pb.SimpleResponse, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		received <- md
		_ = grpc.SetHeader(ctx, metadata.Pairs("head", "1", "head-bin", "\x00\xff"))
		_ = grpc.SetTrailer(ctx, metadata.Pairs("tail", "2", "tail", "3", "tail-bin", "\xfe\x01"))
		return &pb.SimpleResponse{Payload: r.Payload}, nil
	}})
	var head, tail metadata.MD
	ctx := calling(t, "traceparent", w3cSampled, "tracestate", "k=v", "two", "a", "two", "b", "raw-bin", "\x00\xfa")
	resp, err := m.UnaryCall(ctx, &pb.SimpleRequest{Payload: &pb.Payload{Body: []byte("hello")}}, grpc.Header(&head), grpc.Trailer(&tail))
	if err != nil || string(resp.Payload.GetBody()) != "hello" {
		t.Fatalf("answer %v, error %v", resp, err)
	}
	got := <-received
	last := checkChain(t, m.spans(t), testMethods+"UnaryCall", "outbound", "inbound")
	checkMetadata(t, "the server got", got, metadata.MD{
		"traceparent": {"00-" + tid + "-" + last + "-01"}, "tracestate": {"k=v"}, "two": {"a", "b"}, "raw-bin": {"\x00\xfa"},
		":authority": {"b.default:8080"}, "content-type": {"application/grpc"}, "user-agent": {"test grpc-go/" + grpc.Version},
		"x-forwarded-for": nil, "te": nil, "accept-encoding": nil,
	})
	checkMetadata(t, "the client got the header", head, metadata.MD{"head": {"1"}, "head-bin": {"\x00\xff"}, "content-type": {"application/grpc"}, "content-length": nil, "trailer": nil, "tail": nil})
	checkMetadata(t, "the client got the trailer", tail, metadata.MD{"tail": {"2", "3"}, "tail-bin": {"\xfe\x01"}, "head": nil})
}

// A call has what HTTP/2 has, and nothing of gRPC's; that it fails is not seen either.
func TestGRPCAttributes(t *testing.T) {
	m := startGRPC(t, linkerd.Modern, testService{unary: func(context.Context, *pb.SimpleRequest) (*pb.SimpleResponse, error) {
		return nil, status.Error(codes.NotFound, "nobody")
	}})
	if _, err := m.UnaryCall(calling(t), &pb.SimpleRequest{}); status.Code(err) != codes.NotFound {
		t.Fatalf("error %v", err)
	}
	spans := m.spans(t)
	checkChain(t, spans, testMethods+"UnaryCall", "outbound", "inbound")
	for i, s := range spans {
		want := map[string]any{
			"direction": []string{"outbound", "inbound"}[i/2], "http.request.method": "POST", "http.response.status_code": "200",
			"network.transport": "tcp", "url.scheme": "http", "url.path": testMethods + "UnaryCall", "url.full": "http://b.default:8080" + testMethods + "UnaryCall",
			"user_agent.original": "test grpc-go/" + grpc.Version, "http.request.header.content-type": "application/grpc",
		}
		if diff := cmp.Diff(want, attributes(t, s.Attributes)); diff != "" {
			t.Errorf("span %d (-want +got):\n%s", i, diff)
		}
		if s.Status != nil || s.Flags != 0x300 || len(s.Events)+len(s.Links) != 0 {
			t.Errorf("span %d: %v", i, s)
		}
	}
}

func TestGRPCErrors(t *testing.T) {
	long := strings.Repeat("ü\n", 1000)
	withDetails, err := status.New(codes.FailedPrecondition, "details").WithDetails(&pb.Payload{Body: []byte("why")})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		rule   string
		header bool // is sent before, so the status is in a trailer
		err    error
	}{
		{"nothing but a trailer", false, status.Error(codes.ResourceExhausted, "100 % is\ttoo much: ü")},
		{"a trailer after the header", true, status.Error(codes.ResourceExhausted, "100 % is\ttoo much: ü")},
		{"a long message", false, status.Error(codes.Internal, long)},
		{"details", false, withDetails.Err()},
		{"details after the header", true, withDetails.Err()},
		{"no message", false, status.Error(codes.Aborted, "")},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			m := startGRPC(t, linkerd.Modern, testService{unary: func(ctx context.Context, _ *pb.SimpleRequest) (*pb.SimpleResponse, error) {
				if tt.header {
					_ = grpc.SendHeader(ctx, metadata.Pairs("head", "1"))
				}
				_ = grpc.SetTrailer(ctx, metadata.Pairs("tail", "2"))
				return nil, tt.err
			}})
			var head, tail metadata.MD
			_, err := m.UnaryCall(calling(t), &pb.SimpleRequest{}, grpc.Header(&head), grpc.Trailer(&tail))
			if got, want := status.Convert(err).Proto().String(), status.Convert(tt.err).Proto().String(); got != want {
				t.Errorf("error %s, want %s", got, want)
			}
			if (len(head["head"]) == 1) != tt.header {
				t.Errorf("header %v", head)
			}
			checkMetadata(t, "the client got the trailer", tail, metadata.MD{"tail": {"2"}, "content-length": nil})
			checkChain(t, m.spans(t), testMethods+"UnaryCall", "outbound", "inbound")
		})
	}
}

func TestGRPCMethodThatIsNone(t *testing.T) {
	m := startGRPC(t, linkerd.Modern, testService{})
	if _, err := m.UnimplementedCall(calling(t), &pb.Empty{}); status.Code(err) != codes.Unimplemented {
		t.Errorf("error %v, want %v", err, codes.Unimplemented)
	}
	checkChain(t, m.spans(t), testMethods+"UnimplementedCall", "outbound", "inbound")
}

// grpc-go writes its binary header without padding, whatever it is given.
var grpcTraceBinValue = string(append(append(append([]byte{0, 0}, unhex(tid)...), append([]byte{1}, unhex(sid)...)...), 2, 1))

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// The formats of each generation, as metadata. A value that goes on is a pattern.
func TestGRPCModes(t *testing.T) {
	type md = map[string]string
	const id = "[0-9a-f]{16}"
	w3c, b3 := md{"traceparent": w3cSampled}, md{"x-b3-traceid": tid, "x-b3-spanid": sid, "x-b3-sampled": "1"}
	bin := md{"grpc-trace-bin": grpcTraceBinValue}
	newB3 := md{"x-b3-traceid": tid, "x-b3-spanid": id, "x-b3-sampled": "1"}
	newBin := md{"grpc-trace-bin": "0000" + tid + "01" + id + "0201"}
	oldBin := md{"grpc-trace-bin": hex.EncodeToString([]byte(grpcTraceBinValue))}
	for _, tt := range []struct {
		rule   string
		mode   linkerd.Mode
		in     md
		out    md // grpc-trace-bin in hex
		traced bool
	}{
		{"modern reads traceparent", linkerd.Modern, w3c, md{"traceparent": "00-" + tid + "-" + id + "-01"}, true},
		{"modern ignores what grpc-go writes", linkerd.Modern, bin, oldBin, false},
		{"modern reads B3", linkerd.Modern, b3, newB3, true},
		{"pre-2.320 reads what grpc-go writes", linkerd.Pre2320, bin, newBin, true},
		{"pre-2.320 reads traceparent", linkerd.Pre2320, w3c, md{"traceparent": "00-" + tid + "-" + id + "-01"}, true},
		{"w3c-sibling leaves the caller's span ID", linkerd.W3CSibling, w3c, w3c, true},
		{"w3c-sibling reads what grpc-go writes", linkerd.W3CSibling, bin, newBin, true},
		{"b3-only does not know traceparent", linkerd.B3Only, w3c, w3c, false},
		{"b3-only reads what grpc-go writes", linkerd.B3Only, bin, newBin, true},
		{"b3-only reads B3", linkerd.B3Only, b3, newB3, true},
		{"off touches nothing", linkerd.Off, b3, b3, false},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			received := make(chan metadata.MD, 1)
			m := startGRPC(t, tt.mode, testService{unary: func(ctx context.Context, _ *pb.SimpleRequest) (*pb.SimpleResponse, error) {
				md, _ := metadata.FromIncomingContext(ctx)
				received <- md
				return &pb.SimpleResponse{}, nil
			}})
			ctx, cancel := context.WithTimeout(metadata.NewOutgoingContext(t.Context(), metadata.New(tt.in)), patience)
			defer cancel()
			if _, err := m.UnaryCall(ctx, &pb.SimpleRequest{}); err != nil {
				t.Fatal(err)
			}
			got := <-received
			for key, pattern := range tt.out {
				value := strings.Join(got[key], ",")
				if strings.HasSuffix(key, "-bin") {
					value = hex.EncodeToString([]byte(value))
				}
				if !regexp.MustCompile("^" + pattern + "$").MatchString(value) {
					t.Errorf("%s: %s, want %s", key, value, pattern)
				}
				if changed := value != tt.in[key] && value != oldBin[key]; changed != (pattern != tt.in[key] && pattern != oldBin[key]) {
					t.Errorf("%s has changed: %t", key, changed)
				}
			}
			if spans := m.spans(t); (len(spans) == 4) != tt.traced || len(spans)%4 != 0 {
				t.Errorf("%d spans, want them: %t", len(spans), tt.traced)
			}
		})
	}
}
