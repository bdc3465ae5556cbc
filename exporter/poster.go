package exporter

// One batch over HTTP: body, request, response.

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/meshtrace/meshtrace/internal/pool"
)

// poster posts batches to one destination.
type poster struct {
	client  *http.Client
	url     string // for requests
	shown   string // for people: without credentials and query
	header  http.Header
	host    string // the Host header, if the settings override it
	gzip    bool
	timeout time.Duration
}

// delivery is what came of posting a batch.
type delivery struct {
	batch      *batch
	outcome    outcome
	rejected   int           // spans that an accepting server did not want
	retryAfter time.Duration // at least, if the server said so
	err        error         // nil if all is well
}

func newPoster(cfg Config, dest destination) *poster {
	p := &poster{
		client:  &http.Client{Transport: cfg.Transport, CheckRedirect: noRedirect},
		url:     dest.url.String(),
		shown:   dest.shown(),
		header:  http.Header{"Content-Type": {dest.protocol.contentType()}, "User-Agent": {userAgent}},
		gzip:    cfg.Compression == Gzip,
		timeout: cfg.Timeout,
	}
	if p.client.Transport == nil {
		p.client.Transport = newTransport(cfg)
	}
	if p.gzip {
		p.header.Set("Content-Encoding", "gzip")
	}
	if dest.user != nil {
		p.header.Set("Authorization", basicAuth(dest.user))
	}
	for key, value := range cfg.Headers {
		p.header.Set(key, value)
	}
	p.host = p.header.Get("Host")
	p.header.Del("Host")
	return p
}

const userAgent = "meshtrace-go"

// newTransport returns a transport of the exporter's own: requests of [http.DefaultTransport] might
// be traced, and theirs are not to wait for ours.
func newTransport(cfg Config) *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		TLSClientConfig:     cfg.TLS.Clone(),
		TLSHandshakeTimeout: cfg.Timeout,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: cfg.Queue.InFlight,
		IdleConnTimeout:     90 * time.Second,
	}
}

// noRedirect keeps the client from following redirects: it would send our headers, and the users'
// spans, to a place that nobody configured.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// body is what is posted, kept for the next post.
type body struct {
	plain   []byte
	packed  bytes.Buffer
	gzipper *gzip.Writer
}

// maxKeptBody is the largest body buffer that is kept: twice the default batch.
const maxKeptBody = 2 << 20

var bodies = pool.Pool[body]{Reset: func(b *body) bool {
	b.plain = b.plain[:0]
	b.packed.Reset()
	return cap(b.plain) <= maxKeptBody && b.packed.Cap() <= maxKeptBody
}}

// deliver posts b once.
func (p *poster) deliver(ctx context.Context, proto protocol, b *batch) delivery {
	buf := bodies.Get()
	defer bodies.Put(buf)
	buf.plain = proto.appendBatch(buf.plain, b)
	payload := buf.plain
	if p.gzip {
		payload = buf.compress()
	}
	d := p.post(ctx, payload)
	d.batch = b
	d.rejected = min(d.rejected, b.spans)
	if d.err != nil {
		d.err = fmt.Errorf("exporter: post %d spans to %q: %w", b.spans, p.shown, d.err)
	}
	return d
}

// compress returns b.plain in gzip's format.
func (b *body) compress() []byte {
	if b.gzipper == nil {
		b.gzipper, _ = gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is valid
	}
	b.gzipper.Reset(&b.packed)
	_, _ = b.gzipper.Write(b.plain) // a bytes.Buffer does not fail
	_ = b.gzipper.Close()
	return b.packed.Bytes()
}

// maxAnswer is how much of a response is read. A server has at most a sentence to say.
const maxAnswer = 64 << 10

func (p *poster) post(ctx context.Context, payload []byte) delivery {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(payload))
	if err != nil {
		return delivery{outcome: refused, err: err}
	}
	req.Header, req.Host = p.header.Clone(), p.host
	resp, err := p.client.Do(req)
	if err != nil {
		return delivery{outcome: failed, err: withoutURL(err)}
	}
	defer resp.Body.Close()
	// Read to the end, so that the connection can be used again. An answer that breaks off
	// still has its status.
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	d := delivery{outcome: outcomeOf(resp.StatusCode), retryAfter: retryAfter(resp.Header, time.Now())}
	if d.outcome != accepted {
		d.err = fmt.Errorf("status %d%s", resp.StatusCode, quoteAnswer(answer))
		return d
	}
	if rejected, message := partialSuccess(resp.Header, answer); rejected > 0 {
		d.rejected = int(min(rejected, int64(len(payload)))) // the caller knows a closer bound
		d.err = fmt.Errorf("the server rejected %d spans%s", rejected, quoteAnswer([]byte(message)))
	}
	return d
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
	text := strings.TrimSpace(string(answer[:min(len(answer), 64)]))
	if text == "" {
		return ""
	}
	return fmt.Sprintf(": %q", text)
}

// close lets go of idle connections.
func (p *poster) close() { p.client.CloseIdleConnections() }
