package benchmarks_test

import (
	"strings"
	"testing"

	"github.com/meshtrace/meshtrace/benchmarks/internal/contender"
	"github.com/meshtrace/meshtrace/benchmarks/internal/receiver"
	"github.com/meshtrace/meshtrace/benchmarks/internal/service"
	"github.com/meshtrace/meshtrace/benchmarks/internal/usage"
	"github.com/meshtrace/meshtrace/benchmarks/internal/workload"
)

func BenchmarkServer(b *testing.B)  { benchmark(b, "server/") }
func BenchmarkClient(b *testing.B)  { benchmark(b, "client/") }
func BenchmarkGRPC(b *testing.B)    { benchmark(b, "grpc/") }
func BenchmarkExtract(b *testing.B) { benchmark(b, "extract/") }
func BenchmarkInject(b *testing.B)  { benchmark(b, "inject/") }
func BenchmarkExport(b *testing.B)  { benchmark(b, "export/") }

// benchmark runs the workloads whose names have the prefix, for each contender.
func benchmark(b *testing.B, prefix string) {
	spans := startReceiver(b)
	for _, w := range workload.All() {
		matrix, ok := strings.CutPrefix(w.Name, prefix)
		if !ok {
			continue
		}
		for _, name := range w.Contenders {
			if name == contender.OTelDefaults {
				continue // sets globals, which the others are to find unset
			}
			b.Run("lib="+string(name)+"/"+matrix, func(b *testing.B) { run(b, w, name, spans) })
		}
	}
}

// run benchmarks a workload for one contender. One iteration is a great many operations, with the
// delivery of their spans; the figures are those of one operation, and they hold what is done on
// any goroutine.
func run(b *testing.B, w workload.Workload, name contender.Name, spans *receiver.Remote) {
	arrived := counter(b, spans)
	r, err := w.Setup(name, spans.Endpoint)
	if err != nil {
		b.Fatal(err)
	}
	if err := r.Do(workload.Pace); err != nil { // connects, and fills pools
		b.Fatal(err)
	}
	before := usage.Now()
	for b.Loop() {
		if err := r.Do(workload.Pace); err != nil {
			b.Fatal(err)
		}
	}
	report(b, usage.Since(before), b.N*workload.Pace)
	if err := r.Close(); err != nil {
		b.Fatal(err)
	}
	if lost := r.Spans() - arrived(); lost != 0 {
		b.Fatalf("%d spans of %d were lost", lost, r.Spans())
	}
}

// BenchmarkService is the whole service: an iteration is a thousand requests.
func BenchmarkService(b *testing.B) {
	const requests = 1000
	spans := startReceiver(b)
	for _, name := range []contender.Name{contender.None, contender.Meshtrace, contender.OTel, contender.OTelDefaults} {
		b.Run("lib="+string(name), func(b *testing.B) {
			subject, err := service.Start(service.Settings{Contender: name, Endpoint: spans.Endpoint, Requests: requests})
			if err != nil {
				b.Fatal(err)
			}
			var sum usage.Usage
			for b.Loop() {
				sample, err := subject.Sample()
				if err != nil {
					b.Fatal(err)
				}
				sum.CPU += sample.Used.CPU
				sum.Allocs += sample.Used.Allocs
				sum.Bytes += sample.Used.Bytes
			}
			report(b, sum, b.N*requests)
			if err := subject.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// report replaces the figures of an iteration by those of an operation.
func report(b *testing.B, used usage.Usage, operations int) {
	n := float64(operations)
	b.ReportAllocs()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/n, "ns/op")
	b.ReportMetric(float64(used.CPU.Nanoseconds())/n, "cpu-ns/op")
	b.ReportMetric(float64(used.Allocs)/n, "allocs/op")
	b.ReportMetric(float64(used.Bytes)/n, "B/op")
}

// startReceiver starts a receiver in a process of its own.
func startReceiver(b *testing.B) *receiver.Remote {
	b.Helper()
	spans, err := receiver.Start()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := spans.Close(); err != nil {
			b.Error(err)
		}
	})
	return spans
}

// counter returns what says how many spans have arrived since.
func counter(b *testing.B, spans *receiver.Remote) func() int {
	b.Helper()
	count := func() int {
		c, err := spans.Counts()
		if err != nil {
			b.Fatal(err)
		}
		return c.Spans
	}
	before := count()
	return func() int { return count() - before }
}
