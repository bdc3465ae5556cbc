package main

// The mesh: a proxy around each service, and loopback between them.

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/meshtrace/meshtrace"
	"github.com/meshtrace/meshtrace/examples/profile/profilepb"
	"github.com/meshtrace/meshtrace/internal/linkerd"
)

// proxyInterval is how long spans wait in a proxy, ten seconds in a real one.
const proxyInterval = time.Second

// A mesh is pods that find each other by name.
type mesh struct {
	pods  map[string]*pod
	names []string // in the order in which requests reach them
}

// A pod is a service with its proxy, which all of its connections go through.
type pod struct {
	network *network
	proxy   *linkerd.Proxy
	tracing *meshtrace.Tracing // nil: the application has none

	app, in, out               net.Listener
	service, inbound, outbound server // at these, once they are started
}

// A server is what listens in a pod: an [http.Server], or a [grpcServer].
type server interface {
	Serve(net.Listener) error
	Shutdown(context.Context) error
}

type grpcServer struct{ *grpc.Server }

// Shutdown waits for calls that are under way until ctx is done.
func (s grpcServer) Shutdown(ctx context.Context) error {
	defer context.AfterFunc(ctx, s.Stop)()
	s.GracefulStop()
	return ctx.Err()
}

// A network is how an application reaches others: all that it connects to is its own proxy, as
// iptables see to it in a cluster.
type network struct {
	*http.Transport
	conns []*grpc.ClientConn
}

// connect returns a connection for calls to the service called name.
func (n *network) connect(name string, opts ...grpc.DialOption) (*grpc.ClientConn, error) {
	conn, err := grpc.NewClient("passthrough:///"+name, append(opts, // there is no DNS here
		grpc.WithTransportCredentials(insecure.NewCredentials()), // to encrypt is the proxies' business
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
			return n.DialContext(ctx, "tcp", addr)
		}))...)
	if err == nil {
		n.conns = append(n.conns, conn)
	}
	return conn, err
}

func (n *network) close() (err error) {
	n.CloseIdleConnections()
	for _, conn := range n.conns {
		err = errors.Join(err, conn.Close())
	}
	return err
}

// newMesh opens the ports of all pods, so that each can be told where the others are.
func newMesh(names ...string) (*mesh, error) {
	m := &mesh{pods: make(map[string]*pod), names: names}
	for _, name := range names {
		m.pods[name] = new(pod)
	}
	for _, p := range m.pods {
		for _, l := range []*net.Listener{&p.app, &p.in, &p.out} {
			var err error
			if *l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
				return nil, errors.Join(err, m.close(context.Background()))
			}
		}
		p.network = &network{Transport: throughAddr(p.out.Addr().String())}
	}
	return m, nil
}

// throughAddr returns a transport that connects to addr, whatever the URL says.
func throughAddr(addr string) *http.Transport {
	return &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
}

// addrs returns where each service is reached from within the mesh.
func (m *mesh) addrs() map[string]linkerd.Endpoint {
	endpoints := make(map[string]linkerd.Endpoint)
	for name, p := range m.pods {
		endpoints[name] = linkerd.Endpoint{Addr: p.in.Addr().String(), Meshed: true}
	}
	return endpoints
}

// start runs the pod called name with app as its application.
func (m *mesh) start(name string, app server, proxy linkerd.Config) (err error) {
	p := m.pods[name]
	proxy.App = p.app.Addr().String()
	proxy.Routes = m.addrs()
	proxy.Service = name // since Linkerd 2.19 a proxy has the name of its application
	proxy.Hostname = name + "-0"
	proxy.FlushInterval = proxyInterval
	if p.proxy, err = linkerd.New(proxy); err != nil {
		return err
	}
	p.service, p.inbound, p.outbound = app, linkerd.NewServer(p.proxy.Inbound()), linkerd.NewServer(p.proxy.Outbound())
	go func() { _ = p.service.Serve(p.app) }()
	go func() { _ = p.inbound.Serve(p.in) }()
	go func() { _ = p.outbound.Serve(p.out) }()
	return nil
}

// startServices runs the three services as s says.
func startServices(ctx context.Context, s settings) (*mesh, error) {
	services := []struct {
		name string
		app  func(*meshtrace.Tracing, *network) (server, error)
	}{
		{"frontend", func(t *meshtrace.Tracing, n *network) (server, error) { return linkerd.NewServer(frontend(t, n)), nil }},
		{"user-service", func(t *meshtrace.Tracing, n *network) (server, error) {
			conn, err := connect(t, n, "profile-service")
			return linkerd.NewServer(userService(t, profilepb.NewProfileServiceClient(conn))), err
		}},
		{"profile-service", func(t *meshtrace.Tracing, _ *network) (server, error) {
			return grpcServer{newProfileService(t, s.fail)}, nil
		}},
	}
	m, err := newMesh(services[0].name, services[1].name, services[2].name)
	if err != nil {
		return nil, err
	}
	for _, service := range services {
		p := m.pods[service.name]
		if p.tracing, err = startTracing(ctx, service.name, s); err != nil {
			break
		}
		var app server
		if app, err = service.app(p.tracing, p.network); err != nil {
			break
		}
		if err = m.start(service.name, app, linkerd.Config{Mode: s.mode, Collector: s.proxyEndpoint}); err != nil {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(err, m.close(ctx))
	}
	return m, nil
}

// url is where a browser outside of the mesh finds the frontend.
func (m *mesh) url() string { return "http://" + m.pods["frontend"].in.Addr().String() }

// flush waits until all spans of the requests so far are delivered.
func (m *mesh) flush(ctx context.Context) error {
	return m.each(func(p *pod) error {
		var errs []error
		if p.proxy != nil {
			errs = append(errs, p.proxy.Flush(ctx))
		}
		if p.tracing != nil {
			errs = append(errs, p.tracing.ForceFlush(ctx))
		}
		return errors.Join(errs...)
	})
}

// close stops the pods, those that ask before those that are asked, and then delivers what there
// is. The error says which spans were lost.
func (m *mesh) close(ctx context.Context) error {
	var errs []error
	for _, name := range m.names {
		errs = append(errs, m.pods[name].stop(ctx))
	}
	return errors.Join(append(errs, m.each(func(p *pod) error {
		if p.tracing == nil {
			return nil
		}
		return p.tracing.Shutdown(ctx)
	}))...)
}

// each calls f for all pods at once. Errors name the pod.
func (m *mesh) each(f func(*pod) error) error {
	errs := make([]error, len(m.names))
	var running sync.WaitGroup
	for i, name := range m.names {
		running.Go(func() {
			if err := f(m.pods[name]); err != nil {
				errs[i] = fmt.Errorf("%s: %w", name, err)
			}
		})
	}
	running.Wait()
	return errors.Join(errs...)
}

// stop ends what p serves, from the outside in: each server has nobody left that may ask it, and no
// connection open on which it would wait for more.
func (p *pod) stop(ctx context.Context) error {
	var errs []error
	shutdown := func(srv server, l net.Listener) {
		if srv != nil {
			errs = append(errs, srv.Shutdown(ctx))
		} else if l != nil {
			errs = append(errs, l.Close())
		}
	}
	shutdown(p.inbound, p.in)
	if p.network != nil {
		errs = append(errs, p.network.close())
	}
	shutdown(p.outbound, p.out)
	if p.proxy != nil {
		errs = append(errs, p.proxy.Flush(ctx))
		p.proxy.Close()
	}
	shutdown(p.service, p.app)
	return errors.Join(errs...)
}
