package exporter

// One batch to its destination: connection, request, response.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// poster posts batches to one destination.
type poster struct {
	client  *http.Client
	own     *transport // the client's, if the settings have none
	call    call
	url     string // for requests
	shown   string // for people: without credentials and query
	header  http.Header
	host    string // the Host header, if the settings override it
	gzip    bool
	timeout time.Duration
	bodies  bodies
	broken  atomic.Bool // the last try got no answer
}

// delivery is what came of posting a batch.
type delivery struct {
	batch      *batch
	read       bool // nobody reads the batch any more
	outcome    outcome
	rejected   int           // spans that an accepting server did not want
	retryAfter time.Duration // at least, if the server said so
	err        error         // nil if all is well
}

// reject notes that an accepting server did not want some of the spans.
func (d *delivery) reject(spans int, message string) {
	if spans > 0 {
		d.rejected = spans
		d.err = fmt.Errorf("the server rejected %d spans%s", spans, quoteAnswer([]byte(message)))
	}
}

func newPoster(cfg Config, dest destination) *poster {
	p := &poster{
		client:  &http.Client{Transport: cfg.Transport, CheckRedirect: noRedirect},
		call:    dest.call,
		url:     dest.url.String(),
		shown:   dest.shown(),
		header:  http.Header{"User-Agent": {userAgent}},
		gzip:    cfg.Compression == Gzip,
		timeout: cfg.Timeout,
		bodies:  make(bodies, cfg.Queue.InFlight),
	}
	if cfg.Transport == nil {
		p.own = newTransport(cfg, dest.call.protocols(dest.url.Scheme))
		p.client.Transport = p.own
	}
	if dest.user != nil {
		p.header.Set("Authorization", basicAuth(dest.user))
	}
	for key, value := range cfg.Headers {
		p.header.Set(key, value)
	}
	p.host = p.header.Get("Host")
	p.header.Del("Host")
	p.call.complete(p.header, cfg, dest.protocol)
	return p
}

const userAgent = "meshtrace-go"

// noRedirect keeps the client from following redirects: it would send our headers, and the users'
// spans, to a place that nobody configured.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// deliver posts b once.
func (p *poster) deliver(ctx context.Context, proto protocol, b *batch) delivery {
	buf := p.bodies.get()
	d := p.post(ctx, proto, buf, p.call.fill(buf, proto, b, p.gzip))
	d.batch, d.read = b, p.bodies.put(buf)
	d.rejected = min(d.rejected, b.spans)
	if d.err != nil {
		d.err = fmt.Errorf("post %d spans to %q: %w", b.spans, p.shown, d.err)
	}
	return d
}

// maxAnswer is how much of a response is read. A server has at most a sentence to say.
const maxAnswer = 64 << 10

func (p *poster) post(ctx context.Context, proto protocol, buf *body, content [][]byte) delivery {
	limited, cancel := context.WithTimeoutCause(ctx, p.timeout, fmt.Errorf("no answer within %v", p.timeout))
	defer cancel()
	req, err := p.request(limited, buf, content)
	if err != nil {
		return delivery{outcome: refused, err: withoutURL(err)}
	}
	if p.broken.Swap(false) {
		p.disconnect() // a connection of HTTP/2 would outlive any number of timeouts
	}
	d, err := p.exchange(req, proto)
	switch {
	case err == nil:
		return d
	case ctx.Err() != nil:
		return delivery{outcome: abandoned, err: context.Cause(ctx)}
	case limited.Err() != nil:
		err = context.Cause(limited)
	}
	p.broken.Store(true)
	return delivery{outcome: failed, err: withoutURL(err)}
}

// exchange sends req and reads the response. The error says that there was none.
func (p *poster) exchange(req *http.Request, proto protocol) (delivery, error) {
	resp, err := p.client.Do(req)
	if err != nil {
		return delivery{}, err
	}
	defer resp.Body.Close()
	return p.call.read(resp, proto)
}

// request returns the request for content, which is in buf. The transport may ask for the body
// more than once, if a connection turns out to be dead.
func (p *poster) request(ctx context.Context, buf *body, content [][]byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, nil)
	if err != nil {
		return nil, err
	}
	readers := buf.readers
	req.GetBody = func() (io.ReadCloser, error) { return readers.add(content) }
	if req.Body, err = req.GetBody(); err != nil {
		return nil, err
	}
	req.ContentLength = int64(size(content))
	req.Header, req.Host = p.header.Clone(), p.host
	return req, nil
}

// withoutURL takes the URL out of a client's error: it is said elsewhere, without its secrets.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// quoteAnswer returns what a server answered for an error message. It is not our text, so it is
// cut and quoted.
func quoteAnswer(answer []byte) string {
	text := strings.TrimSpace(cut(string(answer)))
	if text == "" {
		return ""
	}
	return fmt.Sprintf(": %q", text)
}

// disconnect lets go of idle connections.
func (p *poster) disconnect() {
	if p.own != nil { // the settings' transport has other users
		p.own.CloseIdleConnections()
	}
}

// close lets go of all connections.
func (p *poster) close() {
	if p.own != nil {
		p.own.close()
	}
}
