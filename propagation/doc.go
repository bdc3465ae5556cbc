// Package propagation reads and writes the headers that carry a trace from one service to the
// next, and knows which of them a Linkerd proxy has rewritten on the way.
//
// TODO: filled in with the rest of the package.
package propagation
