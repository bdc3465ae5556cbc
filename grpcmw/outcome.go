package grpcmw

import (
	"runtime/debug"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/meshtrace/meshtrace/internal/exception"
)

// outcome is how a call ended, in the terms of the semantic conventions.
type outcome struct {
	code        codes.Code
	errorType   string         // empty if nothing went wrong
	description string         // of the span's status
	status      *status.Status // nil if it is OK
	thrown      *thrown        // nil if nothing was
}

// failed reports whether the span's status is Error.
func (o *outcome) failed() bool { return o.errorType != "" }

// errorAborted is what error.type says of a handler that neither returned nor panicked: it left by
// runtime.Goexit, or panicked where nobody could see it.
const errorAborted = "aborted"

// serverOutcome tells what it means to a server that a handler returned err. What the caller did
// wrong is not an error of ours.
//
// Spec: OpenTelemetry semantic conventions, gRPC, rpc.response.status_code,
// https://opentelemetry.io/docs/specs/semconv/rpc/grpc/#server
func serverOutcome(err error) outcome {
	out := outcomeOf(err)
	switch out.code {
	case codes.Unknown, codes.DeadlineExceeded, codes.Unimplemented, codes.Internal, codes.Unavailable, codes.DataLoss:
	default:
		if out.code < codeCount {
			out.errorType, out.description = "", ""
		}
	}
	return out
}

// clientOutcome tells what it means to a client that a call returned err: all but OK is an error.
//
// Spec: OpenTelemetry semantic conventions, gRPC, rpc.response.status_code,
// https://opentelemetry.io/docs/specs/semconv/rpc/grpc/#client
func clientOutcome(err error) outcome { return outcomeOf(err) }

// outcomeOf takes any status but OK for an error.
func outcomeOf(err error) outcome {
	if err == nil {
		return outcome{}
	}
	st, ok := status.FromError(err)
	if !ok {
		st = status.FromContextError(err) // as gRPC does
	}
	if st.Code() == codes.OK {
		return outcome{}
	}
	return outcome{
		code:        st.Code(),
		errorType:   codeName(st.Code()),
		description: cut(st.Message(), maxDescription),
		status:      st,
	}
}

// abortedOutcome tells what it means that a handler did not return. Which status the client gets,
// if it gets one, is decided further out.
func abortedOutcome(t *thrown) outcome {
	out := outcome{code: codes.Unknown, errorType: errorAborted}
	if t != nil {
		out = out.because(t)
	}
	return out
}

// because returns the outcome of a call that ended so because of a panic.
func (o outcome) because(t *thrown) outcome {
	o.thrown, o.errorType, o.description = t, exception.Type(t.value), "panic"
	return o
}

// thrown is what was panicked with, and where.
type thrown struct {
	value any
	stack []byte
}

// caught returns what recover returned, nil if that was nil.
func caught(recovered any) *thrown {
	if recovered == nil {
		return nil
	}
	return &thrown{recovered, debug.Stack()}
}

// maxDescription is how many bytes of a message go into a status: it may hold input.
const maxDescription = 256

// cut returns text without what is not UTF-8, and not more of it than a number of bytes.
func cut(text string, maxBytes int) string {
	return strings.ToValidUTF8(text[:min(len(text), maxBytes)], "")
}

// codeCount is how many codes there are.
const codeCount = codes.Unauthenticated + 1

// codeNames are the names of the codes, which codes.Code spells otherwise.
//
// Spec: Status codes and their use in gRPC, https://github.com/grpc/grpc/blob/master/doc/statuscodes.md
var codeNames = [codeCount]string{
	codes.OK:                 "OK",
	codes.Canceled:           "CANCELLED",
	codes.Unknown:            "UNKNOWN",
	codes.InvalidArgument:    "INVALID_ARGUMENT",
	codes.DeadlineExceeded:   "DEADLINE_EXCEEDED",
	codes.NotFound:           "NOT_FOUND",
	codes.AlreadyExists:      "ALREADY_EXISTS",
	codes.PermissionDenied:   "PERMISSION_DENIED",
	codes.ResourceExhausted:  "RESOURCE_EXHAUSTED",
	codes.FailedPrecondition: "FAILED_PRECONDITION",
	codes.Aborted:            "ABORTED",
	codes.OutOfRange:         "OUT_OF_RANGE",
	codes.Unimplemented:      "UNIMPLEMENTED",
	codes.Internal:           "INTERNAL",
	codes.Unavailable:        "UNAVAILABLE",
	codes.DataLoss:           "DATA_LOSS",
	codes.Unauthenticated:    "UNAUTHENTICATED",
}

// codeName returns the name of a code. A peer may send one that does not exist.
func codeName(c codes.Code) string {
	if c < codeCount {
		return codeNames[c]
	}
	return strconv.FormatUint(uint64(c), 10)
}
