package grpcmw_test

import (
	"context"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/test/bufconn"

	"github.com/meshtrace/meshtrace/grpcmw"
)

// A thousand streams that are open at the same time, and then are used, cancelled, deadlined and cut off
// at random, all end, once each. That they leave no goroutine behind is checked when all tests have
// run.
func TestAThousandStreams(t *testing.T) {
	for _, wiring := range wirings {
		t.Run(wiring.name, func(t *testing.T) {
			r := newRecorder()
			openAndEnd(t, wired{recorder: r, provider: ours(t, r, nil), server: wiring.server, client: wiring.client})
		})
	}
}

func openAndEnd(t *testing.T, w wired) {
	const streams, links = 1000, 20
	measured := new(gauge)
	lis := bufconn.Listen(1 << 16)
	srv := grpc.NewServer(append(w.server(grpcmw.Config{TracerProvider: w.provider, MeterProvider: measured}), grpc.WaitForHandlers(true))...)
	pb.RegisterTestServiceServer(srv, &testService{duplex: echo})
	served := make(chan error)
	go func() { served <- srv.Serve(lis) }()

	var all, opening sync.WaitGroup
	opening.Add(streams)
	for range links {
		all.Go(func() { useAndCut(t, w, lis, measured, streams/links, &opening) })
	}
	all.Wait()
	srv.Stop()
	<-served

	w.mu.Lock()
	started := w.started
	w.mu.Unlock()
	calls := 0
	ended := w.wait(started)
	for _, s := range ended {
		if !strings.HasSuffix(s.Name(), " attempt") {
			calls++
		}
	}
	measurements := measured.count(serverDuration) + measured.count(clientDuration)
	if len(ended) != started || measurements != calls || calls != 2*streams {
		t.Errorf("%d spans have started, %d have ended, %d of calls, of which %d are measured; want two of each of %d streams", started, len(ended), calls, measurements, streams)
	}
}

// useAndCut uses streams of one connection at the same time, and cuts it some time. They wait for each
// other, and for those of other connections, when they are open.
func useAndCut(t *testing.T, w wired, lis *bufconn.Listener, measured *gauge, streams int, opening *sync.WaitGroup) {
	var mu sync.Mutex
	var conns []net.Conn
	cc, err := grpc.NewClient(target, append(w.client(grpcmw.ClientConfig{TracerProvider: w.provider, MeterProvider: measured}),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: time.Millisecond, MaxDelay: time.Millisecond},
			MinConnectTimeout: time.Minute, // or it would be the backoff
		}),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			conn, err := lis.DialContext(ctx)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				conns = append(conns, conn)
			}
			return conn, err
		}))...)
	if err != nil {
		t.Error(err)
		return
	}
	defer cc.Close()
	cut := func() {
		mu.Lock()
		defer mu.Unlock()
		for _, conn := range conns {
			conn.Close()
		}
		conns = nil
	}
	var all sync.WaitGroup
	for range streams {
		all.Go(func() { use(t, pb.NewTestServiceClient(cc), cut, opening) })
	}
	all.Wait()
}

// use opens a stream, waits until all are open, and does something to it.
func use(t *testing.T, c pb.TestServiceClient, cut func(), opening *sync.WaitGroup) {
	ctx := expiring{context.Background(), make(chan struct{})}
	cancelled, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := c.FullDuplexCall(cancelled)
	if err == nil {
		s.Send(helloDuplex)
		_, err = s.Recv() // the server has it
	}
	opening.Done()
	if err != nil {
		t.Errorf("the stream does not open: %v", err)
		return
	}
	opening.Wait()
	for range rand.IntN(4) {
		s.Send(helloDuplex)
	}
	switch rand.IntN(61) / 10 {
	case 0, 1: // used to its end
		s.CloseSend()
		drain(s)
	case 2: // cancelled, and nobody receives
		cancel()
	case 3: // cancelled, while somebody receives
		go cancel()
		drain(s)
	case 4: // deadlined
		close(ctx.over)
	case 5: // deadlined, while somebody sends
		go close(ctx.over)
		for s.Send(helloDuplex) == nil {
		}
	case 6: // cut off
		cut()
		s.CloseSend() // gRPC may have a new connection already
		drain(s)
	}
}
