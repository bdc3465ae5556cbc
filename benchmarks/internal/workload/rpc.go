package workload

// The workloads of gRPC calls.

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/test/bufconn"

	"github.com/meshtrace/meshtrace/benchmarks/internal/contender"
)

// rpcs are unary calls of gRPC, as one side sees them. The other side has its frames ready.
func rpcs() []Workload {
	return []Workload{
		rpcServer("sampled=yes", "sampled, recorded, encoded, exported", rpc{flags: "01", exports: true}),
		rpcServer("sampled=no", "the caller did not sample", rpc{flags: "00", exports: true}),
		rpcServer("provider=none", "no provider, the context is passed on", rpc{flags: "01"}),
		rpcServer("sampled=yes/inside=yes", "sampled; ours with its stats handler too", rpc{flags: "01", exports: true, inside: true}),
		rpcClient("sampled=yes", "sampled, recorded, encoded, exported", rpc{flags: "01", exports: true}),
		rpcClient("sampled=no", "the caller did not sample", rpc{flags: "00", exports: true}),
		rpcClient("provider=none", "no provider, the context is sent on", rpc{flags: "01"}),
		rpcClient("sampled=yes/inside=yes", "sampled; ours with its stats handler too", rpc{flags: "01", exports: true, inside: true}),
	}
}

// rpc says how a call is traced.
type rpc struct {
	flags   string // of the caller's traceparent: 01 or 00, for sampled or not
	exports bool   // there is a provider
	inside  bool   // and contenders look inside gRPC
}

func (r rpc) spans() int {
	if r.exports && r.flags == "01" {
		return 1
	}
	return 0
}

func rpcServer(name, title string, r rpc) Workload {
	return rpcWorkload("grpc/server/"+name, "gRPC server, unary: "+title, r, func(c *contender.Contender, traced contender.GRPC) (calls, error) {
		request := "00-" + CallersTraceID + "-" + CallersSpanID + "-" + r.flags
		return calls{do: func(n int) error { return serveRPCs(n, request, traced.Server) }}, nil
	})
}

func rpcClient(name, title string, r rpc) Workload {
	return rpcWorkload("grpc/client/"+name, "gRPC client, unary: "+title, r, func(c *contender.Contender, traced contender.GRPC) (calls, error) {
		ctx, err := handlersContext(c, r.flags)
		return calls{do: func(n int) error { return makeRPCs(ctx, n, traced.Client) }, parents: r.spans()}, err
	})
}

// calls is what makes n calls.
type calls struct {
	do      func(n int) error
	parents int // spans that have been made already
}

func rpcWorkload(name, title string, r rpc, prepare func(*contender.Contender, contender.GRPC) (calls, error)) Workload {
	return Workload{
		Name:       name,
		Title:      title,
		Contenders: []contender.Name{contender.None, contender.Meshtrace, contender.OTel, contender.OTelDefaults},
		Spans:      r.spans(),
		setup: func(name contender.Name, endpoint string) (*Run, error) {
			if !r.exports {
				endpoint = ""
			}
			c, err := contender.New(name, endpoint)
			if err != nil {
				return nil, err
			}
			traced := c.GRPC
			if r.inside {
				traced = c.GRPCInside
			}
			made, err := prepare(c, traced)
			if err != nil {
				return nil, err
			}
			run := newRun(c, made.do)
			if name != contender.None {
				run.spans = made.parents
			}
			return run, nil
		},
	}
}

// callers is how many calls are under way at a time: as on a connection of a busy service, there is
// something to do whenever a goroutine is woken up.
const callers = 16

// serveRPCs has a server serve n calls. It returns when the server is done with them, which is after
// its client has the answers: a stats handler hears of the end of a call last.
func serveRPCs(n int, traceparent string, opts []grpc.ServerOption) error {
	lis := bufconn.Listen(1 << 20)
	srv := grpc.NewServer(append(opts, grpc.WaitForHandlers(true))...)
	pb.RegisterTestServiceServer(srv, profiles{})
	served := make(chan error)
	go func() { served <- srv.Serve(placed{lis}) }()
	conn, err := lis.Dial()
	if err != nil {
		return err
	}
	err = errors.Join(cannedClient(conn, traceparent, n), conn.Close())
	srv.GracefulStop()
	return errors.Join(err, <-served)
}

// placed is a listener whose connections come from another pod, as far as one can see.
type placed struct{ net.Listener }

func (l placed) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return placedConn{conn}, err
}

type placedConn struct{ net.Conn }

func (placedConn) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(10, 42, 0, 17), Port: 48122}
}

// profiles is the least that a service does.
type profiles struct {
	pb.UnimplementedTestServiceServer
}

func (profiles) UnaryCall(context.Context, *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	return &pb.SimpleResponse{Payload: &pb.Payload{Body: profile}}, nil
}

// makeRPCs makes n calls in ctx.
func makeRPCs(ctx context.Context, n int, opts []grpc.DialOption) error {
	lis := bufconn.Listen(1 << 20)
	defer lis.Close()
	served := make(chan error, 1)
	cc, err := grpc.NewClient("passthrough:///profile-service.default.svc.cluster.local:8080", append(opts,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			go func() { served <- cannedServer(lis) }()
			conn, err := lis.DialContext(ctx)
			return placedConn{conn}, err
		}))...)
	if err != nil {
		return err
	}
	errs := make([]error, callers)
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() { errs[i] = callSome(ctx, pb.NewTestServiceClient(cc), (n+i)/callers) })
	}
	all.Wait()
	return errors.Join(append(errs, cc.Close(), <-served)...)
}

// callSome makes n calls, one after the other.
func callSome(ctx context.Context, c pb.TestServiceClient, n int) error {
	request := &pb.SimpleRequest{Payload: &pb.Payload{Body: []byte("42")}}
	for range n {
		resp, err := c.UnaryCall(ctx, request)
		if err != nil {
			return err
		}
		if len(resp.GetPayload().GetBody()) != len(profile) {
			return fmt.Errorf("response of %d bytes", len(resp.GetPayload().GetBody()))
		}
	}
	return nil
}
