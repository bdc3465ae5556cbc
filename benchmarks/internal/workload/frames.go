package workload

// gRPC peers that have their frames ready, so that one side can be measured by itself.

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/protobuf/proto"

	pb "google.golang.org/grpc/interop/grpc_testing"
)

// Clients and servers of gRPC that have their frames ready, so that next to nothing is measured but
// the other side.

const unaryMethod = "/grpc.testing.TestService/UnaryCall"

// frames are what one side of a call sends.
type frames struct {
	headers  []byte
	message  []byte
	trailers []byte // none from a client
}

// newFrames returns frames of a message. The headers are encoded so that no state is needed.
func newFrames(m proto.Message, headers, trailers []hpack.HeaderField) (frames, error) {
	body, err := proto.Marshal(m)
	message := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(body))) // not compressed
	return frames{headers: block(headers), message: append(message, body...), trailers: block(trailers)}, err
}

func block(fields []hpack.HeaderField) []byte {
	var b bytes.Buffer
	enc := hpack.NewEncoder(&b)
	for _, f := range fields {
		f.Sensitive = true // never indexed
		_ = enc.WriteField(f)
	}
	return b.Bytes()
}

// send sends the frames on a stream.
func (f frames) send(to *http2.Framer, stream uint32) error {
	last := f.trailers == nil
	err := errors.Join(
		to.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: f.headers, EndHeaders: true}),
		to.WriteData(stream, last, f.message),
	)
	if !last {
		err = errors.Join(err, to.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: f.trailers, EndHeaders: true, EndStream: true}))
	}
	return err
}

// peer is a connection to the side that is measured.
type peer struct {
	*http2.Framer
	in       *bufio.Reader
	out      *bufio.Writer
	received int // bytes of data
}

func newPeer(conn net.Conn) *peer {
	const room = 1 << 16
	p := &peer{in: bufio.NewReaderSize(conn, room), out: bufio.NewWriterSize(conn, room)}
	p.Framer = http2.NewFramer(p.out, p.in)
	p.SetReuseFrames()
	return p
}

// begin sends what comes first: settings, and leave to send as much as anybody likes.
func (p *peer) begin() error {
	return errors.Join(p.WriteSettings(), p.WriteWindowUpdate(0, 1<<30))
}

// ended reads until the other side has ended a stream, and returns that one. Before it waits, it sends
// what there is.
func (p *peer) ended() (stream uint32, err error) {
	for {
		if p.in.Buffered() == 0 {
			if err := p.out.Flush(); err != nil {
				return 0, err
			}
		}
		frame, err := p.ReadFrame()
		if err != nil {
			return 0, err
		}
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				err = p.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !f.IsAck() {
				err = p.WritePing(true, f.Data)
			}
		case *http2.DataFrame:
			p.received += len(f.Data())
			if f.StreamEnded() {
				return f.StreamID, nil
			}
		case *http2.HeadersFrame:
			if f.StreamEnded() {
				return f.StreamID, nil
			}
		case *http2.RSTStreamFrame:
			return 0, fmt.Errorf("stream %d is reset: %v", f.StreamID, f.ErrCode)
		}
		if err != nil {
			return 0, err
		}
	}
}

// cannedClient makes n calls, of which [callers] are under way at a time.
func cannedClient(conn net.Conn, traceparent string, n int) error {
	request, err := newFrames(&pb.SimpleRequest{Payload: &pb.Payload{Body: []byte("42")}}, []hpack.HeaderField{
		{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: unaryMethod},
		{Name: ":authority", Value: "profile-service.default.svc.cluster.local:8080"}, {Name: "te", Value: "trailers"},
		{Name: "content-type", Value: "application/grpc"}, {Name: "user-agent", Value: "grpc-go/1.84.0"},
		{Name: "l5d-client-id", Value: "user-service.default.serviceaccount.identity.linkerd.cluster.local"},
		{Name: "traceparent", Value: traceparent},
	}, nil)
	if err != nil {
		return err
	}
	p := newPeer(conn)
	if _, err := p.out.WriteString(http2.ClientPreface); err != nil {
		return err
	}
	if err := p.begin(); err != nil {
		return err
	}
	sent := 0
	send := func() error {
		sent++
		return request.send(p.Framer, uint32(2*sent-1))
	}
	for range min(n, callers) {
		if err := send(); err != nil {
			return err
		}
	}
	for range n {
		if _, err := p.ended(); err != nil {
			return err
		}
		if sent < n {
			if err := send(); err != nil {
				return err
			}
		}
	}
	return checkResponses(p.received, n)
}

// checkResponses checks that as many bytes came as n responses have.
func checkResponses(bytes, n int) error {
	response, err := newResponse()
	if err == nil && bytes != n*len(response.message) {
		err = fmt.Errorf("%d bytes of %d responses, want %d of each", bytes, n, len(response.message))
	}
	return err
}

func newResponse() (frames, error) {
	return newFrames(&pb.SimpleResponse{Payload: &pb.Payload{Body: profile}},
		[]hpack.HeaderField{{Name: ":status", Value: "200"}, {Name: "content-type", Value: "application/grpc"}},
		[]hpack.HeaderField{{Name: "grpc-status", Value: "0"}, {Name: "grpc-message", Value: ""}})
}

// cannedServer answers the calls of one connection, until that is closed.
func cannedServer(lis net.Listener) error {
	response, err := newResponse()
	if err != nil {
		return err
	}
	conn, err := lis.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	p := newPeer(conn)
	if _, err := p.in.Discard(len(http2.ClientPreface)); err != nil {
		return err
	}
	for err = p.begin(); err == nil; {
		var stream uint32
		if stream, err = p.ended(); err == nil {
			err = response.send(p.Framer, stream)
		}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) { // the client is gone
		return nil
	}
	return err
}
