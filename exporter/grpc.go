package exporter

// The gRPC call: one message there and one back, over net/http's HTTP/2.
//
// Spec: gRPC over HTTP2, https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// unary is a call of a method that takes one message and returns one. The path of the URL is the
// method.
type unary struct{}

func (unary) protocols(scheme string) *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP2(scheme == "https")
	p.SetUnencryptedHTTP2(scheme == "http") // with prior knowledge: gRPC knows no upgrade
	return p
}

func (unary) complete(h http.Header, cfg Config, _ protocol) {
	for key := range h {
		if strings.HasSuffix(key, "-Bin") { // metadata of any bytes
			h.Set(key, base64.RawStdEncoding.EncodeToString([]byte(h.Get(key))))
		}
	}
	h.Set("Content-Type", "application/grpc")
	h.Del("Content-Encoding")
	h.Set("Te", "trailers")
	h.Set("Grpc-Timeout", grpcTimeout(cfg.Timeout))
	h.Set("Grpc-Accept-Encoding", "gzip") // servers like to answer as they were asked
	if cfg.Compression == Gzip {
		h.Set("Grpc-Encoding", "gzip")
	}
}

// grpcTimeout returns d, rounded up, in the smallest unit in which it has no more than the eight
// digits that there may be.
func grpcTimeout(d time.Duration) string {
	const tooLong = 100_000_000
	for _, unit := range []struct {
		name   string
		length time.Duration
	}{{"n", 1}, {"u", time.Microsecond}, {"m", time.Millisecond}, {"S", time.Second}, {"M", time.Minute}} {
		if n := (d-1)/unit.length + 1; n < tooLong {
			return strconv.FormatInt(int64(n), 10) + unit.name
		}
	}
	return strconv.FormatInt(int64((d-1)/time.Hour+1), 10) + "H" // at most 2.6 million
}

// frameBytes is what stands before a message: whether it is compressed, and its length.
const frameBytes = 5

// fill leaves the spans where they are: HTTP/2 reads some at a time, and to make one piece of them first
// takes a twentieth of what all the rest does (BenchmarkDelivery).
func (unary) fill(b *body, p protocol, of *batch, packed bool) [][]byte {
	frame := make([]byte, frameBytes)
	b.pieces = p.appendPieces(append(b.pieces, frame), of)
	content := b.pieces
	if packed {
		b.pack(b.pieces[1:])
		content = [][]byte{frame, b.packed.Bytes()}
		frame[0] = 1
	}
	binary.BigEndian.PutUint32(frame[1:], uint32(size(content)-frameBytes))
	return content
}

// maxMessage is how much of an answer is read: twice as much as of other responses, for the status is
// behind it.
const maxMessage = 2 * maxAnswer

func (unary) read(resp *http.Response, p protocol) (delivery, error) {
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxMessage)) // the trailers are there at its end
	status, ok := statusOf(resp)
	switch {
	case !ok && err != nil && isGRPC(resp):
		return delivery{}, fmt.Errorf("the answer broke off: %w", err)
	case !ok:
		return readStranger(resp, answer), nil
	}
	d := delivery{outcome: status.outcome(), retryAfter: status.retryAfter}
	if d.outcome != accepted {
		d.err = fmt.Errorf("status %v", status)
		return d, nil
	}
	d.reject(p.rejected(unframe(answer, resp.Header)))
	return d, nil
}

func isGRPC(resp *http.Response) bool {
	return resp.StatusCode == http.StatusOK && strings.HasPrefix(resp.Header.Get("Content-Type"), "application/grpc")
}

// readStranger returns what a response says that has no status of gRPC: it comes from a proxy, or
// from something that is no gRPC server. gRPC's own reading of HTTP statuses, in the ones it names,
// leads to the same outcomes as ours; it gives up at the others, although a 413 says more.
//
// Spec: HTTP to gRPC Status Code Mapping, https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md
func readStranger(resp *http.Response, answer []byte) delivery {
	d := delivery{outcome: outcomeOf(resp.StatusCode), retryAfter: retryAfter(resp.Header, time.Now())}
	switch {
	case d.outcome != accepted:
		d.err = fmt.Errorf("HTTP status %d, without one of gRPC%s", resp.StatusCode, quoteAnswer(answer))
	case isGRPC(resp):
		d.outcome, d.err = refused, fmt.Errorf("an answer without a gRPC status%s", quoteAnswer(answer))
	default:
		d.outcome, d.err = refused, fmt.Errorf("an answer that is not gRPC, but %q", cut(resp.Header.Get("Content-Type")))
	}
	return d
}

// unframe returns the message in an answer, or nil if it can't be read.
func unframe(answer []byte, h http.Header) []byte {
	if len(answer) < frameBytes {
		return nil
	}
	message := answer[frameBytes:]
	message = message[:min(uint64(len(message)), uint64(binary.BigEndian.Uint32(answer[1:])))]
	switch {
	case answer[0] == 0:
		return message
	case h.Get("Grpc-Encoding") != "gzip":
		return nil
	}
	in, err := gzip.NewReader(bytes.NewReader(message))
	if err != nil {
		return nil
	}
	message, _ = io.ReadAll(io.LimitReader(in, maxMessage))
	return message
}
