// Package jaeger holds no code: its directory is a module of its own that pins Jaeger, with
// every dependency at the version of Jaeger's own go.mod and at the sums of its go.sum. Kept
// apart, they have no say in which versions the tests or the library see.
//
//	go tool -n jaeger
//
// builds Jaeger, if Go's build cache does not have it, and prints where it is.
package jaeger
