package grpcmw

import (
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/status"

	"github.com/meshtrace/meshtrace/internal/excerpt"
	"github.com/meshtrace/meshtrace/internal/pool"
)

// What is said of a call, and by which name: only this file, and package exception for a panic, know
// the version of the semantic conventions. What they have no name for is below rpc.grpc.
//
// Spec: OpenTelemetry semantic conventions 1.43, gRPC, https://opentelemetry.io/docs/specs/semconv/rpc/grpc/

const (
	schemaURL = semconv.SchemaURL

	systemName  = "grpc"
	otherMethod = "_OTHER" // stands for methods that somebody made up

	// What a client waits for before it sends, in the words of gRPC.
	// Spec: gRFC A72, OpenTelemetry Tracing, https://github.com/grpc/proposal/blob/master/A72-open-telemetry-tracing.md
	resolvedEvent = "Delayed name resolution complete"
	pickedEvent   = "Delayed LB pick complete"

	messageEvent    = "rpc.message"
	messageSent     = "SENT"
	messageReceived = "RECEIVED"
)

const (
	timeoutKey          = attribute.Key("rpc.grpc.timeout_ms")
	sentMessagesKey     = attribute.Key("rpc.grpc.sent_messages")
	sentBytesKey        = attribute.Key("rpc.grpc.sent_bytes")
	receivedMessagesKey = attribute.Key("rpc.grpc.received_messages")
	receivedBytesKey    = attribute.Key("rpc.grpc.received_bytes")
	previousAttemptsKey = attribute.Key("rpc.grpc.previous_attempts")
	transparentRetryKey = attribute.Key("rpc.grpc.transparent_retry")
	statusDetailsKey    = attribute.Key("rpc.grpc.status_details")
	peerIdentityKey     = attribute.Key("rpc.grpc.peer_identity")
	debugIDKey          = attribute.Key("jaeger-debug-id") // what Jaeger looks for

	messageTypeKey           = attribute.Key("rpc.message.type")
	messageIDKey             = attribute.Key("rpc.message.id")
	messageSizeKey           = attribute.Key("rpc.message.uncompressed_size")
	messageCompressedSizeKey = attribute.Key("rpc.message.compressed_size")
)

func requestMetadata(name string) attribute.Key { return attribute.Key("rpc.request.metadata." + name) }

func responseMetadata(name string) attribute.Key {
	return attribute.Key("rpc.response.metadata." + name)
}

// scratch is room to build attributes in. Spans copy what they are given.
type scratch struct{ list []attribute.KeyValue }

// keptRoom is how many attributes a scratch has room for at the most while it waits: more than a
// call ever has, unless it captures metadata by the dozen.
const keptRoom = 64

var scratches = pool.Pool[scratch]{Reset: func(s *scratch) bool {
	clear(s.list) // let the strings go
	s.list = s.list[:0]
	return cap(s.list) <= keptRoom
}}

// appendMethod appends which method of which system is called. madeUp is what the client calls it,
// if there is no such method.
func appendMethod(dst []attribute.KeyValue, method, madeUp string) []attribute.KeyValue {
	dst = append(dst, semconv.RPCSystemNameGRPC, semconv.RPCMethod(method))
	if madeUp != "" {
		dst = append(dst, semconv.RPCMethodOriginal(excerpt.Of(madeUp)))
	}
	return dst
}

// appendServer appends what the client calls the server.
func appendServer(dst []attribute.KeyValue, server address) []attribute.KeyValue {
	return appendAddress(dst, server, semconv.ServerAddressKey, semconv.ServerPortKey)
}

// appendPeer appends the other end of the connection.
func appendPeer(dst []attribute.KeyValue, peer address) []attribute.KeyValue {
	return appendAddress(dst, peer, semconv.NetworkPeerAddressKey, semconv.NetworkPeerPortKey)
}

// appendClient appends who called.
func appendClient(dst []attribute.KeyValue, client address) []attribute.KeyValue {
	return appendAddress(dst, client, semconv.ClientAddressKey, semconv.ClientPortKey)
}

func appendAddress(dst []attribute.KeyValue, a address, host, port attribute.Key) []attribute.KeyValue {
	if a.host != "" {
		dst = append(dst, host.String(excerpt.Of(a.host)))
		if a.port != 0 {
			dst = append(dst, port.Int(a.port))
		}
	}
	return dst
}

// appendTimeout appends how long the call may take, if that is limited.
func appendTimeout(dst []attribute.KeyValue, deadline time.Time, limited bool) []attribute.KeyValue {
	if !limited {
		return dst
	}
	return append(dst, timeoutKey.Int64(max(time.Until(deadline).Milliseconds(), 0)))
}

// appendOutcome appends how the call ended.
func appendOutcome(dst []attribute.KeyValue, out *outcome) []attribute.KeyValue {
	dst = append(dst, semconv.RPCResponseStatusCode(codeName(out.code)))
	if out.failed() {
		dst = append(dst, semconv.ErrorTypeKey.String(out.errorType))
	}
	return dst
}

// appendTraffic appends the totals. Of a unary call the messages are not worth counting.
func appendTraffic(dst []attribute.KeyValue, t *traffic, streams bool) []attribute.KeyValue {
	if streams {
		dst = appendCount(dst, sentMessagesKey, t.sent.messages.Load())
	}
	dst = appendCount(dst, sentBytesKey, t.sent.bytes.Load())
	if streams {
		dst = appendCount(dst, receivedMessagesKey, t.received.messages.Load())
	}
	return appendCount(dst, receivedBytesKey, t.received.bytes.Load())
}

func appendCount(dst []attribute.KeyValue, key attribute.Key, n int64) []attribute.KeyValue {
	if n == 0 {
		return dst
	}
	return append(dst, key.Int64(n))
}

// appendText appends a text, if there is one.
func appendText(dst []attribute.KeyValue, key attribute.Key, text string) []attribute.KeyValue {
	if text == "" {
		return dst
	}
	return append(dst, key.String(text))
}

// appendAttempt appends which attempt it is at which call.
func appendAttempt(dst []attribute.KeyValue, method string, to address, previous int) []attribute.KeyValue {
	return append(appendServer(appendMethod(dst, method, ""), to), previousAttemptsKey.Int(previous))
}

// appendPrevious appends how often the client says that it has tried the call before, if it has.
func appendPrevious(dst []attribute.KeyValue, attempts string) []attribute.KeyValue {
	if attempts == "" {
		return dst
	}
	n, err := strconv.ParseUint(attempts, 10, 16)
	if err != nil { // a client can write anything
		return dst
	}
	return append(dst, previousAttemptsKey.Int64(int64(n)))
}

// addMessage makes a message an event.
func addMessage(span trace.Span, direction string, m message) {
	attrs := []attribute.KeyValue{messageTypeKey.String(direction), messageIDKey.Int64(m.number)}
	if m.bytes != unknownSize {
		attrs = append(attrs, messageSizeKey.Int(m.bytes))
		if m.compressed != m.bytes {
			attrs = append(attrs, messageCompressedSizeKey.Int(m.compressed))
		}
	}
	span.AddEvent(messageEvent, trace.WithAttributes(attrs...))
}

// attributes returns what is said of a measurement.
func (of measured) attributes() attribute.Set {
	attrs := appendServer(appendMethod(nil, of.method, ""), of.to)
	out := outcome{code: of.code}
	if of.failed {
		out.errorType = codeName(of.code)
	}
	return attribute.NewSet(appendOutcome(attrs, &out)...)
}

// appendDetails appends the details of a status.
func appendDetails(dst []attribute.KeyValue, st *status.Status) []attribute.KeyValue {
	if texts := details(st); len(texts) > 0 {
		dst = append(dst, statusDetailsKey.StringSlice(texts))
	}
	return dst
}
