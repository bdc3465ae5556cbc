package linkerd_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/meshtrace/meshtrace/internal/linkerd"
)

// What a proxy that is blocked by its collector holds: under way, waiting, growing, queued.
const held = 1000 + 1000 + 1000 + 100

// A memoryListener hands both ends of pipes out, so that a server can run in a synctest bubble.
type memoryListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *memoryListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error   { close(l.closed); return nil }
func (l *memoryListener) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

// startSink starts a proxy whose application is missing, so that a request is one span and needs
// no network. Its collector is in memory.
func startSink(t *testing.T, collector http.Handler) *linkerd.Proxy {
	t.Helper()
	l := &memoryListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	srv := linkerd.NewServer(collector)
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })
	return newProxy(t, linkerd.Config{Collector: "http://collector/v1/traces", Dial: l.dial})
}

// offer makes the proxy record n spans, and lets it queue each.
func offer(p *linkerd.Proxy, n int) {
	for range n {
		r := httptest.NewRequest("GET", "/x", nil)
		r.Header.Set("Traceparent", "00-"+tid+"-"+sid+"-01")
		p.Inbound().ServeHTTP(httptest.NewRecorder(), r)
		synctest.Wait()
	}
}

func (c *collector) batches() []int {
	sizes := []int{}
	for _, req := range c.received() {
		sizes = append(sizes, len(req.ResourceSpans[0].ScopeSpans[0].Spans))
	}
	return sizes
}

func TestBatches(t *testing.T) {
	for _, tt := range []struct {
		rule  string
		spans int
		wait  time.Duration
		want  []int
	}{
		{"nothing is exported before its time", 999, 10*time.Second - 1, []int{}},
		{"every ten seconds what there is", 3, 10 * time.Second, []int{3}},
		{"nothing is exported if there is nothing", 0, time.Minute, []int{}},
		{"at once when there are 1000", 1000, 0, []int{1000}},
		{"the rest at its time", 2500, 10 * time.Second, []int{1000, 1000, 500}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := new(collector)
				p := startSink(t, c)
				offer(p, tt.spans)
				time.Sleep(tt.wait)
				synctest.Wait()
				if diff := cmp.Diff(tt.want, c.batches()); diff != "" {
					t.Errorf("batches (-want +got):\n%s", diff)
				}
				if p.Dropped() != 0 {
					t.Errorf("%d spans were dropped", p.Dropped())
				}
			})
		})
	}
}

func TestFullQueueDrops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := new(collector)
		release := make(chan struct{})
		underWay, most := 0, 0
		p := startSink(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			underWay++ // not atomic: the race detector sees it if there are two at once
			most = max(most, underWay)
			<-release
			c.ServeHTTP(w, r)
			underWay--
		}))
		offer(p, held)
		if p.Dropped() != 0 {
			t.Errorf("%d of %d spans were dropped", p.Dropped(), held)
		}
		offer(p, 7)
		if p.Dropped() != 7 {
			t.Errorf("%d spans were dropped, want 7", p.Dropped())
		}
		close(release)
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]int{1000, 1000, 1000, 100}, c.batches()); diff != "" || most != 1 {
			t.Errorf("%d exports at once; batches (-want +got):\n%s", most, diff)
		}
	})
}

func TestFailedBatchIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		p := startSink(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			calls++
			w.WriteHeader(http.StatusServiceUnavailable)
		}))
		offer(p, 1)
		time.Sleep(time.Hour)
		synctest.Wait()
		if calls != 1 {
			t.Errorf("the collector was asked %d times, want 1", calls)
		}
		offer(p, 1)
		time.Sleep(time.Hour)
		synctest.Wait()
		if calls != 2 {
			t.Errorf("the collector was asked %d times, want 2", calls)
		}
	})
}

func TestFlushAndClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startSink(t, http.HandlerFunc(hang))
		offer(p, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Flush with a collector that hangs: %v, want %v", err, context.DeadlineExceeded)
		}
		p.Close() // ends the export too
		if err := p.Flush(t.Context()); err == nil {
			t.Error("Flush after Close: no error")
		}
		offer(p, held) // nobody takes them, and nobody waits
	})
}

func TestExport(t *testing.T) {
	p := startPod(t, http.NotFoundHandler(), linkerd.Config{
		Service: "user-service", Hostname: "user-7f9c", Attributes: map[string]string{"k8s.container.name": "linkerd-proxy", "app": "user"},
	})
	get(t, newClient(t, 1, p.inbound), "http://pod/x", header("Traceparent", "00-"+tid+"-"+sid+"-01"))
	p.flushed(t)
	requests := p.collector.received()
	if len(requests) != 1 || len(requests[0].ResourceSpans) != 1 || len(requests[0].ResourceSpans[0].ScopeSpans) != 1 {
		t.Fatalf("%v, want one request with one scope of one resource", requests)
	}
	rs := requests[0].ResourceSpans[0]
	if ss := rs.ScopeSpans[0]; ss.Scope.GetName()+ss.Scope.GetVersion()+ss.SchemaUrl+rs.SchemaUrl != "" {
		t.Errorf("scope %v, schemas %q and %q, want none", ss.Scope, ss.SchemaUrl, rs.SchemaUrl)
	}
	got := attributes(t, rs.Resource.Attributes)
	if started, ok := got["process.start_timestamp"].(int64); !ok || time.Since(time.Unix(started, 0)) > time.Minute {
		t.Errorf("process.start_timestamp %v", got["process.start_timestamp"])
	}
	delete(got, "process.start_timestamp")
	want := map[string]any{
		"process.pid": int64(os.Getpid()), "host.name": "user-7f9c", "service.name": "user-service", "k8s.container.name": "linkerd-proxy", "app": "user",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("resource (-want +got):\n%s", diff)
	}
}

func TestResource(t *testing.T) {
	for _, tt := range []struct {
		rule string
		cfg  linkerd.Config
		want any
	}{
		{"there is no service.name unless one is set", linkerd.Config{}, nil},
		{"labels override service.name", linkerd.Config{Service: "a", Attributes: map[string]string{"service.name": "b"}}, "b"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			p := startPod(t, nil, tt.cfg)
			get(t, newClient(t, 1, p.inbound), "http://pod/x", header("Traceparent", "00-"+tid+"-"+sid+"-01"))
			p.flushed(t)
			got := attributes(t, p.collector.received()[0].ResourceSpans[0].Resource.Attributes)
			if got["service.name"] != tt.want || got["host.name"] != "" {
				t.Errorf("service.name %v, host.name %q; want %v and none", got["service.name"], got["host.name"], tt.want)
			}
		})
	}
}
