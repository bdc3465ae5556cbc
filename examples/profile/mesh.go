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

	"github.com/meshtrace/meshtrace"
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
	app, in, out net.Listener
	network      *http.Transport // the application's: it leads into its own proxy, as iptables does in a cluster
	proxy        *linkerd.Proxy
	tracing      *meshtrace.Tracing // nil: the application has none
	servers      []*http.Server
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
		p.network = throughAddr(p.out.Addr().String())
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
func (m *mesh) start(name string, app http.Handler, proxy linkerd.Config) (err error) {
	p := m.pods[name]
	proxy.App = p.app.Addr().String()
	proxy.Routes = m.addrs()
	proxy.Service = name // since Linkerd 2.19 a proxy has the name of its application
	proxy.Hostname = name + "-0"
	proxy.FlushInterval = proxyInterval
	if p.proxy, err = linkerd.New(proxy); err != nil {
		return err
	}
	p.serve(p.app, app)
	p.serve(p.in, p.proxy.Inbound())
	p.serve(p.out, p.proxy.Outbound())
	return nil
}

func (p *pod) serve(l net.Listener, h http.Handler) {
	srv := linkerd.NewServer(h)
	p.servers = append(p.servers, srv)
	go func() { _ = srv.Serve(l) }()
}

// startServices runs the three services as s says.
func startServices(ctx context.Context, s settings) (*mesh, error) {
	services := []struct {
		name string
		app  func(*meshtrace.Tracing, http.RoundTripper) http.Handler
	}{
		{"frontend", frontend},
		{"user-service", userService},
		{"profile-service", func(t *meshtrace.Tracing, _ http.RoundTripper) http.Handler { return profileService(t, s.fail) }},
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
		app := service.app(p.tracing, p.network)
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

// stop ends what p serves, and every connection of its proxy: the servers at the other end would
// otherwise wait for more.
func (p *pod) stop(ctx context.Context) error {
	var errs []error
	for _, srv := range p.servers {
		errs = append(errs, srv.Shutdown(ctx))
	}
	for _, l := range []net.Listener{p.app, p.in, p.out} {
		if l != nil {
			l.Close() // once more where a server had it
		}
	}
	if p.network != nil {
		p.network.CloseIdleConnections()
	}
	if p.proxy != nil {
		errs = append(errs, p.proxy.Flush(ctx))
		p.proxy.Close()
	}
	return errors.Join(errs...)
}
