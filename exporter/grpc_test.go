package exporter_test

// The gRPC call: what is sent, and what answers mean. The servers here are stand-ins; those of
// grpcserver_test.go are real.

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshtrace/meshtrace/exporter"
)

func TestGRPCRequest(t *testing.T) {
	const otlpPath = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
	for _, tt := range []struct {
		rule string
		cfg  exporter.Config
		url  string
		want map[string]string // "" is for what must not be there
	}{
		{
			"OTLP", exporter.Config{Endpoint: "grpc://example.com"}, "http://example.com:4317" + otlpPath,
			map[string]string{
				"Content-Type": "application/grpc", "Te": "trailers", "Grpc-Timeout": "10000000u", "Grpc-Encoding": "",
				"Grpc-Accept-Encoding": "gzip", "User-Agent": "meshtrace-go", "Authorization": "", "Traceparent": "", "Grpc-Trace-Bin": "",
			},
		},
		{
			"Jaeger, with TLS", exporter.Config{Endpoint: "jaeger+grpcs://example.com"},
			"https://example.com:14250/jaeger.api_v2.CollectorService/PostSpans", map[string]string{"Content-Type": "application/grpc"},
		},
		{
			"compressed", exporter.Config{Endpoint: "grpcs://example.com:1", Compression: exporter.Gzip}, "https://example.com:1" + otlpPath,
			map[string]string{"Grpc-Encoding": "gzip", "Content-Encoding": ""},
		},
		{
			"timeout", exporter.Config{Endpoint: "grpc://example.com", Timeout: 1500 * time.Millisecond}, "http://example.com:4317" + otlpPath,
			map[string]string{"Grpc-Timeout": "1500000u"},
		},
		{
			"user information", exporter.Config{Endpoint: "grpc://jane:pa%3Ass@example.com"}, "http://example.com:4317" + otlpPath,
			map[string]string{"Authorization": "Basic amFuZTpwYTpzcw=="},
		},
		{
			"headers of the settings are metadata", exporter.Config{
				Endpoint: "grpc://example.com", Headers: map[string]string{"x-tenant": "t", "X-Key-Bin": "\x00\xffa", "user-agent": "me"},
			}, "http://example.com:4317" + otlpPath,
			map[string]string{"X-Tenant": "t", "X-Key-Bin": "AP9h", "User-Agent": "me"},
		},
		{
			"but not of the call", exporter.Config{
				Endpoint: "grpc://example.com", Headers: map[string]string{"content-type": "text/plain", "content-encoding": "br", "te": "gzip"},
			}, "http://example.com:4317" + otlpPath,
			map[string]string{"Content-Type": "application/grpc", "Content-Encoding": "", "Te": "trailers"},
		},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			var c collector
			e := c.start(t, tt.cfg)
			e.Consume(newRecord(1))
			if err := e.ForceFlush(t.Context()); err != nil {
				t.Fatal(err)
			}
			r := c.asked()[0]
			if got := r.URL.String(); got != tt.url {
				t.Errorf("asked as %q, want %q", got, tt.url)
			}
			for key, want := range tt.want {
				if got := r.Header.Get(key); got != want {
					t.Errorf("%s is %q, want %q", key, got, want)
				}
			}
			c.checkReceived(t, 1, 1)
		})
	}
}

// A message has its length before it, and whether it is compressed; buffers are used again.
func TestGRPCFrame(t *testing.T) {
	for _, compression := range []exporter.Compression{exporter.NoCompression, exporter.Gzip} {
		t.Run(string(compression), func(t *testing.T) {
			var frames [][]byte
			e := start(t, exporter.Config{Endpoint: "grpc://127.0.0.1", Compression: compression, Transport: answering{func(r *http.Request) *http.Response {
				frame, _ := io.ReadAll(r.Body)
				r.Body.Close()
				frames = append(frames, frame)
				return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Grpc-Status": {"0"}}, Body: http.NoBody}
			}}})
			for n := 1; n <= 3; n++ {
				e.Consume(newRecord(n))
				if err := e.ForceFlush(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			for n, frame := range frames {
				if length := binary.BigEndian.Uint32(frame[1:5]); int(length) != len(frame)-5 {
					t.Errorf("the length is %d, of %d bytes", length, len(frame)-5)
				}
				message := frame[5:]
				if compression == exporter.Gzip {
					in, err := gzip.NewReader(bytes.NewReader(message))
					if err != nil {
						t.Fatal(err)
					}
					message, _ = io.ReadAll(in)
				}
				if packed := frame[0] == 1; packed != (compression == exporter.Gzip) {
					t.Errorf("the flag is %d", frame[0])
				}
				if want := exporter.EncodeOTLP(newRecord(n + 1)); !bytes.Equal(message, want) {
					t.Errorf("message %d is %x, want %x", n, message, want)
				}
			}
		})
	}
}

func TestGRPCTimeout(t *testing.T) {
	for _, tt := range []struct {
		rule string
		in   time.Duration
		want string
	}{
		{"the least", 1, "1n"},
		{"eight digits", 99_999_999, "99999999n"},
		{"are the most", 100_000_000, "100000u"},
		{"rounded up, not to end before us", 100_000_001, "100001u"},
		{"the default", 10 * time.Second, "10000000u"},
		{"minutes", 2 * time.Minute, "120000m"},
		{"a day", 48 * time.Hour, "172800S"},
		{"years", 4 * 365 * 24 * time.Hour, "2102400M"},
		{"centuries", 200 * 365 * 24 * time.Hour, "1752000H"},
		{"the greatest", math.MaxInt64, "2562048H"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			if got := exporter.GRPCTimeout(tt.in); got != tt.want {
				t.Errorf("%v is %s, want %s", tt.in, got, tt.want)
			}
		})
	}
}

// ended is an answer that has nothing but trailers, which HTTP/2 sends as headers.
func ended(code, message string, more ...string) answer {
	h := http.Header{"Content-Type": {"application/grpc"}, "Grpc-Status": {code}}
	if message != "" {
		h.Set("Grpc-Message", message)
	}
	if len(more) > 0 {
		h.Set("Grpc-Status-Details-Bin", more[0])
	}
	return answer{header: h}
}

// framed is a message as gRPC puts it, with what may follow.
func framed(flag byte, message []byte, more ...byte) string {
	frame := binary.BigEndian.AppendUint32([]byte{flag}, uint32(len(message)))
	return string(frame) + string(message) + string(more)
}

func zipped(message []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(message)
	w.Close()
	return b.Bytes()
}

func TestGRPCAnswers(t *testing.T) {
	grpc := http.Header{"Content-Type": {"application/grpc"}, "Grpc-Status": {"0"}}
	gzipped := http.Header{"Content-Type": {"application/grpc"}, "Grpc-Status": {"0"}, "Grpc-Encoding": {"gzip"}}
	page := http.Header{"Content-Type": {"text/html"}}
	none := exporter.Dropped{}
	all := exporter.Dropped{Rejected: 10}
	for _, tt := range []struct {
		rule string
		answer
		lost exporter.Dropped
		part string // of the error
	}{
		{"success", answer{header: grpc, body: framed(0, nil)}, none, ""},
		{"success without a message", answer{header: grpc}, none, ""},
		{"half a frame", answer{header: grpc, body: "\x00\x00"}, none, ""},
		{"a frame that breaks off", answer{header: grpc, body: framed(0, answerOTLP(4, "old"))[:10]}, none, ""},
		{"a frame that is longer than can be", answer{header: grpc, body: "\x00\xff\xff\xff\xff"}, none, ""},
		{"partial success", answer{header: grpc, body: framed(0, answerOTLP(4, "too old"))}, exporter.Dropped{Rejected: 4}, `the server rejected 4 spans: "too old"`},
		{"partial success of more than there were", answer{header: grpc, body: framed(0, answerOTLP(99, ""))}, all, "rejected"},
		{"partial success, compressed", answer{header: gzipped, body: framed(1, zipped(answerOTLP(4, "old")))}, exporter.Dropped{Rejected: 4}, `the server rejected 4 spans: "old"`},
		{"what follows the message is ignored", answer{header: grpc, body: framed(0, answerOTLP(4, ""), 1, 2, 3)}, exporter.Dropped{Rejected: 4}, "the server rejected 4 spans"},
		{"an encoding that we did not ask for", answer{header: grpc, body: framed(1, zipped(answerOTLP(4, "")))}, none, ""},
		{"what is not compressed, but says so", answer{header: gzipped, body: framed(1, answerOTLP(4, ""))}, none, ""},
		{"a warning", answer{header: grpc, body: framed(0, answerOTLP(0, "deprecated"))}, none, ""},

		{"a status that HTTP contradicts", answer{status: 503, header: http.Header{"Grpc-Status": {"3"}}}, all, "status INVALID_ARGUMENT"},
		{"percent-encoding", ended("3", "100%25 %e2%82%ac %0a"), all, `status INVALID_ARGUMENT: "100% €"`},
		{"what is not percent-encoding", ended("3", "100% %zz"), all, `INVALID_ARGUMENT: "100% %zz"`},
		{"an endless message", ended("3", strings.Repeat("x", 1000)), all, `INVALID_ARGUMENT: "` + strings.Repeat("x", 64) + `"`},
		{"a code that nobody knows", ended("77", ""), all, "status 77"},
		{"a code that is none", ended("-1", "x"), all, `status UNKNOWN: "x"`},

		{"no status at all", answer{header: http.Header{"Content-Type": {"application/grpc"}}, body: "\x00"}, all, "an answer without a gRPC status"},
		{"a page", answer{header: page, body: "<html>"}, all, `an answer that is not gRPC, but "text/html"`},
		{"bad request, of a proxy", answer{status: 400, header: page, body: "<html>"}, all, `HTTP status 400, without one of gRPC: "<html>"`},
		{"not found, of a web server", answer{status: 404, header: page, body: "404 page"}, all, `HTTP status 404, without one of gRPC: "404 page"`},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			c := &collector{answer: always(tt.answer)}
			e := c.start(t, exporter.Config{Endpoint: "grpc://127.0.0.1"})
			consume(e, 1, 10)
			err := e.Shutdown(t.Context())
			if tt.part != "" {
				checkError(t, err, tt.part)
			} else if err != nil {
				t.Error(err)
			}
			checkStats(t, e, exporter.Stats{Accepted: 10, Exported: 10 - tt.lost.Total(), Dropped: tt.lost})
			if n := len(c.asked()); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// Jaeger has no partial success: whatever it answers, it has taken the spans.
func TestJaegerAnswersNothing(t *testing.T) {
	c := &collector{answer: always(answer{header: http.Header{"Grpc-Status": {"0"}}, body: framed(0, answerOTLP(4, ""))})}
	e := c.start(t, exporter.Config{Endpoint: "jaeger+grpc://127.0.0.1"})
	consume(e, 1, 10)
	if err := e.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	checkStats(t, e, exporter.Stats{Accepted: 10, Exported: 10})
}

// An HTTP status that comes without one of gRPC is a proxy's. In all that gRPC's mapping has a code
// for, the outcome is that of the code.
func TestGRPCBehindAProxy(t *testing.T) {
	for _, tt := range []struct {
		status  int
		retried bool
		lost    exporter.Dropped
	}{
		{400, false, exporter.Dropped{Rejected: 1}}, // INTERNAL
		{401, false, exporter.Dropped{Rejected: 1}}, // UNAUTHENTICATED
		{403, false, exporter.Dropped{Rejected: 1}}, // PERMISSION_DENIED
		{404, false, exporter.Dropped{Rejected: 1}}, // UNIMPLEMENTED
		{429, true, exporter.Dropped{}},             // UNAVAILABLE
		{502, true, exporter.Dropped{}},             // UNAVAILABLE
		{503, true, exporter.Dropped{}},             // UNAVAILABLE
		{504, true, exporter.Dropped{}},             // UNAVAILABLE
		{301, false, exporter.Dropped{Rejected: 1}}, // UNKNOWN, as what follows
		{405, false, exporter.Dropped{Rejected: 1}},
		{204, false, exporter.Dropped{Rejected: 1}},
		{408, true, exporter.Dropped{}},             // not about the spans
		{500, true, exporter.Dropped{}},             // neither
		{413, false, exporter.Dropped{TooLarge: 1}}, // the proxy's limit
	} {
		t.Run(http.StatusText(tt.status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &collector{answer: func(n int, _ request) answer {
					if n == 1 {
						return answer{status: tt.status, header: http.Header{"Content-Type": {"text/html"}}, body: "<html>"}
					}
					return answer{}
				}}
				e := c.start(t, exporter.Config{Endpoint: "grpc://127.0.0.1"})
				e.Consume(newRecord(1))
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if retried := len(c.asked()) > 1; retried != tt.retried {
					t.Errorf("%d requests", len(c.asked()))
				}
				checkStats(t, e, exporter.Stats{Accepted: 1, Exported: 1 - tt.lost.Total(), Dropped: tt.lost})
			})
		})
	}
}

func TestGRPCServerSaysHowLong(t *testing.T) {
	const unavailable, exhausted = "14", "8"
	for _, tt := range []struct {
		rule    string
		first   answer
		atLeast time.Duration
		atMost  time.Duration
	}{
		{"UNAVAILABLE with RetryInfo", ended(unavailable, "", retryInfo(30*time.Second)), 30 * time.Second, 30 * time.Second},
		{"UNAVAILABLE without", ended(unavailable, ""), 0, time.Second},
		{"RESOURCE_EXHAUSTED with RetryInfo", ended(exhausted, "quota", retryInfo(20*time.Second)), 20 * time.Second, 20 * time.Second},
		{"a time of nothing is ours to choose", ended(exhausted, "quota", retryInfo(0)), 0, time.Second},
		{"RetryInfo outweighs what the message says of sizes", ended(exhausted, "larger than max", retryInfo(20*time.Second)), 20 * time.Second, 20 * time.Second},
		{"no day-long silence", ended(unavailable, "", retryInfo(24*time.Hour)), 5 * time.Minute, 5 * time.Minute},
		{"a proxy's Retry-After", after("30"), 30 * time.Second, 30 * time.Second},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &collector{answer: inTurn(tt.first)}
				e := c.start(t, exporter.Config{Endpoint: "grpc://127.0.0.1", Retry: exporter.Retry{Initial: time.Second}})
				e.Consume(newRecord(1))
				time.Sleep(time.Hour)
				synctest.Wait()
				requests := c.asked()
				if len(requests) != 2 {
					t.Fatalf("%d requests", len(requests))
				}
				if pause := requests[1].at.Sub(requests[0].at); pause < tt.atLeast || pause > tt.atMost {
					t.Errorf("the next try came after %v, want %v to %v", pause, tt.atLeast, tt.atMost)
				}
				c.checkReceived(t, 1, 1)
			})
		})
	}
}

// gRPC has no code for a message that is too large. These are the sentences of its servers.
func TestGRPCServersSpeakOfSize(t *testing.T) {
	const outOfRange, exhausted = "11", "8"
	for _, tt := range []struct {
		rule string
		answer
		split bool
		lost  exporter.Dropped
	}{
		{"grpc-go", ended(exhausted, "grpc: received message larger than max (5000000 vs. 4194304)"), true, exporter.Dropped{}},
		{"grpc-go, compressed", ended(exhausted, "grpc: received message after decompression larger than max 4194304"), true, exporter.Dropped{}},
		{"gRPC's core", ended(exhausted, "SERVER: Received message larger than max (5000000 vs. 4194304)"), true, exporter.Dropped{}},
		{"Java", ended(exhausted, "gRPC message exceeds maximum size 4194304: 5000000"), true, exporter.Dropped{}},
		{".NET", ended(exhausted, "Received message exceeds the maximum configured message size."), true, exporter.Dropped{}},
		{"tonic", ended(outOfRange, "Error, decoded message length too large: found 5000000 bytes, the limit is: 4194304 bytes"), true, exporter.Dropped{}},
		{"tonic, compressed", ended(exhausted, "Error decompressing: size limit, of 4194304 bytes, exceeded while decompressing message"), true, exporter.Dropped{}},
		{"a quota is not a size", ended(exhausted, "quota exceeded for tenant"), false, exporter.Dropped{Rejected: 1000}},
		{"nor is silence", ended(exhausted, ""), false, exporter.Dropped{Rejected: 1000}},
		{"nor another code", ended("3", "larger than max"), false, exporter.Dropped{Rejected: 1000}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &collector{answer: func(_ int, r request) answer {
					if len(r.spans) > 300 {
						return tt.answer
					}
					return answer{}
				}}
				e := c.start(t, exporter.Config{Endpoint: "grpc://127.0.0.1"})
				consume(e, 1, 1000)
				time.Sleep(time.Minute)
				synctest.Wait()
				checkHeld(t, e, 0)
				checkStats(t, e, exporter.Stats{Accepted: 1000, Exported: 1000 - tt.lost.Total(), Dropped: tt.lost})
				if tt.split {
					c.checkReceived(t, 1, 1000)
				}
			})
		})
	}
}

// breaking is an answer that breaks off before its trailers.
type breaking struct{ err error }

func (b breaking) Read([]byte) (int, error) { return 0, b.err }
func (breaking) Close() error               { return nil }

func TestGRPCAnswerBreaksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c collector
		var log errorLog
		asked := 0
		e := start(t, exporter.Config{Endpoint: "grpc://127.0.0.1", OnError: log.add, Transport: answering{func(r *http.Request) *http.Response {
			if asked++; asked == 1 {
				r.Body.Close()
				return &http.Response{
					StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/grpc"}},
					Body: breaking{errors.New("connection reset")},
				}
			}
			resp, _ := c.RoundTrip(r)
			return resp
		}}})
		e.Consume(newRecord(1))
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		checkHeld(t, e, 1)
		time.Sleep(time.Minute)
		c.checkReceived(t, 1, 1)
		if errs := log.all(); len(errs) != 1 || !strings.Contains(errs[0], "the answer broke off: connection reset; its spans are kept to be sent again") {
			t.Errorf("errors %q", errs)
		}
	})
}

// An endless answer has no trailers that could be waited for.
func TestGRPCAnswerWithoutEnd(t *testing.T) {
	body := new(endless)
	e := start(t, exporter.Config{Endpoint: "grpc://127.0.0.1", Transport: answering{func(*http.Request) *http.Response {
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/grpc"}}, Body: body}
	}}})
	e.Consume(newRecord(1))
	checkError(t, e.Shutdown(t.Context()), "lost 1 of 1 spans: 1 rejected", "an answer without a gRPC status")
	if n := body.read.Load(); n > 128<<10 {
		t.Errorf("%d bytes were read", n)
	}
}

// retryInfo returns grpc-status-details-bin with a RetryInfo.
func retryInfo(d time.Duration) string {
	return base64.RawStdEncoding.EncodeToString(statusDetails(d))
}
