package linkerd

import "fmt"

// A Mode is a generation of the proxy, told apart by what it does with trace headers. The zero
// value is the present one.
type Mode uint8

// The generations, newest first.
const (
	Modern     Mode = iota // since 2.320, Linkerd 2.19: traceparent, grpc-trace-bin with padding, B3
	Pre2320                // since 2.201, Linkerd 2.13.4: grpc-trace-bin needs no padding yet
	W3CSibling             // since 2.190, Linkerd 2.13.0: traceparent keeps the caller's span ID, so its spans are siblings
	B3Only                 // before: traceparent is not known
	Off                    // any, without a collector: no header is touched
)

var modeNames = [...]string{"modern", "pre-2.320", "w3c-sibling", "b3-only", "off"}

// String returns the name of m, such as "w3c-sibling".
func (m Mode) String() string {
	if !m.valid() {
		return fmt.Sprintf("Mode(%d)", uint8(m))
	}
	return modeNames[m]
}

func (m Mode) valid() bool { return int(m) < len(modeNames) }

// formats returns what a proxy of generation m reads, in its order.
func (m Mode) formats() []format {
	switch m {
	case Modern:
		return []format{w3c{}, grpcTraceBin{padded: true}, b3{}}
	case Pre2320:
		return []format{w3c{}, grpcTraceBin{}, b3{}}
	case W3CSibling:
		return []format{w3c{keepID: true}, grpcTraceBin{}, b3{}}
	case B3Only:
		return []format{grpcTraceBin{}, b3{}}
	}
	return nil
}
