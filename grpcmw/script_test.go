package grpcmw_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"

	"github.com/meshtrace/meshtrace/grpcmw"
)

// What real servers and clients seldom do, or never in the same order twice, is done by hand.

// scripted are both wirings of a client that a test drives by hand.
type scripted struct {
	*recorder
	handler     stats.Handler
	interceptor grpc.UnaryClientInterceptor
}

func newScripted(t *testing.T, cfg grpcmw.ClientConfig) scripted {
	r := newRecorder()
	cfg.TracerProvider = ours(t, r, nil)
	return scripted{r, grpcmw.ClientHandler(cfg), grpcmw.UnaryClientInterceptor(cfg)}
}

// call makes a call that does what script says.
func (s scripted) call(ctx context.Context, method string, script func(ctx context.Context)) {
	s.interceptor(ctx, method, nil, nil, nil, func(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
		script(ctx)
		return nil
	})
}

// attempt begins an attempt.
func (s scripted) attempt(ctx context.Context, method string) context.Context {
	ctx = s.handler.TagRPC(ctx, &stats.RPCTagInfo{FullMethodName: method})
	s.handler.HandleRPC(ctx, &stats.Begin{Client: true, BeginTime: time.Now()})
	return ctx
}

func (s scripted) end(ctx context.Context) {
	s.handler.HandleRPC(ctx, &stats.OutHeader{Client: true})
	s.handler.HandleRPC(ctx, &stats.End{Client: true, EndTime: time.Now()})
}

// names returns the names of the spans that have ended.
func (s scripted) names(n int) string {
	var all []string
	for _, span := range s.wait(n) {
		all = append(all, span.Name())
	}
	return strings.Join(all, ", ")
}

// An interceptor further in that hedges has attempts under way at the same time, of which none has
// left yet. The slower one ends when the call is over.
func TestHedgedAttempts(t *testing.T) {
	s := newScripted(t, grpcmw.ClientConfig{})
	var late context.Context
	s.call(context.Background(), "/a.B/C", func(ctx context.Context) {
		slower, cancel := context.WithCancel(ctx)
		defer cancel()
		faster, cancel := context.WithCancel(ctx)
		defer cancel()
		one, two := s.attempt(faster, "/a.B/C"), s.attempt(slower, "/a.B/C")
		s.end(one)
		late = two
	})
	s.end(late)
	for _, span := range s.wait(3) {
		if span.EndTime().Before(span.StartTime()) {
			t.Errorf("%s ends at %v", span.Name(), span.EndTime())
		}
	}
	if got := s.names(3); got != "a.B/C attempt, a.B/C attempt, a.B/C" {
		t.Errorf("the spans are %s", got)
	}
}

// What somebody calls by the context of a call that has ended is another call.
func TestTheContextOfACallThatHasEnded(t *testing.T) {
	s := newScripted(t, grpcmw.ClientConfig{})
	var kept context.Context
	s.call(context.Background(), "/a.B/C", func(ctx context.Context) { kept = ctx })
	s.end(s.attempt(kept, "/a.B/C"))
	if got := s.names(2); got != "a.B/C, a.B/C" {
		t.Errorf("the spans are %s", got)
	}
}

// A call that nobody observes hides itself from a stats handler, and no other call.
func TestWhatIsCalledInsideACallThatIsLeftOut(t *testing.T) {
	s := newScripted(t, grpcmw.ClientConfig{Skip: func(_ context.Context, method string) bool { return method == "a.B/Skipped" }})
	s.call(context.Background(), "/a.B/Skipped", func(ctx context.Context) {
		s.end(s.attempt(ctx, "/a.B/Skipped"))
		s.end(s.attempt(ctx, "/a.B/Other"))
	})
	if got := s.names(1); got != "a.B/Other" {
		t.Errorf("the spans are %s", got)
	}
}

func TestADeadlineThatHasPassed(t *testing.T) {
	s := newScripted(t, grpcmw.ClientConfig{})
	ctx, cancel := context.WithTimeout(context.Background(), -time.Hour)
	defer cancel()
	s.call(ctx, "/a.B/C", func(context.Context) {})
	checkAttrs(t, s.wait(1)[0], map[string]string{"rpc.grpc.timeout_ms": "0"})
}

// Only the call that a stats handler observes is left to it.
func TestAServerThatIsCalledInsideACallOfAnother(t *testing.T) {
	r := newRecorder()
	cfg := grpcmw.Config{TracerProvider: ours(t, r, nil)}
	ctx := grpcmw.ServerHandler(cfg).TagRPC(context.Background(), &stats.RPCTagInfo{FullMethodName: "/a.B/Outer"})
	grpcmw.UnaryServerInterceptor(cfg)(ctx, nil, &grpc.UnaryServerInfo{FullMethod: "/a.B/Inner"}, func(context.Context, any) (any, error) {
		return nil, nil
	})
	if got := r.wait(1)[0].Name(); got != "a.B/Inner" {
		t.Errorf("the span is %s", got)
	}
}

// A handler that returns without an error, and whose status does not go out because the client is
// gone, has not been aborted. One whose client is there has.
func TestAStatusThatDoesNotGoOut(t *testing.T) {
	for errorType, gone := range map[string]bool{"": true, "aborted": false} {
		r := newRecorder()
		h := grpcmw.ServerHandler(grpcmw.Config{TracerProvider: ours(t, r, nil)})
		client, cancel := context.WithCancel(context.Background())
		defer cancel()
		ctx := h.TagRPC(client, &stats.RPCTagInfo{FullMethodName: "/a.B/C"})
		h.HandleRPC(ctx, &stats.Begin{})
		if gone {
			cancel()
		}
		h.HandleRPC(ctx, &stats.End{})
		checkAttrs(t, r.wait(1)[0], map[string]string{"error.type": errorType})
	}
}
