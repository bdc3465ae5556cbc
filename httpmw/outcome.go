package httpmw

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/meshtrace/meshtrace/internal/exception"
)

// outcome is how a request ended, in the terms of the semantic conventions.
//
// Spec: OpenTelemetry semantic conventions, HTTP spans, Status,
// https://opentelemetry.io/docs/specs/semconv/http/http-spans/#status
type outcome struct {
	errorType   string // empty if nothing went wrong
	failed      bool   // the span's status is Error
	description string // of the status; the status code says enough where there is one
	status      int    // HTTP status code, 0 if none was sent or received
	panicked    bool
}

// What error.type says where neither a status code nor a Go type does.
const (
	errorCancelled = "cancelled"
	errorAborted   = "aborted"
	errorTimeout   = "timeout"
	errorRefused   = "refused"
	errorReset     = "reset"
	errorDNS       = "dns"
	errorTLS       = "tls"
	errorLeaked    = "leaked"
)

// outcome tells how the handler ended. thrown is what it panicked with, nil if it did not.
func (x *exchange) outcome(thrown any) outcome {
	out := outcome{status: x.finalStatus()}
	switch {
	case thrown == http.ErrAbortHandler, thrown == nil && !x.returned:
		// Deliberate: net/http's way to drop the connection, and runtime.Goexit.
		out.status, out.errorType = x.status, errorAborted
	case thrown != nil:
		out.panicked, out.failed = true, true
		out.errorType, out.description = exception.Type(thrown), "panic"
		if out.status = x.status; x.status == 0 && !x.hijacked {
			// The client sees a broken connection; whoever looks for failures, a 500.
			out.status = http.StatusInternalServerError
		}
	case x.timedOut():
		out.failed, out.errorType, out.status = true, errorTimeout, x.status
		if errors.Is(x.err, http.ErrHandlerTimeout) {
			out.status = http.StatusServiceUnavailable // http.TimeoutHandler's answer in our place
		}
	case x.clientGone():
		out.errorType = errorCancelled
	case out.status >= 500:
		out.failed, out.errorType = true, strconv.Itoa(out.status)
	}
	return out
}

// finalStatus returns the status code that the client gets once the handler has returned, or 0
// if the handler took the connection over and we do not know.
func (x *exchange) finalStatus() int {
	switch {
	case x.status != 0:
		return x.status
	case !x.hijacked && !x.hijackedUnseen():
		return http.StatusOK // net/http sends it for a handler that wrote nothing
	case x.outer.Header.Get("Upgrade") != "":
		return http.StatusSwitchingProtocols // what a hijacked upgrade writes itself
	}
	return 0
}

// hijackedUnseen reports whether the handler seems to have taken the connection over past us, as it
// can by http.ResponseController where the writer below can be hijacked only through its Unwrap:
// it wrote nothing, though the client wanted a WebSocket.
func (x *exchange) hijackedUnseen() bool {
	if !strings.EqualFold(x.outer.Header.Get("Upgrade"), "websocket") {
		return false
	}
	_, seen := newWriter(x.below).(http.Hijacker)
	return !seen
}

// timedOut reports whether the handler was too late: what it wrote came after its time or the
// connection's, or its time was up and it wrote nothing.
func (x *exchange) timedOut() bool {
	if x.err != nil {
		return errors.Is(x.err, http.ErrHandlerTimeout) || errors.Is(x.err, os.ErrDeadlineExceeded)
	}
	return x.status == 0 && !x.hijacked && errors.Is(x.Err(), context.DeadlineExceeded)
}

// clientGone reports whether the client went before it had the response. A server error that
// was chosen when it had gone already is a consequence, one chosen before is an error.
func (x *exchange) clientGone() bool {
	if !errors.Is(x.Err(), context.Canceled) || x.hijacked {
		return false
	}
	if x.status >= 500 {
		return x.late
	}
	return !x.complete()
}

// complete reports whether all of the body that was announced has been written. Without an
// announcement the client has to wait for us to return.
func (x *exchange) complete() bool {
	announced, err := strconv.ParseInt(x.below.Header().Get("Content-Length"), 10, 64)
	return err == nil && x.size >= announced
}

// responseOutcome tells what a response means to the client that gets it.
func responseOutcome(status int) outcome {
	if status < 400 {
		return outcome{status: status}
	}
	return outcome{status: status, failed: true, errorType: strconv.Itoa(status)}
}

// outcome tells how a call ended that has a response: by the response if that was an error, and
// otherwise by what became of its body. Without a response, end says it all.
func (c *call) outcome(end outcome) outcome {
	if answered := responseOutcome(c.status); !end.failed && (answered.failed || end.errorType == "") {
		return answered
	}
	end.status = c.status
	return end
}

// sendOutcome tells why a round trip has no response. A caller that gave up itself is not an error.
func sendOutcome(err error) outcome {
	if err == nil {
		return outcome{failed: true, errorType: otherError, description: "no response"}
	}
	what := errorType(err)
	return outcome{errorType: what, failed: what != errorCancelled, description: describe(err)}
}

// readOutcome tells why reading a body stopped.
func readOutcome(err error) outcome {
	if err == io.EOF {
		return outcome{}
	}
	return sendOutcome(err)
}

// errorType classifies an error for error.type: by what an operator would do about it, or else by
// its Go type.
func errorType(err error) string {
	var (
		timeout interface{ Timeout() bool }
		dns     *net.DNSError
		stream  streamError
	)
	switch {
	case errors.Is(err, context.Canceled), err.Error() == cancelledByChannel:
		return errorCancelled
	case errors.As(err, &dns):
		return errorDNS
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return errorTimeout
	case errors.Is(err, syscall.ECONNREFUSED):
		return errorRefused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &stream):
		return errorReset
	case isTLS(err):
		return errorTLS
	}
	return exception.Type(err)
}

// streamError is net/http's error for a stream of HTTP/2 that one side has reset. The type is not
// exported, but lets itself be read as any that has the same fields.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (e streamError) Error() string { return e.Cause.Error() }

// cancelledByChannel is net/http's error for a request whose Cancel channel was closed, as
// http.Client's Timeout does. It has no name.
const cancelledByChannel = "net/http: request canceled"

// isTLS reports whether err comes from a handshake.
func isTLS(err error) bool {
	var (
		record tls.RecordHeaderError
		alert  tls.AlertError
		verify *tls.CertificateVerificationError
	)
	return errors.As(err, &record) || errors.As(err, &alert) || errors.As(err, &verify)
}

// maxDescription is how many bytes of an error's text go into a status: it may hold input.
const maxDescription = 256

// describe returns the text of err, without the URL that net/http's errors repeat.
func describe(err error) string {
	var withURL *url.Error
	if errors.As(err, &withURL) {
		err = withURL.Err
	}
	text := err.Error()
	return strings.ToValidUTF8(text[:min(len(text), maxDescription)], "")
}
