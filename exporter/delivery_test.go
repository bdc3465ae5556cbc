//go:build unix

package exporter_test

// What it costs to deliver spans by each protocol, to real servers in a process of their own.

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jaegertracing/jaeger-idl/proto-gen/api_v2"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/protobuf/proto"

	"github.com/meshtrace/meshtrace/exporter"
	"github.com/meshtrace/meshtrace/internal/sdkseam"
)

// serversVariable makes the test's executable be the servers.
const serversVariable = "EXPORTER_TEST_SERVERS"

// BenchmarkDelivery encodes the spans of usual HTTP requests and delivers them, a batch by HTTP and a
// batch by gRPC in turn, so that both meet the same noise. cpu-ns/span is what this process spends by
// each, the kernel's work for it included, and the servers' not.
func BenchmarkDelivery(b *testing.B) {
	httpServer, grpcServer := startServers(b)
	for _, prefix := range []string{"", "jaeger+"} {
		for _, compression := range []exporter.Compression{exporter.NoCompression, exporter.Gzip} {
			b.Run(fmt.Sprintf("format=%s/compression=%s", cmp.Or(strings.TrimSuffix(prefix, "+"), "otlp"), compression), func(b *testing.B) {
				byHTTP := newCourier(b, prefix+"http://"+httpServer, compression)
				byGRPC := newCourier(b, prefix+"grpc://"+grpcServer, compression)
				for b.Loop() {
					byHTTP.deliver(b)
					byGRPC.deliver(b)
				}
				b.ReportMetric(byHTTP.perSpan(), "http-cpu-ns/span")
				b.ReportMetric(byGRPC.perSpan(), "grpc-cpu-ns/span")
				b.ReportMetric(byGRPC.perSpan()/byHTTP.perSpan(), "grpc/http")
			})
		}
	}
}

// A courier delivers batches by one protocol, and knows what it has cost.
type courier struct {
	exporter *exporter.Exporter
	record   *sdkseam.Record
	batches  int
	spent    time.Duration
}

func newCourier(b *testing.B, endpoint string, compression exporter.Compression) *courier {
	b.Helper()
	e, err := exporter.New(exporter.Config{
		Endpoint: endpoint, Compression: compression,
		Batch: exporter.Batch{MaxBytes: 4 << 20}, // for a flush to be one request
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { e.Shutdown(context.Background()) })
	c := &courier{exporter: e, record: newUsualRecord()}
	c.deliver(b) // connects, and makes the buffers
	c.batches, c.spent = 0, 0
	return c
}

const deliverySpans = 2048 // in a batch, which is a megabyte of them

func (c *courier) deliver(b *testing.B) {
	before := cpuTime(b)
	for range deliverySpans {
		c.exporter.Consume(c.record)
	}
	if err := c.exporter.ForceFlush(context.Background()); err != nil {
		b.Fatal(err)
	}
	c.batches++
	c.spent += cpuTime(b) - before
}

func (c *courier) perSpan() float64 { return float64(c.spent) / float64(c.batches*deliverySpans) }

// cpuTime returns what this process has used so far.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// startServers starts the servers, which end with the benchmark, and returns their addresses.
func startServers(b *testing.B) (http, grpc string) {
	b.Helper()
	executable, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(executable)
	cmd.Env = append(os.Environ(), serversVariable+"=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		stdin.Close() // their sign to end
		cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	addresses := strings.Fields(line)
	return addresses[0], addresses[1]
}

// serveUntilEOF is the servers' process: it decodes what it is sent, and forgets it.
func serveUntilEOF() {
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		return l
	}
	forHTTP, forGRPC := listen(), listen()
	go http.Serve(forHTTP, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body := readBody(r)
		if r.URL.Path == "/v1/traces" {
			proto.Unmarshal(body, new(coltrace.ExportTraceServiceRequest))
		} else if _, err := readBatch(body); err != nil {
			panic(err)
		}
	}))
	server := grpc.NewServer()
	coltrace.RegisterTraceServiceServer(server, forgetful{})
	api_v2.RegisterCollectorServiceServer(server, forgetfulJaeger{})
	go server.Serve(forGRPC)
	fmt.Println(forHTTP.Addr(), forGRPC.Addr())
	io.Copy(io.Discard, os.Stdin)
}

type forgetful struct {
	coltrace.UnimplementedTraceServiceServer
}

func (forgetful) Export(context.Context, *coltrace.ExportTraceServiceRequest) (*coltrace.ExportTraceServiceResponse, error) {
	return new(coltrace.ExportTraceServiceResponse), nil
}

type forgetfulJaeger struct{}

func (forgetfulJaeger) PostSpans(context.Context, *api_v2.PostSpansRequest) (*api_v2.PostSpansResponse, error) {
	return new(api_v2.PostSpansResponse), nil
}

func init() {
	if os.Getenv(serversVariable) != "" {
		serveUntilEOF()
		os.Exit(0)
	}
}
