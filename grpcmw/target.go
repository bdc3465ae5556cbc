package grpcmw

import (
	"slices"
	"strings"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/experimental/stats"
)

// parseTarget returns the address in a target as grpc.NewClient takes it: what the program wants to
// talk to, by the name it has for that, and not the one of many servers that gRPC picks. What a
// URL has beside that stays out: resolvers find tokens there.
//
// Spec: gRPC Name Resolution, https://github.com/grpc/grpc/blob/master/doc/naming.md
func parseTarget(target string) address {
	if i := strings.IndexAny(target, "?#"); i >= 0 {
		target = target[:i]
	}
	scheme, endpoint, slashes := strings.Cut(target, "://")
	if slashes {
		_, endpoint, _ = strings.Cut(endpoint, "/") // which ends the authority
	} else if scheme, endpoint, _ = strings.Cut(target, ":"); !slices.Contains(bareSchemes, strings.ToLower(scheme)) {
		endpoint = target
	}
	scheme = strings.ToLower(scheme)
	switch {
	case scheme == "unix" && slashes:
		return address{host: "/" + endpoint}
	case scheme == "unix", scheme == "unix-abstract":
		return address{host: endpoint}
	}
	return splitAddress(endpoint)
}

// bareSchemes are the schemes that may stand before an endpoint without slashes. Any other text
// before a colon is the host before its port.
var bareSchemes = []string{"dns", "passthrough", "unix", "unix-abstract", "xds"}

// parsedTargets are the targets that have been parsed.
var parsedTargets table[string, address]

// targetOf returns where the calls of a connection go.
func targetOf(cc *grpc.ClientConn) address {
	if cc == nil { // a test of somebody's interceptors
		return address{}
	}
	to, ok := parsedTargets.get(cc.Target())
	if !ok {
		to = parseTarget(cc.Target())
		parsedTargets.add(cc.Target(), to)
	}
	return to
}

// A dialled is a target that nobody told us. gRPC tells a stats handler which server a call went
// to, and not which target it was for; but as a recorder of its metrics it is told the target of
// each connection. It is not known before the first one is up, and not at all if there are several.
type dialled struct {
	stats.UnimplementedMetricsRecorder
	target atomic.Pointer[address]
}

var _ stats.MetricsRecorder = (*dialled)(nil)

// targetLabel is the label that has the target.
const targetLabel = "grpc.target"

// RecordInt64Count is called for each attempt to connect.
func (d *dialled) RecordInt64Count(handle *stats.Int64CountHandle, _ int64, labels ...string) {
	if i := slices.Index(handle.Descriptor().Labels, targetLabel); i >= 0 && i < len(labels) {
		d.learn(parseTarget(labels[i]))
	}
}

func (d *dialled) learn(to address) {
	if d.target.CompareAndSwap(nil, &to) {
		return
	}
	if *d.target.Load() != to {
		d.target.Store(new(address)) // one of several, and there is no way to tell which
	}
}

// address returns the target, or nothing.
func (d *dialled) address() address {
	if to := d.target.Load(); to != nil {
		return *to
	}
	return address{}
}
